"""A person corrects a recorded value: it holds against every file, and what it led to is told."""

from dataclasses import replace

import pytest

from loop.campaign import Campaign
from loop.corrections import Correction, corrected, correcting
from loop.decisions import settling
from loop.errors import LoopError
from loop.objective import Objective, Target
from loop.records import (
    Candidate,
    Corrected,
    Event,
    Measured,
    Opened,
    Problem,
    Proposed,
    Receipt,
    Retracted,
    Source,
    Why,
)
from loop.space.parameters import Continuous
from loop.space.space import SearchSpace

PROBLEM = Problem(
    name="oven",
    space=SearchSpace(parameters=(Continuous(name="x", low=0.0, high=1.0),)),
    objective=Objective(targets=(Target(name="y"), Target(name="z", goal="observe"))),
)
A, B, C = "0001-abc", "0002-abc", "0003-abc"


def asked(name, x, origin="design"):
    """A candidate."""
    return Candidate(id=name, point={"x": x}, why=Why(origin=origin))


def row(candidate, number, replicate="", **values):
    """A row of a file."""
    source = Source(oracle="folder", file="a.csv", sha256="1", row=number)
    return Measured(candidate=candidate, values=values, replicate=replicate, source=source)


def sheet(*rows, sha="1"):
    """A file's receipt."""
    rows = tuple(replace(each, source=replace(each.source, sha256=sha)) for each in rows)
    return Receipt(file="a.csv", sha256=sha, rows=len(rows), observations=rows)


FIRST = (row(A, 1, y=70.0, z=1.0), row(B, 2, "one", y=2.0), row(B, 3, "two", y=3.0))
START: list[Event] = [Opened(problem=PROBLEM), Proposed(candidates=(asked(A, 0.1), asked(B, 0.2)))]


@pytest.fixture
def campaign():
    """A typing error made 70 of 7, and a model has chosen the next candidate on it."""
    before = Campaign.replay(PROBLEM, START)
    before = before.extended(settling([sheet(*FIRST)])(before))
    return before.extended([Proposed(candidates=(asked(C, 0.3, "model"),))])


def by_ann(campaign, candidate=A, replicate=None, errors=(), **values):
    """The events of a correction by Ann."""
    right = Correction(candidate=candidate, values=values, errors=dict(errors), replicate=replicate)
    return list(correcting(right, "a digit too many", "Ann")(campaign))


def test_the_new_value_holds_and_the_old_one_is_kept(campaign):
    """The other target of the row stays as it was; who did it and why stands beside the value."""
    after = campaign.extended(by_ann(campaign, y=7.0))
    assert after.results[0].values == {"y": 7.0, "z": 1.0}
    assert [each.values for each in after.measurements(A)] == [{"y": 70.0, "z": 1.0}, {"y": 7.0}]
    assert after.measurements(A)[-1].notes == {"corrected by": "Ann", "because": "a digit too many"}


def test_what_it_changes_is_told(campaign):
    """The best is another, and the candidate that a model chose on the wrong value is named."""
    changed = corrected(campaign, by_ann(campaign, y=1.0), A)
    assert [each.candidate.id for each in (*changed.before, *changed.after)] == [A, B]
    assert (changed.led_to, changed.is_felt) == ((C,), True)
    assert campaign.extended(by_ann(campaign, y=1.0)).led_to(A) == ()


@pytest.mark.parametrize("sha", ["1", "2"])
def test_the_file_that_was_wrong_does_not_win_again(campaign, sha):
    """Read again, or saved again with another row: its old value is superseded."""
    after = campaign.extended(by_ann(campaign, y=7.0))
    rows = FIRST if sha == "1" else (*FIRST, row(C, 4, y=1.0, z=1.0))
    later = after.extended(settling([sheet(*rows, sha=sha)])(after))
    assert later.results[0].values == {"y": 7.0, "z": 1.0}
    assert later.torn == {}


def test_a_correction_ends_a_conflict(campaign):
    """Of two files that disagree, neither may be right."""
    other = replace(
        row(A, 1, y=8.0), source=Source(oracle="folder", file="b.csv", sha256="2", row=1)
    )
    receipt = Receipt(file="b.csv", sha256="2", rows=1, observations=(other,))
    torn = campaign.extended(settling([receipt])(campaign))
    assert A in torn.torn
    after = torn.extended(by_ann(torn, y=7.0))
    assert (after.torn, after.results[0].values["y"]) == ({}, 7.0)


def test_one_of_several_measurements_is_corrected(campaign):
    """By its replicate; its error too, where that was wrong."""
    after = campaign.extended(by_ann(campaign, B, "two", {"y": 0.5}, y=4.0))
    assert after.latest(B)["y", "one"].values == {"y": 2.0}
    assert (after.latest(B)["y", "two"].values, after.latest(B)["y", "two"].errors) == (
        {"y": 4.0},
        {"y": 0.5},
    )


def test_a_correction_can_be_corrected(campaign):
    """The last word counts, and the event holds all that is needed."""
    once = campaign.extended(by_ann(campaign, y=7.0))
    (event,) = by_ann(once, y=7.5)
    assert isinstance(event, Corrected)
    assert (event.observation.revision, event.by) == (2, "Ann")
    assert once.extended([event]).results[0].values["y"] == 7.5


@pytest.mark.parametrize(
    ("candidate", "replicate", "values", "said"),
    [
        (A, None, {"y": 70.0}, "expected another value than the recorded, got y 70"),
        (A, None, {"w": 7.0}, "w: expected a target among y, z, got 'w'"),
        (B, None, {"y": 7.0}, "one of its replicates 'one', 'two', got none named. Name it"),
        (B, "three", {"y": 7.0}, "one of its replicates 'one', 'two', got 'three'"),
        (B, None, {"z": 7.0}, "a recorded value of z, got none, .*A first value comes in a file"),
        (C, None, {"y": 7.0}, "a recorded value of y, got none, of one waiting"),
        ("0001-abd", None, {"y": 7.0}, "Did you mean 0001-abc?"),
    ],
)
def test_what_cannot_be_corrected_is_told(campaign, candidate, replicate, values, said):
    """In one sentence, with what to do instead."""
    with pytest.raises(LoopError, match=said):
        by_ann(campaign, candidate, replicate, **values)


def test_what_was_taken_back_is_not_corrected(campaign):
    """It is not used: the point is to be asked once more."""
    gone = campaign.extended([Retracted(candidate=A, reason="cracked")])
    with pytest.raises(LoopError, match="answers that hold, got answers taken back: cracked"):
        by_ann(gone, y=7.0)
