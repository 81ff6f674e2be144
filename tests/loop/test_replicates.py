"""A replicate of the incumbent: where its rank hinges on one noisy value, and only there."""

import numpy as np
import pytest

from loop.objective import Target
from loop.records import Candidate, Measured, Source, Why
from loop.replicates import ENOUGH, EVERY, hinges
from loop.space.parameters import Continuous
from loop.surrogate.data import training_data
from loop.surrogate.portfolio import fit
from tests.loop import rigs

X = Continuous(name="x", low=0.0, high=1.0)
GRID = np.linspace(0, 1, 11)


def lab(error=0.3, lucky=1.0, targets=(rigs.Y,), also=(), pending=(), flip=1.0):
    """A campaign over a flat hill, known to `error`, with a lucky value at x = 0.9."""
    problem = rigs.asked(X, targets=targets)
    points = [{"x": float(x)} for x in (*GRID, *also, *pending)]
    chosen = [
        Candidate(id=c.id, point=c.point, why=Why(origin="replicate" if n > 10 else "design"))
        for n, c in enumerate(rigs.placed(problem, *points))
    ]
    answers = [
        Measured(
            candidate=c.id,
            values={t.name: flip * (float(np.sin(3 * x)) + lucky * (x == 0.9)) for t in targets},
            errors={t.name: error for t in targets} if error else {},
            source=Source(oracle="lab"),
        )
        for c, x in zip(chosen, [*GRID.round(9), *also], strict=False)
    ]
    return rigs.replayed(problem, chosen, answers)


def hinge(campaign):
    """What hinges, by a model of this campaign."""
    data = training_data(campaign)
    return hinges(campaign, fit(data, campaign.problem.space.bounds, "matern"), data)


def test_a_lucky_incumbent_is_measured_again():
    """One value stands out by a few standard errors, which the model does not believe."""
    found = hinge(lab())
    assert found is not None
    assert found.candidate == "0010" + found.candidate[4:]
    assert "best after one measurement" in found.cause
    assert "measured again" in found.cause


@pytest.mark.parametrize(
    "target", [Target(name="y", goal="min"), Target(name="y", goal="match", value=-9)]
)
def test_whatever_the_goal(target):
    """A lucky small value where small is good, and one close to what is to be matched."""
    found = hinge(lab(targets=(target,), flip=-1.0))
    assert found is not None
    assert found.candidate.startswith("0010")


@pytest.mark.parametrize(
    "settings",
    [
        {"error": 0.0},
        {"error": 0.01},
        {"lucky": 0.0, "error": 0.001},
        {"targets": (rigs.Y, Target(name="w"))},
    ],
)
def test_nothing_hinges_where_there_is_no_doubt(settings):
    """No noise known, hardly any noise, or several goals."""
    targets = settings.get("targets", (rigs.Y,))
    campaign = lab(**settings)
    if len(targets) > 1:
        campaign = rigs.replayed(
            rigs.asked(X, targets=targets, combine="pareto"),
            list(campaign.candidates.values()),
            [each for answers in campaign.observations.values() for each in answers],
        )
    assert hinge(campaign) is None


def test_repeated_measurements_make_noise_known():
    """Without standard errors, two different answers at the same points will do."""
    plain = lab(error=0.0, lucky=0.8)
    more = [0.0, 0.1, 0.5]
    again = rigs.placed(plain.problem, *[{"x": float(x)} for x in (*GRID, *more)])
    answers = [each for answers in plain.observations.values() for each in answers]
    for each, x, shift in zip(again[-3:], more, (0.8, -0.7, -0.6), strict=True):
        answers.append(rigs.measured(each, y=float(np.sin(3 * x)) + shift))
    noisy = rigs.replayed(plain.problem, again, answers)
    assert training_data(noisy).freedom.tolist() == [3.0]
    assert hinge(plain) is None
    assert hinge(noisy) is not None


def test_a_pending_replicate_is_waited_for():
    """The same point is not asked twice at once."""
    assert hinge(lab(pending=(0.9,))) is None


@pytest.mark.parametrize("later", range(EVERY + 1))
def test_replicates_keep_a_distance(later):
    """No more often than every fifth candidate."""
    campaign = lab(also=(0.05,))
    problem, old = campaign.problem, list(campaign.candidates.values())
    more = rigs.placed(
        problem, *[c.point for c in old], *[{"x": 0.001 * n} for n in range(1, later + 1)]
    )
    chosen = [*old, *more[len(old) :]]
    answers = [each for answers in campaign.observations.values() for each in answers]
    assert (hinge(rigs.replayed(problem, chosen, answers)) is None) == (later < EVERY - 1)


def test_three_measurements_are_enough():
    """A point that was asked three times is known."""
    campaign = lab()
    problem, old = campaign.problem, list(campaign.candidates.values())
    chosen = rigs.placed(problem, *[c.point for c in old], *[{"x": 0.9}] * (ENOUGH - 1))
    answers = [each for answers in campaign.observations.values() for each in answers]
    again = [
        Measured(candidate=c.id, values={"y": 1.4}, errors={"y": 0.3}, source=Source(oracle="lab"))
        for c in chosen[len(old) :]
    ]
    assert hinge(rigs.replayed(problem, chosen, [*answers, *again])) is None


@pytest.mark.parametrize("seed", range(3))
def test_a_table_without_noise_is_never_asked_twice(seed):
    """Nothing tells of noise, so nothing hinges on it."""
    problem = rigs.asked(seed=seed)
    assert hinge(rigs.evaluated(problem, rigs.hill, 12)) is None
