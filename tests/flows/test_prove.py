"""The proof of `athanor prove`: real kills, and that it would notice what must not be."""

import json
from dataclasses import replace
from math import nextafter
from pathlib import Path

import pytest

from flows.prove.child import Trial
from flows.prove.invariants import (
    BUDGET,
    CHOICE,
    MEMORY,
    NOTHING_LOST,
    ONE_ATTEMPT,
    ROWS,
    History,
    broken,
)
from flows.prove.points import WORLDS, points
from loop.ledger import Entry
from loop.records import Event, Observed, Opened, Proposed, Started
from loop.stopping import StopRules
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
    rig = rigs.rig(PROBLEM, rules=StopRules(evaluations=1))
    (tmp_path / "proof.txt").write_text("recorded 4\n")
    (tmp_path / "calls.txt").write_text(f"{FIRST.id}\n")
    entries = [*BEGUN, ANSWER, ("5", rigs.ENDED)]
    return History(trial=trial, rig=rig, entries=entries, remembered=[BEGUN])


def entered(*events: Event) -> list[Entry]:
    """The events as a ledger gives them."""
    return [(str(number), event) for number, event in enumerate(events, start=1)]


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
    """Than that of the campaign that nobody killed, where each turn knew the same answers."""
    no = rigs.observed(rigs.failed(FIRST))
    other = rigs.history(PROBLEM, 1, *no)
    assert named(replace(history, undisturbed=other)) == [MEMORY]


def test_who_knew_other_answers_when_it_asked_may_have_learnt_something_else(history):
    """As many turns; but the second was taken before the first candidate had been answered."""
    first, second = rigs.candidates(PROBLEM, 2)
    one, other = (Proposed(candidates=(each,)) for each in (first, second))
    good, bad = rigs.observed(rigs.measured(first, y=1.0), rigs.failed(second))
    (better,) = rigs.observed(rigs.measured(second, y=2.0))
    opened = Opened(problem=PROBLEM)
    killed = entered(opened, one, good, other, better)
    in_step, ahead = [opened, one, good, other, bad], [opened, one, other, good, bad]
    assert MEMORY in named(replace(history, entries=killed, undisturbed=in_step))
    assert MEMORY not in named(replace(history, entries=killed, undisturbed=ahead))


@pytest.mark.parametrize(
    "tampered",
    [
        pytest.param(
            [
                replace(
                    FIRST, point={**FIRST.point, "a": nextafter(float(str(FIRST.point["a"])), 1.0)}
                )
            ],
            id="the last bit of a point",
        ),
        pytest.param([replace(FIRST, id="0001-zzz")], id="an id"),
        pytest.param(rigs.candidates(PROBLEM, 2), id="one more"),
        pytest.param([], id="none"),
    ],
)
def test_a_choice_that_the_events_do_not_lead_to_is_noticed(history, tampered):
    """Chosen again it is another: in the last bit, by its id, by how many they are."""
    asked = entered(Opened(problem=PROBLEM), Proposed(candidates=tuple(tampered)))
    (complaint,) = broken(replace(history, entries=asked, remembered=[]))[CHOICE]
    assert complaint.startswith("event 2 asked for")
    assert complaint.endswith(f"those before it ask for {FIRST.id} {FIRST.point}")
