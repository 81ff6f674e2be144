"""Evaluations as Prefect tasks: repeated as the ledger says, ended when their time is up."""

import asyncio
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from flows.campaign import campaign
from flows.folder import known
from flows.shift import shift_task
from flows.tasks import evaluate
from loop.campaign import ATTEMPTS
from loop.records import Started

pytestmark = [
    pytest.mark.xdist_group("prefect"),
    pytest.mark.usefixtures("prefect"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

FAILS = """
from pathlib import Path

def measure(x):
    with Path(__file__).with_name("calls.txt").open("a") as calls:
        calls.write(f"{x!r}\\n")
    raise ArithmeticError("again")
"""
HANGS = """
import os, time
from pathlib import Path

def measure(x):
    Path(__file__).with_name(f"{os.getpid()}.pid").touch()
    time.sleep(600)
"""


def test_a_crash_is_repeated_by_the_ledger_alone(make):
    """As often as its rule says, and each time is on record; Prefect repeats nothing."""
    folder = make(evaluations=2)
    (folder / "measure.py").write_text(FAILS)
    with (folder / "campaign.toml").open("r+") as file:
        text = file.read().replace("evaluations = 2", "evaluations = 2\nfailures = 1.0")
        file.seek(0)
        file.write(text)
    asyncio.run(campaign(str(folder)))
    _, entries = known(folder)
    begun = Counter(event.candidate for _, event in entries if isinstance(event, Started))
    calls = Counter((folder / "calls.txt").read_text().split())
    assert sorted(calls.values()) == sorted(begun.values()) == [ATTEMPTS] * len(begun)
    assert (evaluate.retries, shift_task.retries) == (0, 0)


def test_a_time_limit_really_ends_the_work(make):
    """The process that hung is gone, and the answer says that its time was up."""
    folder = make(evaluations=1)
    (folder / "measure.py").write_text(HANGS)
    with (folder / "campaign.toml").open("r+") as file:
        text = file.read().replace("[proposer]", "wall_s = 1\n[proposer]")
        file.seek(0)
        file.write(text)
    began = time.monotonic()
    asyncio.run(campaign(str(folder)))
    assert time.monotonic() - began < 120
    hung = [int(path.stem) for path in Path(folder).glob("*.pid")]
    assert len(hung) >= 1
    assert not any(psutil.pid_exists(pid) for pid in hung)
    assert {failed.kind for _, failed in known(folder)[0].all_failures} == {"timeout"}
