"""Pause, resume, stop: real processes that run a campaign, and what a person tells them."""

import json
import signal
import time

import pytest

from flows.folder import known, remembered
from flows.people import go_on, hold
from flows.waiting import why
from loop.records import Paused, Resumed
from tests.flows.conftest import CAMPAIGN
from tests.flows.waits import answered, until


def said(folder) -> str:
    """Why the campaign does not move."""
    return why(*known(folder), folder)


@pytest.fixture
def laboratory(tmp_path, athanor):
    """A laboratory's campaign with two samples on its worklist."""
    text = CAMPAIGN.replace('function = "measure.py:measure"\n', "")
    text = text.replace('kind = "function"', 'kind = "folder"\nsettle_s = 0.0')
    text = text.format(proposer="design", evaluations=6, batch=2, workers=1)
    (tmp_path / "campaign.toml").write_text(text)
    assert athanor("turn", tmp_path, "--no-prefect").code == 0
    return tmp_path


def test_a_pause_is_kept_and_a_run_waits_for_its_end(make, start, athanor):
    """What is in flight is recorded, nothing is begun; after `resume` the same process goes on."""
    folder = make(evaluations=12, seconds=0.2)
    process = start("run", folder, "--no-prefect")
    until(lambda: answered(folder) >= 2)
    told = athanor("pause", folder, "--reason", "lunch", "--by", "Ann").out
    assert "Paused: lunch (by Ann)." in told
    until(lambda: not known(folder)[0].running)
    seq = known(folder)[0].seq
    time.sleep(1.0)
    assert (known(folder)[0].seq, process.poll()) == (seq, None)
    assert "lunch (by Ann); athanor resume goes on" in said(folder)
    athanor("resume", folder)
    assert process.wait(60) == 0
    assert known(folder)[0].answered == 12


@pytest.mark.parametrize(("now", "lost"), [([], 0), (["--now"], 1)])
def test_stop_ends_the_run_and_run_goes_on(make, start, athanor, now, lost):
    """After what is in flight; or at once, and then it is asked again, and counted."""
    folder = make(evaluations=3, seconds=2.0)
    process = start("run", folder, "--no-prefect")
    until(lambda: known(folder)[0].running if remembered(folder) else False)
    told = athanor("stop", folder, *now, "--json")
    assert len(json.loads(told.out)["in_flight"]) == 1
    assert process.wait(30) == 130
    assert answered(folder) == 1 - lost
    assert "stopped since" in said(folder)
    assert athanor("run", folder, "--no-prefect").code == 0
    campaign = known(folder)[0]
    assert (campaign.answered, sum(campaign.attempts.values())) == (3, 3 + lost)


def test_a_paused_laboratory_takes_results_and_asks_for_nothing(laboratory, athanor):
    """Answers are always welcome."""
    hold(laboratory, "the furnace is broken", "Ann", "")
    first, second = (each.id for each in known(laboratory)[0].pending)
    (laboratory / "results").mkdir(exist_ok=True)
    (laboratory / "results" / "a.csv").write_text(f"candidate,y [GPa]\n{first},3\n")
    assert athanor("turn", laboratory, "--no-prefect").code == 0
    campaign = known(laboratory)[0]
    assert campaign.answered == 1
    assert [each.id for each in campaign.pending] == [second]
    go_on(laboratory, "mended", "Ann", only_stopped=False)
    assert athanor("turn", laboratory, "--no-prefect").code == 0
    assert len(known(laboratory)[0].pending) == 2


def test_a_pause_outlives_a_run_that_begins_and_a_stop_does_not(laboratory):
    """Whoever paused resumes; whoever runs a stopped campaign has it go on."""
    hold(laboratory, "lunch", "Ann", "")
    go_on(laboratory, "athanor run", "Bob", only_stopped=True)
    assert known(laboratory)[0].paused == Paused(reason="lunch", by="Ann")
    hold(laboratory, "the end", "Ann", "soon")
    go_on(laboratory, "athanor run", "Bob", only_stopped=True)
    assert known(laboratory)[0].paused is None
    assert known(laboratory)[1][-1][1] == Resumed(reason="athanor run", by="Bob")


def test_it_says_what_a_laboratory_owes(laboratory, athanor):
    """How many of how many, since when, and which rows came back."""
    first, second = (each.id for each in known(laboratory)[0].pending)
    assert said(laboratory).startswith("waiting for 2 of 2 results since ")
    (laboratory / "results").mkdir(exist_ok=True)
    wrong = f"candidate,y [GPa]\n{first},soon\n{second},many\n"
    (laboratory / "results" / "a.csv").write_text(wrong)
    now = athanor("turn", laboratory, "--no-prefect").out
    assert "waiting for 2 of 2 results" in now
    assert "2 rows rejected, in rejected/" in now


def test_it_says_whose_worker_has_gone(make, start):
    """A killed process is told apart from one that is at it."""
    folder = make(evaluations=2, seconds=3.0)
    process = start("run", folder, "--no-prefect")
    until(lambda: known(folder)[0].running if remembered(folder) else False)
    assert said(folder).startswith("1 in flight: 0001-")
    process.kill()
    process.wait()
    assert said(folder).endswith("in flight when its worker ended; athanor run goes on")


def test_it_says_what_nobody_has_begun(make, start):
    """A machine's campaign after Ctrl-C waits for no results, but for somebody to run it."""
    folder = make(evaluations=2, seconds=3.0)
    process = start("run", folder, "--no-prefect")
    until(lambda: known(folder)[0].running if remembered(folder) else False)
    process.send_signal(signal.SIGINT)
    process.wait()
    assert said(folder) == "1 proposed and not begun; athanor run goes on"
    with (folder / "campaign.toml").open("a") as file:
        file.write('pool = "ovens"\n')
    assert said(folder).endswith("hands them to workers of the pool 'ovens' (athanor worker)")
