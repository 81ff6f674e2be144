"""Uphill along the slopes of any worth, within bounds, sums and linear constraints.

Slopes are central differences: all of them are one call of the worth, which costs next to nothing
where a model predicts rows together, and any model and any product of factors can be climbed.
"""

from collections.abc import Callable

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, minimize

from loop.space.moves import inside, kept, rules
from loop.space.space import SearchSpace
from loop.space.values import Array

STEPS = 40  # iterations at most
NUDGE = 1e-6  # of a column's range: there, rounding and curvature spoil a difference alike


def ascending(at: Callable[[Array], Array]) -> Callable[[SearchSpace, Array], Array]:
    """A climb for `at`, which values encoded rows (k, d) as (k,)."""

    def climb(space: SearchSpace, starts: Array) -> Array:
        ends = np.array([_ascend(at, space, row) for row in starts])
        return inside(space, starts, ends)

    return climb


def _ascend(at: Callable[[Array], Array], space: SearchSpace, x: Array) -> Array:
    """Where a quasi-Newton ascent arrives from a feasible row x (d,)."""
    still = kept(space, x)
    moving = np.delete(np.arange(len(x)), list(still))
    if len(moving) == 0:
        return x
    law, low, high = rules(space, still), *space.bounds[:, moving]
    nudges = np.diag(NUDGE * (high - low))

    def loss(z: Array) -> tuple[float, Array]:
        rows = np.repeat(x[None], 2 * len(z) + 1, axis=0)
        rows[:, moving] = z
        rows[1:, moving] += np.vstack([nudges, -nudges])
        values = -at(rows)
        up, down = np.split(values[1:], 2)
        return float(values[0]), (up - down) / (2 * np.diag(nudges))

    rest = x.copy()
    rest[moving] = 0.0
    level, least = law.level - law.equal @ rest, law.least - law.above @ rest
    lines = [
        LinearConstraint(rows[:, moving], bottom, top)
        for rows, bottom, top in ((law.equal, level, level), (law.above, least, np.inf))
        if len(rows)
    ]
    found = minimize(
        loss,
        x[moving],
        jac=True,
        method="SLSQP" if lines else "L-BFGS-B",
        bounds=Bounds(low, high),
        constraints=lines,
        options={"maxiter": STEPS},
    )
    end = x.copy()
    end[moving] = found.x
    return end if np.isfinite(end).all() else x
