"""Several goals at once: which results no other beats, and how much they cover together.

U (n, m) are utilities of n results by m goals, larger for better, each in its target's unit;
r (m,) is the reference point, of which every result that counts is better in every goal.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from loop.objective import Objective
from loop.space.values import Array

Mask: TypeAlias = NDArray[np.bool_]

MARGIN = 0.1  # of the range, by which the default reference point lies below the nadir
AUGMENTATION = 0.05  # how much all goals count beside the worst-off one (Knowles 2006, eq. 2)


def nondominated(U: Array) -> Mask:
    """Which rows of U (n, m) no other beats, as (n,): as good in every goal, better in one."""
    kept = np.zeros(len(U), dtype=bool)
    rest = np.lexsort(-U.T[::-1]) if U.size else np.arange(0)  # who dominates comes first
    while len(rest):
        first, rest = rest[0], rest[1:]
        kept[first] = True
        beaten = (U[rest] <= U[first]).all(axis=1) & (U[rest] < U[first]).any(axis=1)
        rest = rest[~beaten]
    return kept


def extent(U: Array) -> tuple[Array, Array]:
    """Nadir (m,) and width (m,) of the front of U (n, m), n >= 1; every width is above 0.

    The nadir is the worst of the front in each goal. Where the front has no width, that of all
    rows stands in; where they have none either, the size of the nadir; where that is 0, 1.
    """
    front = U[nondominated(U)]
    nadir: Array = front.min(axis=0)
    width: Array = front.max(axis=0) - nadir
    for stand_in in (np.ptp(U, axis=0), np.abs(nadir), np.ones_like(nadir)):
        width = np.where(width > 0, width, stand_in)
    return nadir, width


def reference_point(objective: Objective, U: Array) -> Array:
    """The reference point r (m,) as utilities, from the utilities U (n, m) of n >= 1 results.

    The user's value of each goal; where none is given, the nadir of the front less a tenth of
    its `extent`, so that the ends of the front count too.
    """
    nadir, width = extent(U)
    r: Array = nadir - MARGIN * width
    for column, target in enumerate(objective.wanted):
        if target.name in objective.reference:
            r[column] = target.utility(objective.reference[target.name])
    return r


def covered(U: Array, r: Array) -> Array:
    """The hypervolume above r (m,) of the first 1, 2, ... n rows of U (n, m), as (n,). Exact.

    The dominated region is a union of boxes, one for each local upper bound, and a new row
    replaces only the bounds that it lies below: Lacour, Klamroth and Fonseca, A box decomposition
    algorithm to compute the hypervolume indicator, Computers & Operations Research 79 (2017) 347,
    eq. 2 and algorithm 2. There, and here inside, less is better.
    """
    Z, top = -U, -r
    m = len(r)
    floor = np.minimum(Z.min(axis=0, initial=0.0), top) - 1.0
    bounds = top[None].copy()  # (k, m)
    makers = np.where(np.eye(m, dtype=bool), top, floor)[None]  # (k, m, m): a bound's m points
    volumes, volume = np.zeros(len(Z)), 0.0
    for row, z in enumerate(Z):
        above = (bounds > z).all(axis=1)
        if above.any():
            bounds, makers = _updated(bounds, makers, z, above)
            volume = max(volume, _volume(bounds, makers, top))
        volumes[row] = volume
    return volumes


def open_boxes(U: Array, r: Array) -> tuple[Array, Array]:
    """Lower and upper corners (k, m) of disjoint boxes that fill what a new result could add.

    That is the region above r (m,) which no row of U (n, m) dominates; it has no end, and its upper
    corners are infinite there. Local bounds are taken twice (see `covered`): those of the front are
    the corners of the open region, and dominate it as results dominate what lies below them.
    """
    corners, _ = _bounds(-U[nondominated(U)], -r, -r)
    above = -corners
    far = np.full(len(r), np.inf)
    bounds, makers = _bounds(above, far, above.max(axis=0))
    lower, upper = makers[:, 0].copy(), bounds.copy()
    for j in range(1, len(r)):
        lower[:, j] = makers[:, :j, j].max(axis=1)
    upper[:, 0] = np.inf
    kept = (upper > lower).all(axis=1)
    return lower[kept], upper[kept]


def share(U: Array, r: Array) -> Array:
    """As `covered`, as a share of the box from r (m,) to the best of U (n, m) in each goal.

    A number from 0 to 1 that does not depend on units; all 0 where no row reaches r in some goal.
    """
    if not len(U) or not (U.max(axis=0) > r).all():
        return np.zeros(len(U))
    return covered((U - r) / (U.max(axis=0) - r), np.zeros(len(r)))


def balance(U: Array, low: Array, width: Array, weights: Array) -> Array:
    """How well each row of U (n, m) balances the goals, as (n,): 1 where all are at their best.

    Each goal is scaled from 0 at `low` (m,) to 1 at low + `width` (m,). What a row lacks of 1,
    times its weight, counts for the goal that lacks most, and a little for all: the augmented
    Chebyshev function of Knowles, ParEGO, IEEE Trans. Evolutionary Computation 10 (2006) 50.
    """
    lacks = weights / weights.max() * (1.0 - (U - low) / width)
    worst, mean = lacks.max(axis=1), lacks.mean(axis=1)
    balanced: Array = 1.0 - (worst + AUGMENTATION * mean) / (1.0 + AUGMENTATION)
    return balanced


def _bounds(Z: Array, top: Array, size: Array) -> tuple[Array, Array]:
    """Local upper bounds (k, m) of rows Z (n, m) below `top` (m,), less being better; their points.

    `size` (m,) is finite and of the size of the numbers.
    """
    m = len(top)
    floor = np.minimum(Z.min(axis=0, initial=0.0), size) - 1.0
    bounds = top[None].copy()
    makers = np.where(np.eye(m, dtype=bool), top, floor)[None]
    for z in Z:
        above = (bounds > z).all(axis=1)
        if above.any():
            bounds, makers = _updated(bounds, makers, z, above)
    return bounds, makers


def _updated(bounds: Array, makers: Array, z: Array, above: Mask) -> tuple[Array, Array]:
    """The local upper bounds (k, m) and their points (k, m, m) after z (m,) has come."""
    old_bounds, old_makers = bounds[above], makers[above]
    new_bounds, new_makers = [bounds[~above]], [makers[~above]]
    for j in range(len(z)):
        others = np.delete(old_makers[:, :, j], j, axis=1)
        legal = (z[j] >= others).all(axis=1)
        moved, made = old_bounds[legal], old_makers[legal]
        moved[:, j], made[:, j] = z[j], z
        new_bounds.append(moved)
        new_makers.append(made)
    return np.concatenate(new_bounds), np.concatenate(new_makers)


def _volume(bounds: Array, makers: Array, top: Array) -> float:
    """The volume of the boxes that belong to the bounds (k, m)."""
    sides = top[0] - makers[:, 0, 0]
    for j in range(1, len(top)):
        sides = sides * np.maximum(bounds[:, j] - makers[:, :j, j].max(axis=1), 0.0)
    return float(sides.sum())
