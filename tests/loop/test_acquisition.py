"""The acquisition: the right criterion for the occasion, and its maximum where it is."""

import numpy as np
import pytest
from hypothesis import given, settings
from scipy.stats import spearmanr

from loop.acquisition import maximise, worth
from loop.designs import everything, fresh
from loop.objective import Bound, Target
from loop.parameters import Categorical, Composition, Continuous, Discrete
from loop.space import Linear, SearchSpace
from loop.surrogate import fit, training_data
from tests.loop import rigs
from tests.loop import strategies as some

A, B = rigs.A, rigs.B
STEPS = Discrete(name="s", low=0.0, high=1.0, step=0.1)
GAS = Categorical(name="g", values=("x", "y", "z"))
ALLOY = Composition(name="m", elements=("A", "B", "C", "D"), at_most=2)
COARSE = Composition(name="m", elements=("A", "B", "C"), step=0.1)
NOTHING = np.empty((0, 2))


def rough(problem):
    """A formula over any space: a hill and a ripple over its encoded columns."""

    def formula(point):
        x = problem.space.encode([point])[0]
        return {"y": float(np.cos(5 * x).sum() - ((x - 0.4) ** 2).sum()), "z": float(x[0])}

    return formula


def fitted(problem, count=8):
    """A model of the first points of the design."""
    campaign = rigs.evaluated(problem, rough(problem), count)
    return fit(training_data(campaign), problem.space.bounds)


TWO = (rigs.Y, rigs.Z)
INSIDE = (Bound(target="z", sense="<=", value=0.5),)
NOWHERE = (Bound(target="z", sense=">=", value=2.0),)


@pytest.mark.parametrize(
    ("bounds", "alone", "pending", "name"),
    [
        ((), True, 0, "LogEI"),
        ((), True, 1, "qLogNEI"),
        ((), False, 0, "qLogNEI"),
        (INSIDE, True, 0, "LogCEI"),
        (INSIDE, False, 1, "qLogNEI"),
        (NOWHERE, True, 0, "LogPF"),
        (NOWHERE, True, 1, "qLogPF"),
    ],
)
def test_the_criterion_fits_the_occasion(bounds, alone, pending, name):
    """One candidate or several, bounds or none, and nothing that keeps them yet."""
    problem = rigs.asked(targets=TWO, bounds=bounds)
    beside = np.full((pending, 2), 0.5)
    chosen = worth(fitted(problem), problem.objective, beside, alone=alone, seed=1)
    assert chosen.name == name
    assert np.isfinite(chosen.at(fresh(problem.space, 16, 0, set()))).all()


@pytest.mark.parametrize("bounds", [(), INSIDE])
def test_sampling_agrees_with_the_closed_form(bounds):
    """Where both apply, the two criteria rank points alike."""
    problem = rigs.asked(targets=TWO, bounds=bounds)
    model, rows = fitted(problem), fresh(problem.space, 64, 0, set())
    exact, sampled = (
        worth(model, problem.objective, NOTHING, alone=alone, seed=1).at(rows)
        for alone in (True, False)
    )
    assert spearmanr(exact, sampled).statistic > 0.8


def test_a_pending_point_is_not_worth_asking_again():
    """Beside a pending point, its own place is worth less than before."""
    problem = rigs.asked()
    model = fitted(problem)
    alone = worth(model, problem.objective, NOTHING, alone=False, seed=1)
    best = maximise(alone, problem.space, model.data.X, set(), 1)
    assert best is not None
    row = best[0][None]
    beside = worth(model, problem.objective, row, alone=False, seed=1)
    assert beside.at(row)[0] < alone.at(row)[0] - 0.5


@pytest.mark.parametrize("goal", ["max", "min"])
def test_improvement_is_sought_on_the_side_of_the_goal(goal):
    """On a slope, the best place is at its upper or at its lower end."""
    problem = rigs.asked(A, targets=(Target(name="y", goal=goal),))
    campaign = rigs.evaluated(problem, lambda p: {"y": 2 * p["a"]}, 6)
    model = fit(training_data(campaign), problem.space.bounds)
    chosen = worth(model, problem.objective, np.empty((0, 1)), alone=True, seed=1)
    rows = np.array([[0.0], [1.0]])
    assert np.argmax(chosen.at(rows)) == (goal == "max")


@pytest.mark.parametrize(
    "parameters",
    [(A, B), (A, GAS), (STEPS, GAS), (A, STEPS), (ALLOY,), (COARSE, STEPS), (ALLOY, GAS)],
    ids=lambda parameters: "-".join(type(each).__name__ for each in parameters),
)
def test_the_maximum_is_above_all_of_many_points(parameters):
    """In every kind of space, no space-filling point is worth more than the one that is found."""
    problem = rigs.asked(*parameters)
    model = fitted(problem)
    criterion = worth(model, problem.objective, NOTHING, alone=True, seed=1)
    found = maximise(criterion, problem.space, model.data.X, set(), 1)
    assert found is not None
    row, value = found
    assert criterion.at(row[None])[0] == pytest.approx(value)
    assert value >= criterion.at(fresh(problem.space, 2000, 99, set())).max() - 1e-3
    assert problem.space.contains(problem.space.decode(row[None])[0])


@pytest.mark.parametrize(
    "constraint",
    [
        Linear(terms={"a": 1.0, "b": 1.0}, high=0.8),
        Linear(terms={"a": 1.0, "b": 1.0}, low=1.0, high=1.0),
        Linear(terms={"a": 1.0, "b": -2.0}, low=0.1),
    ],
    ids=str,
)
def test_linear_constraints_hold(constraint):
    """Inequalities and equations bind the maximum, and it is still one."""
    problem = rigs.asked(A, B, constraints=(constraint,))
    model = fitted(problem)
    criterion = worth(model, problem.objective, NOTHING, alone=True, seed=1)
    found = maximise(criterion, problem.space, model.data.X, set(), 1)
    assert found is not None
    assert problem.space.contains(problem.space.decode(found[0][None])[0])
    assert found[1] >= criterion.at(fresh(problem.space, 1000, 99, set())).max() - 1e-3


@given(space=some.spaces(), seed=some.seeds)
@settings(max_examples=10)
def test_the_maximum_is_a_new_point_of_the_space(space, seed):
    """Whatever the space: feasible, and none of those that are taken."""
    problem = rigs.asked(*space.parameters, constraints=space.constraints)
    X = fresh(space, 4, seed, set())
    if len(X) < 4:
        return
    points = rigs.placed(problem, *space.decode(X))
    answers = rigs.Evaluates(formula=rough(problem)).collect(points)
    data = training_data(rigs.replayed(problem, points, answers))
    criterion = worth(fit(data, space.bounds), problem.objective, X[:0], alone=True, seed=seed)
    taken = set(space.keys(X))
    found = maximise(criterion, space, X, taken, seed)
    if found is not None:
        assert space.contains(space.decode(found[0][None])[0])
        assert space.keys(found[0][None])[0] not in taken


def test_a_finite_space_is_looked_at_whole():
    """The best of all points that are left, and None when none is."""
    problem = rigs.asked(STEPS, GAS)
    model, all_rows = fitted(problem), everything(problem.space)
    criterion = worth(model, problem.objective, NOTHING, alone=True, seed=1)
    order = np.argsort(-criterion.at(all_rows))
    keys = problem.space.keys(all_rows)
    second = maximise(criterion, problem.space, model.data.X, {keys[order[0]]}, 1)
    assert second is not None
    assert second[0].tolist() == all_rows[order[1]].tolist()
    assert maximise(criterion, problem.space, model.data.X, set(keys), 1) is None


def test_a_stepped_composition_that_is_used_up_has_no_maximum():
    """A composition in tenths has 66 points; with all of them taken there is nothing left."""
    problem = rigs.asked(COARSE)
    model, rows = fitted(problem), fresh(problem.space, 66, 0, set())
    criterion = worth(model, problem.objective, NOTHING, alone=True, seed=1)
    keys = problem.space.keys(rows)
    last = maximise(criterion, problem.space, model.data.X, set(keys[:-1]), 1)
    assert last is not None
    assert problem.space.keys(last[0][None]) == keys[-1:]
    assert maximise(criterion, problem.space, model.data.X, set(keys), 1) is None


def test_the_same_seed_finds_the_same_maximum():
    """Sampling and starts are functions of the seed."""
    space = SearchSpace(parameters=(A, B))
    problem = rigs.asked(A, B)
    model = fitted(problem)
    found = [
        maximise(
            worth(model, problem.objective, NOTHING, alone=False, seed=seed),
            space,
            model.data.X,
            set(),
            seed,
        )
        for seed in (5, 5)
    ]
    assert found[0] is not None
    assert found[1] is not None
    assert np.array_equal(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]


def test_a_logarithmic_range_is_searched_like_any_other():
    """The maximum over six decades is found within a twentieth of them."""
    rate = Continuous(name="r", low=1e-6, high=1.0, log=True)
    problem = rigs.asked(rate)
    campaign = rigs.evaluated(problem, lambda p: {"y": -((np.log10(p["r"]) + 2) ** 2)}, 9)
    model = fit(training_data(campaign), problem.space.bounds)
    criterion = worth(model, problem.objective, np.empty((0, 1)), alone=True, seed=1)
    found = maximise(criterion, problem.space, model.data.X, set(), 1)
    assert found is not None
    assert 6 * found[0][0] - 6 == pytest.approx(-2, abs=0.3)
