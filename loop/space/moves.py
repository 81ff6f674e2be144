"""How a row of encoded columns may move within its space: scattered, one step aside, or slid.

Notation: X (n, d) encoded legal rows, x (d,) one of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from loop.space.composition import Composition
from loop.space.constraints import SLACK
from loop.space.parameters import Categorical, Continuous, Discrete, Ordinal, Parameter
from loop.space.pool import Pool
from loop.space.space import SearchSpace
from loop.space.values import Array

HALVINGS = 10  # of the way back from where a gradient has left the feasible points
BESIDE = 16  # rows of a pool that count as the neighbours of a row


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Linear rules on moving columns: equal[i] x = level[i], and above[i] x >= least[i]."""

    equal: Array
    level: Array
    above: Array
    least: Array


def around(space: SearchSpace, near: Array, count: int, seed: int) -> Array:
    """Up to `count` feasible rows scattered about `near` (k, d), closely and widely."""
    if len(near) == 0:
        return near
    rng = np.random.default_rng(seed)
    reach = 10 ** rng.uniform(-2, -0.5, size=(count, 1))
    X = near[rng.integers(len(near), size=count)]
    X = space.repair(X + reach * (space.bounds[1] - space.bounds[0]) * rng.standard_normal(X.shape))
    return X[space.meets(X)]


def kept(space: SearchSpace, x: Array) -> dict[int, float]:
    """Columns of x that a gradient must not move: choices, absent elements, what is held.

    Steps it may: they are as good as continuous, but for the snapping afterwards.
    """
    movable = space.free(x[None])[0]
    for parameter in space.parameters:
        group = range(len(x))[space.slices[parameter.name]]
        match parameter:
            case Discrete():
                movable[group] = True
            case Composition(step=float()):
                movable[group] = (x[group] > 0) | (parameter.most == len(parameter.elements))
            case Composition() | Continuous() | Ordinal() | Categorical() | Pool():
                pass
    return dict(space.held) | {int(i): float(x[i]) for i in np.flatnonzero(~movable)}


def rules(space: SearchSpace, still: Mapping[int, float]) -> Rules:
    """The linear rules of the space in which some column moves; `still` do not."""
    a, low, high = space.rows
    ones = np.zeros((len(space.sums), len(space.columns)))
    for row, group in zip(ones, space.sums, strict=True):
        row[group] = 1.0
    fixed = low == high
    at_least, at_most = ~fixed & np.isfinite(low), ~fixed & np.isfinite(high)
    equal, level = np.vstack([ones, a[fixed]]), np.concatenate([np.ones(len(ones)), low[fixed]])
    above, least = (
        np.vstack([a[at_least], -a[at_most]]),
        np.concatenate([low[at_least], -high[at_most]]),
    )
    columns = np.delete(np.arange(len(space.columns)), list(still))
    moved, pushed = equal[:, columns].any(axis=1), above[:, columns].any(axis=1)
    return Rules(equal=equal[moved], level=level[moved], above=above[pushed], least=least[pushed])


def inside(space: SearchSpace, starts: Array, ends: Array) -> Array:
    """Legal rows on the way from feasible `starts` (n, d) to `ends` (n, d), the last that meet.

    A gradient knows nothing of expressions, and snapping its end may cross a constraint. Where
    none of the halvings of the way back meets, the start.
    """
    X = space.repair(ends)
    for share in (1 - 0.5**k for k in range(1, HALVINGS + 1)):
        out = ~space.meets(X)
        if not out.any():
            break
        X[out] = space.repair(ends[out] + share * (starts[out] - ends[out]))
    out = ~space.meets(X)
    X[out] = starts[out]
    return X


def neighbours(space: SearchSpace, x: Array) -> Array:
    """Feasible rows (n, d) one step away: a value, a category, a bit of one element for another."""
    moves = [x[None][:0]]
    for parameter in space.parameters:
        group = space.slices[parameter.name]
        for columns in _steps(parameter, x[group]):
            moved = x.copy()
            moved[group] = columns
            moves.append(moved[None])
    X = space.repair(np.vstack(moves))
    one_away: Array = X[(np.abs(X - x).max(axis=1, initial=0.0) > SLACK) & space.meets(X)]
    return one_away


def _steps(parameter: Parameter, x: Array) -> list[Array]:
    """Columns of a parameter (width,) one step away from its columns x (width,)."""
    match parameter:
        case Discrete():
            return [x + sign / (parameter.count - 1) for sign in (-1, 1)]
        case Ordinal():
            here = int(np.argmin(np.abs(parameter.table[:, 0] - x[0])))
            return [
                *parameter.table[max(here - 1, 0) : here],
                *parameter.table[here + 1 : here + 2],
            ]
        case Categorical():
            return list(parameter.table)
        case Composition(step=float() as step):
            unit = np.eye(len(x)) * step
            moves: Array = x - unit[x > 0][:, None] + unit[None]
            return list(moves.reshape(-1, len(x)))
        case Pool():
            return list(
                parameter.X[parameter.neighbours(int(parameter.nearest(x[None])[0]), BESIDE)]
            )
        case Composition() | Continuous():
            return []
