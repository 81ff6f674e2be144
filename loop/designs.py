"""Space-filling designs: where to look before a model knows anything.

Scrambled Sobol points, one coordinate per choice. A composition is uniform on its simplex: the set
of elements comes from the order of one coordinate each, and the fractions are exponential
variates over their sum (Devroye, Non-Uniform Random Variate Generation, 1986, section V.2); where
an upper bound cuts the simplex, what lies beyond is projected onto it.
"""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import count

import numpy as np
import scipy

from loop.campaign import Campaign
from loop.errors import ConstraintsInfeasible, PoolExhausted
from loop.parameters import Array, Categorical, Composition, Continuous, Discrete, Parameter, Value
from loop.records import Candidate, Why, derive_seed
from loop.space import SearchSpace

BLOCK = 256  # points drawn at a time; a power of two keeps a Sobol sequence balanced
FRUITLESS = 4  # blocks without a row before the constraints are called too tight for rejection
BLOCKS = 64  # blocks without a new row before a space is called exhausted
CORNERS = 64  # extreme points whose mixtures fill a space that rejection cannot hit
FEW_POINTS = 20_000  # a finite space of up to this many points is listed in memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Proposes space-filling points only, each once."""

    def propose(self, campaign: Campaign, count: int) -> Sequence[Candidate]:
        """The next points of the campaign's design; Shortfall where the space has no more."""
        return fill(campaign, count, Why(origin="design"))


def fill(campaign: Campaign, count: int, why: Why) -> list[Candidate]:
    """The next `count` design points that nobody has asked for; Shortfall where there are fewer."""
    space = campaign.problem.space
    taken = set(space.keys(space.encode(c.point for c in campaign.candidates.values())))
    X = fresh(space, count, derive_seed(campaign.problem.seed, "design"), taken)
    if len(X) < count:
        raise shortfall(space, count, len(X))
    ids = campaign.ids(count)
    return [Candidate(id=i, point=p, why=why) for i, p in zip(ids, space.decode(X), strict=True)]


def fresh(space: SearchSpace, count: int, seed: int, taken: AbstractSet[bytes]) -> Array:
    """Up to `count` feasible rows (n, d) in space-filling order, each once and none of `taken`.

    There are fewer where the space, or the budget for sampling it, has no more.
    """
    seen, rows = set(taken), list[Array]()
    stale = 0
    for block in _shuffled(space, seed) if space.size <= FEW_POINTS else _stream(space, seed):
        before = len(rows)
        for key, row in zip(space.keys(block), block, strict=True):
            if key not in seen and len(rows) < count:
                seen.add(key)
                rows.append(row)
        stale = 0 if len(rows) > before else stale + 1
        if len(rows) == count or stale == BLOCKS:
            break
    return np.array(rows).reshape(-1, len(space.columns))


def everything(space: SearchSpace) -> Array:
    """All feasible rows (n, d) of a finite space, in the order of its parameters."""
    choices = [np.vstack([p.encode(value) for value in _values(p)]) for p in space.parameters]
    grid = np.meshgrid(*(np.arange(len(choice)) for choice in choices), indexing="ij")
    X = np.hstack([choice[i.ravel()] for choice, i in zip(choices, grid, strict=True)])
    return X[space.meets(X)]


def _shuffled(space: SearchSpace, seed: int) -> Iterator[Array]:
    """All rows of a finite space in one block, in random order."""
    yield np.random.default_rng(seed).permutation(everything(space))


def shortfall(
    space: SearchSpace, wanted: int, available: int
) -> PoolExhausted | ConstraintsInfeasible:
    """The error that says how many points were left and what to do."""
    if space.size <= FEW_POINTS:
        return PoolExhausted(
            "space",
            f"{wanted} points that have not been asked for",
            f"{available}: every other point of this finite space has been",
            "Widen the space, or stop here.",
            available=available,
        )
    return ConstraintsInfeasible(
        "space",
        f"{wanted} new points that meet every constraint",
        f"{available}: {BLOCKS * BLOCK} more draws brought no other",
        "Loosen a constraint, refine a step, or stop here.",
        available=available,
    )


def _stream(space: SearchSpace, seed: int) -> Iterator[Array]:
    """Blocks of feasible rows by rejection; by mixing corners where rejection finds none."""
    widths = [_coordinates(parameter) for parameter in space.parameters]
    sobol = scipy.stats.qmc.Sobol(sum(widths), rng=np.random.default_rng(seed))
    fruitless = 0
    while fruitless < FRUITLESS:
        parts = np.split(sobol.random(BLOCK), np.cumsum(widths)[:-1], axis=1)
        drawn = [_draw(p, u) for p, u in zip(space.parameters, parts, strict=True)]
        X = space.snap(np.hstack(drawn))
        X = X[space.meets(X)]
        fruitless = 0 if len(X) else fruitless + 1
        yield X
    yield from _between_corners(space, seed)


def _between_corners(space: SearchSpace, seed: int) -> Iterator[Array]:
    """Blocks of feasible rows of a thin space: random mixtures of its extreme points."""
    rng = np.random.default_rng(seed)
    directions = rng.standard_normal((CORNERS, len(space.columns)))
    found = (space.extreme(direction) for direction in directions)
    corners = np.array([corner for corner in found if corner is not None])
    for _ in range(BLOCKS):
        weights = rng.dirichlet(np.ones(len(corners)) * rng.choice([0.05, 0.2, 1.0]), size=BLOCK)
        X = space.snap(weights @ corners)
        yield X[space.meets(X)]


def _coordinates(parameter: Parameter) -> int:
    """How many uniform numbers a draw of this parameter takes."""
    match parameter:
        case Continuous() | Discrete() | Categorical():
            return 1
        case Composition():
            return 2 * len(parameter.elements)


def _draw(parameter: Parameter, u: Array) -> Array:
    """Uniform numbers u (n, coordinates) as encoded columns (n, width)."""
    match parameter:
        case Continuous():
            return u
        case Discrete():
            return np.floor(u * parameter.count) / (parameter.count - 1)
        case Categorical():
            chosen: Array = np.eye(len(parameter.values))[
                np.floor(u[:, 0] * len(parameter.values)).astype(int)
            ]
            return chosen
        case Composition():
            return _draw_composition(parameter, u)


def _draw_composition(parameter: Composition, u: Array) -> Array:
    """Fractions (n, k), uniform on the simplex over a uniformly drawn set of elements."""
    k = len(parameter.elements)
    low = np.array(parameter.limits)[:, 0]
    rank = np.argsort(np.argsort(-(u[:, :k] + (low > 0)), axis=1), axis=1)
    weights = np.where(rank < parameter.most, -np.log1p(-u[:, k:]), 0.0)
    fractions: Array = low + (1 - low.sum()) * weights / weights.sum(axis=1, keepdims=True)
    return fractions


def _values(parameter: Parameter) -> Iterator[Value]:
    match parameter:
        case Discrete():
            return (parameter.decode([i / (parameter.count - 1)]) for i in range(parameter.count))
        case Categorical():
            return iter(parameter.values)
        case Continuous() | Composition():
            return (0.0 for _ in count())  # never reached: such a space has no finite size
