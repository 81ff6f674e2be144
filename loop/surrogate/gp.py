"""Exact Gaussian-process regression by one Cholesky factor: predict, and leave one out.

The same model as BoTorch's SingleTaskGP, but for the prior of its lengthscales (`learning`), on
numpy alone. Why by hand: a fit costs a tenth of one through automatic differentiation, a pool of a
million rows is predicted in N n^2 multiply-adds without an N x N matrix, and leaving one out is
free. The hyperparameters, which `learning` finds, go into a BoTorch model where an acquisition
needs one (`bridge`), and a test holds both against each other.

Notation: X (n, d) inputs between 0 and 1, no two alike; y (n,) the mean outcome of each, of mean
about 0 and spread about 1; noise (n,) the variance of each y; K = k(X, X) + diag(noise) = L L'.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import sqrt
from typing import Literal, TypeAlias, assert_never

import numpy as np
from scipy.linalg import cho_solve, lapack, solve_triangular

from loop.space.values import Array

Kernel: TypeAlias = Literal["matern", "rbf", "linear"]

LEAST_LENGTH = 0.025  # BoTorch's bound on lengthscales: shorter ones only fit noise
LEAST_NOISE = 1e-4  # BoTorch's bound on an inferred noise variance
MOST_LENGTH = 1e3  # lengthscales and weights beyond it no longer change a prediction
NEAR = 1.01  # a bound is reached within so much of it
MOST_NOISE = 0.9  # of the outcomes' variance: the model explains next to nothing
NOISY = "noise as large as the spread of the outcomes"
BLOCK = 2048  # rows predicted at once: the block of k(x, X) stays in cache for a few hundred points
SQRT5 = sqrt(5.0)


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

    @cached_property
    def factor(self) -> Array:
        """The lower Cholesky factor L (n, n)."""
        return cholesky(covariance(self.hyper, self.X, self.X), self.variances)

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
        precision = np.diag(inverted(self.factor))
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

    def at_bounds(self, columns: Sequence[str]) -> tuple[str, ...]:
        """What the fit has driven to the end of its range: it may not be trusted there.

        `columns` are the names of the d inputs.
        """
        lengths = self.hyper.lengths if self.hyper.kernel != "linear" else np.empty(0)
        return at_ends(lengths, self.noise, self.y, columns)


def covariance(hyper: Hyper, X: Array, Z: Array) -> Array:
    """k(X, Z) of rows X (n, d) and Z (m, d), as (n, m)."""
    match hyper.kernel:
        case "linear":
            product: Array = ((X - 0.5) * hyper.lengths**2) @ (Z - 0.5).T
            return product
        case "matern" | "rbf":
            profile = _profile(hyper.kernel, square_distances(X / hyper.lengths, Z / hyper.lengths))
            if hyper.scale != 1.0:
                profile *= hyper.scale
            return profile
        case _:
            assert_never(hyper.kernel)


def at_ends(lengths: Array, noise: float, y: Array, columns: Sequence[str]) -> tuple[str, ...]:
    """Which lengthscales (d or 0,) are at their bound; whether noise is as large as y (n,) spreads.

    The least noise is no complaint: most calculations have none.
    """
    said = [
        f"{column}: lengthscale at its lower bound"
        for column, length in zip(columns, lengths, strict=False)
        if length <= LEAST_LENGTH * NEAR
    ]
    is_noisy = noise >= MOST_NOISE * max(float(np.var(y)), LEAST_NOISE)
    return (*said, *([NOISY] if is_noisy else []))


def own_variance(hyper: Hyper, X: Array) -> Array:
    """k(x, x) of each row of X (n, d), as (n,)."""
    if hyper.kernel == "linear":
        own: Array = (((X - 0.5) * hyper.lengths) ** 2).sum(axis=1)
        return own
    return np.full(len(X), hyper.scale)


def blocks(count: int) -> Iterator[slice]:
    """Slices of up to BLOCK rows that cover `count` rows."""
    return (slice(first, min(first + BLOCK, count)) for first in range(0, count, BLOCK))


def constant_mean(factor: Array, y: Array) -> float:
    """The constant mean of largest likelihood."""
    ones = cho_solve((factor, True), np.ones(len(y)))
    return float(ones @ y / ones.sum())


def square_distances(X: Array, Z: Array) -> Array:
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


def cholesky(K: Array, noise: Array) -> Array:
    """The lower Cholesky factor of K + diag(noise)."""
    noisy = K.copy()
    noisy[np.diag_indices_from(noisy)] += noise
    factor = np.asarray(np.linalg.cholesky(noisy), dtype=np.float64)
    if not np.isfinite(factor).all():  # which numpy lets pass
        raise np.linalg.LinAlgError("the covariance is not finite")
    return factor


def inverted(factor: Array) -> Array:
    """The inverse of L L' (n, n)."""
    lower, _ = lapack.dpotri(factor, lower=1)  # its upper half stays as the factor's: zeros
    inverse: Array = lower + lower.T
    inverse[np.diag_indices_from(inverse)] *= 0.5
    return inverse
