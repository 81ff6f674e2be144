"""Exact Gaussian-process regression by one Cholesky factor: fit, predict, leave one out.

The same model as BoTorch's SingleTaskGP with its dimension-scaled log-normal priors (Hvarfner et
al., Vanilla Bayesian Optimization Performs Great in High Dimensions, ICML 2024), on numpy alone.
Why by hand: a fit costs a tenth of one through automatic differentiation, a pool of a million rows
is predicted in N n^2 multiply-adds without an N x N matrix, and leaving one out is free. The
hyperparameters go into a BoTorch model where an acquisition needs one (`bridge`), and a test holds
both against each other.

Notation: X (n, d) inputs between 0 and 1, no two alike; y (n,) the mean outcome of each, of mean
about 0 and spread about 1; noise (n,) the variance of each y; K = k(X, X) + diag(noise) = L L'.
A row that averages k outcomes has noise s^2 / k, where s^2 is known, or is learnt from the misfit
and from the spread of the k outcomes together: the likelihood is that of all the raw outcomes, at
the cost of the distinct ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from math import log, pi, sqrt
from typing import Literal, TypeAlias, assert_never

import numpy as np
from scipy.linalg import cho_solve, lapack, solve_triangular
from scipy.optimize import minimize

from loop.space.parameters import Array

Kernel: TypeAlias = Literal["matern", "rbf", "linear"]

LEAST_LENGTH = 0.025  # BoTorch's bound on lengthscales: shorter ones only fit noise
LEAST_NOISE = 1e-4  # BoTorch's bound on an inferred noise variance
LEAST_KNOWN = 1e-6  # a stated noise variance below it leaves the covariance barely positive
NEAR_LEAST = 1.01 * LEAST_LENGTH
MOST_NOISE = 0.9  # of the outcomes' variance: the model explains next to nothing
MOST = 1e3  # lengthscales and weights beyond it no longer change a prediction
NOISE_PRIOR = (-4.0, 1.0)  # log-normal: BoTorch's, Hvarfner et al. section 4
ROUNDS = 100  # iterations of the fit at most: it takes 20 to 40
BLOCK = 2048  # rows predicted at once: the block of k(x, X) stays in cache for a few hundred points
SQRT5 = sqrt(5.0)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyper:
    """What a fit finds: lengthscales (d,), of `linear` weights (d,); variance of one outcome; mean.

    `scale` is k(x, x) of a stationary kernel.
    """

    kernel: Kernel
    lengths: Array
    noise: float
    mean: float
    scale: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Process:
    """A Gaussian process conditioned on data.

    `variances` (n,) are those of the outcomes, as fitted or as given.
    """

    hyper: Hyper
    X: Array
    y: Array
    variances: Array

    @property
    def name(self) -> str:
        """Its kernel."""
        return self.hyper.kernel

    @property
    def noise(self) -> float:
        """The variance of one outcome."""
        return self.hyper.noise

    def digits(self) -> Array:
        """The hyperparameters (d + 2,)."""
        return np.array([*self.hyper.lengths, self.hyper.noise, self.hyper.mean])

    def on(self, samples: Samples) -> "Process":
        """The process with these hyperparameters, conditioned on other samples."""
        variances = samples.noise(self.hyper.noise)
        factor = _factor(covariance(self.hyper, samples.X, samples.X), variances)
        hyper = replace(self.hyper, mean=_mean(factor, samples.y))
        return Process(hyper=hyper, X=samples.X, y=samples.y, variances=variances)

    @cached_property
    def factor(self) -> Array:
        """The lower Cholesky factor L (n, n)."""
        return _factor(covariance(self.hyper, self.X, self.X), self.variances)

    @cached_property
    def weights(self) -> Array:
        """K^-1 (y - mean), (n,)."""
        solved: Array = cho_solve((self.factor, True), self.y - self.hyper.mean)
        return solved

    def predict(self, X: Array) -> tuple[Array, Array]:
        """Mean and variance (without noise) at rows X (m, d), as (m,) and (m,)."""
        mean, variance = np.empty(len(X)), np.empty(len(X))
        for block in blocks(len(X)):
            cross = covariance(self.hyper, self.X, X[block])
            mean[block] = self.hyper.mean + self.weights @ cross
            cross = solve_triangular(
                self.factor, cross, lower=True, overwrite_b=True, check_finite=False
            )
            variance[block] = own_variance(self.hyper, X[block]) - np.einsum(
                "ij,ij->j", cross, cross
            )
        return mean, np.maximum(variance, 1e-12)

    def joint(self, X: Array) -> tuple[Array, Array]:
        """Mean (b, q) and covariance (b, q, q), without noise, at b sets of q rows X (b, q, d)."""
        b, q, d = X.shape
        rows = X.reshape(b * q, d)
        cross = covariance(self.hyper, self.X, rows)
        mean = (self.hyper.mean + self.weights @ cross).reshape(b, q)
        solved = solve_triangular(self.factor, cross, lower=True, check_finite=False)
        parts = solved.reshape(len(self.y), b, q)
        own = np.array([covariance(self.hyper, part, part) for part in X])
        return mean, own - np.einsum("nbi,nbj->bij", parts, parts)

    def shared(self, X: Array, Z: Array) -> Array:
        """Covariance, without noise, between rows X (n, d) and Z (m, d), as (n, m)."""
        one = solve_triangular(self.factor, covariance(self.hyper, self.X, X), lower=True)
        other = solve_triangular(self.factor, covariance(self.hyper, self.X, Z), lower=True)
        return covariance(self.hyper, X, Z) - one.T @ other

    def leave_one_out(self) -> tuple[Array, Array]:
        """Mean and variance (noise included) of each outcome, had it not been seen: (n,), (n,).

        Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, equations 5.12.
        """
        precision = np.diag(_inverse(self.factor))
        return self.y - self.weights / precision, 1 / precision

    def joined(self, X: Array) -> "Process":
        """The process after outcomes at rows X (m, d) that were just what it expects.

        Its mean is the same and its variance shrinks around them: pending points (Desautels et al.,
        Parallelizing Exploration-Exploitation Tradeoffs, JMLR 2014, section 4).
        """
        mean, _ = self.predict(X)
        noise = np.full(len(X), self.hyper.noise)
        return replace(
            self,
            X=np.vstack([self.X, X]),
            y=np.concatenate([self.y, mean]),
            variances=np.concatenate([self.variances, noise]),
        )

    @property
    def at_bounds(self) -> tuple[str, ...]:
        """What the fit has driven to the end of its range: it may not be trusted there."""
        lengths = self.hyper.lengths
        said = [
            f"lengthscale {i + 1} at its lower bound" for i in np.flatnonzero(lengths <= NEAR_LEAST)
        ]
        if self.hyper.kernel == "linear":
            said = []
        if self.hyper.noise >= MOST_NOISE * max(float(np.var(self.y)), LEAST_NOISE):
            said.append("noise as large as the spread of the outcomes")
        return tuple(said)


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
        bounds=[(lowest, log(MOST)) for lowest in low],
        options={"maxiter": ROUNDS, "ftol": 1e-7, "gtol": 1e-4},
    )
    return settled(found.x, samples, kernel)


def settled(theta: Array, samples: Samples, kernel: Kernel) -> Process:
    """The process with logarithmic hyperparameters theta, its mean by generalised least squares."""
    hyper = _hyper(theta, samples, kernel)
    noise = samples.noise(hyper.noise)
    mean = _mean(_factor(covariance(hyper, samples.X, samples.X), noise), samples.y)
    return Process(hyper=replace(hyper, mean=mean), X=samples.X, y=samples.y, variances=noise)


def start(samples: Samples, kernel: Kernel) -> Array:
    """Logarithmic hyperparameters at the mode of their priors: where a fit begins."""
    d = samples.X.shape[1]
    centre, spread = length_prior(kernel, d)
    lengths = np.full(d, max(centre - spread**2, log(LEAST_LENGTH)))
    noise = [max(NOISE_PRIOR[0] - NOISE_PRIOR[1] ** 2, log(LEAST_NOISE))] * samples.infers
    return np.concatenate([lengths, noise])


def log_density(theta: Array, samples: Samples, kernel: Kernel) -> float:
    """Log marginal likelihood plus log prior at logarithmic hyperparameters theta."""
    return -_loss(theta, samples, kernel)[0] * len(samples.y)


def covariance(hyper: Hyper, X: Array, Z: Array) -> Array:
    """k(X, Z) of rows X (n, d) and Z (m, d), as (n, m)."""
    match hyper.kernel:
        case "linear":
            product: Array = ((X - 0.5) * hyper.lengths**2) @ (Z - 0.5).T
            return product
        case "matern" | "rbf":
            profile = _profile(hyper.kernel, _squares(X / hyper.lengths, Z / hyper.lengths))
            if hyper.scale != 1.0:
                profile *= hyper.scale
            return profile
        case _:
            assert_never(hyper.kernel)


def own_variance(hyper: Hyper, X: Array) -> Array:
    """k(x, x) of each row of X (n, d), as (n,)."""
    if hyper.kernel == "linear":
        own: Array = (((X - 0.5) * hyper.lengths) ** 2).sum(axis=1)
        return own
    return np.full(len(X), hyper.scale)


def blocks(count: int) -> Iterator[slice]:
    """Slices of up to BLOCK rows that cover `count` rows."""
    return (slice(first, min(first + BLOCK, count)) for first in range(0, count, BLOCK))


def _loss(theta: Array, samples: Samples, kernel: Kernel) -> tuple[float, Array]:
    """Minus the log posterior density per outcome, and its gradient in theta."""
    X, y, (n, d) = samples.X, samples.y, samples.X.shape
    hyper = _hyper(theta, samples, kernel)
    noise = samples.noise(hyper.noise)
    K = covariance(hyper, X, X)
    factor = _factor(K, noise)
    inverse = _inverse(factor)
    mean = float(inverse.sum(axis=0) @ y / inverse.sum())
    weights = inverse @ (y - mean)
    density = -0.5 * ((y - mean) @ weights + 2 * np.log(np.diag(factor)).sum() + n * log(2 * pi))
    slope = np.outer(weights, weights) - inverse
    gradient = np.empty(len(theta))
    prior, prior_slope = log_prior(hyper.lengths, *length_prior(kernel, d))
    gradient[:d] = 0.5 * length_slopes(hyper, X, K, slope) + prior_slope
    if samples.infers:
        inner, inner_slope = _within(samples, hyper.noise)
        noise_prior, noise_slope = log_prior(np.array([hyper.noise]), *NOISE_PRIOR)
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
            r = SQRT5 * np.sqrt(_squares(X / hyper.lengths, X / hyper.lengths))
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


def length_prior(kernel: Kernel, d: int) -> tuple[float, float]:
    """Location and scale of the log-normal prior; of `linear`: weights that explain about half."""
    if kernel == "linear":
        return log(sqrt(6 / d)), 1.0
    return sqrt(2) + 0.5 * log(d), sqrt(3)


def log_prior(value: Array, centre: float, spread: float) -> tuple[float, Array]:
    """Log density of a log-normal prior, summed, and its slope in log(value) (k,)."""
    z = (np.log(value) - centre) / spread
    density = -0.5 * z**2 - np.log(value * spread * sqrt(2 * pi))
    return float(density.sum()), -z / spread - 1


def _mean(factor: Array, y: Array) -> float:
    """The constant mean of largest likelihood."""
    ones = cho_solve((factor, True), np.ones(len(y)))
    return float(ones @ y / ones.sum())


def _squares(X: Array, Z: Array) -> Array:
    """Squared distances of rows (n, m)."""
    squares = X @ (-2.0 * Z.T)
    squares += (X**2).sum(axis=1)[:, None]
    squares += (Z**2).sum(axis=1)
    return np.maximum(squares, 0.0, out=squares)


def _profile(kernel: Kernel, squares: Array) -> Array:
    """The stationary kernel of squared scaled distances, in place."""
    if kernel == "rbf":
        squares *= -0.5
        return np.exp(squares, out=squares)
    r = np.sqrt(squares)
    r *= SQRT5
    polynomial = squares
    polynomial *= 5 / 3
    polynomial += r
    polynomial += 1.0
    np.negative(r, out=r)
    np.exp(r, out=r)
    polynomial *= r
    profile: Array = polynomial
    return profile


def _factor(K: Array, noise: Array) -> Array:
    """The lower Cholesky factor of K + diag(noise)."""
    noisy = K.copy()
    noisy[np.diag_indices_from(noisy)] += noise
    return np.asarray(np.linalg.cholesky(noisy), dtype=np.float64)


def _inverse(factor: Array) -> Array:
    """The inverse of L L' (n, n)."""
    lower, _ = lapack.dpotri(factor, lower=1)  # its upper half stays as the factor's: zeros
    inverse: Array = lower + lower.T
    inverse[np.diag_indices_from(inverse)] *= 0.5
    return inverse
