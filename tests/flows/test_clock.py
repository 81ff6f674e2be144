"""The clock is set while a campaign runs: by a year, forth and back, for real processes.

Their wall clock is moved by `tests/clock.c`; that of the machine is everybody's, and stays. What
the kernel says of its own start moves along with the clock: a mount that only the process sees.
"""

import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil
import pytest

from flows.folder import known
from flows.worker import name
from loop.records import Started
from tests.flows.conftest import ROOT
from tests.flows.waits import answered, until

YEAR = 365 * 86400
LOOK = """
import sys, psutil
from flows.worker import lives_here
print(lives_here(sys.argv[2]), psutil.Process(int(sys.argv[1])).create_time())
"""


@dataclass(frozen=True, kw_only=True)
class Clock:
    """The wall clock of the processes that have these settings."""

    moved: Path
    settings: dict[str, str]

    def set(self, seconds: int) -> None:
        """Move it, from now on."""
        with self.moved.open("r+b") as file:
            file.write(seconds.to_bytes(8, sys.byteorder, signed=True))


@pytest.fixture
def clock(tmp_path) -> Clock:
    """A clock that goes right, so far."""
    if sys.platform != "linux" or shutil.which("cc") is None:
        pytest.skip("the clock is moved by a shared library for Linux, which takes a C compiler")
    library = tmp_path / "clock.so"
    source = Path(__file__).parents[1] / "clock.c"
    command = ["cc", "-shared", "-fPIC", "-O1", "-o", library, source]
    subprocess.run(command, check=True)
    moved = tmp_path / "moved"
    moved.write_bytes(bytes(8))

    return Clock(moved=moved, settings={"LD_PRELOAD": str(library), "CLOCK_MOVED": str(moved)})


def years(folder) -> set[int]:
    """The years in which the ledger was written."""
    return {datetime.fromisoformat(at).year for at, _ in known(folder)[1]}


def require_each_once(folder, count):
    """So many candidates, each with one evaluation and one answer."""
    campaign, entries = known(folder)
    assert campaign.closed == f"budget: {count} evaluations"
    assert {name: len(said) for name, said in campaign.observations.items()} == dict.fromkeys(
        campaign.candidates, 1
    )
    begun = Counter(event.candidate for _, event in entries if isinstance(event, Started))
    assert begun == dict.fromkeys(campaign.candidates, 1)


def test_a_clock_that_jumps_changes_nothing_but_times(make, athanor, start, clock):
    """A year on, then two back, in the middle of a run: the undisturbed campaign's history."""
    jumped, quiet = (make(name, evaluations=12, seconds=0.1) for name in ("jumped", "quiet"))
    process = start("run", jumped, "--no-prefect", **clock.settings)
    for moved, least in ((YEAR, 3), (-YEAR, 7)):
        until(lambda: answered(jumped) >= least)  # noqa: B023
        clock.set(moved)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert len(years(jumped)) == 3
    require_each_once(jumped, 12)
    assert athanor("run", quiet, "--no-prefect").code == 0
    assert known(jumped)[0].results == known(quiet)[0].results


@pytest.mark.parametrize("moved", [YEAR, -YEAR])
def test_whoever_lives_is_alive_by_any_clock(make, start, clock, tmp_path, moved):
    """A process that is started after the clock was set does not take the others for dead.

    The time at which a process was started, as it is told now, is another then.
    """
    first = start("run", make(seconds=60), "--no-prefect")
    stat = Path("/proc/stat").read_text()
    (line,) = [each for each in stat.splitlines() if each.startswith("btime")]
    (tmp_path / "stat").write_text(stat.replace(line, f"btime {int(line.split()[1]) + moved}"))
    clock.set(moved)
    command = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /proc/stat && exec "$@"']
    before = psutil.Process(first.pid).create_time()
    said = subprocess.run(
        [*command, tmp_path / "stat", sys.executable, "-c", LOOK, str(first.pid), name(first.pid)],
        cwd=ROOT,
        env=os.environ | clock.settings,
        capture_output=True,
        text=True,
        check=False,
    )
    if "unshare" in said.stderr or "mount:" in said.stderr:
        pytest.skip(f"no mount of its own may be made here: {said.stderr.strip()}")
    lives, started = said.stdout.split()
    assert abs(float(started) - before - moved) < 5
    assert lives == "True"
