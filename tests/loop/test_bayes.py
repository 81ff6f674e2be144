"""The Bayesian proposer: legal, explained, reproducible, blind to units, and better than chance."""

import ast
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist
from threadpoolctl import ThreadpoolController

from loop.acquisition.closed import Ask, worth
from loop.bayes import Bayes
from loop.campaign import Campaign
from loop.choosing import NEAR_BEST
from loop.designs import Design, design_size, fresh
from loop.errors import PoolExhausted, Shortfall
from loop.objective import Bound, Goal, Objective, Target
from loop.records import Observed, Opened, Proposed, Retracted, Vetoed
from loop.run import turns
from loop.search.largest import APART, largest
from loop.space.composition import Composition
from loop.space.parameters import Categorical, Continuous, Discrete, Ordinal
from loop.space.pool import Listing, pool
from loop.space.rules import Dependent, Excluded, Expression, Linear
from loop.space.space import SearchSpace
from loop.stopping import StopRules
from loop.surrogate.data import training_data
from loop.surrogate.portfolio import fit
from tests.loop import rigs
from tests.loop import strategies as some

PLANE = rigs.asked()
BOUNDED = rigs.asked(targets=(rigs.Y, rigs.Z), bounds=(Bound(target="z", sense="<=", value=0.5),))
STEPS = Discrete(name="b", low=0.0, high=1.0, step=0.05)
GAS = Categorical(name="g", values=("x", "y", "z"))
ALLOY = Composition(name="m", elements=("A", "B", "C", "D"), at_most=3, step=0.05)
MIXTURE = Composition(name="m", elements=("A", "B", "C", "D"), at_most=2)
LESS = Target(name="z", goal="min")
KINDS = (
    Continuous(name="r", low=1e-3, high=1e3, log=True),
    Ordinal(name="grade", levels=(1.0, 2.0, 5.0)),
    Ordinal(name="mesh", levels=("coarse", "fine")),
    Categorical(
        name="s", values=("w", "e", "t"), descriptors={"w": (1.0,), "e": (3.0,), "t": (4.0,)}
    ),
    ALLOY,
    Composition(name="n", elements=("A", "B", "C"), low={"C": 0.1}, high={"C": 0.1}),
)


def drawn(count=500, twins=0):
    """A pool of random rows; the last `twins` of them have the features of the first."""
    X = np.random.default_rng(0).random((count, 3))
    X[count - twins :] = X[:twins]
    return pool("m", Listing(ids=[f"m-{n}" for n in range(count)], X=X, features=("p", "q", "r")))


POOL = rigs.asked(drawn())
CASES = {
    "continuous": PLANE,
    "bounded": BOUNDED,
    "mixed": rigs.asked(rigs.A, STEPS, GAS),
    "composition": rigs.asked(MIXTURE, rigs.A),
    "every kind": rigs.asked(
        *KINDS,
        constraints=(
            Linear(terms={"m.A": 1.0, "n.A": -1.0}, high=0.5),
            Excluded(when={"mesh": ("fine",), "grade": (5.0,)}),
            Dependent(parameter="r", on="s", values=("w", "e"), otherwise=1.0),
        ),
    ),
    "tied": rigs.asked(
        rigs.A, rigs.B, constraints=(Linear(terms={"a": 1.0, "b": 1.0}, low=1.0, high=1.0),)
    ),
    "shared": replace(PLANE, space=SearchSpace(parameters=(rigs.A, STEPS, GAS), shared=("a", "g"))),
    "ruled": rigs.asked(rigs.A, rigs.B, constraints=(Expression(text="a * b <= 0.3"),)),
    "pool": POOL,
    "pool and more": rigs.asked(drawn(60), rigs.A),
    "two goals": rigs.asked(targets=(rigs.Y, LESS), combine="auto"),
    "learn": rigs.asked(targets=(Target(name="y", goal="learn"),)),
}


def after(problem, formula, count, *events):
    """A campaign of `count` answered design points, and these events."""
    chosen = rigs.candidates(problem, count)
    answers = rigs.Evaluates(formula=formula).collect(chosen)
    return rigs.campaign(problem, count, *rigs.observed(*answers), *events)


def learnt(problem, formula, evaluations, batch=1, **settings):
    """The campaign that Bayes made of the problem."""
    rig = rigs.rig(
        problem,
        rigs.Evaluates(formula=formula),
        proposer=Bayes(**settings),
        rules=StopRules(evaluations=evaluations),
        batch=batch,
    )
    *_, campaign = turns(rig)
    return campaign


def slope(point):
    """Better towards a = b = 1; z is the smaller half of it."""
    return {"y": point["a"] + point["b"], "z": point["a"]}


def rough(problem):
    """A formula over any space: a hill and a ripple over its encoded columns; z is the first."""

    def formula(point):
        x = problem.space.encode([point])[0]
        values = {"y": float(np.cos(5 * x).sum() - ((x - 0.4) ** 2).sum()), "z": float(x[0])}
        return {name: values[name] for name in problem.objective.names}

    return formula


def in_unit(wanted, scale, shift):
    """An objective over y, given as scale * y + shift, and z: what is wanted stays the same."""
    low, value, high = (scale * y + shift for y in (-0.5, 0.2, 0.5))
    most: Goal = "max" if scale > 0 else "min"
    low, high = sorted((low, high))
    targets = {
        "match": (Target(name="y", goal="match", value=value),),
        "window": (Target(name="y", goal="window", low=low, high=high),),
        "level": (Target(name="y", goal="level", value=value),),
        "learn": (Target(name="y", goal="learn"),),
        "bound": (Target(name="y", goal=most), Target(name="z", goal="observe")),
        "front": (Target(name="y", goal=most), LESS),
    }
    bounds = (Bound(target="z", sense="<=", value=0.5),) if wanted == "bound" else ()
    return Objective(
        targets=targets.get(wanted, (Target(name="y", goal=most),)), bounds=bounds, combine="auto"
    )


def by_model(campaign):
    """The candidates that a model chose."""
    return [each for each in campaign.candidates.values() if each.why.origin == "model"]


def chosen_in(case):
    """The next batch of two in one of CASES."""
    problem = CASES[case]
    campaign = after(problem, rough(problem), 8)
    return [(c.id, dict(c.point), c.why.value) for c in Bayes(initial=4).propose(campaign, 2)]


def test_it_begins_with_a_design():
    """The first candidates are the design's own, and say so."""
    campaign = Campaign.replay(PLANE, [Opened(problem=PLANE)])
    chosen = tuple(Bayes().propose(campaign, 3))
    assert chosen == rigs.candidates(PLANE, 3)
    assert all(isinstance(each.why.seed, int) for each in chosen)


@pytest.mark.parametrize(
    ("asked", "origins"), [(3, ["design"] * 2 + ["model"]), (2, ["design"] * 2)]
)
def test_a_batch_may_straddle_the_end_of_the_design(asked, origins):
    """Design points as long as there are any to come, then the model, with ids in order."""
    campaign = after(PLANE, rigs.hill, 4)
    chosen = Bayes(initial=6).propose(campaign, asked)
    assert [each.why.origin for each in chosen] == origins
    assert tuple(each.id for each in chosen) == campaign.ids(asked)


def test_a_veto_leaves_the_design_as_large():
    """Who refuses two of four design points gets two others before the model chooses."""
    vetoes = (Vetoed(candidate=c.id, reason="no") for c in rigs.candidates(PLANE, 2))
    campaign = rigs.campaign(PLANE, 4, *vetoes)
    chosen = Bayes(initial=4).propose(campaign, 3)
    assert [each.why.origin for each in chosen] == ["design", "design", "fallback"]


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
        ([], "fewer than two points with a value of y: space-filling"),
        ([{"y": 1.0, "z": 1.0}], "fewer than two points with a value of y: space-filling"),
        ([{"y": 1.0}, {"y": 2.0}], "fewer than two points with a value of z: space-filling"),
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
    for number, candidate in enumerate(Bayes().propose(campaign, count)):
        why = candidate.why
        x = problem.space.encode([candidate.point])
        gaps = np.linalg.norm(model.data.X - x, axis=1)
        assert (why.origin, why.cause, why.model) == ("model", "", model.digest)
        assert why.acquisition == ("UCB" if number else "LogEI")
        assert why.value is not None
        assert set(why.predicted) == set(names)
        assert why.nearest == model.data.ids[int(np.argmin(gaps))]
        assert why.distance == pytest.approx(gaps.min())
        assert isinstance(why.seed, int)


def test_a_list_is_searched_for_many_good_ones():
    """By optimism; the one best point of a space is expected improvement's."""
    chosen = Bayes().propose(after(POOL, rough(POOL), 8), 1)
    assert [each.why.acquisition for each in chosen] == ["UCB"]


@pytest.mark.parametrize("known", [1, 3, 6])
def test_partly_known_errors_give_no_nan(known):
    """Standard errors on some rows: each keeps its own, and everything that is said is finite."""
    chosen = rigs.candidates(PLANE, 6)
    answers = [rigs.measured(each, **rigs.hill(each.point)) for each in chosen]
    answers[:known] = [replace(each, errors={"y": 0.1}) for each in answers[:known]]
    campaign = rigs.replayed(PLANE, chosen, answers)
    for candidate in Bayes(replicate=False).propose(campaign, 2):
        (predicted,) = candidate.why.predicted.values()
        assert np.isfinite([predicted.mean, predicted.sd]).all()
        assert candidate.why.value is not None
        assert candidate.why.origin == "model"


def test_the_same_ledger_gives_the_same_candidates():
    """A second proposer, and other global random states, change nothing, nor are they changed."""
    campaign = after(PLANE, rigs.hill, 6)
    first = Bayes().propose(campaign, 2)
    torch.manual_seed(99)
    before = torch.get_rng_state()
    assert Bayes().propose(campaign, 2) == first
    assert torch.equal(torch.get_rng_state(), before)


@pytest.fixture(scope="module")
def elsewhere():
    """What another process chooses in each of CASES."""
    code = "import tests.loop.test_bayes as t; print({c: t.chosen_in(c) for c in t.CASES})"
    command = [sys.executable, "-W", "ignore", "-c", code]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return ast.literal_eval(done.stdout)


@pytest.mark.parametrize("case", CASES)
def test_another_process_gives_the_same_candidates(case, elsewhere):
    """Nothing depends on the process: not the order of sets, not what ran before."""
    assert elsewhere[case] == chosen_in(case)


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


def test_the_unit_of_a_parameter_does_not_change_the_choice():
    """The same square in kelvins and millibars: the same encoded points."""
    kelvin = Continuous(name="a", low=300.0, high=1200.0, unit="K")
    other = rigs.asked(kelvin, Continuous(name="b", low=-5.0, high=-1.0))
    plain, changed = (after(each, rough(each), 6) for each in (PLANE, other))
    for one, two in zip(*(Bayes().propose(each, 2) for each in (plain, changed)), strict=True):
        X = PLANE.space.encode([one.point])
        assert other.space.encode([two.point]) == pytest.approx(X, abs=0.01)


@given(
    space=some.spaces(),
    seed=some.seeds,
    order=st.permutations(range(8)),
    scale=st.sampled_from([1e-15, 1e6, -3.0]),
    wanted=st.sampled_from(["max", "match", "window", "level", "learn", "bound", "front"]),
)
@settings(max_examples=100, deadline=None)
def test_in_no_space_do_order_and_units_change_the_choice(space, seed, order, scale, wanted):
    """Asked and answered in another order, in another unit, from another zero: the same batch."""
    X = fresh(space, len(order), seed, set())
    plain = replace(rigs.asked(*space.parameters, constraints=space.constraints), seed=seed)
    points, failing = space.decode(X), space.keys(X[:3]) if len(X) == len(order) else []

    def chosen(order, scale, shift):
        problem = replace(plain, objective=in_unit(wanted, scale, shift))
        formula = rough(plain)

        def answer(point):
            if space.keys(space.encode([point]))[0] in failing:
                return "infeasible"
            z = float(space.encode([point])[0, 0])
            values = {"y": scale * formula(point)["y"] + shift, "z": z}
            return {name: values[name] for name in problem.objective.names}

        asked = rigs.placed(problem, *(points[place] for place in order if place < len(points)))
        answers = rigs.Evaluates(formula=answer).collect(asked)
        batch = Bayes(initial=2).propose(rigs.replayed(problem, asked, answers), 2)
        return space.encode(each.point for each in batch)

    try:
        rows = chosen(range(len(order)), 1.0, 0.0)
    except Shortfall:
        return
    assert chosen(order, 1.0, 0.0) == pytest.approx(rows, abs=1e-9)
    assert chosen(order, scale, 40 * scale) == pytest.approx(rows, abs=1e-6)


def test_a_window_far_narrower_than_the_spread_is_looked_for_as_well():
    """Its ends are one number to nine decimals of the spread: it is taken as it is given."""
    narrow = Target(name="y", goal="window", low=0.0, high=1e-11)
    (chosen,) = Bayes().propose(after(rigs.asked(targets=(narrow,)), rigs.hill, 6), 1)
    assert chosen.why.origin == "model"


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
    assert by_model(campaign)[0].why.acquisition in {"log P(feasible)", "LogEI"}


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


@pytest.mark.parametrize("how", ["auto", "logei", "qlognei"])
@pytest.mark.parametrize("kind", ["auto", "forest"])
def test_a_batch_spreads_out(kind, how):
    """Four candidates at once are four places, none within a hundredth of another."""
    campaign = after(PLANE, rough(PLANE), 8)
    chosen = Bayes(surrogate=kind, acquisition=how).propose(campaign, 4)
    assert pdist(PLANE.space.encode(c.point for c in chosen)).min() > 0.01


@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered:RuntimeWarning")
def test_a_model_that_cannot_be_fitted_is_a_visible_fallback():
    """A point executed where no square is a number: space-filling, and said."""
    chosen = rigs.candidates(PLANE, 6)
    answers = [rigs.measured(each, **rigs.hill(each.point)) for each in chosen]
    answers[0] = replace(answers[0], executed={"a": 1e200, "b": 0.0})
    (candidate,) = Bayes().propose(rigs.replayed(PLANE, chosen, answers), 1)
    assert candidate.why.origin == "fallback"
    assert "no model can be fitted" in candidate.why.cause


@pytest.mark.parametrize("size", [1e200, 1e-200])
def test_outcomes_of_any_size_are_learnt(size):
    """Their squares are no numbers, and still the model chooses."""
    (candidate,) = Bayes().propose(
        after(PLANE, lambda point: {"y": size * rigs.hill(point)["y"]}, 6), 1
    )
    assert candidate.why.origin == "model"
    assert candidate.why.health["y"].r2 is not None


@pytest.mark.parametrize("seed", range(6))
def test_a_batch_on_a_hill_is_not_one_place(seed):
    """Where the model is all but sure of the top, the rest of a batch still looks elsewhere."""
    problem = replace(PLANE, seed=seed)
    chosen = Bayes().propose(after(problem, rigs.hill, 8), 4)
    assert pdist(problem.space.encode(c.point for c in chosen)).min() > 0.01


def test_what_waits_is_as_good_as_chosen_together():
    """The second of a batch is the same as the next while the first waits for its answer."""
    campaign = after(PLANE, rough(PLANE), 8)
    both = Bayes().propose(campaign, 2)
    waiting = replace(campaign, candidates={**campaign.candidates, both[0].id: both[0]})
    (alone,) = Bayes().propose(waiting, 1)
    X = PLANE.space.encode([both[1].point, alone.point])
    assert X[1] == pytest.approx(X[0], abs=0.02)


@pytest.mark.parametrize("initial", [2, 20])
def test_a_batch_shares_what_it_must(initial):
    """All candidates of a batch have one temperature, design or model; the rest differs."""
    space = SearchSpace(parameters=(rigs.A, STEPS, GAS), shared=("a", "g"))
    problem = replace(PLANE, space=space)
    campaign = after(problem, rough(problem), 6)
    chosen = Bayes(initial=initial).propose(campaign, 3)
    assert {c.why.origin for c in chosen} == {"model" if initial == 2 else "design"}
    assert len({(c.point["a"], c.point["g"]) for c in chosen}) == 1
    assert len({c.point["b"] for c in chosen}) == 3


@pytest.mark.parametrize("parameters", [(rigs.A, rigs.B), (rigs.A, STEPS, GAS), (MIXTURE, rigs.A)])
def test_what_a_person_holds_is_held(parameters):
    """With one parameter held, every candidate of the batch has that value, and is legal."""
    problem = rigs.asked(*parameters)
    campaign = after(problem, rough(problem), 6)
    space = problem.space.holding({"a": 0.25})
    chosen = Bayes(initial=2).propose(replace(campaign, problem=replace(problem, space=space)), 3)
    assert [c.point["a"] for c in chosen] == [0.25] * 3
    assert all(problem.space.contains(c.point) for c in chosen)
    assert len(set(space.keys(space.encode(c.point for c in chosen)))) == 3


def greedy(problem, campaign, how, count):
    """The rows of a pool of largest worth among all that are free, one after the other."""
    space, made = problem.space, problem.space.pool
    assert made is not None
    fitted = fit(training_data(campaign), space.bounds)
    taken = made.rows_of(c.point["m"] for c in campaign.candidates.values()).tolist()
    found: list[int] = []
    for _ in range(count):
        pending = made.X[found]
        ask = Ask(fitted=fitted, objective=problem.objective, pending=pending)
        values = worth(ask, how).at(made.X)
        values[taken + found] = -np.inf
        found.append(int(np.argmax(values)))
    return [f"m-{row}" for row in found]


@pytest.mark.parametrize("how", ["ucb", "logei"])
@pytest.mark.parametrize(("size", "count"), [(500, 4), (6000, 1)])
def test_a_pool_is_searched_to_the_last_row(size, count, how):
    """The choice is that of brute force over all rows; of a small pool, for the batch as well."""
    problem = rigs.asked(drawn(size))
    campaign = after(problem, rough(problem), 10)
    chosen = Bayes(initial=4, acquisition=how).propose(campaign, count)
    assert [c.point["m"] for c in chosen] == greedy(problem, campaign, how, count)


def test_rows_of_a_pool_are_left_out_by_id():
    """A row with the features of one that was asked is another row, and may be asked."""
    X = np.array([[1.0], [1.0], [2.0]])
    made = pool("m", Listing(ids=["p", "q", "r"], X=X, features=("f",)))
    problem = rigs.asked(made)
    asked = rigs.placed(problem, {"m": "p"}, {"m": "r"})
    campaign = rigs.replayed(problem, asked, [rigs.measured(c, y=1.0) for c in asked])
    assert [c.point for c in Bayes(initial=2).propose(campaign, 1)] == [{"m": "q"}]


@pytest.mark.parametrize("batch", [1, 7])
def test_a_pool_is_used_up_and_says_so(batch):
    """Every row once, twins too; then the campaign closes, and asking for more is an error."""
    problem = rigs.asked(drawn(30, twins=5))
    campaign = learnt(problem, rough(problem), 99, batch=batch, initial=4)
    assert sorted(c.point["m"] for c in campaign.candidates.values()) == sorted(
        f"m-{n}" for n in range(30)
    )
    with pytest.raises(PoolExhausted, match="every other point of this finite space"):
        Bayes(initial=4).propose(replace(campaign, closed=None), 1)


PLACES = np.random.default_rng(4).random((6, 2))


def at(places, heights):
    """A campaign that measured these heights at these places."""
    points = [{"a": float(a), "b": float(b)} for a, b in places]
    chosen = rigs.placed(PLANE, *points)
    answers = [rigs.measured(c, y=float(y)) for c, y in zip(chosen, heights, strict=True)]
    return rigs.replayed(PLANE, chosen, answers)


AWKWARD = {
    "all alike": at(PLACES, np.ones(6)),
    "all zero": at(PLACES, np.zeros(6)),
    "a constant column": at(PLACES * [1, 0] + [0, 0.5], PLACES[:, 0]),
    "two places, 200 times": at(np.repeat(PLACES[:2], 100, axis=0), np.arange(200.0)),
    "two places": at(PLACES[:2], [0.0, 1.0]),
    "an outlier": at(PLACES, [0, 1, 2, 3, 4, 1e12]),
    "close together": at(0.5 + 1e-7 * PLACES, PLACES[:, 0]),
}
SAID = {
    "all alike": "All 6 values of y are equal",
    "all zero": "All 6 values of y are equal",
    "a constant column": "never varied so far: b",
    "two places, 200 times": "2 points in 2 dimensions: fewer than two for each",
    "two places": "2 points in 2 dimensions: fewer than two for each",
}


@pytest.mark.parametrize("how", ["auto", "logei", "qlognei"])
@pytest.mark.parametrize("kind", ["auto", "forest"])
@pytest.mark.parametrize("awkward", AWKWARD)
def test_awkward_answers_do_not_stop_the_campaign(awkward, kind, how):
    """New legal points by the model, with finite predictions, and a word on what is awkward."""
    campaign = AWKWARD[awkward]
    chosen = Bayes(initial=2, surrogate=kind, acquisition=how).propose(campaign, 2)
    for candidate in chosen:
        PLANE.space.check(candidate.point)
        assert candidate.why.origin == "model"
        assert candidate.why.value is not None
        predicted = candidate.why.predicted["y"]
        assert np.isfinite([predicted.mean, predicted.sd]).all()
        health = candidate.why.health["y"]
        assert SAID.get(awkward, "") in f"{candidate.why.cause}; {health.says}"
        assert (health.r2, health.at_bounds) == (None, ()) or not awkward.startswith("all")
    points = [c.point for c in (*campaign.candidates.values(), *chosen)]
    assert len(set(PLANE.space.keys(PLANE.space.encode(points[-2:])))) == 2


@pytest.mark.parametrize("count", [1, 200])
def test_one_point_however_often_is_nothing_to_model(count):
    """One measured point, or 200 measurements of one: space-filling, and why."""
    campaign = at(np.repeat(PLACES[:1], count, axis=0), np.arange(float(count)))
    (candidate,) = Bayes(initial=1).propose(campaign, 1)
    assert candidate.why.origin == "fallback"
    assert candidate.why.cause == "fewer than two points with a value of y: space-filling"


def test_fewer_results_than_parameters_are_enough():
    """Three results in eight dimensions: legal, new, by the model, and said."""
    problem = rigs.asked(*(Continuous(name=f"x{n}", low=0.0, high=1.0) for n in range(8)))
    chosen = Bayes(initial=3).propose(after(problem, rough(problem), 3), 2)
    cause = "3 points in 8 dimensions: fewer than two for each"
    assert [(c.why.origin, c.why.cause) for c in chosen] == [("model", cause)] * 2


@pytest.mark.parametrize(("said", "during"), [(None, 1), ("2", 2)])
def test_it_chooses_by_one_thread_unless_told_otherwise(monkeypatch, said, during):
    """However many threads there are before and after."""
    if said is None:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", said)
    libraries = ThreadpoolController().select(user_api="blas")
    seen: set[int] = set()

    def found(*arguments):
        seen.update(each["num_threads"] for each in libraries.info())
        return largest(*arguments)

    monkeypatch.setattr("loop.choosing.largest", found)
    with libraries.limit(limits=2):
        Bayes().propose(after(PLANE, rough(PLANE), 8), 1)
        assert {each["num_threads"] for each in libraries.info()} == {2}
    assert seen == {during}


def test_retracting_the_best_changes_the_choice_but_frees_no_point():
    """What was built on a retracted incumbent is left; its point is not asked again."""
    campaign = after(PLANE, rigs.hill, 6)
    best = campaign.best
    assert best is not None
    gone = Retracted(candidate=best.candidate.id, reason="wrong vial")
    later = after(PLANE, rigs.hill, 6, gone)
    before, after_it = (Bayes().propose(each, 3) for each in (campaign, later))
    assert before[0].point != after_it[0].point
    assert before[0].why.model != after_it[0].why.model
    assert best.candidate.point not in [c.point for c in after_it]


@pytest.mark.parametrize("space", ["pool", "continuous"])
def test_a_vetoed_point_is_not_asked_again(space):
    """What a person refused is left alone, whatever the model thinks of it."""
    problem = CASES[space]
    (refused,) = Bayes().propose(after(problem, rough(problem), 8), 1)
    events = (Proposed(candidates=(refused,)), Vetoed(candidate=refused.id, reason="too hot"))
    chosen = Bayes().propose(after(problem, rough(problem), 8, *events), 3)
    assert refused.point not in [c.point for c in chosen]


def wave(point):
    """Crosses zero at a = 0.5, falling; b does not matter."""
    return {"y": float(np.cos(np.pi * point["a"]) + 0.2 * point["b"] - 0.1)}


@pytest.mark.parametrize(
    "target",
    [
        Target(name="y", goal="match", value=0.4),
        Target(name="y", goal="window", low=0.39, high=0.41),
    ],
    ids=["match", "window"],
)
@pytest.mark.parametrize("how", ["auto", "logei"])
def test_a_value_is_met(target, how):
    """Twelve asks find a point whose value is within a fiftieth of what is wanted."""
    problem = rigs.asked(targets=(target,))
    campaign = learnt(problem, wave, 12, acquisition=how)
    assert min(abs(r.values["y"] - 0.4) for r in campaign.results) < 0.02


def test_learning_makes_the_model_right():
    """After 20 asks, the model errs less over the square than after as many of the design."""
    problem = rigs.asked(targets=(Target(name="y", goal="learn"),))
    formula = rough(problem)
    X = fresh(PLANE.space, 400, 9, set())
    truth = [formula(point)["y"] for point in PLANE.space.decode(X)]
    asked, design = learnt(problem, formula, 20), after(problem, formula, 20)
    fits = [fit(training_data(each), PLANE.space.bounds) for each in (asked, design)]
    errors = [np.linalg.norm(each.moments(X)[0][:, 0] - truth) for each in fits]
    assert {c.why.acquisition for c in by_model(asked)} == {"variance reduction"}
    assert errors[0] < errors[1]


def test_a_level_is_asked_where_it_is_crossed():
    """Of the model's asks, most lie where the value is close to the level."""
    problem = rigs.asked(targets=(Target(name="y", goal="level", value=0.0),))
    campaign = learnt(problem, wave, 20)
    chosen = [abs(wave(c.point)["y"]) for c in by_model(campaign)]
    everywhere = [abs(wave(p)["y"]) for p in PLANE.space.decode(fresh(PLANE.space, 99, 0, set()))]
    assert np.median(chosen) < 0.4 * np.median(everywhere)


SCALED = (Target(name="y", worst=0.0, best=2.0), Target(name="z", goal="min", worst=1.0, best=0.2))


@pytest.mark.parametrize(
    ("targets", "combine"), [(SCALED, "desirability"), ((rigs.Y, LESS), "scalar")]
)
def test_a_compromise_is_found(targets, combine):
    """Between a + b, wanted high, and a, wanted low, it is b that is raised."""
    problem = rigs.asked(targets=targets, combine=combine)
    campaign = learnt(problem, slope, 14)
    assert campaign.best is not None
    assert campaign.best.point["b"] > 0.9
    assert campaign.best.point["a"] < 0.5


@pytest.mark.parametrize(("how", "name"), [("ucb", "UCB"), ("logei", "LogEI")])
@pytest.mark.parametrize("kind", ["matern", "rbf", "linear", "forest"])
def test_every_surrogate_goes_with_every_acquisition(kind, how, name):
    """By name, on a mixed space: legal new points, better than what there was."""
    problem = CASES["mixed"]
    campaign = learnt(problem, hills, 12, surrogate=kind, acquisition=how)
    assert {c.why.acquisition for c in by_model(campaign)} == {name}
    assert len({str(c.point) for c in campaign.candidates.values()}) == 12
    for candidate in campaign.candidates.values():
        problem.space.check(candidate.point)


@pytest.mark.timeout(900)
@pytest.mark.slow
@given(space=some.spaces(), seed=some.seeds)
@settings(max_examples=1000, suppress_health_check=[HealthCheck.too_slow])
def test_in_a_thousand_spaces_every_candidate_is_legal_and_new(space, seed):
    """Every rule, every bound, sums of one, at most k; new; and it comes back from its columns."""
    X = fresh(space, 4, seed, set())
    problem = replace(rigs.asked(*space.parameters, constraints=space.constraints), seed=seed)
    asked = rigs.placed(problem, *space.decode(X))
    answers = rigs.Evaluates(formula=rough(problem)).collect(asked)
    try:
        (candidate,) = Bayes(initial=2).propose(rigs.replayed(problem, asked, answers), 1)
    except Shortfall:
        left = fresh(space, 50, seed, set(space.keys(X)))
        assert (np.abs(left[:, None] - X).max(axis=2).min(axis=1) <= APART).all()
        return
    space.check(candidate.point)
    for parameter in space.parameters:
        if isinstance(parameter, Composition):
            fractions = parameter.encode(candidate.point[parameter.name])
            assert abs(sum(fractions) - 1) < 1e-9
            assert np.count_nonzero(fractions) <= parameter.most
    row = space.encode([candidate.point])
    assert space.keys(row)[0] not in set(space.keys(X))
    assert space.encode(space.decode(row)) == pytest.approx(row, abs=1e-12)


def hills(point):
    """A narrow hill at (0.7, 0.2) on a ripple; a category lifts it."""
    height = 4 * rigs.hill(point)["y"] + 0.3 * np.cos(9 * point["a"])
    return {"y": float(height) + {"x": 0.0, "y": 0.4, "z": -0.5}[point.get("g", "x")]}


def recipe(point):
    """How far a composition is from A55 B30 C15, squared and negative."""
    goal = {"A": 0.55, "B": 0.30, "C": 0.15, "D": 0.0}
    return {"y": -sum((point["m"].get(e, 0.0) - x) ** 2 for e, x in goal.items())}


def regret(problem, formula, optimum, proposer):
    """How far the best of 20 evaluations stays below the optimum, on average over three seeds."""
    oracle, rules = rigs.Evaluates(formula=formula), StopRules(evaluations=20)
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
    """After 20 evaluations, its mean regret over seeds 0 to 2 is under a tenth of Sobol's."""
    learnt, sobol = (regret(problem, formula, optimum, each) for each in (Bayes(), Design()))
    assert learnt < sobol / 10


def test_a_larger_logarithmic_range_is_learnt():
    """A rate over six decades: the best of twelve lies within a third of a decade."""
    rate = Continuous(name="r", low=1e-6, high=1.0, log=True)
    campaign = learnt(rigs.asked(rate), lambda p: {"y": -((np.log10(p["r"]) + 2) ** 2)}, 12)
    assert np.log10(campaign.best.point["r"]) == pytest.approx(-2, abs=0.3)
