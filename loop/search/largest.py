"""The search: where in a space, or in a pool, a candidate is worth most.

A small finite space and a pool are looked at whole. Elsewhere: look at space-filling rows and
around the best observed ones, then climb from the most promising, along the gradient where
something is continuous and by single steps where something is stepped.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loop.acquisition.worth import Worth
from loop.designs import fresh
from loop.search.slopes import ascending
from loop.space.moves import around, kept, neighbours
from loop.space.pool import Index, Pool
from loop.space.space import FEW_POINTS, SearchSpace
from loop.space.values import Array

RAW = 1024  # space-filling points at which the acquisition is looked at first
NEAR = 512  # points around the best observed ones: the acquisition is often largest close to them
STARTS = 6  # the best of these are climbed from
CLIMB = 100  # steps of a climb at most
APART = 1e-4  # of a column's range: two points of an infinite space nearer than this are one
SCAN = 65_536  # rows of a pool looked at together: bounds the memory
SHORTLIST = 2048  # rows of a pool among which a batch is chosen,
LUCKY = 512  # and as many at random, lest all the best are alike


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The points that must not be asked again: their rows X (n, d), and `keys` of the space."""

    X: Array
    keys: AbstractSet[bytes]


def largest(
    worth: Worth, space: SearchSpace, near: Array, asked: Asked, seed: int
) -> tuple[Array, float] | None:
    """The feasible new row (d,) of largest worth, and its worth; None where none is left.

    `near` (k, d) are rows around which to look closely.
    """
    if space.size <= FEW_POINTS:
        return _best_new(worth, space, space.everything(), asked)
    X = np.vstack([fresh(space, RAW, seed, asked.keys), around(space, near, NEAR, seed)])
    if len(X) == 0:
        return None
    starts = X[np.argsort(-_at(worth, X), kind="stable")[:STARTS]]
    if any(len(kept(space, x)) < len(x) for x in starts):
        starts = np.vstack([starts, (worth.climb or ascending(worth.at))(space, starts)])
    stepped = [_step(worth, space, row) for row in starts]
    return _best_new(worth, space, np.vstack([starts, *stepped, X]), asked)


def scan(
    worths: Sequence[Worth],
    pool: Pool,
    free: NDArray[np.bool_],
    seed: int,
    more: Array | None = None,
) -> Index:
    """A shortlist of free rows of a pool: the best by each worth together, and some at random.

    `free` (N,) says which rows may be chosen; `more` (N,) is added to the worth of each.
    """
    share = -(-SHORTLIST // len(worths))
    chosen = [np.flatnonzero(free)] if free.sum() <= SHORTLIST + LUCKY else []
    for worth in worths if not chosen else []:
        values = np.concatenate(
            [_at(worth, pool.X[first : first + SCAN]) for first in range(0, pool.count, SCAN)]
        )
        if more is not None:
            values += more
        values[~free] = -np.inf
        chosen.append(np.argpartition(-values, share)[:share])
    rng = np.random.default_rng(seed)
    lucky = rng.choice(np.flatnonzero(free), size=min(LUCKY, int(free.sum())), replace=False)
    rows = np.unique(np.concatenate([*chosen, lucky]))
    shortlist: Index = rows[free[rows]]
    return shortlist


def best_of(
    worth: Worth, X: Array, seed: int, more: Array | None = None
) -> tuple[int, float] | None:
    """Which row of X (n, d) is worth most, ties settled by seed, and its worth; None of none.

    `more` (n,) is added to the worth of each.
    """
    values = _at(worth, X) if more is None else _at(worth, X) + more
    if len(values) == 0 or values.max() == -np.inf:
        return None
    ties = np.flatnonzero(values == values.max())
    index = int(np.random.default_rng(seed).choice(ties))
    return index, float(values[index])


def _at(worth: Worth, X: Array) -> Array:
    """The worth of rows (n,); what is not a number is worth nothing."""
    values = worth.at(X) if len(X) else np.empty(0)
    return np.where(np.isnan(values), -np.inf, values)


def _best_new(
    worth: Worth, space: SearchSpace, X: Array, asked: Asked
) -> tuple[Array, float] | None:
    """The best of rows X (n, d) that meet every constraint and that nobody has asked for."""
    X = X[space.meets(X)]
    X = X[[key not in asked.keys for key in space.keys(X)]]
    if len(X) == 0:
        return None
    values = _at(worth, X)
    span = np.where(space.bounds[1] > space.bounds[0], space.bounds[1] - space.bounds[0], 1.0)
    for index in np.argsort(-values, kind="stable"):
        gaps = np.abs((asked.X - X[index]) / span).max(axis=1)
        if space.size <= FEW_POINTS or gaps.min(initial=1.0) > APART:
            return X[index], float(values[index])
    return None


def _step(worth: Worth, space: SearchSpace, row: Array) -> Array:
    """The row (d,) after moving to the best neighbour for as long as there is a better one."""
    value = float(_at(worth, row[None])[0])
    for _ in range(CLIMB):
        X = neighbours(space, row)
        values = _at(worth, X)
        if len(X) == 0 or values.max() <= value:
            break
        row, value = X[np.argmax(values)], float(values.max())
    return row
