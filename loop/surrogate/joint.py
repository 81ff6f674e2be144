"""One Gaussian process of the real thing and its stand-ins, on one Cholesky factor.

    k((x, i), (z, j)) = a_i a_j (r_i r_j k(x, z) + [i = j] (1 - r_i^2) k_i(x, z))

Linear coregionalisation (Bonilla et al., Multi-task Gaussian Process Prediction, NIPS 2007), with
what each fidelity has of its own, as the discrepancy of Kennedy and O'Hagan (Biometrika 87 (2000)
1): r_i r_j is the correlation of two fidelities at one point. Every fidelity has its own mean and
noise, and is standardised by itself; a_0 makes up for few real outcomes that are no fair sample.

Notation as in `gp`; which (n,) is the fidelity of each row, 0 the real thing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import log, pi

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, solve_triangular
from scipy.optimize import minimize

from loop.space.values import Array
from loop.surrogate.gp import (
    LEAST_LENGTH,
    LEAST_NOISE,
    MOST_LENGTH,
    Hyper,
    Kernel,
    at_ends,
    blocks,
    cholesky,
    covariance,
    inverted,
)
from loop.surrogate.learning import (
    NOISE_PRIOR,
    Samples,
    length_prior,
    length_slopes,
    log_normal,
    start,
)

LEAST = 3  # outcomes of each fidelity below which nothing is said of how they go together
MANY = 400  # rows that hyperparameters are learnt on, all real ones among them
RELATED = (1.0, 1.0)  # mean and deviation of atanh r: a correlation of 0.6 before any data
WIDER = (0.0, 0.7)  # of log a_0, and of how much longer a fidelity's own lengthscales are (log)
ROUNDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """Hyperparameters: lengths (d,) of what is shared, and per fidelity what the formula names.

    `longer` (f,) multiplies the lengths of a fidelity's own kernel; mean, noise are standardised.
    """

    kernel: Kernel
    lengths: Array
    longer: Array
    r: Array
    a: Array
    noise: Array
    mean: Array


@dataclass(frozen=True, kw_only=True)
class Joint:
    """The process conditioned on outcomes (n,) at X (n, d); an expert of the real thing."""

    hyper: Shared
    X: Array
    outcomes: Array
    variances: Array
    which: NDArray[np.int_]
    names: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its kernel, and whom it learns from."""
        return f"{self.hyper.kernel} with {' and '.join(self.names)}"

    @property
    def y(self) -> Array:
        """The outcomes of the real thing."""
        real: Array = self.outcomes[self.which == 0]
        return real

    @property
    def noise(self) -> float:
        """The variance of one real outcome."""
        return float(self.hyper.noise[0])

    @property
    def correlation(self) -> dict[str, float]:
        """Of each stand-in with the real thing at the same point, as fitted."""
        return {
            n: float(self.hyper.r[0] * r) for n, r in zip(self.names, self.hyper.r[1:], strict=True)
        }

    def digits(self) -> Array:
        """Hyperparameters and the outcomes of stand-ins."""
        h = self.hyper
        parts = (h.lengths, h.longer, h.r, h.a, h.noise, h.mean, self.outcomes[self.which > 0])
        return np.concatenate(parts)

    @cached_property
    def factor(self) -> Array:
        """The lower Cholesky factor (n, n)."""
        return cholesky(
            _covariance(self.hyper, self.X, self.which, self.X, self.which), self.variances
        )

    @cached_property
    def weights(self) -> Array:
        """K^-1 (y - mean), (n,)."""
        off = self.outcomes - self.hyper.mean[self.which]
        solved: Array = cho_solve((self.factor, True), off)
        return solved

    def predict(self, X: Array) -> tuple[Array, Array]:
        """Mean and variance of the real thing, without noise, at rows X (m, d): (m,), (m,)."""
        mean, variance = np.empty(len(X)), np.empty(len(X))
        for block in blocks(len(X)):
            cross = self._cross(X[block], 0)
            mean[block] = self.hyper.mean[0] + self.weights @ cross
            solved = solve_triangular(self.factor, cross, lower=True, check_finite=False)
            variance[block] = self.hyper.a[0] ** 2 - np.einsum("ij,ij->j", solved, solved)
        return mean, np.maximum(variance, 1e-12)

    def joint(self, X: Array) -> tuple[Array, Array]:
        """Mean (b, q) and covariance (b, q, q), without noise, at b sets of q rows X (b, q, d)."""
        means = np.array([self.predict(part)[0] for part in X])
        return means, np.array([self.shared(part, part) for part in X])

    def shared(self, X: Array, Z: Array) -> Array:
        """Covariance, without noise, between rows X (n, d) and Z (m, d), as (n, m)."""
        return self._posterior(X, 0, Z, 0)

    def share(self, x: Array, fidelity: str | None) -> float:
        """How much of the real thing's variance at x (d,) an outcome of a fidelity would remove."""
        i = 0 if fidelity is None else 1 + self.names.index(fidelity)
        real = float(self._posterior(x[None], 0, x[None], 0)[0, 0])
        there = float(self._posterior(x[None], i, x[None], i)[0, 0]) + float(self.hyper.noise[i])
        across = float(self._posterior(x[None], 0, x[None], i)[0, 0])
        return across**2 / max(real * there, 1e-300)

    def leave_one_out(self) -> tuple[Array, Array]:
        """Mean and variance (noise included) of each real outcome, had it not been seen."""
        precision = np.diag(inverted(self.factor))
        real = self.which == 0
        return (self.outcomes - self.weights / precision)[real], (1 / precision)[real]

    def joined(self, X: Array) -> "Joint":
        """The process after real outcomes at rows X (m, d) that were just what it expects."""
        return self.joined_at(None, X)

    def joined_at(self, fidelity: str | None, X: Array) -> "Joint":
        """As `joined`, after outcomes of a stand-in."""
        i = 0 if fidelity is None else 1 + self.names.index(fidelity)
        mean = self.hyper.mean[i] + self.weights @ self._cross(X, i)
        return replace(
            self,
            X=np.vstack([self.X, X]),
            outcomes=np.concatenate([self.outcomes, mean]),
            variances=np.concatenate([self.variances, np.full(len(X), self.hyper.noise[i])]),
            which=np.concatenate([self.which, np.full(len(X), i)]),
        )

    def at_bounds(self, columns: Sequence[str]) -> tuple[str, ...]:
        """What the fit has driven to the end of its range."""
        return at_ends(self.hyper.lengths, self.noise, self.y, columns)

    def _cross(self, X: Array, i: int) -> Array:
        """Covariance of all rows with rows X (m, d) of fidelity i, as (n, m)."""
        return _covariance(self.hyper, self.X, self.which, X, np.full(len(X), i))

    def _posterior(self, X: Array, i: int, Z: Array, j: int) -> Array:
        one, other = (
            solve_triangular(self.factor, self._cross(rows, f), lower=True, check_finite=False)
            for rows, f in ((X, i), (Z, j))
        )
        prior = _covariance(self.hyper, X, np.full(len(X), i), Z, np.full(len(Z), j))
        return prior - one.T @ other


def related(real: Samples, others: dict[str, Samples], kernel: Kernel) -> Joint:
    """The process of largest posterior; LinAlgError where some give no positive covariance.

    Two starts, with stand-ins that go along and that go against.
    """
    parts = [real, *others.values()]
    d, f = real.X.shape[1], len(parts)
    few = _few(parts)
    first = start(real, kernel)[:d]
    low = np.r_[
        np.full(d, log(LEAST_LENGTH)),
        np.full(f, -2.0),
        np.full(f, -3.0),
        -2.0,
        np.full(f, log(LEAST_NOISE)),
    ]
    high = np.r_[
        np.full(d, log(MOST_LENGTH)), np.full(f, 2.0), np.full(f, 3.0), 2.0, np.full(f, 0.0)
    ]
    found = []
    for sign in (1.0, -1.0):
        z = np.r_[1.0, np.full(f - 1, sign)]
        theta = np.r_[first, np.zeros(f), z, 0.0, np.full(f, NOISE_PRIOR[0] - 1)]
        found.append(
            minimize(
                _loss,
                theta,
                args=(few, kernel),
                jac=True,
                method="L-BFGS-B",
                bounds=list(zip(low, high, strict=True)),
                options={"maxiter": ROUNDS, "ftol": 1e-6},
            )
        )
    best = min(found, key=lambda each: float(each.fun))
    return _settled(best.x, parts, kernel, tuple(others))


def _few(parts: list[Samples]) -> list[Samples]:
    """All real rows up to half of MANY, and stand-ins' for the rest."""
    real = parts[0] if len(parts[0].y) <= MANY // 2 else parts[0].some(MANY // 2)
    most = max(LEAST, (MANY - len(real.y)) // (len(parts) - 1))
    return [real, *(each if len(each.y) <= most else each.some(most) for each in parts[1:])]


def _stacked(parts: list[Samples]) -> tuple[Array, Array, NDArray[np.int_]]:
    which = np.concatenate([np.full(len(each.y), i) for i, each in enumerate(parts)])
    return np.vstack([p.X for p in parts]), np.concatenate([p.y for p in parts]), which


def _hyper(theta: Array, d: int, f: int, kernel: Kernel) -> Shared:
    lengths, longer, z, log_a, noise = np.split(theta, [d, d + f, d + 2 * f, d + 2 * f + 1])
    return Shared(
        kernel=kernel,
        lengths=np.exp(lengths),
        longer=np.exp(longer),
        r=np.tanh(z),
        a=np.r_[np.exp(log_a), np.ones(f - 1)],
        noise=np.exp(noise),
        mean=np.zeros(f),
    )


def _kernel(hyper: Shared, longer: float = 1.0) -> Hyper:
    return Hyper(kernel=hyper.kernel, lengths=hyper.lengths * longer, noise=0.0, mean=0.0)


def _covariance(
    hyper: Shared, X: Array, i: NDArray[np.int_], Z: Array, j: NDArray[np.int_]
) -> Array:
    """The formula above for rows X (n, d) of fidelities i (n,), and Z (m, d) of j (m,)."""
    u = hyper.a * hyper.r
    K = covariance(_kernel(hyper), X, Z)
    K = np.multiply(K, np.outer(u[i], u[j]), out=K)
    for f, longer in enumerate(hyper.longer):
        rows, columns = np.flatnonzero(i == f), np.flatnonzero(j == f)
        if len(rows) and len(columns):
            own = covariance(_kernel(hyper, float(longer)), X[rows], Z[columns])
            K[np.ix_(rows, columns)] += hyper.a[f] ** 2 * (1 - hyper.r[f] ** 2) * own
    return K


def _means(factor: Array, y: Array, which: NDArray[np.int_], f: int) -> Array:
    """The means (f,) of largest likelihood."""
    H = np.eye(f)[which]
    solved = cho_solve((factor, True), H)
    return np.asarray(np.linalg.solve(H.T @ solved, solved.T @ y), dtype=np.float64)


def _settled(theta: Array, parts: list[Samples], kernel: Kernel, names: tuple[str, ...]) -> Joint:
    X, y, which = _stacked(parts)
    hyper = _hyper(theta, X.shape[1], len(parts), kernel)
    noise = np.concatenate([p.noise(float(v)) for p, v in zip(parts, hyper.noise, strict=True)])
    factor = cholesky(_covariance(hyper, X, which, X, which), noise)
    hyper = replace(hyper, mean=_means(factor, y, which, len(parts)))
    return Joint(hyper=hyper, X=X, outcomes=y, variances=noise, which=which, names=names)


def _loss(theta: Array, parts: list[Samples], kernel: Kernel) -> tuple[float, Array]:
    """Minus the log posterior density per outcome, and its gradient in theta."""
    X, y, which = _stacked(parts)
    (n, d), f = X.shape, len(parts)
    hyper = _hyper(theta, d, f, kernel)
    noise = np.concatenate([p.noise(float(v)) for p, v in zip(parts, hyper.noise, strict=True)])
    unknown = np.concatenate([np.isnan(p.known) for p in parts])
    K = _covariance(hyper, X, which, X, which)
    factor = cholesky(K, noise)
    inverse = inverted(factor)
    off = y - _means(factor, y, which, f)[which]
    weights = inverse @ off
    density = -0.5 * (off @ weights + 2 * np.log(np.diag(factor)).sum() + n * log(2 * pi))
    M = np.outer(weights, weights) - inverse
    slopes = _slopes(hyper, X, which, M, K)
    for i, part in enumerate(parts):
        own = (which == i) & unknown
        inner = part.within / hyper.noise[i]
        density -= 0.5 * (inner + part.freedom * log(2 * pi * hyper.noise[i]))
        slopes[d + 2 * f + 1 + i] = 0.5 * (np.diag(M)[own] @ noise[own] + inner - part.freedom)
    prior, prior_slopes = _prior(theta, hyper, d, f)
    downhill: Array = -(slopes + prior_slopes) / n
    return -float(density + prior) / n, downhill


def _slopes(hyper: Shared, X: Array, which: NDArray[np.int_], M: Array, K: Array) -> Array:
    """Half the sum over pairs of M * dK / d theta, without noise."""
    d, f = X.shape[1], len(hyper.r)
    u = (hyper.a * hyper.r)[which]
    base = covariance(_kernel(hyper), X, X)
    slopes = np.zeros(d + 3 * f + 1)
    slopes[:d] = length_slopes(_kernel(hyper), X, base, M * np.outer(u, u))
    toward = (M * base) @ u * hyper.a[which]
    for i in range(f):
        rows = np.flatnonzero(which == i)
        own, part = _kernel(hyper, float(hyper.longer[i])), M[np.ix_(rows, rows)]
        k = covariance(own, X[rows], X[rows])
        size = hyper.a[i] ** 2 * (1 - hyper.r[i] ** 2)
        lengths = length_slopes(own, X[rows], k, part * size)
        slopes[:d] += lengths
        slopes[d + i] = lengths.sum()
        r = 2 * toward[rows].sum() - 2 * hyper.r[i] * hyper.a[i] ** 2 * (part * k).sum()
        slopes[d + f + i] = r * (1 - hyper.r[i] ** 2)
    slopes[d + 2 * f] = 2 * (M * K)[which == 0].sum()
    half: Array = 0.5 * slopes
    return half


def _prior(theta: Array, hyper: Shared, d: int, f: int) -> tuple[float, Array]:
    """Log density of the priors, and its slopes."""
    total, lengths = length_prior(hyper.kernel, hyper.lengths)
    noise_total, noise = log_normal(hyper.noise, *NOISE_PRIOR)
    centre = np.r_[np.full(f, WIDER[0]), np.full(f, RELATED[0]), WIDER[0]]
    spread = np.r_[np.full(f, WIDER[1]), np.full(f, RELATED[1]), WIDER[1]]
    # A stand-in that goes against the real thing is as likely as one that goes along.
    middle = np.r_[theta[d : d + f], np.abs(theta[d + f : d + 2 * f]), theta[d + 2 * f]]
    sign = np.r_[np.ones(f), np.where(theta[d + f : d + 2 * f] < 0, -1.0, 1.0), 1.0]
    z = (middle - centre) / spread
    return total + noise_total - 0.5 * float(z @ z), np.r_[lengths, -sign * z / spread, noise]
