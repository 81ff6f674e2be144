"""The proof of `athanor prove`: real kills, and that it would notice what must not be."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from flows.prove.child import Trial
from flows.prove.invariants import (
    BUDGET,
    NOTHING_LOST,
    ONE_ATTEMPT,
    ROWS,
    History,
    broken,
)
from flows.prove.points import WORLDS, points
from loop.ledger import Entry
from loop.records import Failed, Observed, Opened, Proposed, Source, Started
from tests.flows.conftest import CAMPAIGN
from tests.loop import rigs

LABORATORY = CAMPAIGN.replace(
    'kind = "function"\nfunction = "measure.py:measure"', 'kind = "folder"'
)


@pytest.fixture(params=WORLDS)
def folder(request, tmp_path: Path) -> Path:
    """A campaign with a machine, and one with a laboratory."""
    text = CAMPAIGN if request.param == "machine" else LABORATORY
    said = text.format(proposer="design", evaluations=3, batch=2, workers=2)
    (tmp_path / "campaign.toml").write_text(said)
    return tmp_path


@pytest.mark.parametrize("world", WORLDS)
def test_a_turn_has_many_points(world):
    """Fifteen at least, each with a name of its own."""
    names = [point.name for point in points(world)]
    assert len(set(names)) == len(names) >= 15


@pytest.mark.slow
@pytest.mark.timeout(900)  # two hundred processes, on a machine that may do much else
def test_a_kill_at_any_point_loses_nothing(folder, athanor):
    """Every point is reached; killed there once and twice, and at random, all invariants hold."""
    said = athanor("prove", folder, "--random", 4, "--evaluations", 3, "--json")
    proof = json.loads(said.out)
    assert (proof["unreached"], proof["broken"]) == ([], [])
    assert {row["first"] for row in proof["rows"]} == {"ok"}
    assert [row["point"] for row in proof["rows"] if row["second"] == "once"] == [
        "Opened is recorded",
        "Closed is recorded",
    ]
    assert proof["kills"] >= 2 * len(proof["rows"])
    assert (said.code, proof["holds"]) == (0, True)
    assert sorted(path.name for path in folder.iterdir()) == ["campaign.toml"]


PROBLEM = rigs.asked()
(FIRST,) = rigs.candidates(PROBLEM, 1)
STARTED = Started(candidate=FIRST.id, attempt=1, worker="w")
BEGUN: list[Entry] = [
    ("1", Opened(problem=PROBLEM)),
    ("2", Proposed(candidates=(FIRST,))),
    ("3", STARTED),
]
ANSWER: Entry = ("4", Observed(observation=rigs.measured(FIRST, y=1.0)))


@pytest.fixture
def history(tmp_path) -> History:
    """A campaign of one evaluation that went well."""
    trial = Trial(folder=tmp_path, ledger="sqlite://", evaluations=1)
    (tmp_path / "proof.txt").write_text("recorded 4\n")
    (tmp_path / "calls.txt").write_text(f"{FIRST.id}\n")
    return History(trial=trial, entries=[*BEGUN, ANSWER, ("5", rigs.ENDED)], remembered=[BEGUN])


def named(history) -> list[str]:
    """The invariants that do not hold."""
    return [said for said, found in broken(history).items() if found]


def test_what_is_well_is_not_complained_of(history):
    """A kill during the first evaluation, which began again: nothing is broken."""
    again: Entry = ("4", replace(STARTED, attempt=2))
    assert named(history) == []
    assert named(replace(history, entries=[*BEGUN, again, ANSWER, ("5", rigs.ENDED)])) == []


def test_an_entry_that_has_gone_is_noticed(history):
    """What the ledger held after the kill, or said that it held, is there at the end."""
    assert NOTHING_LOST in named(replace(history, remembered=[[*BEGUN[:2], ANSWER]]))
    (history.trial.folder / "proof.txt").write_text("recorded 9\n")
    assert NOTHING_LOST in named(history)


def test_a_second_attempt_beside_the_first_is_noticed(history):
    """Nobody had died between the two."""
    twice = [*BEGUN, BEGUN[2], ANSWER, ("5", rigs.ENDED)]
    assert ONE_ATTEMPT in named(replace(history, entries=twice, remembered=[]))


def test_an_evaluation_that_nobody_recorded_is_noticed(history):
    """The machine counts for itself."""
    (history.trial.folder / "calls.txt").write_text(f"{FIRST.id}\n" * 2)
    assert named(history) == [BUDGET]


def test_a_file_that_nobody_took_in_is_noticed(history):
    """A result without a receipt, a copy and its refused row."""
    (history.trial.folder / "results").mkdir()
    (history.trial.folder / "results" / "a.csv").write_text("candidate,y\n")
    assert named(history) == [ROWS]


def test_another_training_set_is_noticed(history):
    """Than that of the campaign that nobody killed, where it was asked in as many turns."""
    no = Failed(candidate=FIRST.id, kind="infeasible", message="", source=Source(oracle="o"))
    other = rigs.campaign(PROBLEM, 1, Observed(observation=no))
    assert "the training set is a function of the events" in named(
        replace(history, undisturbed=other)
    )
    (second,) = rigs.candidates(PROBLEM, 2)[1:]
    more = other.extended([Proposed(candidates=(second,))])
    assert named(replace(history, undisturbed=more)) == []
