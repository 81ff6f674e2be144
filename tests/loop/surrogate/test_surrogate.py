"""The surrogate: right on easy data, finite on awkward data, and open about what it assumed."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loop.space.composition import Composition
from loop.surrogate.data import Data, training_data
from loop.surrogate.gp import LEAST_NOISE, Process
from loop.surrogate.portfolio import MANY, fit, log_density
from tests.loop import rigs

UNIT = np.array([[0.0, 0.0], [1.0, 1.0]])
X = np.random.default_rng(3).random((10, 2))
HEIGHT = np.sin(3 * X[:, 0]) + X[:, 1] ** 2
HERE = np.array([0.4, 0.6])
KINDS = ("auto", "matern", "rbf", "linear", "forest")


def data(y=HEIGHT, errors=None, at=X, counts=None, within=0.0, freedom=0.0):
    """Data of one target, or of as many as `y` has columns, with standard errors or without."""
    Y = np.asarray(y, dtype=np.float64).reshape(len(at), -1)
    unknown = np.full_like(Y, np.nan)
    return Data(
        ids=tuple(f"{n:04d}" for n in range(len(at))),
        columns=tuple(f"x{n}" for n in range(at.shape[1])),
        targets=("y", "z")[: Y.shape[1]],
        X=at,
        Y=Y,
        Yvar=unknown if errors is None else np.reshape(errors, Y.shape).astype(float) ** 2,
        counts=np.ones_like(Y) if counts is None else np.reshape(counts, Y.shape).astype(float),
        within=np.full(Y.shape[1], within),
        freedom=np.full(Y.shape[1], freedom),
    )


def process(fitted):
    """Its first expert, which is a Gaussian process."""
    expert = fitted.experts[0]
    assert isinstance(expert, Process)
    return expert


@pytest.mark.parametrize("kind", KINDS)
def test_everything_is_in_double_precision(kind):
    """What an expert learnt and what it predicts are float64."""
    fitted = fit(data(), UNIT, kind)
    arrays = [*fitted.moments(X), fitted.experts[0].digits(), fitted.unit(X)]
    assert {array.dtype for array in arrays} == {np.dtype(np.float64)}


@pytest.mark.parametrize("kind", ["auto", "matern", "rbf"])
def test_a_smooth_function_is_learnt(kind):
    """Ten points of a smooth function predict it between them, within two standard deviations."""
    predicted = fit(data(), UNIT, kind).predict(HERE)["y"]
    truth = np.sin(3 * HERE[0]) + HERE[1] ** 2
    assert predicted.mean == pytest.approx(truth, abs=0.05)
    assert abs(predicted.mean - truth) < 2 * predicted.sd


PLANE = X @ [2.0, -1.0]
JUMP = np.random.default_rng(1).random((40, 2))


@pytest.mark.parametrize(
    ("outcome", "name"), [(HEIGHT, {"rbf", "matern"}), (PLANE, {"linear"})], ids=["bent", "plane"]
)
def test_the_expert_is_the_one_that_predicts_best_what_it_has_not_seen(outcome, name):
    """Of the portfolio, the largest leave-one-out density; a plane is left to the linear one."""
    chosen = fit(data(outcome), UNIT).experts[0]
    each = [fit(data(outcome), UNIT, kind).experts[0] for kind in ("matern", "rbf", "linear")]
    assert chosen.name in name
    assert log_density(chosen) == max(map(log_density, each))


def test_a_forest_learns_a_jump():
    """A step from 0 to 5 is predicted within one on both sides of it."""
    fitted = fit(data(5.0 * (JUMP[:, 0] > 0.5), at=JUMP), UNIT, "forest", seed=1)
    assert fitted.predict(np.array([0.25, 0.5]))["y"].mean == pytest.approx(0.0, abs=1.0)
    assert fitted.predict(np.array([0.75, 0.5]))["y"].mean == pytest.approx(5.0, abs=1.0)


def test_a_forest_is_a_function_of_its_seed():
    """The same seed is the same forest, another seed another."""
    one, same, other = (fit(data(), UNIT, "forest", seed=seed).digest for seed in (1, 1, 2))
    assert one == same
    assert one != other


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
    assert fitted.moments(X[:1])[1][0, 0] < 1.0


def test_missing_targets_do_not_hide_the_others():
    """Each target is learnt from the rows that have it; nothing becomes NaN."""
    some = np.where(np.arange(10) < 6, -HEIGHT, np.nan)
    fitted = fit(data(np.column_stack([HEIGHT, some])), UNIT)
    assert [len(expert.y) for expert in fitted.experts] == [10, 6]
    predicted = fitted.predict(HERE)
    assert predicted["y"] == fit(data(), UNIT).predict(HERE)["y"]
    assert np.isfinite([predicted["z"].mean, predicted["z"].sd]).all()


@pytest.mark.parametrize("known", [0, 1, 5, 8, 10])
def test_partly_known_noise_is_kept_where_known_and_learnt_elsewhere(known):
    """Rows with a standard error have its variance, the others one that is learnt; no NaN."""
    errors = np.where(np.arange(10) < known, 0.1, np.nan)
    fitted = fit(data(errors=errors), UNIT, "matern")
    variances = process(fitted).variances * fitted.scale[0] ** 2
    assert variances[:known] == pytest.approx(0.01)
    assert len(set(variances[known:])) <= 1
    assert np.isfinite(variances).all()
    assert fitted.cause == ""
    predicted = fitted.predict(HERE)["y"]
    assert np.isfinite([predicted.mean, predicted.sd]).all()


def test_unlike_errors_weigh_unlike():
    """Of two neighbours that disagree, the one with the smaller error is believed."""
    at = np.array([[0.5, 0.5], [0.51, 0.5], [0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    fitted = fit(data([1.0, -1.0, 0.1, 0.0, -0.1, 0.0], [0.01, 1, 0.1, 0.1, 0.1, 0.1], at), UNIT)
    assert fitted.predict(at[1])["y"].mean > 0.8


@pytest.mark.parametrize("scatter", [0.02, 0.5])
def test_the_spread_of_replicates_teaches_the_noise(scatter):
    """With twenty degrees of freedom, the noise is that of repetitions, within a third."""
    repeated = data(counts=np.full(10, 3), within=20 * scatter**2, freedom=20)
    fitted = fit(repeated, UNIT, "matern")
    assert np.sqrt(fitted.experts[0].noise) * fitted.scale[0] == pytest.approx(scatter, rel=0.33)


def test_the_mean_of_four_is_twice_as_sure():
    """A row that averages four outcomes has a quarter of the variance of one."""
    fitted = fit(data(counts=np.where(np.arange(10) < 5, 4, 1)), UNIT, "matern")
    variances = process(fitted).variances
    assert variances[5:] == pytest.approx(4 * variances[0])
    assert variances[5] == pytest.approx(fitted.experts[0].noise)


def test_raw_and_pooled_replicates_are_the_same_model():
    """Two measurements at every point, as rows of their own or pooled: the same density at most.

    The likelihood of the pooled rows is that of all raw ones (the leave-one-out of `auto` is not).
    """
    both = HEIGHT[:, None] + [0.1, -0.1]
    pooled = data(counts=np.full(10, 2), within=10 * 2 * 0.1**2, freedom=10)
    raw = data(both.ravel(), at=np.repeat(X, 2, axis=0))
    one, two = (fit(each, UNIT, "matern").predict(HERE)["y"] for each in (pooled, raw))
    assert two.mean == pytest.approx(one.mean, abs=0.02)
    assert two.sd == pytest.approx(one.sd, rel=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_pending_points_leave_the_mean_and_take_the_doubt(kind):
    """Joined rows: the same means everywhere, and no more uncertainty anywhere."""
    fitted = fit(data(), UNIT, kind)
    rows = np.random.default_rng(0).random((50, 2))
    joined = fitted.joined(rows[:3])
    (mean, sd), (later, less) = fitted.moments(rows), joined.moments(rows)
    assert later == pytest.approx(mean, abs=1e-6)
    assert (less <= sd + 1e-9).all()
    assert (less[:3] < sd[:3]).all()
    assert fitted.joined(rows[:0]) is fitted


def test_pending_points_in_two_parts_are_the_same_as_in_one():
    """Joining one row after the other is joining both."""
    for kind in ("matern", "forest"):
        fitted = fit(data(), UNIT, kind)
        rows = np.array([[0.1, 0.9], [0.8, 0.3], HERE])
        once, twice = fitted.joined(rows[:2]), fitted.joined(rows[:1]).joined(rows[1:2])
        assert twice.moments(rows)[1] == pytest.approx(once.moments(rows)[1], rel=1e-6)


AWKWARD = {
    "constant": data(np.ones(10)),
    "constant and exact": data(np.ones(10), np.zeros(10)),
    "all zero": data(np.zeros(10)),
    "two points": data(HEIGHT[:2], at=X[:2]),
    "one point": data(HEIGHT[:1], at=X[:1]),
    "one place, pooled": data([0.5], at=X[:1], counts=[200], within=3.0, freedom=199),
    "one place, not pooled": data(HEIGHT, at=np.repeat(X[:1], 10, axis=0)),
    "one place, exactly, otherwise": data(HEIGHT, np.zeros(10), np.repeat(X[:1], 10, axis=0)),
    "200 duplicates": data(np.resize(HEIGHT, 200), at=np.repeat(X[:2], 100, axis=0)),
    "replicates alike to the last digit": data(counts=np.full(10, 4), within=0.0, freedom=30),
    "replicates beyond all else": data(counts=np.full(10, 2), within=1e6, freedom=10),
    "a column that does not vary": data(HEIGHT, at=X * [1.0, 0.0]),
    "beyond the bounds": data(HEIGHT, at=X * 3 - 1),
    "very unlike errors": data(HEIGHT, np.logspace(-8, 8, 10)),
    "an outlier": data([*HEIGHT[:9], 1e9]),
    "far from zero": data(HEIGHT + 1e6),
    "almost in one place": data(HEIGHT, at=0.5 + 1e-9 * X),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("awkward", AWKWARD.values(), ids=AWKWARD.keys())
def test_awkward_data_give_finite_predictions(awkward, kind):
    """Whatever a campaign brings, a mean and a positive standard deviation come out."""
    predicted = fit(awkward, UNIT, kind).predict(HERE)["y"]
    assert np.isfinite([predicted.mean, predicted.sd]).all()
    assert predicted.sd > 0


def test_a_column_that_cannot_vary_is_no_division_by_zero():
    """An element whose fraction is fixed has bounds without width."""
    alloy = Composition(name="m", elements=("A", "B", "C"), low={"A": 0.25}, high={"A": 0.25})
    campaign = rigs.evaluated(rigs.asked(alloy), lambda p: {"y": p["m"].get("B", 0.0)}, 6)
    space = campaign.problem.space
    predicted = fit(training_data(campaign), space.bounds).predict(space.bounds.mean(axis=0))
    assert np.isfinite([predicted["y"].mean, predicted["y"].sd]).all()


@pytest.mark.parametrize("kind", ["auto", "forest"])
@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e-6, -1.0, 1e6, 1e30])
@pytest.mark.parametrize("errors", [None, np.full(10, 0.1)])
def test_predictions_follow_the_unit(scale, errors, kind):
    """In another unit, and from another zero, the same belief."""
    plain = fit(data(errors=errors), UNIT, kind).predict(HERE)["y"]
    shift = 3.0 * scale
    changed = data(HEIGHT * scale + shift, None if errors is None else errors * abs(scale))
    other = fit(changed, UNIT, kind).predict(HERE)["y"]
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


def test_more_rows_than_hyperparameters_need_are_all_learnt_from():
    """Beyond MANY rows, hyperparameters come from a part of them, and the model knows them all."""
    rows = np.random.default_rng(0).random((MANY + 50, 2))
    fitted = fit(data(np.sin(3 * rows[:, 0]) + rows[:, 1] ** 2, at=rows), UNIT, "matern")
    assert len(fitted.experts[0].y) == MANY + 50
    assert fitted.predict(HERE)["y"].mean == pytest.approx(np.sin(1.2) + 0.36, abs=0.02)


def test_the_digest_tells_models_apart():
    """The same data give the same digest; a datum, an error, a count or a kernel more, another."""
    digests = [
        fit(data(), UNIT, "matern").digest,
        fit(data([*HEIGHT[:9], HEIGHT[9] + 1e-9]), UNIT, "matern").digest,
        fit(data(errors=np.full(10, 0.1)), UNIT, "matern").digest,
        fit(data(counts=np.full(10, 2)), UNIT, "matern").digest,
        fit(data(within=1.0, freedom=2.0), UNIT, "matern").digest,
        fit(data(), UNIT, "rbf").digest,
        fit(data(), UNIT, "forest").digest,
    ]
    assert len(set(digests)) == len(digests)
    assert fit(data(), UNIT, "matern").digest == digests[0]


def test_the_kind_of_every_expert_is_told():
    """By target; and the least noise that is possible is no complaint."""
    fitted = fit(data(np.column_stack([HEIGHT, PLANE])), UNIT)
    assert fitted.names["z"] == "linear"
    assert fitted.experts[1].noise >= LEAST_NOISE
    assert fitted.experts[1].at_bounds(fitted.data.columns) == ()


@pytest.mark.parametrize("kind", ["matern", "rbf", "linear"])
def test_leaving_one_out_is_leaving_one_out(kind):
    """What the expert says of an outcome unseen is what it says when fitted without that row."""
    expert = process(fit(data(), UNIT, kind))
    mean, variance = expert.leave_one_out()
    for row in (0, 7):
        rest = np.delete(np.arange(10), row)
        # the mean of the process is held: dropping a row moves it a little
        without = replace(
            expert, X=expert.X[rest], y=expert.y[rest], variances=expert.variances[rest]
        )
        one, spread = without.predict(expert.X[row : row + 1])
        assert one[0] == pytest.approx(mean[row], abs=1e-6)
        assert spread[0] + expert.variances[row] == pytest.approx(variance[row], rel=1e-6)


def test_a_forest_weighs_all_outcomes_on_one_scale():
    """An average of unknown noise counts as one that is known to be as noisy as is usual."""
    some, every = np.full(10, np.nan), np.full(10, 0.04)
    some[:5] = 0.04
    part, whole = (
        fit(data(errors=np.sqrt(known), counts=np.full(10, 4)), UNIT, "forest")
        for known in (some, every)
    )
    assert (part.experts[0].digits() == whole.experts[0].digits()).all()
