"""The objective: targets with goals, bounds on what comes out, and how goals are combined."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from loop.errors import ObjectiveError
from loop.objective import Bound, Objective, Target
from tests.loop import strategies as some

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


MATCH = Target(name="gap", unit="eV", goal="match", value=3.0)
WINDOW = Target(name="gap", unit="eV", goal="window", low=2.0, high=4.0)
LEARN = Target(name="gap", goal="learn")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"goal": "match"}, r"target\.gap\.value: expected a number in eV, for goal 'match'"),
        ({"goal": "level"}, "for goal 'level', got none. Add value"),
        ({"goal": "window", "low": 1.0}, "Add high"),
        ({"goal": "window", "low": 2.0, "high": 2.0}, "low below high, got 2 to 2"),
        ({"goal": "match", "value": float("inf")}, "a finite number, got inf"),
        ({"goal": "max", "value": 1.0}, "none, for goal 'max', got one. Remove value"),
        ({"goal": "observe", "weight": 1.0}, "none, for goal 'observe'"),
        ({"goal": "match", "value": 1.0, "best": 1.0}, "Remove best"),
        ({"goal": "max", "weight": 0.0}, "weight: expected a number above 0"),
        ({"goal": "max", "worst": 2.0, "best": 1.0}, "worst: expected a number below best"),
        ({"goal": "min", "worst": 1.0, "best": 2.0}, "worst: expected a number above best"),
        ({"goal": "match", "value": 1.0, "worst": 1.0}, "a number other than value"),
        ({"goal": "window", "low": 1.0, "high": 2.0, "worst": 2.0}, "outside the window"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused(fields, said):
    """Each goal has the numbers it needs, and no others."""
    with pytest.raises(ObjectiveError, match=said):
        Target(name="gap", unit="eV", **fields)


@pytest.mark.parametrize(
    ("targets", "settings", "said"),
    [
        ((HARD, LEARN), {}, "goals that go together: .* hardness: 'max', gap: 'learn'"),
        ((HARD,), {"combine": "pareto"}, "two or more goals .* by pareto, got 'max'"),
        ((LEARN, replace(LEARN, name="b")), {"combine": "scalar"}, "two or more goals"),
        (
            tuple(replace(HARD, name=name) for name in "abcde"),
            {"combine": "pareto"},
            "at most 4 goals",
        ),
        (
            (replace(HARD, weight=2.0), CHEAP),
            {"combine": "auto"},
            r"hardness\.weight: expected none",
        ),
        ((replace(HARD, worst=2.0), CHEAP), {}, r"hardness\.worst: expected none, unless"),
        ((HARD, CHEAP), {"combine": "desirability"}, r"hardness\.worst: expected the value at"),
        ((HARD, CHEAP), {"reference": {"cost": 1.0}}, "reference: expected none, unless"),
        (
            (HARD, CHEAP),
            {"combine": "pareto", "reference": {"price": 1.0}},
            "one of hardness, cost, got price = 1",
        ),
    ],
)
def test_goals_that_do_not_go_together_are_refused(targets, settings, said):
    """Nothing is ignored in silence: a number that cannot count is an error."""
    with pytest.raises(ObjectiveError, match=said):
        Objective(targets=targets, **settings)


@pytest.mark.parametrize(
    ("count", "combine", "way", "wanted"),
    [
        (1, "first", "single", 1),
        (1, "auto", "single", 1),
        (2, "auto", "pareto", 2),
        (4, "auto", "pareto", 4),
        (5, "auto", "scalar", 5),
        (3, "first", "single", 1),
        (3, "scalar", "scalar", 3),
    ],
)
def test_the_number_of_goals_decides_how_to_choose(count, combine, way, wanted):
    """One goal alone, hypervolume up to four, scalarisation above; or what was said."""
    targets = tuple(replace(HARD, name=name) for name in "abcde"[:count])
    objective = Objective(targets=(SEEN, *targets), combine=combine)
    assert (objective.way, len(objective.wanted)) == (way, wanted)


@pytest.mark.parametrize(
    ("target", "utilities"),
    [
        (HARD, [0.0, 3.0, 5.0]),
        (CHEAP, [-0.0, -3.0, -5.0]),
        (MATCH, [-3.0, -0.0, -2.0]),
        (WINDOW, [-2.0, -0.0, -1.0]),
    ],
)
def test_utility_says_how_good_a_value_is(target, utilities):
    """Of floats, arrays and tensors alike: one formula for data and for draws of a posterior."""
    values = [0.0, 3.0, 5.0]
    assert [target.utility(value) for value in values] == utilities
    assert target.utility(np.array(values)).tolist() == utilities
    assert target.utility(torch.tensor(values)).tolist() == utilities


@pytest.mark.parametrize("goal", ["learn", "observe"])
def test_what_is_not_ranked_has_no_utility(goal):
    """No value is better than another where none is wished for."""
    with pytest.raises(ObjectiveError, match="a goal that ranks values"):
        Target(name="y", goal=goal).utility(1.0)


@given(target=some.wishes(), factor=st.sampled_from([0.001, 1.8, 1e3]), shift=st.integers(-9, 9))
def test_units_do_not_change_what_is_better(target, factor, shift):
    """An affine change of units scales every utility difference by the same factor."""
    fields = ("value", "low", "high")
    numbers = {name: x for name in fields if (x := getattr(target, name)) is not None}
    other = replace(target, **{name: factor * x + shift for name, x in numbers.items()})
    y = np.linspace(-20, 20, 41)
    one, two = target.utility(y), other.utility(factor * y + shift)
    assert np.allclose(np.diff(two), factor * np.diff(one), atol=1e-9 * factor)


def test_without_units_every_number_is_where_it_was():
    """Ends, bounds and the reference point move along with the outcomes."""
    hard = Target(name="hardness", goal="window", low=2.0, high=4.0)
    objective = Objective(
        targets=(hard, CHEAP),
        bounds=(Bound(target="cost", sense="<=", value=30.0),),
        combine="pareto",
        reference={"cost": 50.0},
    )
    bare = objective.standardised((3.0, 10.0), (2.0, 20.0))
    assert (bare.targets[0].low, bare.targets[0].high) == (-0.5, 0.5)
    assert bare.targets[1] == CHEAP
    assert (bare.bounds[0].value, bare.reference) == (1.0, {"cost": 2.0})


def test_a_window_too_narrow_for_nine_decimals_is_none():
    """Beside how far outcomes spread, its two ends are one number."""
    narrow = Target(name="y", goal="window", low=1.0, high=1.0 + 1e-6)
    with pytest.raises(ObjectiveError, match="low below high"):
        Objective(targets=(narrow,)).standardised((0.0,), (1e6,))


@pytest.mark.parametrize(
    ("target", "shares"),
    [
        (replace(HARD, worst=1.0, best=3.0), [0.0, 0.0, 0.5, 1.0, 1.0]),
        (replace(CHEAP, worst=3.0, best=1.0), [1.0, 1.0, 0.5, 0.0, 0.0]),
        (replace(MATCH, value=2.0, worst=4.0), [0.0, 0.5, 1.0, 0.5, 0.0]),
        (replace(WINDOW, low=1.0, high=2.0, worst=4.0), [0.5, 1.0, 1.0, 0.5, 0.0]),
    ],
)
def test_desirability_runs_from_worst_to_best(target, shares):
    """0 at `worst` and beyond, 1 at `best` and beyond, linear between, on both sides of a value."""
    assert target.desirability(np.arange(5.0)).tolist() == shares


def test_desirabilities_are_averaged_geometrically():
    """(d1^w1 d2^w2)^(1 / (w1 + w2)); nothing makes up for what is worth nothing."""
    hard = replace(HARD, worst=0.0, best=1.0, weight=3.0)
    objective = Objective(
        targets=(hard, replace(CHEAP, worst=1.0, best=0.0)), combine="desirability"
    )
    values = {"hardness": np.array([0.5, 1.0]), "cost": np.array([0.75, 1.0])}
    assert objective.desirability(values) == pytest.approx([(0.5**3 * 0.25) ** 0.25, 0.0])
