"""A parameter that is added to a running campaign, with the value of the past."""

from dataclasses import replace

import pytest

from loop.campaign import Campaign
from loop.decisions import opening
from loop.errors import CampaignError, SettingsError, SpaceError
from loop.records import Amended, Observed, Opened, Proposed
from loop.space.composition import Composition
from loop.space.parameters import Categorical, Continuous, Discrete, Ordinal
from loop.space.space import SearchSpace
from tests.loop import rigs

BEFORE = rigs.asked(rigs.A)
P = Continuous(name="p", low=1.0, high=5.0, past=0.5)
AFTER = replace(BEFORE, space=SearchSpace(parameters=(rigs.A, P)))
OLD = {"name": "test", "parameter": [{"name": "a"}], "run": {"batch": 1}}
NEW = {**OLD, "parameter": [{"name": "a"}, {"name": "p", "past": 0.5}]}
ASKED = rigs.candidates(BEFORE, 2)
EVENTS = (
    Opened(problem=BEFORE, settings=OLD),
    Proposed(candidates=ASKED),
    Observed(observation=rigs.measured(ASKED[0], y=1.0)),
)


def test_a_parameter_with_a_past_may_be_added():
    """It is noted once; the same file afterwards changes nothing."""
    (amended,) = opening(AFTER, NEW)(Campaign.replay(AFTER, EVENTS))
    assert isinstance(amended, Amended)
    assert amended.changes == ("parameter.p: added, 0.5 at every point before",)
    assert opening(AFTER, NEW)(Campaign.replay(AFTER, [*EVENTS, amended])) == []


def test_earlier_points_have_the_value_of_the_past():
    """In the model's columns, in results and in what still waits; also outside the new bounds."""
    campaign = Campaign.replay(AFTER, EVENTS)
    assert [result.point["p"] for result in campaign.results] == [0.5]
    assert [candidate.point["p"] for candidate in campaign.pending] == [0.5]
    assert AFTER.space.encode([ASKED[0].point])[0, 1] == pytest.approx(-0.125)
    with pytest.raises(SpaceError, match=r"space\.p: expected a value, got a point without it"):
        AFTER.space.check(ASKED[0].point)


def test_a_parameter_without_a_past_is_refused():
    """The remedy is the missing key."""
    bare = {**NEW, "parameter": [{"name": "a"}, {"name": "p"}]}
    problem = replace(BEFORE, space=SearchSpace(parameters=(rigs.A, replace(P, past=None))))
    with pytest.raises(SettingsError, match=r"parameter\.p\.past: .* Add past"):
        opening(problem, bare)(Campaign.replay(problem, EVENTS))
    with pytest.raises(CampaignError, match="another space, objective or seed"):
        opening(problem, OLD)(Campaign.replay(problem, EVENTS))


@pytest.mark.parametrize(
    "change",
    [
        {"parameter": [{"name": "a", "low": 0.5}, {"name": "p", "past": 0.5}]},
        {"parameter": [{"name": "p", "past": 0.5}]},
        {"seed": 3},
    ],
    ids=["bound", "removed", "seed"],
)
def test_no_other_change_slips_in_with_it(change):
    """An added parameter excuses nothing else."""
    with pytest.raises(SettingsError, match="changes only under run and stop"):
        opening(AFTER, {**NEW, **change})(Campaign.replay(AFTER, EVENTS))


@pytest.mark.parametrize(
    ("kind", "keys", "past"),
    [
        (Continuous, {"low": 0.0, "high": 1.0}, float("nan")),
        (Continuous, {"low": 1.0, "high": 2.0, "log": True}, 0.0),
        (Discrete, {"low": 0.0, "high": 1.0, "step": 0.5}, float("inf")),
        (Ordinal, {"levels": ("low", "high")}, "medium"),
        (Categorical, {"values": ("Ar", "N2")}, "He"),
        (Composition, {"elements": ("Cu", "Au")}, {"Cu": 0.5}),
    ],
)
def test_a_past_that_cannot_be_encoded_is_refused(kind, keys, past):
    """It must be a legal name, or any finite number."""
    with pytest.raises(SpaceError, match=r"space\.x\.past: expected"):
        kind(name="x", past=past, **keys)
