"""Stand-ins: what they teach of the real thing, and when they are asked."""

from dataclasses import replace
from math import sin

import numpy as np
import pytest

from loop.bayes import Bayes
from loop.campaign import Campaign
from loop.fidelities import plan
from loop.ledger import Ledger
from loop.protocols import Declaration
from loop.records import Fidelity, Measured, Problem, Source
from loop.run import Rig, turns
from loop.spending import spent
from loop.stopping import StopRules
from loop.surrogate.joint import _loss, related
from loop.surrogate.learning import Samples
from tests.loop import rigs


def peak(point):
    """The real thing: highest at (0.7, 0.2)."""
    return -((point["a"] - 0.7) ** 2) - (point["b"] - 0.2) ** 2


PAIRS = {
    "along": lambda p: 3 + peak(p) + 0.1 * p["a"],
    "apart": lambda p: sin(9 * p["a"] + 2 * p["b"]) * sin(7 * p["b"] + 1),
    "against": lambda p: -peak(p),
}


class Pair:
    """An oracle of the real thing and of one stand-in."""

    declaration = Declaration(
        name="pair",
        parts=(Declaration(name="dear"), Declaration(name="cheap", fidelity="cheap")),
    )

    def __init__(self, stand_in):
        """With the formula of the stand-in."""
        self.stand_in = stand_in

    def submit(self, candidates):
        """Nothing is to be done."""

    def collect(self, pending):
        """Work the formulas out."""
        asked = [(each, self.stand_in if each.fidelity else peak) for each in pending]
        source = Source(oracle="pair")
        return [
            Measured(candidate=each.id, values={"y": formula(each.point)}, source=source)
            for each, formula in asked
        ]


def end(pair, money=7.0):
    """A campaign of a pair, when its money is spent."""
    plain = rigs.asked()
    cheap = Fidelity(name="cheap", targets=("y",), cost=0.1)
    real = Fidelity(name="", targets=("y",))
    problem = Problem(
        name="test", space=plain.space, objective=plain.objective, fidelities=(real, cheap)
    )
    rig = Rig(
        problem=problem,
        ledger=Ledger("sqlite://", "test"),
        oracle=Pair(PAIRS[pair]),
        proposer=Bayes(money=money),
        rules=StopRules(evaluations=200, cost=money),
    )
    *_, campaign = turns(rig)
    return rig, campaign


def samples(formula, count, seed):
    """Outcomes of a formula at random points."""
    X = np.random.default_rng(seed).random((count, 2))
    unknown = np.full(count, np.nan)
    return Samples(X=X, y=formula(X), known=unknown, counts=np.ones(count))


@pytest.mark.parametrize("kernel", ["matern", "rbf"])
def test_the_slope_is_that_of_the_density(kernel):
    """Central differences of the posterior density give the gradient by hand."""
    parts = [samples(lambda X: X[:, 0], 6, 0), samples(lambda X: X[:, 0] + X[:, 1] ** 2, 9, 1)]
    theta = np.random.default_rng(2).normal(size=9) / 2 - np.r_[np.zeros(7), 3, 3]
    steps = 1e-5 * np.eye(9)
    ups, downs = ([_loss(theta + s * e, parts, kernel)[0] for e in steps] for s in (1, -1))
    assert _loss(theta, parts, kernel)[1] == pytest.approx((np.array(ups) - downs) / 2e-5, abs=1e-7)


def test_leaving_one_out_is_what_it_says():
    """What the closed form gives is the prediction of the process without that outcome."""
    real, cheap = samples(lambda X: X[:, 0], 6, 0), samples(lambda X: X[:, 0] + X[:, 1], 9, 1)
    whole = related(real, {"cheap": cheap}, "matern")
    keep = np.arange(15) != 2
    parts = {f: getattr(whole, f)[keep] for f in ("X", "outcomes", "variances", "which")}
    mean, variance = type(whole)(hyper=whole.hyper, names=whole.names, **parts).predict(real.X[2:3])
    told = whole.leave_one_out()
    assert told[0][2] == pytest.approx(mean[0])
    assert told[1][2] == pytest.approx(variance[0] + whole.noise)


@pytest.mark.parametrize(("pair", "low", "high"), [("along", 0.7, 1.0), ("against", -1.0, -0.7)])
def test_the_correlation_is_found(pair, low, high):
    """It is fitted, shown, and a bad one is said."""
    _, campaign = end(pair)
    health = campaign.health["y"]
    assert low <= health.correlation["cheap"] <= high
    assert ("do not agree" in health.stand_ins[0]) == (pair == "against")


@pytest.mark.parametrize("pair", PAIRS)
def test_the_best_is_real_and_the_budget_is_kept(pair):
    """Values of stand-ins lead nowhere but to the next candidate, and no more is spent than is."""
    rig, campaign = end(pair)
    assert campaign.best is not None
    assert campaign.best.candidate.fidelity == ""
    assert campaign.best.values["y"] > -0.05
    assert spent(campaign) <= 7.0
    assert Campaign.replay(rig.problem, rig.ledger.events()).best == campaign.best


def test_what_tells_nothing_is_not_asked():
    """Beyond its design, a stand-in that goes its own way is hardly asked any more."""
    _, campaign = end("apart")
    chosen = [each for each in campaign.at("cheap").own if each.why.origin != "design"]
    assert len(chosen) <= 3


@pytest.mark.parametrize(("initial", "real"), [(5, 3), (7, 4), (19, 5), (20, 5)])
def test_five_real_outcomes_judge_a_stand_in(initial, real):
    """Half of the design in few dimensions, no more in many; the stand-in has twice all of it."""
    plain = rigs.asked()
    fidelities = (
        Fidelity(name="", targets=("y",)),
        Fidelity(name="cheap", targets=("y",), cost=0.01),
    )
    campaign = rigs.campaign(replace(plain, fidelities=fidelities), 0)
    assert plan(campaign, initial).counts == (("cheap", 2 * initial), ("", real))


def test_who_is_not_believed_takes_nothing_from_the_design():
    """Beside what tells nothing of it, the real thing gets the design that it has alone."""
    _, campaign = end("apart")
    design = [each for each in campaign.own if each.why.origin == "design"]
    assert len(design) == 5
