"""A line of the worklist is changed before it is made: what counts is the changed point."""

import pytest

from loop.campaign import Campaign
from loop.errors import LoopError
from loop.objective import Objective, Target
from loop.people import editing
from loop.records import (
    Candidate,
    Edited,
    Event,
    Observed,
    Opened,
    Prediction,
    Problem,
    Proposed,
    Vetoed,
    Why,
)
from loop.space.parameters import Continuous
from loop.space.space import SearchSpace
from loop.surrogate.data import training_data
from tests.loop import rigs

PROBLEM = Problem(
    name="oven",
    space=SearchSpace(parameters=(Continuous(name="x", low=0.0, high=1.0),)),
    objective=Objective(targets=(Target(name="y"),)),
)
WHY = Why(origin="model", predicted={"y": Prediction(mean=1.0, sd=0.1)}, model="abc")
HISTORY: list[Event] = [
    Opened(problem=PROBLEM),
    Proposed(
        candidates=tuple(
            Candidate(id=name, point={"x": x}, why=WHY)
            for name, x in (("0001-abc", 0.25), ("0002-abc", 0.5), ("0003-abc", 0.75))
        )
    ),
    Observed(observation=rigs.measured("0002-abc", y=1.0)),
    Vetoed(candidate="0003-abc", reason="no"),
]


def after(*more):
    """The campaign after its history and more."""
    return Campaign.replay(PROBLEM, [*HISTORY, *more])


def edited(changes, candidate="0001-abc", reason="the oven sticks"):
    """The events of an edit by Ann."""
    return list(editing(candidate, changes, reason, "Ann")(after()))


def test_what_is_asked_is_the_changed_point():
    """In what waits, in what is told why, and in what the model is fitted on; nothing predicted."""
    (event,) = edited({"x": 0.3})
    campaign = after(event, Observed(observation=rigs.measured("0001-abc", y=2.0)))
    (waits,) = after(event).pending
    assert waits.point == {"x": 0.3}
    assert waits.why.cause == "edited by Ann: the oven sticks; it was x = 0.25"
    assert (waits.why.predicted, waits.why.model) == ({}, "abc")
    assert training_data(campaign).X.tolist() == [[0.3], [0.5]]
    assert campaign.edited == {"0001-abc": event}


def test_a_campaign_that_goes_on_knows_the_edit_too():
    """What had been worked out before is worked out again."""
    before = after()
    assert (before.rows[0, 0], before.pending[0].point) == (0.25, {"x": 0.25})
    on = before.extended(edited({"x": 0.3}))
    assert (on.rows[0, 0], on.pending[0].point) == (0.3, {"x": 0.3})


@pytest.mark.parametrize(
    ("changes", "candidate", "reason", "said"),
    [
        ({"x": 7.0}, "0001-abc", "why not", "space.x: expected a value from 0 to 1, got 7"),
        ({"x": 0.25}, "0001-abc", "why not", "a change, such as T=905, got the point as it is"),
        ({"x": 0.3}, "0001-abc", " ", "a few words"),
        ({"x": 0.3}, "0002-abc", "why not", "got one measured. .* such as executed:T"),
        ({"x": 0.3}, "0003-abc", "why not", "got one vetoed: no"),
        ({"x": 0.3}, "0001-abd", "why not", "Did you mean 0001-abc?"),
    ],
)
def test_what_cannot_be_edited_is_told(changes, candidate, reason, said):
    """A point outside, no change, no reason, an answer that is there, a stranger."""
    with pytest.raises(LoopError, match=said):
        edited(changes, candidate, reason)


def test_an_edit_replays_to_the_same_state():
    """The event alone holds the new point: nothing else is asked."""
    (event,) = edited({"x": 0.3})
    assert event == Edited(
        candidate="0001-abc", point={"x": 0.3}, reason="the oven sticks", by="Ann"
    )
    assert after(event) == after().extended([event])
