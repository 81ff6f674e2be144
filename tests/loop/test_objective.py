"""The objective: targets with goals, and bounds on what comes out."""

import pytest

from loop.errors import ObjectiveError
from loop.objective import Bound, Objective, Target

HARD = Target(name="hardness", unit="GPa")
CHEAP = Target(name="cost", unit="1/kg", goal="min")
SEEN = Target(name="colour", goal="observe")


@pytest.mark.parametrize(
    ("targets", "bounds", "said"),
    [
        ((), (), "at least one goal"),
        ((SEEN,), (), "at least one goal, 'max' or 'min'"),
        ((HARD, HARD), (), r"target\.hardness: expected a name used once"),
        ((Target(name=""),), (), "a name used once"),
        ((HARD,), (Bound(target="mass", sense="<=", value=1.0),), "one of hardness"),
        ((HARD,), (Bound(target="hardness", sense=">=", value=float("nan")),), "finite bound"),
    ],
)
def test_an_objective_that_asks_nothing_is_refused(targets, bounds, said):
    """Names are unique, something is wanted, and bounds are on targets."""
    with pytest.raises(ObjectiveError, match=said):
        Objective(targets=targets, bounds=bounds)


def test_the_first_goal_leads():
    """What is only observed never drives the choice."""
    objective = Objective(targets=(SEEN, CHEAP, HARD))
    assert (objective.lead, objective.lead.sign) == (CHEAP, -1.0)
    assert objective.units == {"colour": "", "cost": "1/kg", "hardness": "GPa"}


@pytest.mark.parametrize(
    ("values", "is_met"),
    [
        ({"hardness": 5.0, "cost": 10.0}, True),
        ({"hardness": 4.9, "cost": 10.0}, False),
        ({"hardness": 5.0, "cost": 10.1}, False),
        ({"hardness": 5.0}, False),
    ],
)
def test_bounds_are_met_when_they_are_known_to_be(values, is_met):
    """The limit itself keeps a bound; a value that is not known does not."""
    bounds = (
        Bound(target="hardness", sense=">=", value=5.0),
        Bound(target="cost", sense="<=", value=10.0),
    )
    assert Objective(targets=(HARD, CHEAP), bounds=bounds).met(values) is is_met
