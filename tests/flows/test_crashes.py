"""Real processes, really killed; two at once. The ledger is all that is left, and is enough."""

import random
import signal
import time
from collections import Counter

import pytest

from flows.folder import known, remembered
from loop.campaign import ATTEMPTS
from loop.records import Measured, Observed, Started
from tests.flows.choices import whims

EVALUATIONS = 24
# The first point that is asked takes the process along, whenever it is asked.
DEADLY = """
import os
from pathlib import Path

FIRST = Path(__file__).with_name("first.txt")

def measure(x):
    if not FIRST.exists():
        FIRST.write_text(repr(x))
    if FIRST.read_text() == repr(x):
        os.kill(os.getpid(), 9)
    return x
"""


def history(folder):
    """What has happened, in order, but for who was at it and how long it took."""
    events = [event for _, event in known(folder)[1] if not isinstance(event, Started)]
    return [
        (each.observation.candidate, each.observation.values)
        if isinstance(each, Observed) and isinstance(each.observation, Measured)
        else each
        for each in events
    ]


def answered(folder) -> int:
    """How many candidates have their answer."""
    found = remembered(folder)
    return found[0].answered if found else 0


def written(folder) -> int:
    """How many bytes the ledger has, its write-ahead log included."""
    return sum(path.stat().st_size for path in folder.glob("ledger.db*"))


def begun(folder) -> Counter[str]:
    """How often the function was called, by point."""
    calls = (folder / "calls.txt").read_text().splitlines()
    return Counter(call for call in calls if call.startswith("begin"))


@pytest.mark.slow
def test_kill_9_at_any_moment(make, athanor, start):
    """Ten kills: one answer per candidate, the exact budget, the undisturbed campaign's history.

    Every other start brings an answer first: what three starts in a row die of is given up.
    """
    folder, undisturbed = (
        make(name, evaluations=40, seconds=0.05, proposer="bayes") for name in ("killed", "quiet")
    )
    moments = random.Random(7)  # noqa: S311
    for number in range(10):
        process, before = start("run", folder, "--no-prefect"), (written(folder), answered(folder))
        while process.poll() is None and written(folder) == before[0]:
            time.sleep(0.002)
        while process.poll() is None and number % 2 and answered(folder) == before[1]:
            time.sleep(0.02)
        time.sleep(moments.uniform(0, 0.6))
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert athanor("run", folder, "--no-prefect").code == 0
    assert athanor("run", undisturbed, "--no-prefect").code == 0
    assert history(folder) == history(undisturbed)
    assert {len(each) for each in known(folder)[0].observations.values()} == {1}
    assert known(folder)[0].answered == 40
    assert 40 <= begun(folder).total() <= 50


def test_two_processes_share_one_campaign(make, start):
    """Two runs at once: one history, nothing done twice, every choice by what was on record."""
    folder = make(evaluations=EVALUATIONS, batch=4, workers=2, seconds=0.15, proposer="bayes")
    both = [start("run", folder, "--no-prefect") for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    campaign, entries = known(folder)
    workers = {event.worker for _, event in entries if isinstance(event, Started)}
    assert campaign.answered == EVALUATIONS
    assert {len(each) for each in campaign.observations.values()} == {1}
    assert begun(folder) == Counter(dict.fromkeys(begun(folder), 1))
    assert len(begun(folder)) == EVALUATIONS
    assert len(workers) == 2
    assert whims(folder) == []


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_says_how_to_go_on(make, athanor, start, sign):
    """It ends at once, though evaluations are in flight; what is answered is on record."""
    folder = make(evaluations=4, seconds=1.0)
    process = start("run", folder, "--no-prefect")
    while answered(folder) == 0:
        time.sleep(0.05)
    process.send_signal(sign)
    said, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "evaluations are on record" in said
    assert f"Go on: athanor run {folder}" in said
    assert athanor("run", folder, "--no-prefect").code == 0


@pytest.mark.slow
def test_what_kills_its_campaign_is_given_up(make, start):
    """An evaluation that takes its whole process along, at every start: three times, and no more.

    The campaign then goes on with the other points, and says what it gave up.
    """
    folder = make(evaluations=3)
    (folder / "measure.py").write_text(DEADLY)
    ends: list[int] = []
    while not ends or ends[-1] == -signal.SIGKILL:
        process = start("run", folder, "--no-prefect")
        process.communicate(timeout=60)
        ends.append(process.returncode)
    campaign, _ = known(folder)
    assert ends == [-signal.SIGKILL] * ATTEMPTS + [0]
    ((_, given_up),) = campaign.failures
    assert given_up.kind == "crashed"
    assert "3 ended with their worker's process" in given_up.message
    assert len(campaign.results) == 2
