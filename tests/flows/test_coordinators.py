"""Three runs of one campaign at once, one of which is stopped past any time limit and then goes on.

On one machine the system knows that it lives, and it is waited for. On three (each has a host name
of its own here) it is believed for the oracle's wall limit, and then what it was at is begun again.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from flows.folder import known
from loop.records import Started
from tests.flows.choices import whims
from tests.flows.conftest import ROOT, end
from tests.flows.waits import answered, until

pytestmark = pytest.mark.slow  # three processes that start, and one that is waited for

EVALUATIONS = 9
SECONDS = 1.0  # of an evaluation
WALL_S = 3.0
RUN = f"""
import sys
from pathlib import Path
from flows.plain import run
from flows.rig import load
from flows.worker import worker
run(load(Path(sys.argv[1])), worker({WALL_S}, spare_s=0.5))
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def folder(request, make) -> Path:
    """A campaign of evaluations of a second, with a ledger of either kind."""
    made: Path = make(evaluations=EVALUATIONS, batch=3, workers=1, seconds=SECONDS)
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").schema()
        with (made / "campaign.toml").open("a") as file:
            file.write(f'ledger = "{url}"\n')
    return made


def at_once(folder, start) -> list[subprocess.Popen[str]]:
    """Three processes that run it."""
    return [start("run", folder, "--no-prefect") for _ in range(3)]


def at_work(folder, process) -> tuple[str, float]:
    """The candidate that a process evaluates, and for how many seconds; none: empty, and 0."""
    campaign, entries = known(folder)
    for at, event in reversed(entries):
        if isinstance(event, Started) and int(event.worker.split("/")[1]) == process.pid:
            seconds = (datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds()
            return (event.candidate, seconds) if event.candidate in campaign.running else ("", 0.0)
    return "", 0.0


def stop_at_work(folder, process) -> str:
    """Stop a process in the middle of an evaluation, far from what it writes; the candidate."""
    last = time.monotonic() + 120
    while time.monotonic() < last:
        if 0.1 < at_work(folder, process)[1] < 0.5:
            for each in (*psutil.Process(process.pid).children(recursive=True), process):
                each.send_signal(signal.SIGSTOP)
            candidate, seconds = at_work(folder, process)
            if 0 < seconds < 0.9 * SECONDS:
                return candidate
            go_on(process)
        time.sleep(0.01)
    pytest.fail(f"{process.pid} was never caught at an evaluation")


def go_on(process) -> None:
    """Continue a process that was stopped."""
    for each in (process, *psutil.Process(process.pid).children(recursive=True)):
        each.send_signal(signal.SIGCONT)


def require_one_history(folder, extra: Counter[str]):
    """One answer and one evaluation for each, but for those that were begun once more."""
    campaign, entries = known(folder)
    answers = {name: len(said) for name, said in campaign.observations.items()}
    assert answers == dict.fromkeys(campaign.candidates, 1)
    assert campaign.closed == f"budget: {EVALUATIONS} evaluations"
    begun = Counter(event.candidate for _, event in entries if isinstance(event, Started))
    assert begun == Counter(campaign.candidates.keys()) + extra
    calls = (folder / "calls.txt").read_text().splitlines()
    assert sum(call.startswith("begin") for call in calls) == EVALUATIONS + extra.total()
    assert whims(folder) == []


def test_one_that_is_stopped_is_waited_for(folder, start):
    """Nobody takes over from a process that lives: every candidate is evaluated once."""
    first, *others = at_once(folder, start)
    until(lambda: answered(folder) >= 3)
    stop_at_work(folder, first)
    until(lambda: answered(folder) == EVALUATIONS - 1)
    time.sleep(1.0)
    assert answered(folder) == EVALUATIONS - 1
    assert [process.poll() for process in (first, *others)] == [None] * 3
    go_on(first)
    assert [process.wait(60) for process in (first, *others)] == [0, 0, 0]
    require_one_history(folder, Counter())


def elsewhere(folder, number) -> subprocess.Popen[str]:
    """A process that runs it, on a host of another name, with no patience beyond the limit."""
    named = f'hostname athanor-{number} && exec "$@"'
    command = ["unshare", "--uts", "sh", "-c", named, "sh", sys.executable, "-c", RUN]
    return subprocess.Popen(
        [*command, str(folder)],
        cwd=ROOT,
        env=os.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_one_that_is_stopped_elsewhere_is_taken_over(folder):
    """After the wall limit; it comes back when all is over, and what it then says counts once."""
    if not may_be_elsewhere():
        pytest.skip("no host name of its own may be had here (unshare --uts, as root)")
    text = (folder / "campaign.toml").read_text()
    (folder / "campaign.toml").write_text(
        text.replace("[proposer]", f"wall_s = {WALL_S}\n[proposer]")
    )
    first, *others = everyone = [elsewhere(folder, number) for number in range(3)]
    try:
        until(lambda: answered(folder) >= 3)
        cut_off = stop_at_work(folder, first)
        until(lambda: answered(folder) == EVALUATIONS)
        assert [process.wait(60) for process in others] == [0, 0]
        go_on(first)
        assert first.wait(60) == 0
    finally:
        for process in everyone:
            end(process)
    workers = {e.worker.split("/")[0] for _, e in known(folder)[1] if isinstance(e, Started)}
    assert workers == {f"athanor-{number}" for number in range(3)}
    require_one_history(folder, Counter([cut_off]))


def may_be_elsewhere() -> bool:
    """Whether a process may have a host name of its own."""
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return False
    command = ["unshare", "--uts", "hostname", "elsewhere"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
