"""Acquisitions by joint draws: the right one, its value, its slope, and nothing left behind."""

import numpy as np
import pytest
import torch
from botorch.acquisition.multi_objective import logei
from scipy.stats import spearmanr

from loop.acquisition.closed import Ask, worth
from loop.acquisition.sampled import _Asked, _compromise, _desired, sampled
from loop.designs import fresh
from loop.errors import ObjectiveError
from loop.front import balance, extent
from loop.objective import Bound, Objective, Target
from loop.space.composition import Composition
from loop.space.parameters import Categorical, Continuous, Discrete, Parameter
from loop.space.rules import Linear
from loop.surrogate.data import training_data
from loop.surrogate.portfolio import fit
from tests.loop import rigs

A, B = rigs.A, rigs.B
NOTHING = np.empty((0, 2))
UP, DOWN = Target(name="y"), Target(name="z", goal="min")
MORE = tuple(Target(name=name) for name in ("p", "q", "r"))
WISHED = (Target(name="y", worst=-1.0, best=2.0), Target(name="z", goal="min", worst=1, best=0))
INSIDE = (Bound(target="z", sense="<=", value=0.5),)
NOWHERE = (Bound(target="z", sense=">=", value=9.0),)

ONE = Objective(targets=(UP, Target(name="z", goal="observe")))
PARETO = Objective(targets=(UP, DOWN), combine="pareto")
SCALAR = Objective(targets=(UP, DOWN), combine="scalar")
DESIRED = Objective(targets=WISHED, combine="desirability")
MANY = Objective(targets=(UP, DOWN, *MORE), combine="auto")


def bounded(objective, bounds):
    """The same goals under bounds."""
    return Objective(targets=objective.targets, combine=objective.combine, bounds=bounds)


def formula(point):
    """A hill in y, a slope in z, waves in the others."""
    a, b = point["a"], point["b"]
    waves = {name: float(np.sin(3 * k * a + b)) for k, name in enumerate("pqr")}
    return {"y": 1 - (a - 0.4) ** 2 - (b - 0.6) ** 2, "z": a * b, **waves}


def fitted(objective, kind="matern", count=10):
    """A model of the first points of the design on the unit square."""
    problem = rigs.asked(A, B, targets=objective.targets, combine=objective.combine)
    campaign = rigs.evaluated(problem, formula, count)
    return fit(training_data(campaign), problem.space.bounds, kind)


def square(count=64, seed=0):
    """Rows of the unit square."""
    return np.random.default_rng(seed).random((count, 2))


@pytest.mark.parametrize("kind", ["matern", "linear", "forest"])
@pytest.mark.parametrize("pending", [0, 2])
@pytest.mark.parametrize(
    ("objective", "name", "said"),
    [
        (ONE, "qlogei", "qLogEI"),
        (ONE, "qlognei", "qLogNEI"),
        (SCALAR, "qlognei", "qLogNEI"),
        (DESIRED, "qlogei", "qLogEI"),
        (DESIRED, "qlognei", "qLogNEI"),
        (PARETO, "qlognehvi", "qLogNEHVI"),
        (PARETO, "qlogparego", "qLogNParEGO"),
        (MANY, "qlogparego", "qLogNParEGO"),
        (bounded(ONE, INSIDE), "qlogei", "qLogEI"),
        (bounded(ONE, INSIDE), "qlognei", "qLogNEI"),
        (bounded(PARETO, INSIDE), "qlognehvi", "qLogNEHVI"),
        (bounded(ONE, NOWHERE), "qlogei", "qLogPF"),
        (bounded(PARETO, NOWHERE), "qlognehvi", "qLogPF"),
    ],
)
def test_every_acquisition_values_every_goal_with_every_expert(
    objective, name, said, kind, pending
):
    """It is called by its name, all its values are finite, and only processes can be climbed."""
    chosen = sampled(fitted(objective, kind), objective, square(pending, 1), name, 3)
    assert chosen.name == said
    assert np.isfinite(chosen.at(square())).all()
    assert (chosen.climb is None) is (kind == "forest")


@pytest.mark.parametrize(
    ("objective", "name"),
    [(ONE, "qlognehvi"), (ONE, "qlogparego"), (PARETO, "qlogei"), (SCALAR, "qlognehvi")],
)
def test_goals_that_it_is_not_for_are_refused(objective, name):
    """Hypervolume of one goal, or one utility of several, is an error in one sentence."""
    with pytest.raises(ObjectiveError, match=f"acquisition '{name}': expected .* Choose 'auto'"):
        sampled(fitted(objective), objective, NOTHING, name, 0)


@pytest.mark.parametrize("name", ["qlogei", "qlognei"])
@pytest.mark.parametrize("bounds", [(), INSIDE])
def test_draws_agree_with_the_closed_form(name, bounds):
    """Where both apply, the better half of the rows is ranked alike."""
    objective = bounded(ONE, bounds)
    model, rows = fitted(objective), square()
    exact = worth(Ask(fitted=model, objective=objective, pending=NOTHING), "logei").at(rows)
    drawn = sampled(model, objective, NOTHING, name, 1).at(rows)
    better = exact > np.median(exact)
    assert spearmanr(exact[better], drawn[better]).statistic > 0.8


@pytest.mark.parametrize(
    ("objective", "name"), [(ONE, "qlogei"), (ONE, "qlognei"), (PARETO, "qlognehvi")]
)
def test_a_pending_point_is_not_worth_asking_again(objective, name):
    """The best of the rows is far from the best once that is under way."""
    model, rows = fitted(objective), square()
    best = int(np.argmax(sampled(model, objective, NOTHING, name, 1).at(rows)))
    beside = sampled(model, objective, rows[[best]], name, 1).at(rows)
    assert beside[best] < beside.max() - 0.1


@pytest.mark.parametrize(
    ("objective", "name"), [(ONE, "qlognei"), (PARETO, "qlognehvi"), (MANY, "qlogparego")]
)
def test_the_seed_decides_and_nothing_else_changes(objective, name):
    """The same seed gives the same values, and the global random numbers go on as they were."""
    model, rows = fitted(objective), square()
    before = torch.random.get_rng_state()
    first, again = (sampled(model, objective, NOTHING, name, 7).at(rows) for _ in range(2))
    assert (first == again).all()
    assert (sampled(model, objective, NOTHING, name, 8).at(rows) != first).any()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_long_campaign_takes_the_front_as_believed(monkeypatch):
    """Of many points, the front is that of the means; the best rows are about the same."""
    model, rows = fitted(PARETO, count=20), square()
    drawn = sampled(model, PARETO, NOTHING, "qlognehvi", 1)
    monkeypatch.setattr("loop.acquisition.sampled.FEW", 10)
    believed = sampled(model, PARETO, NOTHING, "qlognehvi", 1)
    assert (drawn.name, believed.name) == ("qLogNEHVI", "qLogEHVI")
    better = drawn.at(rows) > np.median(drawn.at(rows))
    assert spearmanr(drawn.at(rows[better]), believed.at(rows[better])).statistic > 0.8


def test_no_compiler_is_started():
    """BoTorch's faster hypervolume would be compiled on first use, in whatever process that is."""
    sampled(fitted(PARETO), PARETO, NOTHING, "qlognehvi", 0)
    assert logei._C is None


SPACES: dict[str, tuple[tuple[Parameter, ...], tuple[Linear, ...]]] = {
    "plane": ((A, B), ()),
    "line": ((A, B), (Linear(terms={"a": 1.0, "b": 1.0}, low=0.8, high=0.8),)),
    "half": ((A, B), (Linear(terms={"a": 1.0, "b": 2.0}, high=1.0),)),
    "mixed": ((A, Categorical(name="g", values=("x", "y"))), ()),
    "steps": ((A, Discrete(name="s", low=0.0, high=1.0, step=0.25)), ()),
    "alloy": ((Composition(name="m", elements=("A", "B", "C", "D"), at_most=2),), ()),
    "coarse": ((Composition(name="m", elements=("A", "B", "C"), step=0.1), B), ()),
    "held": ((A, B, Continuous(name="c", low=0.0, high=1.0)), ()),
}


@pytest.mark.parametrize("case", SPACES)
@pytest.mark.parametrize(("combine", "name"), [("first", "qlognei"), ("pareto", "qlognehvi")])
def test_climbing_leads_uphill_and_stays_legal(case, combine, name):
    """Every climbed row meets every rule, and the best of them is worth no less than its start."""
    parameters, rules = SPACES[case]
    problem = rigs.asked(*parameters, targets=(UP, DOWN), constraints=rules, combine=combine)

    def rough(point):
        x = problem.space.encode([point])[0]
        return {"y": float(np.cos(5 * x).sum()), "z": float(x[0] * x[-1])}

    model = fit(training_data(rigs.evaluated(problem, rough, 10)), problem.space.bounds, "matern")
    space = problem.space.holding({"c": 0.3}) if case == "held" else problem.space
    chosen = sampled(model, problem.objective, np.empty((0, model.data.X.shape[1])), name, 2)
    starts = fresh(space, 6, 5, set())
    assert chosen.climb is not None
    ends = chosen.climb(space, starts)
    assert ends.shape == starts.shape
    assert space.meets(ends).all()
    assert chosen.at(ends).max() >= chosen.at(starts).max() - 1e-6


def test_a_compromise_is_the_balance_of_the_results():
    """What is optimised on draws is what results are compared by."""
    model = fitted(SCALAR)
    mean = (model.data.Y - model.shift) / model.scale
    asked = _Asked(fitted=model, objective=SCALAR, tested=torch.empty(0), pending=None, seed=0)
    weights = np.array([1.0, 3.0])
    U = model.data.Y * [1.0, -1.0]
    found = _compromise(asked, mean, weights)(torch.as_tensor(mean)).numpy()
    assert found == pytest.approx(balance(U, *extent(U), weights))


def test_desirability_is_that_of_the_results():
    """Up to the hair that keeps its slope finite, where it is 0 as well."""
    model = fitted(DESIRED)
    values = {"y": np.array([-3.0, 0.0, 1.5, 5.0]), "z": np.array([0.2, 0.7, 0.1, -1.0])}
    outcomes = (np.column_stack([values["y"], values["z"]]) - model.shift) / model.scale
    drawn = torch.as_tensor(outcomes).requires_grad_()
    found = _desired(model, DESIRED, drawn)
    assert found.detach().numpy() == pytest.approx(DESIRED.desirability(values), abs=2e-3)
    (slope,) = torch.autograd.grad(found.sum(), drawn)
    assert torch.isfinite(slope).all()
