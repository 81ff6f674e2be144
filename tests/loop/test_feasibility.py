"""Feasibility: what fails is not asked again nearby, and a region that fails is left alone."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from loop.bayes import Bayes
from loop.designs import fresh
from loop.feasibility import FEW, NEAR, WALL, _loss, classify, feasibility
from loop.objective import Target
from loop.records import Observed, Proposed
from loop.space.parameters import Continuous
from loop.space.pool import Listing, pool
from tests.loop import rigs

NAMES = ("x", "u", "v")
AFTER, NEXT = 5, 10


def tempting(*names, seed=0):
    """A problem in which more of x is better, over parameters from 0 to 1."""
    return rigs.asked(*(Continuous(name=n, low=0.0, high=1.0) for n in names), seed=seed)


def answer(problem, candidate, kind="infeasible"):
    """Y is best at the end of the first column, beyond 0.7 of which nothing can be made.

    The other columns are best at 0.4, but for the first of them, which z is, where z is wanted.
    """
    first, *others = problem.space.encode([candidate.point])[0].tolist()
    if first > 0.7:
        return rigs.failed(candidate, kind)
    more = {name: others.pop(0) for name in problem.objective.names[1:]}
    return rigs.measured(candidate, y=first - sum((x - 0.4) ** 2 for x in others), **more)


def settled(problem, points, kinds):
    """A campaign whose points were measured (an empty kind) or failed."""
    chosen = rigs.placed(problem, *points)
    answers = [
        rigs.failed(each, kind) if kind else rigs.measured(each, y=1.0)
        for each, kind in zip(chosen, kinds, strict=True)
    ]
    return rigs.replayed(problem, chosen, answers)


def learnt(problem, points, kinds) -> Any:
    """What these answers teach."""
    return feasibility(settled(problem, points, kinds))


def failing(problem, kind="infeasible", how="auto"):
    """How many of NEXT candidates lie beyond 0.7, after AFTER failures there and AFTER made."""
    space = problem.space
    points = space.decode(fresh(space, 99, problem.seed, set()))
    fails = space.encode(points)[:, 0] > 0.7
    first = [*np.flatnonzero(fails)[:AFTER], *np.flatnonzero(~fails)[:AFTER]]
    chosen = rigs.placed(problem, *(points[place] for place in first))
    campaign = rigs.replayed(problem, chosen, [answer(problem, each, kind) for each in chosen])
    for _ in range(NEXT):
        (candidate,) = Bayes(initial=1, acquisition=how).propose(campaign, 1)
        said = Observed(observation=answer(problem, candidate, kind))
        campaign = campaign.extended([Proposed(candidates=(candidate,)), said])
    return int((campaign.own_rows[-NEXT:, 0] > 0.7).sum())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("d", [1, 3])
@pytest.mark.parametrize("how", ["auto", "logei"])
def test_a_failing_region_is_left_alone(d, seed, how):
    """After five failures at most one of the next ten candidates lies where everything fails."""
    assert failing(tempting(*NAMES[:d], seed=seed), how=how) <= 1


@pytest.mark.parametrize(
    ("kind", "name"), [("infeasible", "UCB"), ("cancelled", "LogEI"), ("", "LogEI")]
)
def test_beside_a_region_that_fails_optimism_chooses(kind, name):
    """Together with caution, expected improvement would stay where it is."""
    places = (0.05, 0.2, 0.3, 0.45, 0.6, 0.8)
    chosen = rigs.placed(tempting("x"), *({"x": x} for x in places))
    answers = [
        rigs.failed(each, kind) if kind and x == places[-1] else rigs.measured(each, y=x)
        for each, x in zip(chosen, places, strict=True)
    ]
    (candidate,) = Bayes(initial=1).propose(rigs.replayed(tempting("x"), chosen, answers), 1)
    assert candidate.why.acquisition == name


POOL = pool(
    "m",
    Listing(
        ids=[f"m-{n}" for n in range(500)],
        X=np.random.default_rng(0).random((500, 3)),
        features=NAMES,
    ),
)


@pytest.mark.parametrize("seed", range(3))
def test_a_front_that_ends_at_a_failing_region_leaves_it_alone(seed):
    """Two goals in a pool: the gain of a front has no more of a bottom than LogEI's."""
    two = rigs.asked(POOL, targets=(rigs.Y, Target(name="z", goal="min")), combine="auto")
    assert failing(replace(two, seed=seed)) <= 1


def test_a_failure_that_teaches_nothing_is_no_warning():
    """The same region tempts where answers were merely cancelled: it is learning that leaves it."""
    assert failing(tempting(*NAMES), "cancelled") > NEXT / 2


@pytest.mark.parametrize("kind", ["", "timeout", "cancelled", "invalid_output"])
def test_only_what_cannot_be_made_teaches(kind):
    """A success, a timeout, a person's no and a wrong unit say nothing of what can be made."""
    points = [{"x": x} for x in (0.1, 0.5, 0.9)]
    assert learnt(tempting("x"), points, ["", "", kind]) is None


@pytest.mark.parametrize("kind", ["infeasible", "not_converged"])
def test_one_failure_keeps_its_surroundings_free(kind):
    """Nothing nearer than the radius is worth asking; beyond it, nothing is known."""
    known = learnt(tempting("x"), [{"x": 0.1}, {"x": 0.5}], ["", kind])
    chance = known.log_chance(np.array([[0.5], [0.5 + 0.9 * NEAR], [0.5 + 1.1 * NEAR], [1.0]]))
    assert chance[0] == pytest.approx(-WALL)
    assert chance[1] < -0.05 * WALL
    assert chance[2:].tolist() == [0.0, 0.0]


def test_a_region_is_learnt_from_the_parameter_that_decides():
    """Failures above x = 0.7 warn of all x above it, whatever the other parameters are."""
    X = np.random.default_rng(0).random((30, 3))
    points = [dict(zip(NAMES, row, strict=True)) for row in X.tolist()]
    kinds = ["infeasible" if x > 0.7 else "" for x in X[:, 0]]
    known = learnt(tempting(*NAMES), points, kinds)
    Z = np.random.default_rng(1).random((500, 3))
    factor, fails = known.log_chance(Z), Z[:, 0] > 0.7
    assert np.median(factor[fails]) < -20
    assert np.median(factor[~fails]) > -2
    assert known.classifier.hyper.lengths[0] < known.classifier.hyper.lengths[1:].min()


def test_failures_at_random_decide_nothing():
    """Where chance decides, every point is about as likely as another to be made."""
    rng = np.random.default_rng(0)
    X, y = rng.random((120, 2)), np.where(rng.random(120) < 0.3, -1.0, 1.0)
    chance = np.exp(classify(X, y).log_chance(rng.random((200, 2))))
    assert 0.55 < np.median(chance) < 0.85


@pytest.mark.parametrize("share", [0.02, 0.5])
def test_the_gradient_is_that_of_the_posterior(share):
    """By central differences, with few failures and with many."""
    rng = np.random.default_rng(0)
    X, theta = rng.random((40, 3)), np.log([0.3, 0.5, 0.8])
    y = np.where(X[:, 0] < share, -1.0, 1.0)
    steps = 1e-5 * np.eye(3)
    slopes = [(_loss(theta + s, X, y)[0] - _loss(theta - s, X, y)[0]) / 2e-5 for s in steps]
    assert _loss(theta, X, y)[1] == pytest.approx(slopes, rel=1e-2)


def test_it_does_not_matter_in_which_units_a_parameter_is_given():
    """The chance is the same for kelvin and for a fraction of the range."""
    points = [{"x": x} for x in (0.1, 0.3, 0.6, 0.8, 0.9, 1.0)]
    kinds = ["", "", "", "infeasible", "infeasible", "infeasible"]
    kelvin = rigs.asked(Continuous(name="x", low=300.0, high=1300.0, unit="K"))
    hot = [{"x": 300 + 1000 * point["x"]} for point in points]
    X = np.linspace(0, 1, 7)[:, None]
    one = learnt(tempting("x"), points, kinds).log_chance(X)
    assert learnt(kelvin, hot, kinds).log_chance(X) == pytest.approx(one)


def test_many_answers_are_thinned_and_stay_fast():
    """Of 3000 answers a thousand are learnt from, every failure among them."""
    X = np.random.default_rng(0).random((3000, 2))
    points = [{"x": a, "u": b} for a, b in X.tolist()]
    kinds = ["infeasible" if a > 0.9 else "" for a in X[:, 0]]
    known = learnt(tempting("x", "u"), points, kinds)
    assert len(known.classifier.y) == 1000
    assert (known.classifier.y < 0).sum() == kinds.count("infeasible")
    assert (known.log_chance(np.array([[0.95, 0.123], [0.3, 0.5]])) < -5).tolist() == [True, False]


def test_fewer_failures_than_few_teach_no_border():
    """The classifier begins at the third failure."""
    points = [{"x": x} for x in np.linspace(0, 1, 6)]
    for count in (FEW - 1, FEW):
        kinds = [""] * (6 - count) + ["infeasible"] * count
        known = learnt(tempting("x"), points, kinds)
        assert (known.classifier is not None) == (count == FEW)


def test_a_retracted_failure_is_forgotten():
    """What a person took back teaches nothing."""
    campaign = settled(tempting("x"), [{"x": 0.1}, {"x": 0.5}], ["", "infeasible"])
    last = list(campaign.candidates)[-1]
    assert feasibility(replace(campaign, retracted={last: None})) is None
