"""A random forest as a surrogate: for outcomes that jump where a Gaussian process would bend.

The mean is that of the trees and the covariance that of their predictions, so that a forest has a
joint Gaussian posterior like any other expert. What the trees say of an outcome that they were not
grown on (out of bag) takes the place of leaving one out. Breiman, Random Forests, Machine Learning
45 (2001) 5; as a surrogate, Hutter, Hoos and Leyton-Brown, LION 5 (2011) 507, section 4.1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.linalg import solve_triangular
from sklearn.ensemble import RandomForestRegressor

from loop.space.values import Array
from loop.surrogate.gp import LEAST_NOISE, blocks
from loop.surrogate.learning import LEAST_KNOWN, Samples

TREES = 100  # scikit-learn's default; more changed no choice
LEAST_VARIANCE = 1e-6  # where all trees agree: outcomes are standardised
DECIMALS = 9  # of an outcome: what rounding makes of another unit shall not decide a tie of splits


@dataclass(frozen=True, kw_only=True)
class Forest:
    """Trees grown on X (n, d), y (n,); `out` (2, n) out-of-bag means and variances.

    `pending` (p, d) are rows beside which variances shrink.
    """

    trees: RandomForestRegressor
    X: Array
    y: Array
    out: Array
    noise: float
    pending: Array = field(default_factory=lambda: np.empty((0, 0)))
    name: str = "forest"

    def at_bounds(self, columns: Sequence[str]) -> tuple[str, ...]:
        """Nothing: a forest has no range for what it learns."""
        return ()

    def digits(self) -> Array:
        """What the trees say of the points they were grown on."""
        return np.asarray(self.trees.predict(self.X), dtype=np.float64)

    def predict(self, X: Array) -> tuple[Array, Array]:
        """Mean and variance without noise at rows X (k, d): (k,), (k,)."""
        mean, variance = np.empty(len(X)), np.empty(len(X))
        for block in blocks(len(X)):
            votes = self._votes(X[block])
            mean[block] = votes.mean(axis=0)
            variance[block] = votes.var(axis=0) - (self._seen(votes - mean[block]) ** 2).sum(axis=0)
        return mean, np.maximum(variance, 0.0) + LEAST_VARIANCE

    def joint(self, X: Array) -> tuple[Array, Array]:
        """Mean (b, q) and covariance (b, q, q) without noise of b sets of q rows X (b, q, d)."""
        b, q, d = X.shape
        votes = self._votes(X.reshape(b * q, d)).reshape(-1, b, q)
        mean = votes.mean(axis=0)
        covariance = np.einsum("tbi,tbj->bij", votes - mean, votes - mean) / len(votes)
        return mean, covariance + LEAST_VARIANCE * np.eye(q)

    def shared(self, X: Array, Z: Array) -> Array:
        """Covariance, without noise, between rows X (n, d) and Z (m, d), as (n, m)."""
        one, other = (votes - votes.mean(axis=0) for votes in (self._votes(X), self._votes(Z)))
        covariance: Array = one.T @ other / len(one)
        return covariance - self._seen(one).T @ self._seen(other)

    def leave_one_out(self) -> tuple[Array, Array]:
        """Mean and variance, noise included, by the trees that have not seen each outcome."""
        return self.out[0], self.out[1] + self.noise

    def joined(self, X: Array) -> "Forest":
        """Beside pending rows X (p, d): the mean stays, the variance shrinks around them."""
        rows = X if self.pending.size == 0 else np.vstack([self.pending, X])
        return replace(self, pending=rows)

    def _votes(self, X: Array) -> Array:
        """What each tree predicts (trees, k)."""
        rows = X.astype(np.float32)
        return np.stack([tree.tree_.predict(rows)[:, 0] for tree in self.trees.estimators_])

    def _seen(self, votes: Array) -> Array:
        """Columns (p, k) whose products are the covariances of votes that pending outcomes explain.

        `votes` (trees, k) are centred.
        """
        if self.pending.size == 0:
            return np.zeros((0, votes.shape[1]))
        beside = self._votes(self.pending)
        beside -= beside.mean(axis=0)
        own = beside.T @ beside / len(beside) + self.noise * np.eye(len(self.pending))
        told: Array = solve_triangular(
            np.linalg.cholesky(own), beside.T @ votes / len(beside), lower=True
        )
        return told


def grow(samples: Samples, seed: int) -> Forest:
    """A forest grown on samples, each weighted by one over its variance.

    Where it is not known, one outcome has the median variance of one that is known, if any is.
    """
    known = np.maximum(samples.known * samples.counts, LEAST_KNOWN)[~np.isnan(samples.known)]
    weights = 1 / samples.noise(float(np.median(known)) if known.size else 1.0)
    weights = np.minimum(weights / np.median(weights), 1e3)
    trees = RandomForestRegressor(TREES, random_state=seed).fit(
        samples.X, np.round(samples.y, DECIMALS), sample_weight=np.round(weights, DECIMALS)
    )
    votes = np.stack([tree.predict(samples.X) for tree in trees.estimators_])
    unseen = np.ones(votes.shape, dtype=bool)
    for row, drawn in zip(unseen, trees.estimators_samples_, strict=True):
        row[drawn] = False
    count = unseen.sum(axis=0)
    mean = np.where(
        count > 1, (votes * unseen).sum(axis=0) / np.maximum(count, 1), samples.y.mean()
    )
    spread = ((votes - mean) ** 2 * unseen).sum(axis=0) / np.maximum(count, 1)
    spread = np.where(count > 1, spread, samples.y.var())
    misfit = float(((samples.y - mean) ** 2 - spread).mean())
    return Forest(
        trees=trees,
        X=samples.X,
        y=samples.y,
        out=np.array([mean, spread + LEAST_VARIANCE]),
        noise=max(misfit, LEAST_NOISE),
    )
