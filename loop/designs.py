"""Space-filling designs: where to look before a model knows anything.

Scrambled Sobol points where nothing stands in the way of them. A finite space, a mixture and a
space with constraints are filled by farthest points instead: each next row is the one farthest from
all that have been asked for (Kennard and Stone, Technometrics 11, 1969). Rows that show a category
for the first time go first.
"""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from math import isinf

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from loop.campaign import Campaign
from loop.errors import ConstraintsInfeasible, PoolExhausted
from loop.records import Candidate, Why, derive_seed
from loop.space.draws import coordinates, draw_all
from loop.space.parameters import Categorical, Ordinal
from loop.space.rules import Expression
from loop.space.space import FEW_POINTS, SearchSpace
from loop.space.values import Array, Point
from loop.space.witness import descend

BLOCK = 256  # points drawn at a time; a power of two keeps a Sobol sequence balanced
FRUITLESS = 4  # blocks without a row before the constraints are called too tight for rejection
BLOCKS = 64  # blocks without a new row before a space is called exhausted
CORNERS = 32  # extreme points whose mixtures fill a space that rejection cannot hit
REPAIRED = 8  # rows of a block that are put right one by one where it has fewer than that
FILLING = frozenset({"design", "fallback"})  # origins of points that are drawn here
ROUNDED = 0.25  # of a bound's width: as far as rounding may move a point that was drawn
CHOICE = 256  # feasible rows among which farthest points are looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Proposes space-filling points only, each once."""

    def propose(self, campaign: Campaign, count: int) -> Sequence[Candidate]:
        """The next points of the campaign's design; Shortfall where the space has no more."""
        return fill(campaign, count, Why(origin="design"))


def design_size(space: SearchSpace) -> int:
    """How many points to look at before a model is asked: 2 d + 1 of d free columns, 5 to 20.

    More where that shows every category once within the 20.
    """
    most = max((len(p.values) for p in space.parameters if isinstance(p, Categorical)), default=0)
    return max(min(max(2 * dimensions(space) + 1, 5), 20), most if most <= 20 else 0)


def dimensions(space: SearchSpace) -> int:
    """How many encoded columns are free: the last of those that sum to one is not."""
    return len(space.columns) - len(space.sums)


def fill(
    campaign: Campaign, count: int, why: Why, chosen: Sequence[Candidate] = ()
) -> list[Candidate]:
    """`chosen` and, after them, design points that nobody has asked for, `count` together.

    Shortfall where there are fewer; with the values that `chosen` have of what a batch shares.
    """
    seed = derive_seed(campaign.problem.seed, "design")
    why, found = replace(why, seed=seed), list(chosen)
    while len(found) < count:
        space, after = shared(campaign.problem.space, found), beside(campaign, found)
        more = 1 if space.shared else count - len(found)
        points = _points(space, more, seed, after)
        if len(points) < more:
            raise shortfall(space, count, len(found) + len(points))
        found += [
            Candidate(id=i, point=p, why=why, fidelity=campaign.fidelity)
            for i, p in zip(after.ids(more), points, strict=True)
        ]
    return found


def beside(campaign: Campaign, chosen: Sequence[Candidate]) -> Campaign:
    """The campaign as it will be when the chosen have been asked."""
    return replace(campaign, candidates={**campaign.candidates, **{c.id: c for c in chosen}})


def shared(space: SearchSpace, chosen: Sequence[Candidate]) -> SearchSpace:
    """The space for the rest of a batch: what its candidates share is held."""
    if not chosen or not space.shared:
        return space
    return space.holding({name: chosen[0].point[name] for name in space.shared})


def _points(space: SearchSpace, count: int, seed: int, campaign: Campaign) -> Sequence[Point]:
    """Up to `count` points that fill what the points asked for leave open."""
    asked = (candidate.point for candidate in campaign.own)
    if space.pool is None or space.fixed:
        is_whole = space is campaign.problem.space
        X = campaign.own_rows if is_whole else space.encode(asked)
        keys = campaign.own_keys if is_whole else None
        drawn = X[[each.why.origin in FILLING for each in campaign.own]]
        return space.decode(spread(space, count, seed, X, keys, drawn))
    pool = space.pool
    taken = pool.rows_of(space.complete(point)[pool.name] for point in asked)
    return pool.points(pool.spread(count, seed, taken))


def spread(
    space: SearchSpace,
    count: int,
    seed: int,
    placed: Array,
    taken: AbstractSet[bytes] | None = None,
    drawn: Array | None = None,
) -> Array:
    """Up to `count` feasible rows (n, d) that fill what `placed` rows (m, d) leave open.

    None of them is one of those; `taken` are their keys, where the caller has them. `drawn` are
    those that were drawn here: rounded since, they still stand for what was drawn.
    """
    taken = set(space.keys(placed)) if taken is None else taken
    X = _choice(space, seed)
    if drawn is not None and _is_plain(space) and not space.fixed:
        taken = taken | _meant(space, X, drawn)
    X = X[[key not in taken for key in space.keys(X)]]
    chosen = X[_order(space, X, placed, min(count, len(X)))] if len(X) else X
    if len(chosen) == count:
        return chosen
    taken = taken | set(space.keys(chosen)) if len(chosen) else taken
    more = fresh(space, count - len(chosen), seed, taken, skip=len(taken))
    return np.vstack([chosen, more])


def fresh(
    space: SearchSpace, count: int, seed: int, taken: AbstractSet[bytes], *, skip: int = 0
) -> Array:
    """Up to `count` feasible rows (n, d) as they are drawn, each once and none of `taken`.

    There are fewer where the space, or the budget for sampling it, has no more. About the first
    `skip` draws are left out, where as many have been taken from here.
    """
    seen, rows = set[bytes](), list[Array]()
    stale, is_small = 0, space.size <= FEW_POINTS
    for block in _shuffled(space, seed) if is_small else _stream(space, seed, skip):
        before = len(rows)
        for i, key in enumerate(space.keys(block)):
            if key in taken or key in seen:
                continue
            if len(rows) == count:
                break
            seen.add(key)
            rows.append(block[i])
        stale = 0 if len(rows) > before else stale + 1
        if len(rows) >= count or stale == BLOCKS:
            break
    return np.array(rows).reshape(-1, len(space.columns))


def everything(space: SearchSpace) -> Array:
    """All feasible rows (n, d) of a finite space, in the order of its parameters."""
    return space.everything()


def shortfall(
    space: SearchSpace, wanted: int, available: int
) -> PoolExhausted | ConstraintsInfeasible:
    """The error that says how many points were left and what to do."""
    if space.size <= FEW_POINTS or space.pool is not None:
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


def _choice(space: SearchSpace, seed: int) -> Array:
    """Feasible rows (n, d) to choose a design from; in the order in which they may be taken."""
    if space.size <= FEW_POINTS:
        return np.random.default_rng(seed).permutation(space.everything())
    drawn = fresh(space, CHOICE, seed, set())
    corners = _pure(space, drawn)
    return np.vstack(
        [drawn, corners[[key not in set(space.keys(drawn)) for key in space.keys(corners)]]]
    )


def _pure(space: SearchSpace, X: Array) -> Array:
    """Feasible rows (n, d) with one component alone, or as much of it as is allowed."""
    pure: list[Array] = []
    for group, component in [(g, i) for g in space.sums for i in range(g.start, g.stop)]:
        row = X[len(pure) % len(X)].copy()
        row[group] = 0.0
        row[component] = 1.0
        pure.append(row)
    corners = space.repair(np.array(pure).reshape(-1, len(space.columns)))
    return corners[space.meets(corners)]


def _order(space: SearchSpace, X: Array, placed: Array, count: int) -> list[int]:
    """Which `count` rows of X (n, d) to take, in order, beside `placed` rows (m, d)."""
    is_plain = _is_plain(space)
    points, others = _scaled(space, X), _scaled(space, placed)
    shows = _shown(space, X)
    news = shows & ~_shown(space, placed).any(axis=0)
    gaps = cdist(points, others).min(axis=1, initial=np.inf)
    if not len(placed):  # the first is the most central one
        gaps = -np.linalg.norm(points - points.mean(axis=0), axis=1)
    chosen: list[int] = []
    for _ in range(count):
        rank = news.sum(axis=1)
        best = np.flatnonzero(rank == rank[_without(len(X), chosen)].max())
        best = best[~np.isin(best, chosen)]
        next_one = int(best[0] if is_plain else best[np.argmax(gaps[best])])
        reach = np.linalg.norm(points - points[next_one], axis=1)
        gaps = reach if not chosen and not len(placed) else np.minimum(gaps, reach)
        news &= ~shows[next_one]
        chosen.append(next_one)
    return chosen


def _is_plain(space: SearchSpace) -> bool:
    """Whether Sobol points fill the space in the order in which they are drawn."""
    return isinf(space.size) and not space.sums and not space.constraints


def _meant(space: SearchSpace, X: Array, drawn: Array) -> set[bytes]:
    """The keys of those rows of X (n, d) that became the `drawn` rows (m, d) by rounding.

    Each is the first that is left within reach, for that is how they are drawn.
    """
    keys = space.keys(X)
    places = {key: i for i, key in enumerate(keys)}
    as_drawn = [places.get(key) for key in space.keys(drawn)]
    left = ~np.isin(np.arange(len(X)), [i for i in as_drawn if i is not None])
    points, others = _scaled(space, X), _scaled(space, drawn)
    found = set[bytes]()
    for other in others[[i is None for i in as_drawn]]:
        near = np.flatnonzero(left & (np.abs(points - other).max(axis=1) <= ROUNDED))
        if len(near):
            left[near[0]] = False
            found.add(keys[near[0]])
    return found


def _without(count: int, chosen: Sequence[int]) -> NDArray[np.bool_]:
    """Which of `count` rows have not been chosen."""
    return ~np.isin(np.arange(count), chosen)


def _scaled(space: SearchSpace, X: Array) -> Array:
    """Rows X (n, d) by which distances are measured: every column from 0 to 1 of its bounds."""
    low, high = space.bounds
    scaled: Array = (X - low) / np.where(high > low, high - low, 1.0)
    for parameter in space.parameters:
        if isinstance(parameter, Categorical) and parameter.descriptors is None:
            scaled[:, space.slices[parameter.name]] /= np.sqrt(2.0)  # any two names are 1 apart
    return scaled


def _shown(space: SearchSpace, X: Array) -> NDArray[np.bool_]:
    """Which categories each row of X (n, d) shows (n, all categories)."""
    shown = [np.zeros((len(X), 0), dtype=bool)]
    for parameter in space.parameters:
        match parameter:
            case Categorical() | Ordinal() if space.slices[parameter.name].start not in space.held:
                table = parameter.table
                gaps = cdist(X[:, space.slices[parameter.name]], table)
                shown.append(gaps < 1e-6)
            case _:
                pass
    return np.hstack(shown)


def _shuffled(space: SearchSpace, seed: int) -> Iterator[Array]:
    """All rows of a finite space in one block, in random order."""
    yield np.random.default_rng(seed).permutation(space.everything())


def _stream(space: SearchSpace, seed: int, skip: int) -> Iterator[Array]:
    """Blocks of feasible rows by rejection; where that finds none, between and around corners."""
    sobol = scipy.stats.qmc.Sobol(
        sum(map(coordinates, space.parameters)), rng=np.random.default_rng(seed)
    )
    if skip >= BLOCK:
        sobol.fast_forward(skip // BLOCK * BLOCK)
    fruitless = 0
    while fruitless < FRUITLESS:
        X = draw_all(space.parameters, sobol.random(BLOCK))
        X = space.repair(X) if space.has_equality else space.snap(X)
        X = X[space.meets(X)]
        fruitless = 0 if len(X) else fruitless + 1
        yield X
    yield from _between_corners(space, seed)


def _between_corners(space: SearchSpace, seed: int) -> Iterator[Array]:
    """Blocks of feasible rows of a thin space: random mixtures of its extreme points, repaired.

    What rules keep apart still is scattered around rows that were found, if only the witness.
    """
    rng = np.random.default_rng(seed)
    directions = rng.standard_normal((CORNERS, len(space.columns)))
    extremes = (space.extreme(direction) for direction in directions)
    corners = np.array([corner for corner in extremes if corner is not None])
    known = space.repair(np.vstack([*([] if space.witness is None else [space.witness]), corners]))
    known = known[space.meets(known)]
    is_curved = any(isinstance(rule, Expression) for rule in space.constraints)
    for _ in range(2 * BLOCKS):
        even = rng.choice([0.05, 0.2, 1.0], size=(BLOCK, 1))  # near one corner, between few, all
        weights = rng.gamma(even, size=(BLOCK, len(corners))) + np.finfo(float).tiny
        mixed = weights / weights.sum(axis=1, keepdims=True) @ corners
        X = space.repair(mixed)
        met = space.meets(X)
        found = [X[met], _scattered(space, known, rng)]
        if is_curved:
            X = descend(X[~met], space.repair, space.broken, rng)
            found.insert(0, X[space.meets(X)])
        if sum(map(len, found)) < REPAIRED:
            found.append(_put_right(space, mixed[~met]))
        X = np.vstack(found)
        known = np.vstack([known, X])[-8 * BLOCK :]
        yield X


def _put_right(space: SearchSpace, X: Array) -> Array:
    """The feasible rows nearest to the first REPAIRED rows of X (n, d)."""
    nearest = (space.nearest(row) for row in X[:REPAIRED])
    rows = np.array([row for row in nearest if row is not None]).reshape(-1, len(space.columns))
    rows = space.repair(rows)
    return rows[space.meets(rows)]


def _scattered(space: SearchSpace, known: Array, rng: np.random.Generator) -> Array:
    """Feasible rows around `known` ones (n, d), near and far.

    Half of them differ from one known row as two others do: those stay on steps and equalities.
    """
    if not len(known):
        return known
    start, one, other = (known[rng.integers(len(known), size=BLOCK)] for _ in range(3))
    reach = 10 ** rng.uniform(-4, -0.3, size=(BLOCK, 1)) * rng.integers(2, size=(BLOCK, 1))
    share = np.where(reach > 0, rng.random((BLOCK, 1)), 1.0)
    X = start + share * (one - other) + reach * rng.standard_normal(start.shape)
    X = space.repair(X)
    return X[space.meets(X)]
