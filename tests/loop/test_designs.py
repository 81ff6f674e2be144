"""Space-filling designs: feasible, distinct, reproducible, and honest about what is left."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from loop.campaign import Campaign
from loop.designs import Design, everything, fresh
from loop.errors import ConstraintsInfeasible, PoolExhausted
from loop.records import Opened, Proposed
from loop.space.composition import Composition
from loop.space.parameters import Categorical, Continuous, Discrete
from loop.space.rules import Linear
from loop.space.space import SearchSpace
from tests.loop import rigs
from tests.loop import strategies as some

T = Continuous(name="T", low=0.0, high=10.0)
P = Continuous(name="p", low=0.0, high=10.0)
TIME = Discrete(name="time", low=0.0, high=4.0, step=1.0)
GAS = Categorical(name="gas", values=("Ar", "N2"))
COARSE = Composition(name="alloy", elements=("Cu", "Au", "Pd"), step=0.25)
PURE = Composition(name="alloy", elements=("Cu", "Au", "Pd"), at_most=1)
TIED = Composition(name="mix", elements=("a", "b"), high={"a": 0.0})
FIVE = Composition(name="alloy", elements=("Cu", "Au", "Pd", "Ni", "Al"), at_most=2)


@given(space=some.spaces(), seed=some.seeds)
def test_fresh_points_are_feasible_and_distinct(space, seed):
    """No point breaks a rule, comes twice, or was taken before."""
    taken = set(space.keys(fresh(space, 3, seed, set())))
    X = fresh(space, 8, seed, taken)
    assert all(space.contains(point) for point in space.decode(X))
    assert len({*taken, *space.keys(X)}) == len(taken) + len(X)


@given(space=some.spaces(), seed=some.seeds)
def test_the_same_seed_gives_the_same_points(space, seed):
    """A design is a function of space and seed, and a longer one begins like a shorter one."""
    assert np.array_equal(fresh(space, 3, seed, set()), fresh(space, 6, seed, set())[:3])


@pytest.mark.parametrize("rules", [(), (Linear(terms={"T": 1.0, "p": 1.0}, high=8.0),)])
def test_a_long_design_goes_on_where_it_was(rules):
    """What it has drawn already is passed over, and nothing else."""
    space = SearchSpace(parameters=(T, P), constraints=rules)
    X = fresh(space, 900, 1, set())
    taken = set(space.keys(X[:890]))
    assert np.array_equal(fresh(space, 10, 1, taken, skip=890), X[890:])


@pytest.mark.parametrize(
    ("constraint", "count"),
    [
        (Linear(terms={"T": 1.0, "p": 1.0}, low=7.0, high=7.0), 20),
        (Linear(terms={"T": 1.0, "p": -1.0}, low=0.0, high=1e-4), 20),
        (Linear(terms={"T": 1.0, "p": 1.0}, high=0.01), 20),
    ],
)
def test_a_thin_space_is_filled(constraint, count):
    """An equation between parameters leaves a line, which no rejection sampling hits."""
    space = SearchSpace(parameters=(T, P), constraints=(constraint,))
    X = fresh(space, count, 1, set())
    assert len(X) == count
    assert all(space.contains(point) for point in space.decode(X))
    corner = space.extreme(np.array([1.0, 0.0]))
    assert corner is not None
    assert np.ptp(X[:, 0]) > 0.5 * corner[0]


@pytest.mark.parametrize("space", [(T, P), (T, GAS, TIME), (FIVE,)])
def test_a_design_covers_its_space(space):
    """Every column of 64 points is near its lower and its upper bound somewhere."""
    problem = rigs.asked(*space)
    X = problem.space.encode(each.point for each in rigs.candidates(problem, 64))
    low, high = problem.space.bounds
    assert np.all(X.min(axis=0) <= low + 0.1)
    assert np.all(X.max(axis=0) >= high - 0.25)


def test_a_composition_of_few_elements_shows_every_pair():
    """All ten pairs of five elements are among the first hundred points, and no three."""
    problem = rigs.asked(FIVE)
    X = problem.space.encode(each.point for each in rigs.candidates(problem, 100))
    drawn = {tuple(np.flatnonzero(row)) for row in X}
    assert len({pair for pair in drawn if len(pair) == 2}) == 10
    assert max(map(len, drawn)) == 2


def test_everything_lists_a_finite_space():
    """All feasible points, each once."""
    cap = Linear(terms={"time": 1.0}, high=2.0)
    space = SearchSpace(parameters=(TIME, GAS), constraints=(cap,))
    points = space.decode(everything(space))
    assert {(p["time"], p["gas"]) for p in points} == {
        (time, gas) for time in (0.0, 1.0, 2.0) for gas in ("Ar", "N2")
    }
    assert len(points) == 6


@pytest.mark.parametrize(
    ("parameters", "points", "error", "said"),
    [
        ((TIME, GAS), 10, PoolExhausted, "every other point of this finite space has been"),
        ((COARSE,), 15, PoolExhausted, "every other point of this finite space has been"),
        ((PURE,), 3, PoolExhausted, "every other point of this"),
        ((COARSE, GAS), 30, PoolExhausted, "every other point of this finite space has been"),
        ((COARSE, TIED), 15, ConstraintsInfeasible, "draws brought no other"),
    ],
)
def test_a_space_that_is_used_up_says_so(parameters, points, error, said):
    """All points are proposed, and then the shortfall names how many are left."""
    problem = rigs.asked(*parameters)
    first = rigs.candidates(problem, points - 2)
    campaign = Campaign.replay(problem, [Opened(problem=problem), Proposed(candidates=first)])
    with pytest.raises(error, match=said) as caught:
        Design().propose(campaign, 5)
    assert caught.value.available == 2
    assert len(Design().propose(campaign, 2)) == 2


def test_a_design_goes_on_where_it_stopped():
    """Four candidates at once, or two and two, are the same four."""
    problem = rigs.asked()
    two = rigs.candidates(problem, 2)
    campaign = Campaign.replay(problem, [Opened(problem=problem), Proposed(candidates=two)])
    assert (*two, *Design().propose(campaign, 2)) == rigs.candidates(problem, 4)


@pytest.mark.parametrize("step", [0.1, 1.0, 2.5])
@pytest.mark.parametrize("parameters", [(T, P), (T, P, GAS, TIME)])
def test_a_design_that_is_rounded_goes_on_where_it_stopped(parameters, step):
    """A point that was rounded to what can be set is not drawn once more, to be asked beside it."""
    problem = rigs.asked(*parameters)
    campaign = Campaign.replay(problem, [Opened(problem=problem)])
    for _ in range(4):
        asked = tuple(_to(step, each) for each in Design().propose(campaign, 3))
        campaign = campaign.extended([Proposed(candidates=asked)])
    whole = rigs.candidates(problem, 12)
    assert list(campaign.candidates.values()) == [_to(step, each) for each in whole]


def _to(step, candidate):
    """The candidate with its two temperatures in steps."""
    heat = {name: round(candidate.point[name] / step) * step for name in ("T", "p")}
    return replace(candidate, point={**candidate.point, **heat})
