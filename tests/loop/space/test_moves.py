"""Moves: what slides stays within the rules, what cannot is stepped, and all of it is legal."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from loop.designs import fresh
from loop.space.composition import Composition
from loop.space.moves import BESIDE, around, inside, kept, neighbours, rules
from loop.space.parameters import Categorical, Discrete, Ordinal
from loop.space.pool import Listing, pool
from loop.space.rules import Expression, Linear
from loop.space.space import SearchSpace
from tests.loop import rigs
from tests.loop import strategies as some

A, B = rigs.A, rigs.B
STEPS = Discrete(name="s", low=0.0, high=1.0, step=0.25)
GAS = Categorical(name="g", values=("x", "y", "z"))
GRADE = Ordinal(name="o", levels=("low", "middle", "high"))
ALLOY = Composition(name="m", elements=("A", "B", "C"), at_most=2)
COARSE = Composition(name="m", elements=("A", "B", "C"), step=0.1)


def encoded(space, **point):
    """One row of it."""
    return space.encode([point])[0]


@given(space=some.spaces(), seed=some.seeds)
@settings(max_examples=60)
def test_every_move_is_to_a_feasible_point(space, seed):
    """Scattered rows, neighbours and ends of a climb meet every rule of any space."""
    X = fresh(space, 3, seed, set())
    assume(len(X) == 3)
    wild = X + np.random.default_rng(seed).normal(size=X.shape)
    moved = [around(space, X, 16, seed), *(neighbours(space, x) for x in X), inside(space, X, wild)]
    rows = np.vstack(moved)
    assert all(space.contains(point) for point in space.decode(rows))
    assert len(moved[-1]) == 3


@given(space=some.spaces(), seed=some.seeds)
@settings(max_examples=60)
def test_what_is_kept_and_what_moves_obey_the_linear_rules(space, seed):
    """A feasible row meets the rules on its moving columns, with the others where they are."""
    X = fresh(space, 1, seed, set())
    assume(len(X) == 1)
    law = rules(space, kept(space, X[0]))
    assert law.equal @ X[0] == pytest.approx(law.level, abs=1e-6)
    assert (law.above @ X[0] >= law.least - 1e-6).all()


def test_a_row_far_inside_is_scattered_about():
    """Near and far, on both sides, and never beyond the bounds."""
    rows = around(rigs.asked().space, np.array([[0.5, 0.5]]), 200, 0)
    assert len(rows) == 200
    assert np.abs(rows - 0.5).max() > 0.3
    assert np.median(np.abs(rows - 0.5)) < 0.1
    assert len(around(rigs.asked().space, np.empty((0, 2)), 200, 0)) == 0


@pytest.mark.parametrize(
    ("parameters", "point", "still"),
    [
        ((A, B), {"a": 0.1, "b": 0.2}, []),
        ((A, STEPS, GAS), {"a": 0.1, "s": 0.5, "g": "y"}, [2, 3, 4]),
        ((A, GRADE), {"a": 0.1, "o": "low"}, [1]),
        ((ALLOY,), {"m": {"A": 0.4, "C": 0.6}}, [1]),
        ((COARSE,), {"m": {"A": 0.4, "C": 0.6}}, []),
    ],
)
def test_a_gradient_leaves_choices_alone(parameters, point, still):
    """Names, levels and absent elements stay; numbers, steps and present elements may slide."""
    space = SearchSpace(parameters=parameters)
    row = encoded(space, **point)
    assert kept(space, row) == {n: row[n] for n in still}


def test_what_is_held_is_kept():
    """Held columns do not move, with the values that they are held at."""
    space = SearchSpace(parameters=(A, B)).holding({"b": 0.75})
    assert kept(space, np.array([0.2, 0.75])) == {1: 0.75}


def test_the_rules_are_those_of_the_space():
    """A sum, an equality and an inequality, less those in which nothing moves."""
    constraints = (
        Linear(terms={"a": 1.0, "m.A": 2.0}, low=1.0, high=1.0),
        Linear(terms={"m.B": 1.0}, high=0.5),
        Linear(terms={"s": 1.0}, low=0.25),
    )
    space = SearchSpace(parameters=(A, STEPS, ALLOY), constraints=constraints)
    law = rules(space, {1: 0.5})
    assert law.equal.tolist() == [[0, 0, 1, 1, 1], [1, 0, 2, 0, 0]]
    assert law.level.tolist() == [1.0, 1.0]
    assert law.above.tolist() == [[0, 0, 0, -1, 0]]
    assert law.least.tolist() == [-0.5]


@pytest.mark.parametrize(
    ("parameters", "point", "others"),
    [
        ((STEPS,), {"s": 0.5}, [{"s": 0.25}, {"s": 0.75}]),
        ((STEPS,), {"s": 0.0}, [{"s": 0.25}]),
        ((GRADE,), {"o": "low"}, [{"o": "middle"}]),
        ((GRADE,), {"o": "middle"}, [{"o": "low"}, {"o": "high"}]),
        ((GAS,), {"g": "y"}, [{"g": "x"}, {"g": "z"}]),
        ((A,), {"a": 0.3}, []),
        (
            (COARSE,),
            {"m": {"A": 1.0}},
            [{"m": {"A": 0.9, "B": 0.1}}, {"m": {"A": 0.9, "C": 0.1}}],
        ),
    ],
)
def test_neighbours_are_one_step_away(parameters, point, others):
    """The values beside it, every other category, a bit of one element for another."""
    space = SearchSpace(parameters=parameters)
    found = space.decode(neighbours(space, encoded(space, **point)))
    assert [p for p in found if p not in others] == []
    assert [p for p in others if p not in found] == []


def test_neighbours_change_one_parameter_at_a_time():
    """Beside a step and a category: one of them moves, and the rest stays."""
    space = SearchSpace(parameters=(A, STEPS, GAS))
    row = encoded(space, a=0.3, s=0.5, g="x")
    for other in neighbours(space, row):
        changed = [not np.allclose(other[g], row[g]) for g in space.slices.values()]
        assert sum(changed) == 1


def test_neighbours_in_a_pool_with_conditions_are_the_nearest_rows():
    """Beside other parameters, a row of a pool steps to those most like it."""
    X = np.linspace(0, 1, 50)[:, None]
    made = pool("p", Listing(ids=[f"{n}" for n in range(50)], X=X, features=("f",)))
    space = SearchSpace(parameters=(made, A))
    found = space.decode(neighbours(space, encoded(space, p="20", a=0.5)))
    assert len(found) == BESIDE
    assert {abs(int(str(each["p"])) - 20) for each in found} == set(range(1, 9))


@given(start=st.tuples(st.floats(0, 0.3), st.floats(0, 0.3)), end=st.tuples(*[st.floats(0, 1)] * 2))
def test_a_climb_that_leaves_the_feasible_points_comes_back_on_its_way(start, end):
    """Legal ends stay; others end on the segment, at the last of its halvings that is legal."""
    space = SearchSpace(parameters=(A, B), constraints=(Expression(text="a * b <= 0.1"),))
    (row,) = inside(space, np.array([start]), np.array([end]))
    assert row[0] * row[1] <= 0.1 + 1e-9
    if end[0] * end[1] <= 0.1:
        assert row == pytest.approx(end)
    ways, gone = np.subtract(end, start), row - np.array(start)
    assert ways[0] * gone[1] == pytest.approx(ways[1] * gone[0], abs=1e-9)
