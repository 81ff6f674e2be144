"""How a Gaussian process is learnt: the hyperparameters of largest posterior density.

Bounds, the prior of the noise and the mode of that of lengthscales are BoTorch's (Hvarfner et al.,
Vanilla Bayesian Optimization Performs Great in High Dimensions, ICML 2024); around that mode a
gamma density takes the place of the log-normal, whose long tail lets few data switch an input off.
BayBE's does so, too; measured in docs/decisions/0005. The gradient is by hand.

Notation as in `gp`. A row that averages k outcomes has noise s^2 / k, where s^2 is known, or is
learnt from the misfit and from the spread of the k outcomes together: the likelihood is that of all
the raw outcomes, at the cost of the distinct ones.
"""

from dataclasses import dataclass, replace
from math import exp, lgamma, log, pi, sqrt
from typing import assert_never

import numpy as np
from scipy.optimize import minimize

from loop.space.values import Array
from loop.surrogate.gp import (
    LEAST_LENGTH,
    LEAST_NOISE,
    MOST_LENGTH,
    SQRT5,
    Hyper,
    Kernel,
    Process,
    cholesky,
    constant_mean,
    covariance,
    inverted,
    square_distances,
)

LEAST_KNOWN = 1e-6  # a stated noise variance below it leaves the covariance barely positive
NOISE_PRIOR = (-4.0, 1.0)  # log-normal: BoTorch's, Hvarfner et al. section 4
LENGTH_SHAPE = 3.0  # of the gamma prior of lengthscales
USUAL_LENGTH = exp(sqrt(2) - 3)  # of one input, times sqrt(d): the mode of BoTorch's log-normal
ROUNDS = 100  # iterations of the fit at most: it takes 20 to 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """What a process is fitted on.

    `known` (n,) is the variance of each y where it is known, else NaN; `counts` (n,) how many
    outcomes it averages; `within` the sum of squares and `freedom` the degrees of freedom of the
    outcomes around their averages, over the rows whose variance is not known.
    """

    X: Array
    y: Array
    known: Array
    counts: Array
    within: float = 0.0
    freedom: float = 0.0

    @property
    def infers(self) -> bool:
        """Whether the noise of some row has to be learnt."""
        return bool(np.isnan(self.known).any())

    def some(self, count: int) -> "Samples":
        """As many rows, drawn the same way each time."""
        rows = np.sort(np.random.default_rng(0).permutation(len(self.y))[:count])
        return replace(
            self, X=self.X[rows], y=self.y[rows], known=self.known[rows], counts=self.counts[rows]
        )

    def noise(self, variance: float) -> Array:
        """The variance of each y (n,) if that of one outcome of unknown variance is this."""
        unknown = np.isnan(self.known)
        return np.where(unknown, variance / self.counts, np.maximum(self.known, LEAST_KNOWN))


def learn(samples: Samples, kernel: Kernel) -> Process:
    """The process at the maximum of its posterior over hyperparameters.

    Raises:
        numpy.linalg.LinAlgError: where some hyperparameters give no positive covariance.
    """
    low = np.full(samples.X.shape[1] + samples.infers, log(LEAST_LENGTH))
    if samples.infers:
        low[-1] = log(LEAST_NOISE)
    found = minimize(
        _loss,
        start(samples, kernel),
        args=(samples, kernel),
        jac=True,
        method="L-BFGS-B",
        bounds=[(lowest, log(MOST_LENGTH)) for lowest in low],
        options={"maxiter": ROUNDS, "ftol": 1e-7, "gtol": 1e-4},
    )
    return settled(found.x, samples, kernel)


def conditioned(hyper: Hyper, samples: Samples) -> Process:
    """The process with these hyperparameters on these samples; its mean is the most likely."""
    noise = samples.noise(hyper.noise)
    factor = cholesky(covariance(hyper, samples.X, samples.X), noise)
    hyper = replace(hyper, mean=constant_mean(factor, samples.y))
    return Process(hyper=hyper, X=samples.X, y=samples.y, variances=noise)


def settled(theta: Array, samples: Samples, kernel: Kernel) -> Process:
    """The process with logarithmic hyperparameters theta."""
    return conditioned(_hyper(theta, samples, kernel), samples)


def start(samples: Samples, kernel: Kernel) -> Array:
    """Logarithmic hyperparameters at the mode of their priors: where a fit begins."""
    d = samples.X.shape[1]
    usual = _usual_weight(d) / exp(1) if kernel == "linear" else USUAL_LENGTH * sqrt(d)
    lengths = np.full(d, max(log(usual), log(LEAST_LENGTH)))
    noise = [max(NOISE_PRIOR[0] - NOISE_PRIOR[1] ** 2, log(LEAST_NOISE))] * samples.infers
    return np.concatenate([lengths, noise])


def log_posterior(theta: Array, samples: Samples, kernel: Kernel) -> float:
    """Log marginal likelihood plus log priors, at logarithmic hyperparameters theta."""
    return -_loss(theta, samples, kernel)[0] * len(samples.y)


def _loss(theta: Array, samples: Samples, kernel: Kernel) -> tuple[float, Array]:
    """Minus the log posterior density per outcome, and its gradient in theta."""
    X, y, (n, d) = samples.X, samples.y, samples.X.shape
    hyper = _hyper(theta, samples, kernel)
    noise = samples.noise(hyper.noise)
    K = covariance(hyper, X, X)
    factor = cholesky(K, noise)
    inverse = inverted(factor)
    mean = float(inverse.sum(axis=0) @ y / inverse.sum())
    weights = inverse @ (y - mean)
    density = -0.5 * ((y - mean) @ weights + 2 * np.log(np.diag(factor)).sum() + n * log(2 * pi))
    slope = np.outer(weights, weights) - inverse
    gradient = np.empty(len(theta))
    prior, prior_slope = length_prior(kernel, hyper.lengths)
    gradient[:d] = 0.5 * length_slopes(hyper, X, K, slope) + prior_slope
    if samples.infers:
        inner, inner_slope = _within(samples, hyper.noise)
        noise_prior, noise_slope = log_normal(np.array([hyper.noise]), *NOISE_PRIOR)
        unknown = np.isnan(samples.known)
        gradient[d] = 0.5 * np.diag(slope)[unknown] @ noise[unknown] + inner_slope + noise_slope[0]
        prior += noise_prior + inner
    downhill: Array = -gradient / n
    return -(density + prior) / n, downhill


def _within(samples: Samples, variance: float) -> tuple[float, float]:
    """Log likelihood of the outcomes around their averages, and its slope in log(variance)."""
    misfit = samples.within / variance
    density = -0.5 * (misfit + samples.freedom * log(2 * pi * variance))
    return density, 0.5 * (misfit - samples.freedom)


def length_slopes(hyper: Hyper, X: Array, K: Array, slope: Array) -> Array:
    """Sum over pairs of slope * dK / d log(length), as (d,)."""
    match hyper.kernel:
        case "linear":
            Z = (X - 0.5) * hyper.lengths
            pairs: Array = 2 * np.einsum("ij,ij->j", Z, slope @ Z)
            return pairs
        case "rbf":
            M = slope * K
        case "matern":
            r = SQRT5 * np.sqrt(square_distances(X / hyper.lengths, X / hyper.lengths))
            M = slope * ((5 / 3) * (1 + r) * np.exp(-r))
        case _:
            assert_never(hyper.kernel)
    Z = X / hyper.lengths
    # sum_ik M_ik (z_ij - z_kj)^2, without an (n, n, d) array
    differences: Array = 2 * (M.sum(axis=1) @ Z**2 - np.einsum("ij,ij->j", Z, M @ Z))
    return differences


def _hyper(theta: Array, samples: Samples, kernel: Kernel) -> Hyper:
    """Hyperparameters without a mean; where all noise is known, one outcome has the median's."""
    d = samples.X.shape[1]
    noise = float(np.exp(theta[d])) if samples.infers else float(np.median(samples.noise(0.0)))
    return Hyper(kernel=kernel, lengths=np.exp(theta[:d]), noise=noise, mean=0.0)


def length_prior(kernel: Kernel, lengths: Array) -> tuple[float, Array]:
    """Log prior density of lengthscales, of `linear` weights (d,), and its slope in log(lengths).

    A gamma density for lengthscales; log-normal around weights that explain about half.
    """
    d = len(lengths)
    if kernel == "linear":
        return log_normal(lengths, log(_usual_weight(d)), 1.0)
    rate = (LENGTH_SHAPE - 1) / (USUAL_LENGTH * sqrt(d))
    constant = LENGTH_SHAPE * log(rate) - lgamma(LENGTH_SHAPE)
    slope = LENGTH_SHAPE - 1 - rate * lengths
    density = constant + (LENGTH_SHAPE - 1) * np.log(lengths) - rate * lengths
    return float(density.sum()), slope


def log_normal(value: Array, centre: float, spread: float) -> tuple[float, Array]:
    """Log density of a log-normal prior, summed, and its slope in log(value) (k,)."""
    z = (np.log(value) - centre) / spread
    density = -0.5 * z**2 - np.log(value * spread * sqrt(2 * pi))
    return float(density.sum()), -z / spread - 1


def _usual_weight(d: int) -> float:
    return sqrt(6 / d)
