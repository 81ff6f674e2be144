"""The search space: the one border between names and numbers, and the rules that empty it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop.designs import fresh
from loop.errors import SpaceError
from loop.space.composition import Composition
from loop.space.parameters import Categorical, Continuous, Discrete
from loop.space.rules import Expression, Linear
from loop.space.space import SearchSpace
from loop.space.values import Point
from tests.loop import strategies as some

T = Continuous(name="T", low=300.0, high=1200.0, unit="K")
RATE = Continuous(name="rate", low=0.1, high=10.0, log=True)
TIME = Discrete(name="time", low=10.0, high=60.0, step=5.0)
GAS = Categorical(name="gas", values=("Ar", "N2", "air"))
ALLOY = Composition(name="alloy", elements=("Cu", "Au", "Pd"))
ALL = SearchSpace(parameters=(T, TIME, GAS, ALLOY))
POINT: Point = {"T": 600.0, "time": 20.0, "gas": "N2", "alloy": {"Cu": 0.25, "Pd": 0.75}}


def _is_linear(space):
    return not any(isinstance(rule, Expression) for rule in space.constraints)


@given(data=st.data())
def test_decoding_what_was_encoded_gives_the_points(data):
    """decode(encode(points)) == points, in every space."""
    space = data.draw(some.spaces())
    points = [data.draw(some.points(space)), data.draw(some.points(space))]
    X = space.encode(points)
    assert space.encode(space.decode(X)) == pytest.approx(X, abs=1e-9)
    assert [space.contains(point) for point in space.decode(X)] == [True, True]


@given(space=some.spaces(), seed=some.seeds)
def test_snapped_rows_that_meet_the_constraints_are_points_of_the_space(space, seed):
    """`snap` and `meets` on numbers agree with `check` on names."""
    X = space.snap(np.random.default_rng(seed).normal(0.5, 1.0, (8, len(space.columns))))
    assert space.meets(X).tolist() == [space.contains(point) for point in space.decode(X)]


@given(space=some.spaces(), seed=some.seeds)
def test_rows_lie_within_the_bounds(space, seed):
    """Every feasible row lies between the bounds of its columns."""
    X = fresh(space, 4, seed, set())
    low, high = space.bounds
    assert np.all((low - 1e-9 <= X) & (high + 1e-9 >= X))


@given(space=some.spaces().filter(_is_linear), seed=some.seeds)
def test_the_extreme_point_is_feasible_and_farthest(space, seed):
    """No sampled row lies farther along a direction than the extreme point."""
    direction = np.random.default_rng(seed).standard_normal(len(space.columns))
    corner = space.extreme(direction)
    assert corner is not None
    assert space.meets(space.repair(corner[None])).all()
    assert (fresh(space, 8, seed, set()) @ direction <= corner @ direction + 1e-5).all()


@given(parameter=some.stepped, seed=some.seeds)
def test_the_same_point_has_the_same_key(parameter, seed):
    """Keys tell points apart, and what rounding does on the way to a name and back does not."""
    space = SearchSpace(parameters=(parameter,))
    X = fresh(space, 4, seed, set())
    assert space.keys(space.encode(space.decode(X))) == space.keys(X)
    assert len(set(space.keys(X))) == len(X)


def test_columns_stand_side_by_side():
    """Each parameter owns the columns that carry its name."""
    assert ALL.columns == (
        *("T", "time", "gas=Ar", "gas=N2", "gas=air", "alloy.Cu", "alloy.Au", "alloy.Pd"),
    )
    assert ALL.encode([POINT])[0, ALL.slices["gas"]].tolist() == [0.0, 1.0, 0.0]


def test_no_points_are_no_rows():
    """Encoding nothing gives a matrix with all columns and no row."""
    assert ALL.encode([]).shape == (0, 8)


@pytest.mark.parametrize(
    ("parameters", "size"),
    [((TIME,), 11), ((TIME, GAS), 33), ((T, GAS), np.inf), ((ALLOY,), np.inf)],
)
def test_size_counts_points(parameters, size):
    """Finite where everything is stepped or named."""
    assert SearchSpace(parameters=parameters).size == size


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"T": 1500.0}, r"space\.T: expected a value from 300 to 1200 K"),
        ({"p": 1.0}, "point: expected parameters T, time, gas, alloy, got p"),
        ({"alloy": {"Cu": 0.5}}, "sum to 1"),
    ],
)
def test_a_point_outside_is_refused(change, said):
    """The first rule that a point breaks is named."""
    with pytest.raises(SpaceError, match=said):
        ALL.check({**POINT, **change})


def test_a_missing_value_is_refused():
    """A point without one of the parameters is no point."""
    with pytest.raises(SpaceError, match=r"space\.gas: expected a value, got a point without it"):
        ALL.check({name: value for name, value in POINT.items() if name != "gas"})


@pytest.mark.parametrize(
    ("constraint", "said"),
    [
        (Linear(terms={"T": 1.0}, low=1300.0), r"constraint 1 \(1300 <= T\): expected .* none is"),
        (Linear(terms={"gas": 1.0}, low=0.0), "terms among T, time, alloy.Cu, .*, got 'gas'"),
        (Linear(terms={"rate": 1.0}, low=0.0), "numeric and not logarithmic"),
        (Linear(terms={"alloy.Pb": 1.0}, low=0.0), "got 'alloy.Pb'"),
        (Linear(terms={"alloy.Cu": 1.0, "alloy.Au": 1.0}, low=1.1), "that some point"),
        (Linear(terms={"time": 1.0}, low=21.0, high=24.0), "that some point of the space"),
    ],
)
def test_a_space_without_a_point_is_refused(constraint, said):
    """The constraint that empties the space is named when the space is defined."""
    with pytest.raises(SpaceError, match=said):
        SearchSpace(parameters=(T, RATE, TIME, GAS, ALLOY), constraints=(constraint,))


def test_two_constraints_that_exclude_each_other_are_refused():
    """The second is named, together with those before it."""
    above, below = Linear(terms={"T": 1.0}, low=800.0), Linear(terms={"T": 1.0}, high=700.0)
    with pytest.raises(SpaceError, match=r"constraint 2 .* together with the constraints before"):
        SearchSpace(parameters=(T,), constraints=(above, below))


@pytest.mark.parametrize(
    ("names", "said"), [((), "at least one parameter"), (("x", "x"), "a name used once, got 2")]
)
def test_names_are_used_once(names, said):
    """A space needs parameters, and tells them apart by name."""
    with pytest.raises(SpaceError, match=said):
        SearchSpace(parameters=tuple(Continuous(name=n, low=0.0, high=1.0) for n in names))


@pytest.mark.parametrize(
    ("terms", "low", "high"), [({}, 0.0, None), ({"T": 1.0}, None, None), ({"T": 1.0}, 2.0, 1.0)]
)
def test_a_constraint_that_says_nothing_is_refused(terms, low, high):
    """A constraint has terms, and bounds in order."""
    with pytest.raises(SpaceError, match="terms and a low or a high bound"):
        Linear(terms=terms, low=low, high=high)


@pytest.mark.parametrize(
    ("low", "high", "written"),
    [(1.0, None, "1 <= T + 2 t"), (None, 3.0, "T + 2 t <= 3"), (2.0, 2.0, "T + 2 t = 2")],
)
def test_a_constraint_reads_as_on_paper(low, high, written):
    """Messages name a constraint by its formula."""
    assert str(Linear(terms={"T": 1.0, "t": 2.0}, low=low, high=high)) == written


@pytest.mark.parametrize(("temperature", "is_met"), [(800.0, True), (800.1, False)])
def test_constraints_hold_in_the_units_of_the_parameters(temperature, is_met):
    """Coefficients multiply values as they are written, not encoded columns."""
    cap = Linear(terms={"T": 1.0, "time": 10.0}, high=1000.0)
    space = SearchSpace(parameters=(T, TIME), constraints=(cap,))
    assert space.contains({"T": temperature, "time": 20.0}) is is_met
