"""Health: what the model says of itself is true, in plain words, and never stands in the way."""

from dataclasses import replace

import numpy as np
import pytest

from loop.health import health, sentence
from loop.records import Health
from loop.surrogate.outliers import LEAST, LIMIT, downweighted, outliers
from loop.surrogate.portfolio import fit
from tests.loop.datasets import data

BOUNDS = np.array([[0.0, 0.0], [1.0, 1.0]])
UNITS = {"y": "MPa"}
GOOD = Health(n=20, error=12.3, r2=0.9, coverage=0.95, calibration=1.0)


def noisy(count, seed=0, noise=0.0):
    """A smooth function of two inputs, with noise."""
    rng = np.random.default_rng(seed)
    X = rng.random((count, 2))
    return X, 100 * np.sin(4 * X[:, 0]) + 50 * X[:, 1] + noise * rng.standard_normal(count)


def checked(X, y, kind="matern"):
    """The health of a model of these outcomes."""
    return health(fit(data(X, y), BOUNDS, kind), UNITS)["y"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, "The model predicts strength well: an unseen sample would have been off by 12.3 MPa"),
        ({}, "and 95 % of its error bars (95 %) hold."),
        ({"r2": 0.5}, "predicts strength roughly"),
        ({"r2": 0.05}, "does not predict strength better than the mean of all values"),
        ({"r2": -3.0}, "choices are close to exploration"),
        ({"coverage": 0.7}, "is over-confident: only 70 % of its error bars (95 %) hold"),
        ({"coverage": 0.8, "n": 5}, "predicts strength well"),
        ({"coverage": 1.0, "calibration": 0.3}, "hold, wider than they need be."),
        ({"n": 4}, "Too few data to judge the model of strength: 4 values, 5 are needed."),
        ({"n": 1, "r2": None}, "1 value, 5 are needed"),
        ({"n": 7, "r2": None}, "All 7 values of strength are equal"),
    ],
)
def test_one_sentence_says_what_the_numbers_mean(change, said):
    """By the first rule that holds, with the unit."""
    found = sentence(replace(GOOD, **change), "strength", "MPa")
    assert said in found
    assert found.endswith(".")
    assert found.count(". ") == 0


def test_a_column_at_the_end_of_its_range_is_named():
    """Outcomes that alternate along one input: people read which one, not a number."""
    X = np.column_stack([np.full(120, 0.5), np.linspace(0, 1, 120)])
    y = np.where(np.arange(120) % 2, 1.0, -1.0)
    known = np.full((120, 1), 1e-3)
    told = health(fit(data(X, y, Yvar=known), BOUNDS, "matern"), UNITS)["y"]
    assert told.at_bounds == ("x1: lengthscale at its lower bound",)


def test_a_learnable_function_is_predicted_well():
    """R2 near 1, and the error is that of leaving out, in the target's unit."""
    X, y = noisy(30)
    found = checked(X, y)
    assert found.r2 > 0.9
    assert found.error < 0.3 * y.std()
    assert found.says.startswith("The model predicts y well")
    assert "MPa" in found.says


def test_noise_is_not_mistaken_for_knowledge():
    """Outcomes without a pattern are predicted no better than by their mean."""
    rng = np.random.default_rng(0)
    found = checked(rng.random((30, 2)), rng.standard_normal(30))
    assert found.r2 < 0.1
    assert "close to exploration" in found.says


def test_a_fair_model_is_calibrated():
    """Its error bars hold as often as they claim to."""
    found = checked(*noisy(60, noise=10.0))
    assert 0.85 <= found.coverage <= 1
    assert 0.7 < found.calibration < 1.3


@pytest.mark.parametrize("kind", ["matern", "rbf", "linear", "forest"])
@pytest.mark.parametrize(
    ("X", "y"),
    [
        (np.array([[0.5, 0.5]]), np.array([3.0])),
        (np.array([[0.1, 0.5], [0.9, 0.2]]), np.array([1.0, 2.0])),
        (noisy(7)[0], np.full(7, 4.2)),
        (noisy(7)[0], np.zeros(7)),
        (np.repeat([[0.5, 0.5], [0.1, 0.2]], 4, axis=0), np.arange(8.0)),
    ],
)
def test_every_number_is_one(X, y, kind):
    """One row, two, all equal, all zero, the same point: no NaN and no infinity, and a sentence."""
    found = checked(X, y, kind)
    numbers = [found.error, found.coverage, found.calibration, *([found.r2] if found.r2 else [])]
    assert np.isfinite(numbers).all()
    assert found.says


def test_the_unit_does_not_change_the_judgement():
    """In GPa the error is a thousandth of that in MPa, and all else is the same."""
    X, y = noisy(20, noise=5.0)
    one, other = checked(X, y), checked(X, y / 1000)
    assert other.error == pytest.approx(one.error / 1000, rel=1e-6)
    assert (other.r2, other.coverage) == pytest.approx((one.r2, one.coverage), rel=1e-6)


def test_a_wild_outcome_is_named():
    """Its candidate, and none of the others'."""
    X, y = noisy(40, noise=3.0)
    y[7] += 400
    found = checked(X, y)
    assert found.outliers == ("row-7",)


def test_few_outcomes_have_no_outliers():
    """Among nine, nobody can tell."""
    X, y = noisy(LEAST - 1, noise=1.0)
    y[3] += 1000
    assert checked(X, y).outliers == ()


def test_an_outlier_weighs_less_on_request():
    """Its variance becomes its squared distance; the others stay, and the fit gets better."""
    X, y = noisy(40, noise=3.0)
    truth = y.copy()
    y[7] += 400
    wild = data(X, y)
    fitted = fit(wild, BOUNDS, "matern")
    tamed = downweighted(wild, fitted)
    assert np.flatnonzero(np.isfinite(tamed.Yvar[:, 0])).tolist() == [7]
    mean, variance = fitted.experts[0].leave_one_out()
    off = (fitted.experts[0].y - mean)[7]
    assert abs(off) > LIMIT * np.sqrt(variance[7])
    assert tamed.Yvar[7, 0] == pytest.approx((off * fitted.scale[0]) ** 2)
    before, after = (
        np.abs(f.moments(X)[0][:, 0] - truth).mean() for f in (fitted, fit(tamed, BOUNDS, "matern"))
    )
    assert after < before


def test_outliers_of_one_target_leave_the_others_alone():
    """And rows where a target was not measured are counted right."""
    X, y = noisy(40, noise=3.0)
    other = y + 1.0
    y[:5] = np.nan
    y[20] += 400
    both = data(X, y, other)
    fitted = fit(both, BOUNDS, "matern")
    found = outliers(fitted)
    assert "row-20" in found["y"]
    assert found["z"] == ()
    rows, columns = np.nonzero(np.isfinite(downweighted(both, fitted).Yvar))
    assert [f"row-{row}" for row in rows] == list(found["y"])
    assert set(columns) == {0}
