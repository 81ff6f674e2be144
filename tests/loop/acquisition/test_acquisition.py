"""The acquisition: the right criterion for the occasion, and the numbers that it should give."""

from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from botorch.acquisition.analytic import LogExpectedImprovement
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm, spearmanr

from loop.acquisition.closed import Ask, proxies, worth
from loop.acquisition.gains import log_improvement, log_kept, outside
from loop.designs import fresh
from loop.objective import Bound, Target
from loop.surrogate import bridge
from loop.surrogate.data import training_data
from loop.surrogate.portfolio import fit
from tests.loop import rigs

NOTHING = np.empty((0, 2))
INSIDE = (Bound(target="z", sense="<=", value=0.5),)
NOWHERE = (Bound(target="z", sense=">=", value=9.0),)
LEARN, LEVEL = Target(name="y", goal="learn"), Target(name="y", goal="level", value=0.5)
MATCH = Target(name="y", goal="match", value=0.5)
WINDOW = Target(name="y", goal="window", low=0.4, high=0.6)
LESS = Target(name="z", goal="min")
SCALED = (Target(name="y", worst=-2.0, best=2.0), Target(name="z", goal="min", worst=1, best=0))


def rough(point):
    """A hill and a ripple over the unit square; z is a."""
    x = np.array([point["a"], point["b"]])
    return {"y": float(np.cos(5 * x).sum() - ((x - 0.4) ** 2).sum()), "z": float(x[0])}


def loud(point):
    """A slope and a jitter of half its height."""
    return {"y": point["a"] + 0.5 * float(np.sin(1e4 * point["a"] + 1e3 * point["b"]))}


def asked(targets=(rigs.Y, rigs.Z), kind="auto", count=8, pending=NOTHING, **settings):
    """What an acquisition goes by after `count` design points of `rough`, or of a `formula`."""
    factors, formula = settings.pop("factors", ()), settings.pop("formula", rough)
    problem = rigs.asked(targets=targets, **settings)
    campaign = rigs.evaluated(problem, formula, count)
    fitted = fit(training_data(campaign), problem.space.bounds, kind)
    objective = problem.objective
    return Ask(fitted=fitted, objective=objective, pending=pending, factors=factors, seed=1)


SPREAD = fresh(rigs.asked().space, 64, 0, set())


@pytest.mark.parametrize(
    ("targets", "settings", "how", "name"),
    [
        ((rigs.Y, rigs.Z), {}, "auto", "UCB"),
        ((rigs.Y, rigs.Z), {"bounds": INSIDE}, "auto", "UCB"),
        ((rigs.Y, rigs.Z), {"bounds": NOWHERE}, "auto", "log P(feasible)"),
        ((rigs.Y, rigs.Z), {"bounds": NOWHERE}, "logei", "log P(feasible)"),
        ((rigs.Y, rigs.Z), {}, "logei", "LogEI"),
        ((rigs.Y, rigs.Z), {}, "qlogei", "qLogEI"),
        ((rigs.Y, rigs.Z), {"bounds": INSIDE}, "qlognei", "qLogNEI"),
        ((rigs.Y, rigs.Z), {"bounds": NOWHERE}, "qlognei", "qLogPF"),
        ((MATCH,), {}, "auto", "UCB"),
        ((WINDOW,), {}, "logei", "LogEI"),
        ((LEARN,), {}, "auto", "variance reduction"),
        ((LEVEL,), {}, "auto", "straddle"),
        ((rigs.Y, LESS), {"combine": "auto"}, "auto", "LogEHVI"),
        ((rigs.Y, LESS), {"combine": "auto"}, "qlognehvi", "qLogNEHVI"),
        ((rigs.Y, LESS), {"combine": "first"}, "auto", "UCB"),
        ((rigs.Y, LESS), {"combine": "scalar"}, "auto", "UCB"),
        ((rigs.Y, LESS), {"combine": "scalar"}, "qlogparego", "qLogNParEGO"),
        (SCALED, {"combine": "desirability"}, "auto", "UCB"),
        (SCALED, {"combine": "desirability"}, "logei", "LogEI"),
    ],
)
def test_the_criterion_fits_the_occasion(targets, settings, how, name):
    """By what is wanted, by name, and by what nothing keeps yet; finite everywhere."""
    chosen = worth(asked(targets, **settings), how)
    assert chosen.name == name
    assert np.isfinite(chosen.at(SPREAD[:16])).all()


@pytest.mark.parametrize(
    ("target", "formula", "pending", "is_open", "name"),
    [
        (rigs.Y, rough, NOTHING, True, "LogEI"),
        (Target(name="y", goal="min"), rough, NOTHING, True, "LogEI"),
        (rigs.Y, rough, NOTHING, False, "UCB"),
        (rigs.Y, rough, SPREAD[:1], True, "UCB"),
        (rigs.Y, loud, NOTHING, True, "UCB"),
        (MATCH, rough, NOTHING, True, "UCB"),
    ],
)
def test_an_open_choice_goes_for_the_best_point(target, formula, pending, is_open, name):
    """Unless something waits, noise casts doubt on the best, or a value is to be met."""
    ask = asked((target,), count=32, formula=formula, pending=pending)
    assert worth(replace(ask, is_open=is_open)).name == name


@pytest.mark.parametrize("how", ["auto", "ucb", "logei", "variance", "straddle"])
@pytest.mark.parametrize("kind", ["auto", "linear", "forest"])
def test_any_expert_goes_with_any_criterion(how, kind):
    """Processes and forests alike have all that a criterion needs."""
    target = {"variance": LEARN, "straddle": LEVEL}.get(how, rigs.Y)
    values = worth(asked((target,), kind), how).at(SPREAD)
    assert np.isfinite(values).all()
    assert len(set(values)) > 1


def test_improvement_is_that_of_botorch_deep_into_the_tail():
    """LogEI as BoTorch has it, from far above the best to a thousand deviations below it."""
    ask = asked((rigs.Y,), "matern")
    mean, sd = (column[:, 0] for column in ask.fitted.moments(SPREAD))
    model, X = bridge.model(ask.fitted), torch.as_tensor(SPREAD)[:, None]
    for best in (-100.0, -3.0, 0.0, 1.0, 3.0, 10.0, 1e3, 1e5):
        theirs = LogExpectedImprovement(model, best_f=best)(X).numpy()
        mark = best * ask.fitted.scale[0] + ask.fitted.shift[0]
        ours = log_improvement(mean, sd, mark) - np.log(ask.fitted.scale[0])
        assert ours == pytest.approx(theirs, rel=1e-4)


@given(
    mean=st.floats(-8, 8), sd=st.floats(1e-3, 5), ends=st.tuples(st.floats(-5, 5), st.floats(0, 4))
)
def test_how_far_outside_a_window_is_exact(mean, sd, ends):
    """Mean and deviation as by quadrature; a mirrored question has the same answer to the bit."""
    low, high = ends[0], sum(ends)

    reach = mean + 12 * sd * np.array([-1, 1])
    stretches = list(pairwise([reach[0], *np.clip([low, high], *reach), reach[1]]))

    def moment(power):
        def inner(y):
            off = max(low - y, 0.0) + max(y - high, 0.0)
            return off**power * norm.pdf(y, mean, sd)

        return sum(quad(inner, *stretch)[0] for stretch in stretches)

    first, second = moment(1), moment(2)
    found = outside(np.array([mean]), np.array([sd]), low, high)
    assert found[0] == pytest.approx(first, rel=1e-6, abs=1e-9)
    assert found[1] == pytest.approx(np.sqrt(max(second - first**2, 0.0)), rel=1e-5, abs=1e-6)
    assert found == outside(np.array([-mean]), np.array([sd]), -high, -low)


def test_the_tail_of_improvement_is_smooth():
    """Over the seams of its formulas at -1 and -1000, it rises and stays near its asymptote."""
    u = -np.concatenate([np.logspace(6, 0.5, 400), np.linspace(3, -3, 400)])
    values = log_improvement(u, np.ones_like(u), 0.0)
    assert (np.diff(values) > 0).all()
    deep = u < -50
    tail = -0.5 * u[deep] ** 2 - 0.5 * np.log(2 * np.pi) - 2 * np.log(-u[deep])
    assert values[deep] == pytest.approx(tail, abs=2e-3)


@pytest.mark.parametrize("how", ["qlogei", "qlognei"])
@pytest.mark.parametrize("bounds", [(), INSIDE])
def test_sampling_agrees_with_the_closed_form(bounds, how):
    """Where both apply, the two criteria rank points alike."""
    ask = asked(bounds=bounds)
    exact, sampled = (worth(ask, each).at(SPREAD) for each in ("logei", how))
    assert spearmanr(exact, sampled).statistic > 0.8


@pytest.mark.parametrize("kind", ["matern", "forest"])
@pytest.mark.parametrize(
    ("target", "how"),
    [
        (rigs.Y, "ucb"),
        (rigs.Y, "logei"),
        (rigs.Y, "qlognei"),
        (LEARN, "variance"),
        (LEVEL, "straddle"),
        (MATCH, "ucb"),
        (WINDOW, "logei"),
    ],
)
def test_a_pending_point_is_not_worth_asking_again(target, how, kind):
    """Beside a pending point, its own place is worth less than before."""
    alone = worth(asked((target,), kind), how)
    best = SPREAD[[np.argmax(alone.at(SPREAD))]]
    beside = worth(asked((target,), kind, pending=best), how)
    assert beside.at(best)[0] < alone.at(best)[0]


@pytest.mark.parametrize("how", ["ucb", "logei"])
@pytest.mark.parametrize("goal", ["max", "min"])
def test_improvement_is_sought_on_the_side_of_the_goal(goal, how):
    """On a slope, the best place is at its upper or at its lower end."""
    problem = rigs.asked(rigs.A, targets=(Target(name="y", goal=goal),))
    campaign = rigs.evaluated(problem, lambda p: {"y": 2 * p["a"]}, 6)
    fitted = fit(training_data(campaign), problem.space.bounds)
    ask = Ask(fitted=fitted, objective=problem.objective, pending=NOTHING[:, :1])
    values = worth(ask, how).at(np.array([[0.0], [1.0]]))
    assert np.argmax(values) == (goal == "max")


@pytest.mark.parametrize("how", ["ucb", "logei"])
@pytest.mark.parametrize("target", [MATCH, WINDOW], ids=["match", "window"])
def test_a_value_is_sought_where_it_is_expected(target, how):
    """Where outcomes are known, those at the value are worth more than those beyond it."""
    ask = asked((target,), "rbf", count=40)
    gap = -target.utility(ask.fitted.moments(SPREAD)[0][:, 0])
    values = worth(ask, how).at(SPREAD)
    assert values[gap < 0.1].min() > values[gap > 0.5].max()


def test_pure_learning_is_worth_the_variance_that_falls():
    """Exactly what the mean variance over the region loses when the point is told; log of it."""
    ask = asked((LEARN,), "matern", pending=SPREAD[:2])
    region = fresh(rigs.asked().space, 32, 5, set())
    model = ask.fitted.joined(ask.pending)
    gains = np.exp(worth(ask, "variance", region).at(SPREAD[2:5]))
    for row, gain in zip(SPREAD[2:5], gains, strict=True):
        before, after = (m.moments(region)[1] for m in (model, model.joined(row[None])))
        fallen = (before**2 - after**2).mean() / ask.fitted.scale[0] ** 2
        assert gain == pytest.approx(fallen, rel=1e-6)


def test_a_crossing_is_worth_most_where_nobody_knows_the_side():
    """Far from the level and sure of it, less than close to the level."""
    ask = asked((LEVEL,), "rbf", count=40)
    values, gap = worth(ask).at(SPREAD), np.abs(ask.fitted.moments(SPREAD)[0][:, 0] - 0.5)
    assert values[gap < 0.05].min() > values[gap > 0.5].max()


def test_bounds_count_by_their_probability():
    """The product of two normal tails, in logarithms, exact where both are tiny."""
    bounds = (*INSIDE, Bound(target="y", sense=">=", value=1.0))
    mean, sd = np.array([[0.0, 1.0], [-50.0, 60.0]]), np.array([[1.0, 2.0], [1.0, 1.0]])
    wanted = norm.logcdf((0.5 - mean[:, 1]) / sd[:, 1]) + norm.logsf((1 - mean[:, 0]) / sd[:, 0])
    assert log_kept(bounds, ("y", "z"), mean, sd) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("how", ["ucb", "logei", "qlognei", "variance"])
def test_factors_come_on_top(how):
    """A factor of every row is added to its worth, whatever the criterion."""
    target = LEARN if how == "variance" else rigs.Y
    factor = partial(np.dot, b=np.array([3.0, 0.0]))
    plain, more = (worth(asked((target,), factors=f), how).at(SPREAD) for f in ((), (factor,)))
    assert more - plain == pytest.approx(3 * SPREAD[:, 0], abs=1e-9)


@pytest.mark.parametrize("how", ["ucb", "logei", "qlognei"])
@pytest.mark.parametrize("scale", [1e-9, 1e6])
def test_the_worth_has_no_unit(how, scale):
    """In another unit and from another zero, differences of worth are the same."""
    problem = rigs.asked()
    values = []
    for factor, shift in ((1.0, 0.0), (scale, 7 * scale)):
        changed = rigs.evaluated(problem, lambda p: {"y": factor * rough(p)["y"] + shift}, 8)  # noqa: B023
        fitted = fit(training_data(changed), problem.space.bounds, "matern")
        ask = Ask(fitted=fitted, objective=problem.objective, pending=NOTHING, seed=1)
        values.append(worth(ask, how).at(SPREAD))
    assert np.ptp(values[1] - values[0]) < 0.01


def test_a_front_is_scanned_for_by_several_compromises():
    """Proxies of a hypervolume are gains of different weights; of one criterion, itself."""
    ask = asked((rigs.Y, LESS), combine="pareto")
    rows = {int(np.argmax(each.at(SPREAD))) for each in proxies(ask)}
    assert len(proxies(ask)) == 8
    assert len(rows) > 1
    assert [each.name for each in proxies(asked(), "logei")] == ["LogEI"]


def test_the_ends_of_a_compromise_are_the_goals():
    """All weight on one goal ranks points nearly as that goal alone does."""
    alone = worth(asked((rigs.Y, LESS), combine="first")).at(SPREAD)
    heavy = Target(name="y", weight=1e6)
    light = Target(name="z", goal="min", weight=1e-6)
    both = worth(asked((heavy, light), combine="scalar")).at(SPREAD)
    assert spearmanr(alone, both).statistic > 0.9
