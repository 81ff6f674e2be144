"""The Bayesian proposer: legal, explained, reproducible, blind to units, and better than chance."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from loop.bayes import NEAR_BEST, Bayes, design_size
from loop.campaign import Campaign
from loop.designs import Design
from loop.errors import PoolExhausted
from loop.objective import Bound, Goal, Target
from loop.parameters import Categorical, Composition, Continuous, Discrete
from loop.records import Observed, Opened, Proposed, Vetoed
from loop.run import turns
from loop.space import Linear, SearchSpace
from loop.stopping import StopRules
from loop.surrogate import fit, training_data
from tests.loop import rigs

PLANE = rigs.asked()
BOUNDED = rigs.asked(targets=(rigs.Y, rigs.Z), bounds=(Bound(target="z", sense="<=", value=0.5),))
STEPS = Discrete(name="b", low=0.0, high=1.0, step=0.05)
GAS = Categorical(name="g", values=("x", "y", "z"))
ALLOY = Composition(name="m", elements=("A", "B", "C", "D"), at_most=3, step=0.05)


def after(problem, formula, count, *events):
    """A campaign of `count` answered design points, and these events."""
    chosen = rigs.candidates(problem, count)
    answers = rigs.Evaluates(formula=formula).collect(chosen)
    return rigs.campaign(problem, count, *rigs.observed(*answers), *events)


def learnt(problem, formula, evaluations, **settings):
    """The campaign that Bayes made of the problem."""
    rig = rigs.rig(
        problem,
        rigs.Evaluates(formula=formula),
        proposer=Bayes(**settings),
        rules=StopRules(evaluations=evaluations),
    )
    *_, campaign = turns(rig)
    return campaign


def slope(point):
    """Better towards a = b = 1; z is the smaller half of it."""
    return {"y": point["a"] + point["b"], "z": point["a"]}


def by_model(campaign):
    """The candidates that a model chose."""
    return [each for each in campaign.candidates.values() if each.why.origin == "model"]


def test_it_begins_with_a_design():
    """The first candidates are the design's own, and say so."""
    campaign = Campaign.replay(PLANE, [Opened(problem=PLANE)])
    assert tuple(Bayes().propose(campaign, 3)) == rigs.candidates(PLANE, 3)


@pytest.mark.parametrize(
    ("asked", "origins"), [(3, ["design"] * 2 + ["model"]), (2, ["design"] * 2)]
)
def test_a_batch_may_straddle_the_end_of_the_design(asked, origins):
    """Design points as long as there are any to come, then the model, with ids in order."""
    campaign = after(PLANE, rigs.hill, 4)
    chosen = Bayes(initial=6).propose(campaign, asked)
    assert [each.why.origin for each in chosen] == origins
    assert tuple(each.id for each in chosen) == campaign.ids(asked)


@pytest.mark.parametrize(
    ("parameters", "size"),
    [((rigs.A,), 5), ((rigs.A, rigs.B), 5), ((rigs.A, GAS), 9), ((ALLOY,), 7), ((ALLOY, GAS), 13)],
)
def test_the_design_grows_with_the_space(parameters, size):
    """2 d + 1 points of d free dimensions, from five to twenty."""
    assert design_size(SearchSpace(parameters=parameters)) == size


@pytest.mark.parametrize(
    ("answers", "cause"),
    [
        ([], "fewer than two measured values of y: space-filling"),
        ([{"y": 1.0, "z": 1.0}], "fewer than two measured values of y: space-filling"),
        ([{"y": 1.0}, {"y": 2.0}], "fewer than two measured values of z: space-filling"),
    ],
)
def test_without_data_it_falls_back_and_says_why(answers, cause):
    """A model of nothing is none: space-filling instead, with the cause."""
    first = rigs.candidates(BOUNDED, 2)
    observed = rigs.observed(
        *(rigs.measured(c, **values) for c, values in zip(first, answers, strict=False))
    )
    chosen = Bayes(initial=2).propose(rigs.campaign(BOUNDED, 2, *observed), 2)
    assert [(each.why.origin, each.why.cause) for each in chosen] == [("fallback", cause)] * 2


@pytest.mark.parametrize(("problem", "count"), [(PLANE, 1), (PLANE, 2), (BOUNDED, 1), (BOUNDED, 2)])
def test_every_candidate_says_why(problem, count):
    """Acquisition and value, a prediction per target, the nearest result, the model, the seed."""
    names = problem.objective.names
    campaign = after(problem, lambda p: {n: rigs.hill(p)["y"] + p["a"] for n in names}, 6)
    model = fit(training_data(campaign), problem.space.bounds)
    for candidate in Bayes().propose(campaign, count):
        why = candidate.why
        x = problem.space.encode([candidate.point])
        gaps = np.linalg.norm(model.data.X - x, axis=1)
        assert (why.origin, why.cause, why.model) == ("model", "", model.digest)
        assert why.acquisition in {"LogEI", "LogCEI", "qLogNEI"}
        assert why.value is not None
        assert set(why.predicted) == set(names)
        assert why.nearest == model.data.ids[int(np.argmin(gaps))]
        assert why.distance == pytest.approx(gaps.min())
        assert isinstance(why.seed, int)


def test_what_the_model_had_to_assume_is_in_the_cause():
    """Partly known errors are said with every candidate that rests on them."""
    chosen = rigs.candidates(PLANE, 6)
    answers = [rigs.measured(each, **rigs.hill(each.point)) for each in chosen]
    answers[0] = replace(answers[0], errors={"y": 0.1})
    (candidate,) = Bayes().propose(rigs.replayed(PLANE, chosen, answers), 1)
    assert candidate.why.cause == "y: 5 of 6 standard errors unknown, the median is used"


def test_the_same_ledger_gives_the_same_candidates():
    """A second proposer, and other global random states, change nothing, nor are they changed."""
    campaign = after(PLANE, rigs.hill, 6)
    first = Bayes().propose(campaign, 2)
    torch.manual_seed(99)
    before = torch.get_rng_state()
    assert Bayes().propose(campaign, 2) == first
    assert torch.equal(torch.get_rng_state(), before)


def test_another_process_gives_the_same_candidates():
    """Nothing depends on the process: not the order of sets, not what ran before."""
    code = (
        "from tests.loop.test_bayes import after, PLANE, Bayes, rigs;"
        "print([c.point for c in Bayes().propose(after(PLANE, rigs.hill, 6), 2)])"
    )
    root = Path(__file__).parents[2]
    here = [each.point for each in Bayes().propose(after(PLANE, rigs.hill, 6), 2)]
    command = [sys.executable, "-W", "ignore", "-c", code]
    said = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == str(here)


def test_the_order_of_answers_does_not_change_the_choice():
    """Answers that came in another order lead to the same candidate."""
    events = rigs.history(PLANE, 6)
    answers = rigs.observed(*rigs.Evaluates(formula=rigs.hill).collect(rigs.candidates(PLANE, 6)))
    backwards = answers[::-1]
    one, other = (Campaign.replay(PLANE, [*events, *each]) for each in (answers, backwards))
    assert Bayes().propose(one, 1) == Bayes().propose(other, 1)


@pytest.mark.parametrize(
    ("scale", "shift", "count"),
    [(1e-9, 0, 1), (1e-9, 0, 2), (1e6, -3e6, 1), (1e6, -3e6, 2), (-1, 0, 1), (-1e-6, 5e-6, 1)],
)
def test_a_change_of_units_does_not_change_the_choice(scale, shift, count):
    """Any scale, any zero, and either sign with its goal: the same point, with the same worth."""
    goal: Goal = "max" if scale > 0 else "min"
    other = rigs.asked(
        targets=(Target(name="y", goal=goal), rigs.Z), bounds=BOUNDED.objective.bounds
    )
    plain = after(BOUNDED, lambda p: {**rigs.hill(p), "z": p["a"]}, 6)
    changed = after(other, lambda p: {"y": scale * rigs.hill(p)["y"] + shift, "z": p["a"]}, 6)
    for one, two in zip(*(Bayes().propose(c, count) for c in (plain, changed)), strict=True):
        X = PLANE.space.encode([one.point, two.point])
        assert X[1] == pytest.approx(X[0], abs=0.01)
        assert two.why.value == pytest.approx(one.why.value, abs=0.05)


@pytest.mark.parametrize("scale", [1e-9, 1e6])
def test_the_unit_of_a_bound_does_not_change_the_choice(scale):
    """A bound in another unit binds as before."""
    bound = Bound(target="z", sense="<=", value=0.5 * scale)
    other = rigs.asked(targets=(rigs.Y, rigs.Z), bounds=(bound,))
    plain = after(BOUNDED, slope, 6)
    changed = after(other, lambda p: {"y": slope(p)["y"], "z": scale * p["a"]}, 6)
    one, two = (Bayes().propose(campaign, 2)[1].point for campaign in (plain, changed))
    assert two == pytest.approx(one, abs=0.01)


def test_a_bound_on_outcomes_is_kept():
    """Where the best lies beyond the bound, at least four of five proposals lie within it."""
    campaign = learnt(BOUNDED, slope, 15)
    inside = [each.point["a"] <= 0.5 for each in by_model(campaign)]
    assert len(inside) == 10
    assert sum(inside) >= 8
    assert campaign.best.values["y"] > 1.4


def test_a_bound_that_nothing_keeps_yet_is_sought():
    """With every design point outside, the model finds the corner where the bound is kept."""
    problem = rigs.asked(
        targets=(rigs.Y, rigs.Z), bounds=(Bound(target="z", sense=">=", value=1.8),)
    )
    campaign = learnt(problem, lambda p: {"y": -p["a"], "z": p["a"] + p["b"]}, 12, initial=4)
    assert campaign.contenders
    assert by_model(campaign)[0].why.acquisition in {"LogPF", "LogCEI"}


@pytest.mark.parametrize(
    ("parameters", "constraints"),
    [
        ((ALLOY, STEPS), ()),
        ((Composition(name="m", elements=("A", "B", "C", "D"), at_most=2), GAS), ()),
        ((rigs.A, rigs.B), (Linear(terms={"a": 1.0, "b": 1.0}, low=1.0, high=1.0),)),
        ((rigs.A, STEPS, GAS), (Linear(terms={"a": 1.0, "b": 2.0}, high=1.0),)),
        ((ALLOY,), (Linear(terms={"m.A": 1.0, "m.B": -1.0}, low=0.0),)),
    ],
)
def test_every_rule_of_the_space_is_honoured(parameters, constraints):
    """At most k elements, steps, categories, inequalities and equations, also within a batch."""
    problem = rigs.asked(*parameters, constraints=constraints)

    def formula(point):
        return {
            "y": float(problem.space.encode([point])[0] @ np.arange(len(problem.space.columns)))
        }

    chosen = Bayes().propose(after(problem, formula, design_size(problem.space)), 3)
    assert {each.why.origin for each in chosen} == {"model"}
    for candidate in chosen:
        problem.space.check(candidate.point)
    assert len(set(problem.space.keys(problem.space.encode(c.point for c in chosen)))) == 3


def test_nothing_is_asked_twice():
    """Observed, failed, pending and vetoed points are left alone, until none is left."""
    tiny = rigs.asked(Discrete(name="a", low=0.0, high=1.0, step=0.2), GAS)
    answered = after(tiny, lambda p: {"y": p["a"]}, 12)
    more = Design().propose(answered, 4)
    events = [
        *rigs.history(tiny, 12),
        *rigs.observed(*(rigs.measured(n, y=float(i)) for i, n in enumerate(answered.candidates))),
        Proposed(candidates=tuple(more)),
        Observed(observation=rigs.failed(more[0])),
        Vetoed(candidate=more[1].id, reason="no"),
    ]
    campaign = Campaign.replay(tiny, events)
    last = Bayes().propose(campaign, 2)
    points = [each.point for each in (*campaign.candidates.values(), *last)]
    assert len(set(tiny.space.keys(tiny.space.encode(points)))) == 18
    with pytest.raises(PoolExhausted, match=r"expected 3 points .* got 2") as caught:
        Bayes().propose(campaign, 3)
    assert caught.value.available == 2


@pytest.mark.parametrize("batch", [1, 4])
def test_a_finite_space_is_used_up_and_closed(batch):
    """Every point is evaluated once, and then the campaign closes by itself."""
    tiny = rigs.asked(Discrete(name="a", low=0.0, high=1.0, step=0.2), GAS)
    oracle = rigs.Evaluates(formula=lambda p: {"y": p["a"]})
    rules = StopRules(evaluations=99)
    *_, campaign = turns(rigs.rig(tiny, oracle, proposer=Bayes(), rules=rules, batch=batch))
    assert (len(campaign.results), len(oracle.asked)) == (18, 18)
    assert campaign.closed is not None
    assert campaign.closed.startswith("no more candidates")


def test_points_executed_elsewhere_are_learnt_from():
    """Also beyond the bounds: the model takes them, and the next candidate lies within."""
    chosen = rigs.candidates(PLANE, 6)
    answers = [rigs.measured(each, **rigs.hill(each.point)) for each in chosen]
    for n in range(NEAR_BEST):
        answers[n] = replace(answers[n], executed={"a": 1.2, "b": -0.1})
    (candidate,) = Bayes().propose(rigs.replayed(PLANE, chosen, answers), 1)
    PLANE.space.check(candidate.point)


def hills(point):
    """A narrow hill at (0.7, 0.2) on a ripple; a category lifts it."""
    height = 4 * rigs.hill(point)["y"] + 0.3 * np.cos(9 * point["a"])
    return {"y": float(height) + {"x": 0.0, "y": 0.4, "z": -0.5}[point.get("g", "x")]}


def recipe(point):
    """How far a composition is from A55 B30 C15, squared and negative."""
    goal = {"A": 0.55, "B": 0.30, "C": 0.15, "D": 0.0}
    return {"y": -sum((point["m"].get(e, 0.0) - x) ** 2 for e, x in goal.items())}


def regret(problem, formula, optimum, proposer):
    """How far the best of 14 evaluations stays below the optimum, on average over three seeds."""
    oracle, rules = rigs.Evaluates(formula=formula), StopRules(evaluations=14)
    best = []
    for seed in range(3):
        asked = replace(problem, seed=seed)
        *_, campaign = turns(rigs.rig(asked, oracle, proposer=proposer, rules=rules))
        best.append(max(result.values["y"] for result in campaign.results))
    return optimum - np.mean(best)


@pytest.mark.parametrize(
    ("problem", "formula", "optimum"),
    [
        (rigs.asked(), hills, 0.30),
        (rigs.asked(rigs.A, STEPS, GAS), hills, 0.70),
        (rigs.asked(ALLOY), recipe, 0.0),
    ],
    ids=["continuous", "mixed", "composition"],
)
def test_it_learns(problem, formula, optimum):
    """After 14 evaluations, its mean regret over three seeds is under a third of Sobol's."""
    learnt, sobol = (regret(problem, formula, optimum, each) for each in (Bayes(), Design()))
    assert learnt < sobol / 3


def test_a_larger_logarithmic_range_is_learnt():
    """A rate over six decades: the best of twelve lies within a third of a decade."""
    rate = Continuous(name="r", low=1e-6, high=1.0, log=True)
    campaign = learnt(rigs.asked(rate), lambda p: {"y": -((np.log10(p["r"]) + 2) ** 2)}, 12)
    assert np.log10(campaign.best.point["r"]) == pytest.approx(-2, abs=0.3)
