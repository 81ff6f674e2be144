"""Wishes: from what a model expects of the targets to what it expects of their utility.

Notation: mean, sd (k, m) of m targets at k rows, in their units. What is expected of one target's
utility is exact; a utility of several goals is that of draws of them.
"""

from collections.abc import Callable
from typing import TypeAlias, assert_never

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

from loop.acquisition.gains import outside
from loop.errors import ObjectiveError
from loop.front import balance, extent
from loop.objective import Objective, Target
from loop.space.values import Array
from loop.surrogate.portfolio import Fitted

Wish: TypeAlias = Callable[[Array, Array], tuple[Array, Array]]  # mean, sd (k, m) -> (k,), (k,)

DRAWS = 64  # quasi-Monte-Carlo draws of a utility of several targets
LEAST = 1e-12  # of a deviation: what surely lies within a window has none


def utility(fitted: Fitted, objective: Objective, seed: int, weights: Array | None = None) -> Wish:
    """The one scalar utility of all goals; of several, a compromise by `weights` (w,), if given."""
    names = [objective.names.index(t.name) for t in objective.wanted]
    lead = objective.wanted[0]
    if objective.way == "single":
        return wish(objective, lead)
    draws = ndtri(qmc.Sobol(len(names), rng=np.random.default_rng(seed)).random(DRAWS))
    scalar = _scalar(fitted, objective, weights)

    def drawn(mean: Array, sd: Array) -> tuple[Array, Array]:
        values = mean[None, :, names] + draws[:, None, :] * sd[None, :, names]
        found = scalar(values)
        return found.mean(axis=0), found.std(axis=0) + LEAST

    return drawn


def wish(objective: Objective, target: Target) -> Wish:
    """The utility of one target that is a wish."""
    index = objective.names.index(target.name)
    low = target.value if target.low is None else target.low
    high = target.value if target.high is None else target.high
    if low is None or high is None:
        return lambda mean, sd: (target.utility(mean[:, index]), sd[:, index])

    def missed(mean: Array, sd: Array) -> tuple[Array, Array]:
        off, width = outside(mean[:, index], sd[:, index], low, high)
        return -off, width + LEAST

    return missed


def _scalar(
    fitted: Fitted, objective: Objective, weights: Array | None
) -> Callable[[Array], Array]:
    """One number for wanted values (..., w) in their units: larger for better, as (...)."""
    match objective.way:
        case "desirability":
            return lambda Y: objective.desirability(
                {t.name: Y[..., i] for i, t in enumerate(objective.wanted)}
            )
        case "scalar" | "pareto":
            mean, _ = fitted.moments(fitted.data.X)
            U = _utilities(
                objective, mean[:, [objective.names.index(t.name) for t in objective.wanted]]
            )
            nadir, width = extent(U)
            shares = np.array(objective.weights) if weights is None else weights
            return lambda Y: balance(
                _utilities(objective, Y).reshape(-1, len(shares)), nadir, width, shares
            ).reshape(Y.shape[:-1])
        case "single" | "learn" | "level":
            raise ObjectiveError("objective", "several goals that are ranked", objective.way)
        case _:
            assert_never(objective.way)


def _utilities(objective: Objective, Y: Array) -> Array:
    """Utilities of wanted values (..., w), one by one."""
    return np.stack([t.utility(Y[..., i]) for i, t in enumerate(objective.wanted)], axis=-1)
