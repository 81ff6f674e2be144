"""The Gaussian process by hand: as BoTorch has it, and right where it stands alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from botorch.fit import fit_gpytorch_mll
from botorch.models.gp_regression import SingleTaskGP
from botorch.models.utils.gpytorch_modules import get_covar_module_with_dim_scaled_prior
from gpytorch.mlls.exact_marginal_log_likelihood import ExactMarginalLogLikelihood
from gpytorch.priors import GammaPrior
from scipy.optimize import approx_fprime

from loop.surrogate.gp import Process
from loop.surrogate.learning import (
    Samples,
    _loss,
    learn,
    log_posterior,
    settled,
    start,
)

KERNELS = ["matern", "rbf", "linear"]
UNKNOWN, KNOWN, SOME = np.nan, 0.02, "some"


def samples(seed=0, n=12, d=3, known=UNKNOWN):
    """A hill and a slope over d inputs, standardised, with noise; every outcome a single one."""
    rng = np.random.default_rng(seed)
    X = rng.random((n, d))
    y = np.sin(4 * X[:, 0]) + X[:, -1] + 0.1 * rng.standard_normal(n)
    variance = np.full(n, KNOWN if known == SOME else known)
    variance[: n // 2] = np.nan if known == SOME else variance[: n // 2]
    return Samples(X=X, y=(y - y.mean()) / y.std(ddof=1), known=variance, counts=np.ones(n))


def theta(process):
    """Its logarithmic hyperparameters, noise included."""
    return np.log([*process.hyper.lengths, process.hyper.noise])


def botorch(data, kernel):
    """BoTorch's model of the same data, and its likelihood.

    The prior of its lengthscales is a gamma density with the mode of the log-normal it comes with.
    """
    covariance = get_covar_module_with_dim_scaled_prior(
        ard_num_dims=data.X.shape[1], use_rbf_kernel=kernel == "rbf"
    )
    usual = covariance.lengthscale_prior.mode.item()
    covariance.register_prior("lengthscale_prior", GammaPrior(3.0, 2.0 / usual), "lengthscale")
    gp = SingleTaskGP(
        torch.as_tensor(data.X),
        torch.as_tensor(data.y)[:, None],
        covar_module=covariance,
        outcome_transform=None,
    )
    return gp, ExactMarginalLogLikelihood(gp.likelihood, gp)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kernel", ["matern", "rbf"])
def test_the_density_is_botorchs(kernel, seed):
    """Likelihood and priors together are BoTorch's, to the constant, at any hyperparameters."""
    data = samples(seed)
    drawn = np.random.default_rng(seed).normal(start(data, kernel), 0.5)
    gp, likelihood = botorch(data, kernel)
    process = settled(drawn, data, kernel)
    gp.covar_module.lengthscale = torch.as_tensor(process.hyper.lengths)
    gp.likelihood.noise = process.hyper.noise
    gp.mean_module.initialize(constant=process.hyper.mean)
    gp.train()
    with torch.no_grad():
        theirs = likelihood(gp(*gp.train_inputs), gp.train_targets).item() * len(data.y)
    assert log_posterior(drawn, data, kernel) == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kernel", ["matern", "rbf"])
def test_a_fit_is_as_good_as_botorchs(kernel, seed):
    """The density at the fitted hyperparameters is not below that at BoTorch's."""
    data = samples(seed, n=8 + 6 * seed, d=1 + seed)
    gp, likelihood = botorch(data, kernel)
    fit_gpytorch_mll(likelihood)
    found = [*gp.covar_module.lengthscale[0].tolist(), gp.likelihood.noise.item()]
    theirs = log_posterior(np.log(found), data, kernel)
    assert log_posterior(theta(learn(data, kernel)), data, kernel) >= theirs - 1e-3


@pytest.mark.parametrize("known", [UNKNOWN, KNOWN, SOME])
@pytest.mark.parametrize("kernel", KERNELS)
def test_the_gradient_is_the_slope(kernel, known):
    """What the fit climbs along is what finite differences say."""
    data = replace(samples(known=known), within=0.3, freedom=4.0)
    here = start(data, kernel) + 0.3

    def loss(at):
        return _loss(at, data, kernel)[0]

    numeric = approx_fprime(here, loss, 1e-7)
    assert _loss(here, data, kernel)[1] == pytest.approx(numeric, abs=1e-5)


@pytest.mark.parametrize("known", [UNKNOWN, KNOWN, SOME])
@pytest.mark.parametrize("kernel", KERNELS)
def test_leaving_one_out_is_leaving_it_out(kernel, known):
    """The short cut gives what a process without the row predicts, with the same mean constant."""
    process = learn(samples(known=known), kernel)
    mean, variance = process.leave_one_out()
    for row in range(len(process.y)):
        rest = np.arange(len(process.y)) != row
        without = Process(
            hyper=process.hyper,
            X=process.X[rest],
            y=process.y[rest],
            variances=process.variances[rest],
        )
        (m,), (v,) = without.predict(process.X[[row]])
        assert mean[row] == pytest.approx(m, abs=1e-8)
        assert variance[row] == pytest.approx(v + process.variances[row], abs=1e-8)


@pytest.mark.parametrize("kernel", KERNELS)
def test_joining_keeps_the_mean_and_shrinks_the_variance(kernel):
    """Pending points change nothing but how sure the process is, most of all at themselves."""
    process = learn(samples(), kernel)
    rng = np.random.default_rng(1)
    pending, rows = rng.random((2, 3)), rng.random((50, 3))
    joined = process.joined(pending)
    before, after = process.predict(rows), joined.predict(rows)
    assert after[0] == pytest.approx(before[0], abs=1e-8)
    assert (after[1] <= before[1] + 1e-10).all()
    assert (joined.predict(pending)[1] < process.predict(pending)[1]).all()


@pytest.mark.parametrize("kernel", KERNELS)
def test_joint_and_shared_agree_with_single_predictions(kernel):
    """The joint's mean, diagonal and off-diagonal are what the others say."""
    process = learn(samples(), kernel)
    rows = np.random.default_rng(2).random((4, 5, 3))
    mean, covariance = process.joint(rows)
    for part, m, c in zip(rows, mean, covariance, strict=True):
        assert m == pytest.approx(process.predict(part)[0])
        assert np.diag(c) == pytest.approx(process.predict(part)[1], abs=1e-10)
        assert c == pytest.approx(process.shared(part, part), abs=1e-10)


@pytest.mark.parametrize("kernel", KERNELS)
def test_averages_with_their_spread_say_what_all_outcomes_say(kernel):
    """Pooling repeated outcomes shifts the density by a constant, whatever the hyperparameters."""
    rng = np.random.default_rng(3)
    counts, X = np.array([1.0, 3.0, 2.0, 4.0]), rng.random((4, 2))
    raw = [rng.normal(level, 0.3, int(k)) for level, k in zip(X[:, 0], counts, strict=True)]
    pooled = Samples(
        X=X,
        y=np.array([each.mean() for each in raw]),
        known=np.full(4, np.nan),
        counts=counts,
        within=sum(((each - each.mean()) ** 2).sum() for each in raw),
        freedom=float(counts.sum() - 4),
    )
    every = Samples(
        X=np.repeat(X, counts.astype(int), axis=0),
        y=np.concatenate(raw),
        known=np.full(10, np.nan),
        counts=np.ones(10),
    )
    gaps = [
        log_posterior(at, pooled, kernel) - log_posterior(at, every, kernel)
        for at in rng.normal(-0.5, 0.3, (4, 3))
    ]
    assert np.ptp(gaps) < 1e-6


def test_a_plane_is_learnt_from_few_points():
    """The linear kernel extrapolates a plane from hardly more points than it has slopes."""
    X = np.random.default_rng(4).random((8, 4))
    slopes = np.array([1.0, -2.0, 0.0, 0.5])
    data = Samples(X=X, y=(X - 0.5) @ slopes, known=np.full(8, np.nan), counts=np.ones(8))
    process, corners = learn(data, "linear"), np.eye(4)
    assert process.predict(corners)[0] == pytest.approx((corners - 0.5) @ slopes, abs=0.1)


@pytest.mark.parametrize(
    "variances",
    [
        np.zeros(12),
        np.full(12, 1e6),
        np.r_[np.full(6, np.nan), np.zeros(6)],
        np.r_[np.full(11, np.nan), 5.0],
        np.r_[np.nan, np.full(11, 1e-3)],
    ],
)
@pytest.mark.parametrize("kernel", KERNELS)
def test_no_noise_makes_a_prediction_undefined(kernel, variances):
    """Whatever is known of the noise, everything that a process says is a finite number."""
    process = learn(replace(samples(), known=variances), kernel)
    said = [*process.predict(samples(1).X), *process.leave_one_out(), process.digits()]
    assert all(np.isfinite(part).all() for part in said)
    is_known = np.isfinite(variances)
    assert process.variances[is_known] == pytest.approx(np.maximum(variances[is_known], 1e-6))


@pytest.mark.parametrize(
    ("known", "said"),
    [(np.nan, "noise as large as the spread"), (1e-3, "T: lengthscale at its lower bound")],
)
@pytest.mark.parametrize("kernel", ["matern", "rbf"])
def test_a_fit_at_its_bounds_says_so(kernel, known, said):
    """Outcomes that alternate are all noise, or, where noise is known, need a short lengthscale."""
    X = np.linspace(0, 1, 120)[:, None]
    y = np.where(np.arange(120) % 2, 1.0, -1.0)
    data = Samples(X=X, y=y, known=np.full(120, known), counts=np.ones(120))
    assert said in learn(data, kernel).at_bounds(["T"])[0]


def test_some_rows_are_the_same_rows_each_time():
    """A part of the samples is drawn without regard to anything but their number."""
    data = samples(n=20)
    assert (data.some(5).X == data.some(5).X).all()
    assert len(data.some(5).y) == 5
