"""One feasible point, by search: for spaces that nonlinear rules may have emptied.

Quasi-random rows first; then an evolution of those that break the rules least, by scatter of every
width and by differences between two of them (Storn and Price, Differential Evolution, Journal of
Global Optimization 11, 1997). Finding nothing proves nothing: say how many rows were looked at.
"""

from collections.abc import Callable, Sequence

import numpy as np
import scipy

from loop.space.draws import coordinates, draw_all
from loop.space.parameters import Parameter
from loop.space.values import Array

FIRST = 2048  # quasi-random rows
ROUNDS = 80  # generations
CHILDREN = 256  # rows of each
PARENTS = 24  # rows that live on
STEPS = 100  # of a walk: each halves, about, by how much a row breaks a rule
LOOKED_AT = FIRST + ROUNDS * CHILDREN


def witness(
    parameters: Sequence[Parameter],
    corners: Array,
    legal: Callable[[Array], Array],
    broken: Callable[[Array], Array],
) -> Array | None:
    """A row (d,) that breaks nothing, or None where none was found.

    `legal` moves rows (n, d) to legal ones, `broken` tells by how much each of c rules is broken
    (n, c), 0 where it is kept. `corners` (m, d) are looked at beside the quasi-random rows.
    """
    rng = np.random.default_rng(0)
    sobol = scipy.stats.qmc.Sobol(sum(map(coordinates, parameters)), rng=rng)
    X = legal(np.vstack([draw_all(parameters, sobol.random(FIRST)), corners]))
    worst = _cost(broken(X))
    for _ in range(ROUNDS):
        kept = np.argsort(worst, kind="stable")[:PARENTS]
        X, worst = X[kept], worst[kept]
        if worst[0] == 0:
            return np.asarray(X[0])
        children = legal(_children(X, rng))
        X, worst = np.vstack([X, children]), np.append(worst, _cost(broken(children)))
    best = int(np.argmin(worst))
    return np.asarray(X[best]) if worst[best] == 0 else None


def descend(
    X: Array,
    legal: Callable[[Array], Array],
    broken: Callable[[Array], Array],
    rng: np.random.Generator,
) -> Array:
    """Legal rows X (n, d), each after a walk of its own towards where it breaks nothing (n, d).

    A step that breaks less is taken, and the next one is longer; after one that does not, shorter.
    """
    worst, reach = _cost(broken(X)), np.full((len(X), 1), 0.1)
    for _ in range(STEPS):
        if not worst.any():
            break
        tried = legal(X + reach * rng.standard_normal(X.shape))
        cost = _cost(broken(tried))
        better = cost < worst
        X, worst = np.where(better[:, None], tried, X), np.where(better, cost, worst)
        reach = np.where(better[:, None], 1.5 * reach, 0.8 * reach)
    return X


def _cost(broken: Array) -> Array:
    """What rows break altogether (n,), from (n, c)."""
    cost: Array = np.log1p(broken).sum(axis=1)
    return cost


def _children(X: Array, rng: np.random.Generator) -> Array:
    """Rows near X (n, d) or along differences between rows of X, as (CHILDREN, d)."""
    mother, one, other = (X[rng.integers(len(X), size=CHILDREN)] for _ in range(3))
    reach = 10 ** rng.uniform(-6, -0.3, size=(CHILDREN, 1))
    step = rng.uniform(0.1, 1.0, size=(CHILDREN, 1)) * (rng.random((CHILDREN, 1)) < 0.5)
    children: Array = mother + step * (one - other) + reach * rng.standard_normal(mother.shape)
    return children
