"""The surrogate: right on easy data, finite on awkward data, and open about what it assumed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from loop.parameters import Composition, Continuous
from loop.surrogate import Data, fit, training_data
from tests.loop import rigs

UNIT = np.array([[0.0, 0.0], [1.0, 1.0]])
X = np.random.default_rng(3).random((10, 2))
HEIGHT = np.sin(3 * X[:, 0]) + X[:, 1] ** 2
HERE = np.array([0.4, 0.6])


def data(y=HEIGHT, errors=None, at=X):
    """Data of one target, or of as many as `y` has columns, with standard errors or without."""
    Y = np.asarray(y, dtype=np.float64).reshape(len(at), -1)
    unknown = np.full_like(Y, np.nan)
    return Data(
        ids=tuple(f"{n:04d}" for n in range(len(at))),
        targets=("y", "z")[: Y.shape[1]],
        X=at,
        Y=Y,
        Yvar=unknown if errors is None else np.reshape(errors, Y.shape).astype(float) ** 2,
    )


def test_everything_is_in_double_precision():
    """Parameters, training data and predictions are float64."""
    fitted = fit(data(), UNIT)
    tensors = [*fitted.model.parameters(), *fitted.single(0).train_inputs]
    assert {tensor.dtype for tensor in tensors} == {torch.float64}
    assert fitted.model.posterior(torch.as_tensor(X)).mean.dtype == torch.float64


@pytest.mark.parametrize("kernel", ["matern", "rbf"])
def test_a_smooth_function_is_learnt(kernel):
    """Ten points of a smooth function predict it between them, within two standard deviations."""
    predicted = fit(data(), UNIT, kernel).predict(HERE)["y"]
    truth = np.sin(3 * HERE[0]) + HERE[1] ** 2
    assert predicted.mean == pytest.approx(truth, abs=0.05)
    assert abs(predicted.mean - truth) < 2 * predicted.sd


def test_what_was_measured_exactly_is_predicted_exactly():
    """With errors of nothing, the model goes through the data."""
    fitted = fit(data(errors=np.zeros(10)), UNIT)
    for x, y in zip(X[:3], HEIGHT, strict=False):
        assert fitted.predict(x)["y"].mean == pytest.approx(y, abs=0.01)
        assert fitted.predict(x)["y"].sd < 0.01


def test_a_prediction_includes_the_noise():
    """At a point measured with an error of one, a measurement is expected to scatter by as much."""
    fitted = fit(data(HEIGHT * 10, errors=np.ones(10)), UNIT)
    assert fitted.predict(X[0])["y"].sd > 1.0


def test_missing_targets_do_not_hide_the_others():
    """Each target is learnt from the rows that have it; nothing becomes NaN."""
    some = np.where(np.arange(10) < 6, -HEIGHT, np.nan)
    fitted = fit(data(np.column_stack([HEIGHT, some])), UNIT)
    assert [len(fitted.single(n).train_targets) for n in (0, 1)] == [10, 6]
    predicted = fitted.predict(HERE)
    assert predicted["y"] == fit(data(), UNIT).predict(HERE)["y"]
    assert np.isfinite([predicted["z"].mean, predicted["z"].sd]).all()


@pytest.mark.parametrize(
    ("errors", "cause"),
    [
        (None, ""),
        ([0.1] * 10, ""),
        ([0.1] * 8 + [np.nan] * 2, "y: 2 of 10 standard errors unknown, the median is used"),
        ([0.1] + [np.nan] * 9, "y: 9 of 10 standard errors unknown, the median is used"),
    ],
)
def test_partly_known_noise_is_said_and_gives_no_nan(errors, cause):
    """Unknown errors are taken for typical ones, and the candidate will say so."""
    fitted = fit(data(errors=errors), UNIT)
    predicted = fitted.predict(HERE)["y"]
    assert fitted.cause == cause
    assert np.isfinite([predicted.mean, predicted.sd]).all()


AWKWARD = {
    "constant": data(np.ones(10)),
    "constant and exact": data(np.ones(10), np.zeros(10)),
    "all zero": data(np.zeros(10)),
    "two points": data(HEIGHT[:2], at=X[:2]),
    "one point": data(HEIGHT[:1], at=X[:1]),
    "one place": data(HEIGHT, at=np.repeat(X[:1], 10, axis=0)),
    "one place, exactly, otherwise": data(HEIGHT, np.zeros(10), np.repeat(X[:1], 10, axis=0)),
    "a column that does not vary": data(HEIGHT, at=X * [1.0, 0.0]),
    "beyond the bounds": data(HEIGHT, at=X * 3 - 1),
    "very unlike errors": data(HEIGHT, np.logspace(-8, 8, 10)),
    "an outlier": data([*HEIGHT[:9], 1e9]),
    "far from zero": data(HEIGHT + 1e6),
}


@pytest.mark.parametrize("awkward", AWKWARD.values(), ids=AWKWARD.keys())
def test_awkward_data_give_finite_predictions(awkward):
    """Whatever a campaign brings, a mean and a positive standard deviation come out."""
    predicted = fit(awkward, UNIT).predict(HERE)["y"]
    assert np.isfinite([predicted.mean, predicted.sd]).all()
    assert predicted.sd > 0


def test_a_column_that_cannot_vary_is_no_division_by_zero():
    """An element whose fraction is fixed has bounds without width."""
    alloy = Composition(name="m", elements=("A", "B", "C"), low={"A": 0.25}, high={"A": 0.25})
    campaign = rigs.evaluated(rigs.asked(alloy), lambda p: {"y": p["m"].get("B", 0.0)}, 6)
    space = campaign.problem.space
    predicted = fit(training_data(campaign), space.bounds).predict(space.bounds.mean(axis=0))
    assert np.isfinite([predicted["y"].mean, predicted["y"].sd]).all()


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e-6, -1.0, 1e6, 1e30])
@pytest.mark.parametrize("errors", [None, np.full(10, 0.1)])
def test_predictions_follow_the_unit(scale, errors):
    """In another unit, and from another zero, the same belief."""
    plain = fit(data(errors=errors), UNIT).predict(HERE)["y"]
    shift = 3.0 * scale
    changed = data(HEIGHT * scale + shift, None if errors is None else errors * abs(scale))
    other = fit(changed, UNIT).predict(HERE)["y"]
    assert (other.mean - shift) / scale == pytest.approx(plain.mean, rel=1e-4)
    assert other.sd / abs(scale) == pytest.approx(plain.sd, rel=1e-3)


def test_inputs_are_scaled_by_the_bounds_and_not_by_the_data():
    """The same data in a space ten times as wide are closer together, and tell more about it."""
    near = fit(data(errors=np.full(10, 0.01)), UNIT)
    wide = fit(data(errors=np.full(10, 0.01)), UNIT * 10)
    assert not np.isclose(near.predict(HERE)["y"].sd, wide.predict(HERE)["y"].sd, rtol=1e-3)


@given(order=st.permutations(range(10)))
@settings(max_examples=8)
def test_the_order_of_rows_does_not_matter(order):
    """Another order of the same rows is the same model, to the precision of its fit."""
    shuffled = data(HEIGHT[order], at=X[order])
    plain, other = (fit(each, UNIT).predict(HERE)["y"] for each in (data(), shuffled))
    assert other.mean == pytest.approx(plain.mean, rel=1e-3)
    assert other.sd == pytest.approx(plain.sd, rel=1e-2)


def test_the_digest_tells_models_apart():
    """The same data give the same digest; a datum, an error or a kernel more, another."""
    digests = [
        fit(data(), UNIT).digest,
        fit(data([*HEIGHT[:9], HEIGHT[9] + 1e-9]), UNIT).digest,
        fit(data(errors=np.full(10, 0.1)), UNIT).digest,
        fit(data(), UNIT, "rbf").digest,
    ]
    assert len(set(digests)) == 4
    assert fit(data(), UNIT).digest == digests[0]


def test_training_data_are_what_was_measured():
    """A row per measured candidate, NaN where a target or an error is missing."""
    problem = rigs.asked(Continuous(name="a", low=0.0, high=2.0), targets=(rigs.Y, rigs.Z))
    first, second, third = rigs.candidates(problem, 3)
    with_error = replace(rigs.measured(first, y=1.0, z=2.0), errors={"z": 0.5})
    answers = rigs.observed(rigs.measured(third, z=3.0), rigs.failed(second), with_error)
    got = training_data(rigs.campaign(problem, 3, *answers))
    assert got.ids == (first.id, third.id)
    assert np.array_equal(got.X, problem.space.encode([first.point, third.point]))
    assert np.array_equal(got.Y, [[1.0, 2.0], [np.nan, 3.0]], equal_nan=True)
    assert np.array_equal(got.Yvar, [[np.nan, 0.25], [np.nan, np.nan]], equal_nan=True)
