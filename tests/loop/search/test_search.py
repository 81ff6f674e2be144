"""The search: the maximum where it is, in every kind of space, and never a point that is taken."""

from math import inf

import numpy as np
import pytest
from hypothesis import given, settings

from loop.acquisition.closed import Ask, worth
from loop.acquisition.worth import Worth
from loop.designs import fresh
from loop.search.largest import APART, Asked, best_of, largest, scan
from loop.search.slopes import ascending
from loop.space.composition import Composition
from loop.space.parameters import Categorical, Continuous, Discrete, Ordinal
from loop.space.pool import Listing, pool
from loop.space.rules import Dependent, Excluded, Expression, Linear, Span
from loop.surrogate.data import training_data
from loop.surrogate.portfolio import fit
from tests.loop import rigs
from tests.loop import strategies as some

A, B = rigs.A, rigs.B
STEPS = Discrete(name="s", low=0.0, high=1.0, step=0.1)
GAS = Categorical(name="g", values=("x", "y", "z"))
GRADE = Ordinal(name="o", levels=(1.0, 10.0, 1000.0), log=True)
ALLOY = Composition(name="m", elements=("A", "B", "C", "D"), at_most=2)
COARSE = Composition(name="c", elements=("A", "B", "C"), step=0.1)
FINE = Composition(name="fine", elements=("A", "B", "C", "D", "E"), step=0.01, at_most=3)


def rough(problem):
    """A formula over any space: a hill and a ripple over its encoded columns."""

    def formula(point):
        x = problem.space.encode([point])[0]
        return {"y": float(np.cos(5 * x).sum() - ((x - 0.4) ** 2).sum())}

    return formula


def learnt(problem, count=8):
    """A criterion by the first points of the design, the rows of these, and nothing else asked."""
    campaign = rigs.evaluated(problem, rough(problem), count)
    fitted = fit(training_data(campaign), problem.space.bounds)
    X = problem.space.encode(c.point for c in campaign.candidates.values())
    ask = Ask(fitted=fitted, objective=problem.objective, pending=X[:0])
    return worth(ask), X, Asked(X=X, keys=set(problem.space.keys(X)))


def peak(*place):
    """A smooth worth that is largest at one encoded row."""
    return Worth(name="peak", at=lambda X: -((X - np.array(place)) ** 2).sum(axis=1))


def nobody(space):
    """Nothing has been asked."""
    return Asked(X=np.empty((0, len(space.columns))), keys=set())


@pytest.mark.parametrize(
    "parameters",
    [
        (A, B),
        (A, GAS),
        (STEPS, GAS),
        (A, STEPS),
        (A, GRADE),
        (ALLOY,),
        (COARSE, STEPS),
        (ALLOY, GAS),
        (FINE,),
    ],
    ids=lambda parameters: "-".join(each.name for each in parameters),
)
def test_the_maximum_is_above_all_of_many_points(parameters):
    """In every kind of space, no space-filling point is worth more than the one that is found."""
    problem = rigs.asked(*parameters)
    criterion, X, asked = learnt(problem)
    found = largest(criterion, problem.space, X, asked, 1)
    assert found is not None
    row, value = found
    assert criterion.at(row[None])[0] == pytest.approx(value)
    assert value >= criterion.at(fresh(problem.space, 2000, 99, asked.keys)).max() - 1e-3
    assert problem.space.contains(problem.space.decode(row[None])[0])


@pytest.mark.parametrize(
    "constraint",
    [
        Linear(terms={"a": 1.0, "b": 1.0}, high=0.8),
        Linear(terms={"a": 1.0, "b": 1.0}, low=1.0, high=1.0),
        Linear(terms={"a": 1.0, "b": -2.0}, low=0.1),
        Expression(text="a * b <= 0.1"),
        Expression(text="abs(a - b) >= 0.6"),
    ],
    ids=str,
)
def test_constraints_hold(constraint):
    """Inequalities, equations and expressions bind the maximum, and it is still one."""
    problem = rigs.asked(A, B, constraints=(constraint,))
    criterion, X, asked = learnt(problem)
    found = largest(criterion, problem.space, X, asked, 1)
    assert found is not None
    assert problem.space.contains(problem.space.decode(found[0][None])[0])
    assert found[1] >= criterion.at(fresh(problem.space, 1000, 99, asked.keys)).max() - 1e-3


@pytest.mark.parametrize(
    ("rule", "place", "expected"),
    [
        (Linear(terms={"a": 1.0, "b": 1.0}, high=1.0), (0.9, 0.9), (0.5, 0.5)),
        (Linear(terms={"a": 1.0, "b": 2.0}, low=1.5, high=1.5), (0.9, 0.8), (0.7, 0.4)),
        (Excluded(when={"a": Span(min=0.6)}), (0.9, 0.9), (0.6, 0.9)),
        (Expression(text="a ** 2 + b ** 2 <= 0.5"), (0.9, 0.9), (0.5, 0.5)),
    ],
    ids=["below a line", "on a line", "beside what is excluded", "within a circle"],
)
def test_a_peak_outside_is_met_at_the_border(rule, place, expected):
    """The feasible point nearest to it is found, or one that is worth as much to 0.005."""
    space = rigs.asked(A, B, constraints=(rule,)).space
    found = largest(peak(*place), space, np.empty((0, 2)), nobody(space), 0)
    assert found is not None
    assert found[1] > peak(*place).at(np.array([expected]))[0] - 0.005


def test_what_depends_is_where_it_must_be():
    """A dependent parameter is free only beside the value that it depends on."""
    rule = Dependent(parameter="a", on="g", values=("x",), otherwise=0.0)
    space = rigs.asked(A, GAS, constraints=(rule,)).space
    for gas, expected in (((1, 0, 0), 0.8), ((0, 1, 0), 0.0)):
        found = largest(peak(0.8, *gas), space, np.empty((0, 4)), nobody(space), 0)
        assert found is not None
        assert found[0] == pytest.approx([expected, *gas], abs=1e-4)


def test_the_corner_of_a_simplex_is_reached():
    """A peak beyond two components: the two best, at the right shares."""
    space = rigs.asked(ALLOY).space
    found = largest(peak(0.7, 0.4, 0.0, 0.1), space, np.empty((0, 4)), nobody(space), 0)
    assert found is not None
    assert found[0] == pytest.approx([0.65, 0.35, 0.0, 0.0], abs=2e-3)


def test_what_is_held_stays():
    """The maximum of a space with one parameter held has that value, and the best of the rest."""
    space = rigs.asked(A, B, GAS).space.holding({"a": 0.25, "g": "y"})
    found = largest(peak(0.9, 0.6, 1.0, 0.0, 0.0), space, np.empty((0, 5)), nobody(space), 0)
    assert found is not None
    assert found[0] == pytest.approx([0.25, 0.6, 0.0, 1.0, 0.0], abs=1e-4)


@given(space=some.spaces(), seed=some.seeds)
@settings(max_examples=20)
def test_the_maximum_is_a_new_point_of_the_space(space, seed):
    """Whatever the space: feasible, and none of those that are taken."""
    X = fresh(space, 4, seed, set())
    if len(X) < 4:
        return
    asked = Asked(X=X, keys=set(space.keys(X)))
    direction = np.random.default_rng(seed).normal(size=X.shape[1])
    slope = Worth(name="slope", at=lambda rows: rows @ direction)
    found = largest(slope, space, X, asked, seed)
    if found is not None:
        assert space.contains(space.decode(found[0][None])[0])
        assert space.keys(found[0][None])[0] not in asked.keys


def test_a_finite_space_is_looked_at_whole():
    """The best of all points that are left, and None when none is."""
    problem = rigs.asked(STEPS, GAS)
    criterion, X, _ = learnt(problem)
    rows = problem.space.everything()
    order, keys = np.argsort(-criterion.at(rows)), problem.space.keys(rows)
    best = Asked(X=rows[order[:1]], keys={keys[order[0]]})
    second = largest(criterion, problem.space, X, best, 1)
    assert second is not None
    assert second[0].tolist() == rows[order[1]].tolist()
    assert largest(criterion, problem.space, X, Asked(X=rows, keys=set(keys)), 1) is None


def test_a_stepped_composition_that_is_used_up_has_no_maximum():
    """A composition in tenths has 66 points; with all of them taken there is nothing left."""
    space = rigs.asked(COARSE).space
    rows = space.everything()
    assert len(rows) == 66
    taken = Asked(X=rows, keys=set(space.keys(rows)))
    assert largest(peak(1, 0, 0), space, rows[:3], taken, 1) is None


def test_close_is_not_new_where_there_is_no_end_of_points():
    """In a continuous space, a maximum that was asked before is left by a visible distance."""
    space = rigs.asked().space
    asked = Asked(X=np.array([[0.5, 0.5]]), keys=set())
    found = largest(peak(0.5, 0.5), space, asked.X, asked, 0)
    assert found is not None
    assert APART < np.abs(found[0] - 0.5).max() < 0.05


def test_the_same_seed_finds_the_same_maximum():
    """Starts are functions of the seed."""
    problem = rigs.asked()
    criterion, X, asked = learnt(problem)
    one, other = (largest(criterion, problem.space, X, asked, 5) for _ in range(2))
    assert one is not None
    assert other is not None
    assert np.array_equal(one[0], other[0])
    assert one[1] == other[1]


def test_a_logarithmic_range_is_searched_like_any_other():
    """The maximum over six decades is found within a twentieth of them."""
    rate = Continuous(name="r", low=1e-6, high=1.0, log=True)
    problem = rigs.asked(rate)
    campaign = rigs.evaluated(problem, lambda p: {"y": -((np.log10(p["r"]) + 2) ** 2)}, 9)
    fitted = fit(training_data(campaign), problem.space.bounds)
    ask = Ask(fitted=fitted, objective=problem.objective, pending=np.empty((0, 1)))
    found = largest(worth(ask), problem.space, fitted.data.X[:3], nobody(problem.space), 1)
    assert found is not None
    assert 6 * found[0][0] - 6 == pytest.approx(-2, abs=0.3)


def test_what_is_not_a_number_is_worth_nothing():
    """A criterion that is NaN in places is maximised in the others."""
    space = rigs.asked().space
    holed = Worth(name="holed", at=lambda X: np.where(X[:, 0] > 0.5, np.nan, X[:, 0]))
    found = largest(holed, space, np.empty((0, 2)), nobody(space), 0)
    assert found is not None
    assert found[0][0] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("dimensions", [2, 6, 12])
def test_an_ascent_climbs_a_smooth_worth_to_its_peak(dimensions):
    """From anywhere, along central differences, to a millionth; and to the border beyond it."""
    parameters = tuple(Continuous(name=f"x{n}", low=0.0, high=1.0) for n in range(dimensions))
    space = rigs.asked(*parameters).space
    place = np.linspace(0.2, 1.2, dimensions)
    starts = np.random.default_rng(0).random((3, dimensions))
    ends = ascending(peak(*place).at)(space, starts)
    assert ends == pytest.approx(np.tile(np.minimum(place, 1.0), (3, 1)), abs=1e-5)


def drawn(count, seed=0, twins=0):
    """A pool of random rows, the last `twins` of which repeat the first."""
    X = np.random.default_rng(seed).random((count, 3))
    X[count - twins :] = X[:twins]
    listing = Listing(ids=[f"m-{n}" for n in range(count)], X=X, features=("p", "q", "r"))
    return pool("m", listing)


def test_a_small_pool_is_a_shortlist_of_itself():
    """Every free row, and none that is taken."""
    made = drawn(500)
    free = np.arange(500) >= 20
    assert scan([peak(0.5, 0.5, 0.5)], made, free, 0).tolist() == list(range(20, 500))


@pytest.mark.parametrize("count", [5_000, 70_000, 140_000])
def test_the_best_of_a_large_pool_are_on_the_shortlist(count):
    """By each of several criteria, whatever the block they are in; nothing taken, nothing twice."""
    made = drawn(count)
    worths = [peak(0.0, 0.0, 0.0), peak(1.0, 1.0, 1.0), peak(0.5, 0.0, 1.0)]
    free = np.random.default_rng(1).random(count) > 0.1
    rows = scan(worths, made, free, 0)
    assert len(set(rows.tolist())) == len(rows)
    assert free[rows].all()
    for each in worths:
        values = np.where(free, each.at(made.X), -inf)
        assert set(np.argsort(-values)[:500]) <= set(rows.tolist())


def test_a_pool_that_is_used_up_has_no_shortlist():
    """No free rows: nothing on the list, and no best of it."""
    made = drawn(5_000)
    rows = scan([peak(0, 0, 0)], made, np.zeros(5_000, dtype=bool), 0)
    assert len(rows) == 0
    assert best_of(peak(0, 0, 0), made.X[rows], 0) is None


def test_few_free_rows_of_a_large_pool_are_all_on_the_list():
    """What is left of a pool that is nearly used up."""
    made = drawn(5_000)
    free = np.isin(np.arange(5_000), [3, 4000])
    assert scan([peak(0, 0, 0)], made, free, 0).tolist() == [3, 4000]


def test_ties_are_settled_by_seed_and_not_by_place():
    """Of a hundred equal rows, different seeds take different ones, and the same seed the same."""
    flat = Worth(name="flat", at=lambda X: np.zeros(len(X)))
    chosen = [best_of(flat, np.zeros((100, 1)), seed) for seed in range(20)]
    places = [each[0] for each in chosen if each is not None]
    assert len(set(places)) > 10
    assert np.mean(places) == pytest.approx(50, abs=25)
    assert chosen[3] == best_of(flat, np.zeros((100, 1)), 3)


@pytest.mark.parametrize("value", [-inf, np.nan])
def test_a_worth_of_nothing_is_no_best(value):
    """Rows that are all worth minus infinity, or not a number, are not chosen."""
    nothing = Worth(name="nothing", at=lambda X: np.full(len(X), value))
    assert best_of(nothing, np.eye(3), 0) is None
