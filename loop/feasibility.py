"""Feasibility: learns from failures where candidates cannot be made.

A Gaussian process classifies: latent values f of which a candidate can be made with probability
Phi(f), fitted by Laplace's approximation (Rasmussen and Williams, Gaussian Processes for Machine
Learning, 2006, sections 3.4 and 5.5.1). Its lengthscales find out which parameters decide, so that
a furnace that breaks above 900 K is learnt as such, whatever else was varied. Least squares on
labels would be simpler (section 6.5 there), and was tried: a step between two labels needs a short
lengthscale, and far inside a region that always fails it forgets that it does.

Notation: n labels y (n,), +1 for what was measured and -1 for what turned out impossible, at inputs
X (n, d) scaled to 0..1 by the space's bounds; K = k(X, X); W (n,) curvatures of the likelihood;
B = I + sqrt(W) K sqrt(W).
"""

from dataclasses import dataclass
from math import log, sqrt

import numpy as np
from scipy.linalg import cho_solve, solve_triangular
from scipy.optimize import minimize
from scipy.spatial.distance import cdist
from scipy.special import log_ndtr

from loop.campaign import Campaign
from loop.choices import Acquisition
from loop.records import Kind
from loop.space.values import Array, ordered
from loop.surrogate.gp import LEAST_LENGTH, MOST_LENGTH, Hyper, blocks, covariance
from loop.surrogate.learning import length_slopes, log_normal

IMPOSSIBLE: frozenset[Kind] = frozenset({"infeasible", "not_converged"})
FEW = 3  # failures: fewer say nothing about where a border runs
MOST = 1000  # labels that are learnt from: a factor costs n^3 / 3
MANY = 300  # labels from which lengthscales are learnt, by some hundred factors
SCALE = 100.0  # variance of f: nearly all labels are sure, as what can be made rarely is by chance
CAUTION = 5.0  # a step t over a border unknown by 1 fails with chance t; t (1 - t)^5 is best at 1/6
WARY = 10.0  # times so much caution beside a gain whose logarithm has no bottom, such as LogEI's
BOTTOMED: frozenset[Acquisition] = frozenset({"ucb", "variance", "straddle"})  # all but such
DOUBT = 20.0  # log units more: what fails likelier than not is hardly worth any gain
NEAR = 0.05  # of the diagonal of the space: as near to a failure, another is all but sure
WALL = 1e3  # log units at a failed point: more than any gain, and still with a slope
ROUNDS = 50  # iterations of a fit at most: it takes 10 to 20
NEWTON = 50  # steps to the mode at most: it takes 5 to 15
LEAST_STEP = 1e-4  # of a Newton step: a shorter one is rounding
CLOSE = 1e-8  # a step that improves the log posterior by less has arrived


@dataclass(frozen=True, kw_only=True)
class Classifier:
    """A Gaussian process conditioned on labels y (n,) at X (n, d); f (n,) is the mode."""

    hyper: Hyper
    X: Array
    y: Array
    f: Array

    def log_chance(self, X: Array) -> Array:
        """Log P(feasible) at scaled rows X (k, d), as (k,): algorithm 3.2, equation 3.82."""
        slopes, W, _ = _likelihood(self.y, self.f)
        root = np.sqrt(W)
        factor = _factor(covariance(self.hyper, self.X, self.X), root)
        chance = np.empty(len(X))
        for block in blocks(len(X)):
            cross = covariance(self.hyper, self.X, X[block])
            solved = solve_triangular(factor, root[:, None] * cross, lower=True)
            variance = self.hyper.scale - np.einsum("ij,ij->j", solved, solved)
            mean = self.hyper.mean + slopes @ cross
            chance[block] = log_ndtr(mean / np.sqrt(1 + np.maximum(variance, 0.0)))
        return chance


@dataclass(frozen=True, kw_only=True)
class Feasibility:
    """What is known of where candidates can be made. low, span (d,) scale inputs.

    `failed` (f, d) are the scaled points that could not be made; `classifier` is None while there
    are fewer than FEW of them, or nothing has been made.
    """

    low: Array
    span: Array
    failed: Array
    classifier: Classifier | None
    caution: float = CAUTION

    def log_chance(self, X: Array) -> Array:
        """A log factor for encoded rows X (k, d), as (k,): log P(feasible), with caution.

        `caution` log P, and DOUBT log 2 P more where P < 1 / 2. To the radius NEAR around a failure
        comes a wall, by which nothing is asked there while anything else is left.
        """
        Z = (X - self.low) / self.span
        radius = NEAR * np.sqrt(Z.shape[1])
        factor: Array = -WALL * np.maximum(0.0, 1 - self._gaps(Z) / radius)
        if self.classifier is not None:
            chance = self.classifier.log_chance(Z)
            factor += self.caution * chance + DOUBT * np.minimum(0.0, chance + log(2))
        return factor

    def _gaps(self, Z: Array) -> Array:
        """Distances (k,) of scaled rows Z (k, d) to the nearest failure."""
        gaps = np.empty(len(Z))
        for block in blocks(len(Z)):
            gaps[block] = cdist(Z[block], self.failed).min(axis=1)
        return gaps


def feasibility(campaign: Campaign, how: Acquisition = "ucb") -> Feasibility | None:
    """What the failures of a campaign teach; None where none is of a kind that teaches.

    `how` is the acquisition that it goes with: where a model is sure that nothing is better on this
    side of a border, an expected improvement, be it of a front, falls by hundreds in logarithms,
    and would step over it for want of anything else.
    """
    space = campaign.problem.space
    refused = {candidate.id for candidate, _ in campaign.failures}
    failed = [each.point for each, why in campaign.failures if why.kind in IMPOSSIBLE]
    made = [each.point for each in campaign.results if each.candidate.id not in refused]
    if not failed:
        return None
    low, high = space.bounds
    span = np.where(high > low, high - low, 1.0)
    bad, good = ((space.encode(points) - low) / span for points in (failed, made))
    is_known = len(bad) >= FEW and len(good) > 0
    classifier = classify(*_telling(bad, ordered(good))) if is_known else None
    caution = CAUTION if how in BOTTOMED else WARY * CAUTION
    return Feasibility(low=low, span=span, failed=bad, classifier=classifier, caution=caution)


def _telling(bad: Array, good: Array) -> tuple[Array, Array]:
    """Rows (n, d) and labels (n,): the newest failures, and what was made nearest to them."""
    bad = ordered(bad[-MOST // 2 :])
    near = np.argsort(cdist(good, bad).min(axis=1), kind="stable")[: MOST - len(bad)]
    return np.vstack([bad, good[np.sort(near)]]), np.repeat([-1.0, 1.0], [len(bad), len(near)])


def classify(X: Array, y: Array) -> Classifier:
    """The classifier of largest approximate posterior over lengthscales. X (n, d), y (n,)."""
    few = np.sort(np.random.default_rng(0).permutation(len(y))[:MANY])
    centre, spread = _length_prior(X.shape[1])
    found = minimize(
        _loss,
        np.full(X.shape[1], max(centre - spread**2, log(LEAST_LENGTH))),
        args=(X[few], y[few]),
        jac=True,
        method="L-BFGS-B",
        bounds=[(log(LEAST_LENGTH), log(MOST_LENGTH))] * X.shape[1],
        options={"maxiter": ROUNDS, "ftol": 1e-5},
    )
    hyper = _hyper(found.x)
    f, _ = _mode(covariance(hyper, X, X), y)
    return Classifier(hyper=hyper, X=X, y=y, f=f)


def _loss(theta: Array, X: Array, y: Array) -> tuple[float, Array]:
    """Minus the approximate log posterior density of log lengthscales theta (d,), and its slope.

    Algorithm 5.1, its traces written as one sum over pairs of M * dK / d theta.
    """
    hyper = _hyper(theta)
    K = covariance(hyper, X, X)
    f, a = _mode(K, y)
    slopes, W, thirds = _likelihood(y, f)
    root = np.sqrt(W)
    factor = _factor(K, root)
    density = log_ndtr(y * f).sum() - 0.5 * a @ f - np.log(np.diag(factor)).sum()
    R = root[:, None] * cho_solve((factor, True), np.diag(root))
    C = solve_triangular(factor, root[:, None] * K, lower=True)
    s = 0.5 * (np.diag(K) - np.einsum("ij,ij->j", C, C)) * thirds
    u = s - R @ (K @ s)
    M = 0.5 * (np.outer(a, a) - R) + 0.5 * (np.outer(u, slopes) + np.outer(slopes, u))
    prior, prior_slope = log_normal(hyper.lengths, *_length_prior(len(theta)))
    slope = hyper.scale * length_slopes(hyper, X, K, M)
    return -float(density + prior), -(slope + prior_slope)


def _mode(K: Array, y: Array) -> tuple[Array, Array]:
    """The latent values f (n,) of largest posterior, and K^-1 f: Newton's method, algorithm 3.1."""
    f = a = np.zeros(len(y))
    best = _posterior(f, a, y)
    for _ in range(NEWTON):
        slopes, W, _ = _likelihood(y, f)
        root = np.sqrt(W)
        b = W * f + slopes
        towards = b - root * cho_solve((_factor(K, root), True), root * (K @ b))
        step, gain = 1.0, -np.inf
        while gain < 0 and step > LEAST_STEP:  # far from the mode a full step may overshoot
            there = a + step * (towards - a)
            gain = _posterior(K @ there, there, y) - best
            step /= 2
        if gain < CLOSE:
            break
        a, f, best = there, K @ there, best + gain
    return f, a


def _posterior(f: Array, a: Array, y: Array) -> float:
    """Log posterior of latent values f (n,), a = K^-1 f, constants left out: equation 3.12."""
    return float(log_ndtr(y * f).sum() - 0.5 * a @ f)


def _likelihood(y: Array, f: Array) -> tuple[Array, Array, Array]:
    """First, minus second, and third derivative (n,) of log Phi(y f) in f: equation 3.16."""
    ratio = np.exp(-0.5 * f**2 - 0.5 * np.log(2 * np.pi) - log_ndtr(y * f))
    W = ratio * (ratio + y * f)
    thirds = ratio * (2 * y * ratio**2 + 3 * f * ratio + y * (f**2 - 1))
    return y * ratio, np.maximum(W, 1e-12), thirds


def _factor(K: Array, root: Array) -> Array:
    """The lower Cholesky factor of B."""
    B = root[:, None] * K * root
    B[np.diag_indices_from(B)] += 1.0
    factor: Array = np.asarray(np.linalg.cholesky(B), dtype=np.float64)
    return factor


def _hyper(theta: Array) -> Hyper:
    return Hyper(kernel="matern", lengths=np.exp(theta), noise=0.0, mean=0.0, scale=SCALE)


def _length_prior(d: int) -> tuple[float, float]:
    """Centre and spread of BoTorch's log-normal: a border often hangs on few of the parameters."""
    return sqrt(2) + 0.5 * log(d), sqrt(3)
