"""Several Gaussian processes as one expert: what they predict on average, and where they disagree.

A mixture of Gaussians is not one; it is matched in mean and covariance, so that every acquisition
works with it: mean of means, mean of covariances plus covariance of means (Eriksson and Jankowiak,
UAI 2021, equation 11, keep the mixture; the law of total variance gives its moments).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from loop.space.values import Array
from loop.surrogate.gp import NOISY, Process


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """Processes on the same data that count alike, such as draws of their hyperparameters."""

    parts: tuple[Process, ...]
    name: str = "mixture"

    @property
    def y(self) -> Array:
        """The outcomes it was fitted on (n,)."""
        return self.parts[0].y

    @property
    def noise(self) -> float:
        """The variance of one measurement, on average."""
        return float(np.mean([part.noise for part in self.parts]))

    def at_bounds(self, columns: Sequence[str]) -> tuple[str, ...]:
        """Whether most parts have the noise at the end of its range; lengthscales of draws none."""
        noisy = sum(NOISY in part.at_bounds(columns) for part in self.parts)
        return (NOISY,) if noisy > len(self.parts) / 2 else ()

    def predict(self, X: Array) -> tuple[Array, Array]:
        """Mean and variance without noise at rows X (k, d): (k,), (k,)."""
        return self._matched(lambda part: part.predict(X))

    def joint(self, X: Array) -> tuple[Array, Array]:
        """Mean (b, q) and covariance (b, q, q) without noise of b sets of q rows X (b, q, d)."""
        means, covariances = zip(*(part.joint(X) for part in self.parts), strict=True)
        mean = np.mean(means, axis=0)
        apart = np.array(means) - mean
        spread = np.einsum("pbi,pbj->bij", apart, apart) / len(self.parts)
        within: Array = np.mean(covariances, axis=0)
        return mean, within + spread

    def shared(self, X: Array, Z: Array) -> Array:
        """Covariance, without noise, between rows X (n, d) and Z (m, d), as (n, m)."""
        one = np.array([part.predict(X)[0] for part in self.parts])
        other = np.array([part.predict(Z)[0] for part in self.parts])
        spread = (one - one.mean(axis=0)).T @ (other - other.mean(axis=0)) / len(self.parts)
        within: Array = np.mean([part.shared(X, Z) for part in self.parts], axis=0)
        total: Array = within + spread
        return total

    def leave_one_out(self) -> tuple[Array, Array]:
        """Mean and variance, noise included, of each outcome without having seen it: (n,), (n,).

        The hyperparameters have seen it, as those of a single process have.
        """
        return self._matched(Process.leave_one_out)

    def joined(self, X: Array) -> "Mixture":
        """The mixture after outcomes at rows X (m, d) that were what each part expects.

        Means stay and each variance shrinks around them; about what the parts disagree on, nothing
        is learnt.
        """
        return Mixture(parts=tuple(part.joined(X) for part in self.parts), name=self.name)

    def digits(self) -> Array:
        """The hyperparameters of all parts (p * (d + 3),)."""
        return np.concatenate([[*part.digits(), part.hyper.scale] for part in self.parts])

    def _matched(self, said: Callable[[Process], tuple[Array, Array]]) -> tuple[Array, Array]:
        """The moments of the mixture from the means and variances of its parts."""
        means, variances = zip(*(said(part) for part in self.parts), strict=True)
        return np.mean(means, axis=0), np.mean(variances, axis=0) + np.var(means, axis=0)
