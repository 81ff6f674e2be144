"""A share that tells of no change: an overlay whose lower folder is written by somebody else."""

import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.folder import known
from flows.laboratory import take
from flows.rig import load
from loop.run import Worker
from tests.flows.furnace import campaign

MOUNT = "mount -t overlay overlay -o lowerdir={0}/lower,upperdir={0}/upper,workdir={0}/work {1}"
NOTICED_S = 10  # generous: a busy machine


def mounted(share: Path, at: Path, *command: object) -> list[str]:
    """The command, in a place of its own where the share is mounted."""
    words = shlex.join(map(str, command))
    return ["/usr/bin/unshare", "-rm", "bash", "-c", f"{MOUNT.format(share, at)} && exec {words}"]


@pytest.fixture
def share(tmp_path):
    """The parts of an overlay; skipped where this user may not mount one."""
    for part in ("share/lower", "share/upper", "share/work", "at"):
        (tmp_path / part).mkdir(parents=True)
    try:
        command = mounted(tmp_path / "share", tmp_path / "at", "true")
        subprocess.run(command, check=True, capture_output=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        pytest.skip("no overlay can be mounted here")
    return tmp_path / "share"


def test_files_are_noticed_where_no_change_is_told(tmp_path, share):
    """`poll_s` looks, and a file is on record within seconds; nothing else would have told."""
    folder = tmp_path / "furnace"
    (folder / "results").mkdir(parents=True)
    (folder / "campaign.toml").write_text(campaign("poll_s = 0.5"))
    first = take(load(folder), Worker()).pending[0].id
    run = (sys.executable, "-m", "flows.cli", "run", folder, "--no-prefect")
    with subprocess.Popen(
        mounted(share, folder / "results", *run), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()  # it waits
            (share / "lower" / "a.csv").write_text(f"candidate,strength [MPa]\n{first},3\n")
            end = time.monotonic() + NOTICED_S
            while not known(folder)[0].results and time.monotonic() < end:
                time.sleep(0.1)
            assert [each.candidate.id for each in known(folder)[0].results] == [first]
        finally:
            process.kill()


def test_such_a_place_really_tells_nothing(tmp_path, share):
    """Without polling a watcher of it hears of no file."""
    code = (
        "import sys; from watchfiles import watch; print('ready', flush=True); "
        "print(len(next(watch(sys.argv[1], rust_timeout=3000, yield_on_timeout=True))))"
    )
    command = mounted(share, tmp_path / "at", sys.executable, "-c", code, tmp_path / "at")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.5)
        (share / "lower" / "a.csv").write_text("candidate\n")
        assert process.stdout.readline().strip() == "0"
