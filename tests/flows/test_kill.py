"""A campaign whose process is killed at random moments, and one that two processes run."""

import random
import subprocess
import sys
import time

import pytest

from tests.flows.folders import attempts, calls, hill, history, replayed

BUDGET = 40


def start(folder):
    """`athanor run`, in a process of its own."""
    command = [sys.executable, "-m", "flows.cli", "run", str(folder), "--no-prefect"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(process):
    """Wait for the end; what was said on stderr."""
    said = process.communicate(timeout=200)[1].decode()
    assert process.returncode == 0, said


def size(folder):
    """How much the ledger has grown, its write-ahead log included."""
    return sum(path.stat().st_size for path in folder.glob("ledger.db*"))


def kill_at(folder, moment):
    """Start the campaign, let it write, wait for the moment, and kill it; whether it was alive."""
    with start(folder) as process:
        before, end = size(folder), time.monotonic() + 60
        while size(folder) == before and process.poll() is None and time.monotonic() < end:
            time.sleep(0.002)
        time.sleep(moment)
        alive = process.poll() is None
        process.kill()
        process.stderr.close()
    return alive


@pytest.mark.slow
def test_ten_kills_leave_the_history_as_it_would_have_been(tmp_path):
    """After ten kills every answer is on record once, and the history is the undisturbed one."""
    undisturbed, killed = (hill(tmp_path / name, BUDGET, seconds=0.05) for name in "ab")
    with start(undisturbed) as process:
        finish(process)
    moments = random.Random(0)  # noqa: S311
    assert all(kill_at(killed, moments.uniform(0, 0.8)) for _ in range(10))
    with start(killed) as process:
        finish(process)
    assert history(killed) == history(undisturbed)
    assert replayed(killed).answered == len(replayed(killed).candidates) == BUDGET
    assert BUDGET <= len(calls(killed)) <= BUDGET + 10


@pytest.mark.slow
def test_two_processes_write_one_history(tmp_path):
    """Two runs of one folder share the work: each candidate is evaluated once, none too many."""
    folder = hill(tmp_path, evaluations=24, batch=4, seconds=0.3)
    with start(folder) as one, start(folder) as other:
        finish(one)
        finish(other)
    campaign = replayed(folder)
    assert campaign.answered == len(campaign.candidates) == len(set(calls(folder))) == 24
    assert len(calls(folder)) == 24
    assert len({attempt.worker for attempt in attempts(folder)}) == 2
