"""The search space: parameters, rules among them, and the border between names and numbers.

Notation: a point is a mapping from parameter name to value; X (n, d) holds n encoded points in d
columns, those of the parameters side by side. `encode` and `decode` are the only way across.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from math import inf, prod

import numpy as np
from numpy.typing import NDArray

from loop.errors import SpaceError
from loop.space import draws
from loop.space.composition import Composition
from loop.space.constraints import SLACK, Constraints
from loop.space.expressions import quantity
from loop.space.parameters import Parameter
from loop.space.pool import Pool
from loop.space.programme import Programme
from loop.space.rules import Expression, Rule
from loop.space.values import Array, Point, Value
from loop.space.witness import LOOKED_AT, witness

FEW_POINTS = 20_000  # a finite space of up to this many points is listed in memory


@dataclass(frozen=True, kw_only=True)
class SearchSpace:
    """What may be varied: parameters, and rules among them.

    All candidates of one batch have the same values of the `shared` parameters; `fixed` are values
    that some parameters are held at (see `holding`). A space with no feasible point is refused when
    it is defined: exactly, or with the number of points looked at where a rule is an expression.
    """

    parameters: tuple[Parameter, ...]
    constraints: tuple[Rule, ...] = ()
    shared: tuple[str, ...] = ()
    fixed: Mapping[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise SpaceError for doubled or unknown names, and for rules that leave no point."""
        names = [parameter.name for parameter in self.parameters]
        if not names:
            raise SpaceError("space", "at least one parameter", "none", "Add a [[parameter]].")
        for name in (*names, *self.columns):
            uses = max(names.count(name), self.columns.count(name))
            if not name or uses > 1:
                raise SpaceError(
                    f"space.{name}", "a name used once", f"{uses} parameters", "Rename one."
                )
        for where, wanted in (("shared", self.shared), ("fixed", self.fixed)):
            for name in wanted:
                if name not in names:
                    raise SpaceError(where, f"parameters among {', '.join(names)}", repr(name))
        for name, value in self.fixed.items():
            self._parameter(name).check(value)
        self._require_told_apart()
        self._require_points()

    def holding(self, fixed: Point) -> "SearchSpace":
        """The same columns, with these parameters held at these values.

        SpaceError for an unknown name, an illegal value, and values that leave no point.
        """
        return replace(self, fixed={**self.fixed, **fixed})

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The labels of the d encoded columns."""
        return tuple(label for parameter in self.parameters for label in parameter.labels)

    @cached_property
    def slices(self) -> Mapping[str, slice]:
        """Which columns belong to which parameter."""
        stops = np.cumsum([len(parameter.labels) for parameter in self.parameters]).tolist()
        return {
            parameter.name: slice(stop - len(parameter.labels), stop)
            for parameter, stop in zip(self.parameters, stops, strict=True)
        }

    @cached_property
    def bounds(self) -> Array:
        """Lower and upper bound of every encoded column (2, d), whatever is held."""
        pairs: list[tuple[float, float]] = []
        for parameter in self.parameters:
            match parameter:
                case Composition():
                    pairs += parameter.limits
                case _:
                    pairs += [(0.0, 1.0)] * len(parameter.labels)
        return np.array(pairs).T

    @cached_property
    def held(self) -> Mapping[int, float]:
        """Columns that have one value only: of what is `fixed`, and of fixed parts of a mixture."""
        low, high = self.bounds
        held = {int(i): float(low[i]) for i in np.flatnonzero(low == high)}
        for name, value in self.fixed.items():
            places = self._parameter(name).encode(value)
            held |= dict(zip(self._group(name), places, strict=True))
        return held

    @cached_property
    def rows(self) -> tuple[Array, Array, Array]:
        """The linear constraints on encoded points, low <= A x <= high: A (c, d), low, high (c,).

        The sums of compositions and one-hot groups are not among them: see `sums`.
        """
        return self._constraints.rows

    @property
    def has_equality(self) -> bool:
        """Whether a linear constraint is an equality, which no row meets by chance."""
        return self._constraints.has_equality

    @cached_property
    def sums(self) -> tuple[slice, ...]:
        """The groups of columns that sum to one because they are compositions."""
        return tuple(self.slices[p.name] for p in self.parameters if isinstance(p, Composition))

    @property
    def pool(self) -> Pool | None:
        """The pool, where the space is one pool and nothing else; else None.

        Work with its row numbers then: rows that share their features are different points, which
        `encode`, `decode` and `keys` cannot tell apart.
        """
        match self.parameters:
            case (Pool() as pool,):
                return pool
            case _:
                return None

    def encode(self, points: Iterable[Point]) -> Array:
        """Points as numbers: X (n, d). A point that lacks a parameter has its `past` value."""
        if self.pool is not None:
            pool = self.pool
            X: Array = pool.X[pool.rows_of(_value(each, pool, pool.past) for each in points)]
            return X
        rows = [
            [x for p in self.parameters for x in p.encode(_value(point, p, p.past))]
            for point in points
        ]
        return np.array(rows, dtype=np.float64).reshape(-1, len(self.columns))

    def complete(self, point: Point) -> Point:
        """The point with the `past` values of parameters that were added after it."""
        late = {p.name: p.past for p in self.parameters if p.past is not None}
        missing = {name: value for name, value in late.items() if name not in point}
        return {**point, **missing} if missing else point

    def snap(self, X: Array) -> Array:
        """Rows X (n, d) moved to legal points nearby: onto steps, categories and simplices.

        What is held and what depends is put where it must be. Snapping may cross a constraint: ask
        `meets` afterwards, or `repair` instead.
        """
        return self._settled(X, self._constraints)

    def _settled(self, X: Array, known: Constraints) -> Array:
        X = np.hstack([p.snap(X[:, self.slices[p.name]]) for p in self.parameters])
        for name, value in self.fixed.items():
            X[:, self.slices[name]] = self._parameter(name).encode(value)
        return known.settle(X, frozenset(self.fixed))

    def repair(self, X: Array) -> Array:
        """Rows X (n, d) snapped, then moved onto the linear constraints where columns are free.

        Steps, categories and absent elements stay as snapped, so that some rows may still break a
        constraint: ask `meets` afterwards.
        """
        return self._repaired(X, self._constraints)

    def _repaired(self, X: Array, known: Constraints) -> Array:
        X = self._settled(X, known)
        off = known.is_off(X)
        if off.any():
            X[off] = self._settled(known.shift(X[off], self.free(X[off])), known)
        return X

    def free(self, X: Array) -> NDArray[np.bool_]:
        """Which columns of each legal row of X (n, d) may be moved a little (n, d).

        Those of continuous parameters and of the present elements of compositions without steps.
        """
        free = self._constraints.is_free(X)
        free[:, list(self.held)] = False
        return free

    def broken(self, X: Array) -> Array:
        """By how much each row of X (n, d) breaks each of the c constraints (n, c); 0 if kept."""
        return self._constraints.broken(X)

    def values(self, text: str, X: Array, where: str) -> Array:
        """What an expression over numeric parameters gives at rows X (n, d), as (n,).

        SpaceError, at `where`, for a text or a name that is none (`loop.space.expressions`).
        """
        return self._constraints.values(quantity(text, where), X, where)

    def meets(self, X: Array) -> NDArray[np.bool_]:
        """Which rows of X (n, d) meet every constraint and have what is held (n,)."""
        met: NDArray[np.bool_] = (self.broken(X) == 0).all(axis=1)
        for name, value in self.fixed.items():
            gap = np.abs(X[:, self.slices[name]] - self._parameter(name).encode(value))
            met &= gap.max(axis=1) <= SLACK
        return met

    def decode(self, X: Array) -> list[Point]:
        """The points of X (n, d), snapped."""
        if self.pool is not None:
            return [*self.pool.points(self.pool.nearest(X))]
        return [
            {p.name: p.decode(row[self.slices[p.name]].tolist()) for p in self.parameters}
            for row in X
        ]

    def check(self, point: Point) -> None:
        """Raise SpaceError with the first rule that the point breaks."""
        unknown = sorted(set(point) - set(self.slices))
        if unknown:
            raise SpaceError("point", f"parameters {', '.join(self.slices)}", ", ".join(unknown))
        for parameter in self.parameters:
            parameter.check(_value(point, parameter, None))
        X = self.encode([point])
        broken = self.broken(X)[0]
        if broken.any():
            rule = self.constraints[int(np.argmax(broken > 0))]
            raise SpaceError("point", f"a point that meets {rule}", str(dict(point)))
        if not self.meets(X)[0]:
            raise SpaceError("point", f"what is held, {dict(self.fixed)}", str(dict(point)))

    def contains(self, point: Point) -> bool:
        """Whether the point breaks no rule."""
        try:
            self.check(point)
        except SpaceError:
            return False
        return True

    def keys(self, X: Array) -> list[bytes]:
        """What makes two points the same point: their encoded columns X (n, d) to nine decimals."""
        rows = np.ascontiguousarray(np.round(X, 9) + 0.0)  # + 0.0 turns -0.0 into 0.0
        keys: list[bytes] = rows.view(f"V{rows.strides[0]}").ravel().tolist()
        return keys

    @cached_property
    def size(self) -> float:
        """How many points there are, constraints aside; infinite with anything continuous."""
        sizes = [draws.size(p) for p in self.parameters if p.name not in self.fixed]
        return inf if inf in sizes else float(prod(sizes))

    def everything(self) -> Array:
        """All feasible rows (n, d) of a space of at most FEW_POINTS points, in order.

        SpaceError where there are more: a product of choices is never built in memory.
        """
        X = self._listed()
        return X[self.meets(X)]

    def extreme(self, direction: Array) -> Array | None:
        """The encoded point (d,) farthest along `direction` (d,) that meets all but expressions.

        None where there is none; by a mixed-integer linear programme.
        """
        return self._programme(self.constraints).farthest(direction)

    def nearest(self, row: Array) -> Array | None:
        """The encoded point (d,) nearest to `row` (d,) that meets all but expressions, or None.

        By a mixed-integer linear programme: dearer than `repair` by far, and never in vain.
        """
        return self._programme(self.constraints).nearest(row, np.ones(len(row)))

    @cached_property
    def witness(self) -> Array | None:
        """A feasible encoded point (d,), by search where a rule is an expression; None if none."""
        return self._witness(self.constraints)

    @cached_property
    def _constraints(self) -> Constraints:
        return Constraints(self.parameters, self.columns, self.slices, self.constraints)

    def _witness(self, rules: tuple[Rule, ...]) -> Array | None:
        corner = self._programme(rules).farthest(np.zeros(len(self.columns)))
        if corner is None:
            return None
        known = Constraints(self.parameters, self.columns, self.slices, rules)
        row = self._repaired(corner[None], known)
        if known.broken(row).sum() == 0:
            return np.asarray(row[0])
        legal = partial(self._repaired, known=known)
        return witness(self.parameters, corner[None], legal, known.broken)

    def _require_told_apart(self) -> None:
        """Raise SpaceError where points that mix a pool with other parameters have two names."""
        pools = [p for p in self.parameters if isinstance(p, Pool) and p.is_live]
        for pool in pools if self.pool is None else []:
            if pool.twins is not None:
                raise SpaceError(
                    f"space.{pool.name}",
                    "rows that differ in their features, because there are other parameters",
                    f"the same features in {' and '.join(map(repr, pool.twins))}",
                    "Add a feature that tells them apart, or remove one of them.",
                )

    def _require_points(self) -> None:
        """Raise SpaceError with the first rule that, after those before it, leaves no point."""
        rules = self.constraints
        if not rules or any(isinstance(p, Pool) and not p.is_live for p in self.parameters):
            return  # what a ledger keeps of a pool was looked at when the pool was here
        if self.size <= FEW_POINTS:
            met = np.logical_and.accumulate(self._constraints.broken(self._listed()) == 0, axis=1)
            count, is_exact = int(met.any(axis=0).sum()) + 1, True
        else:
            ends = (n for n in range(1, len(rules) + 1) if self._witness(rules[:n]) is None)
            count = next(ends, len(rules) + 1) if self.witness is None else len(rules) + 1
            is_exact = not any(isinstance(each, Expression) for each in rules[:count])
            is_exact &= not any(isinstance(p, Pool) for p in self.parameters)
        if count > len(rules):
            return
        raise SpaceError(
            f"constraint {count} ({rules[count - 1]})",
            "a constraint that some point of the space can meet",
            ("none is left" if is_exact else f"no point found in {LOOKED_AT} draws")
            + (" together with the constraints before it" if count > 1 else "")
            + (f" with {dict(self.fixed)} held" if self.fixed else ""),
            "Loosen it, or widen the bounds of its parameters.",
        )

    def _listed(self) -> Array:
        """All rows (n, d) of a small finite space, whether or not they meet the constraints."""
        if self.size > FEW_POINTS:
            raise SpaceError("space", f"at most {FEW_POINTS} points to list", f"{self.size:g}")
        choices = [
            np.array([p.encode(self.fixed[p.name])]) if p.name in self.fixed else draws.listed(p)
            for p in self.parameters
        ]
        grid = np.meshgrid(*(np.arange(len(choice)) for choice in choices), indexing="ij")
        return np.hstack([choice[i.ravel()] for choice, i in zip(choices, grid, strict=True)])

    def _programme(self, rules: tuple[Rule, ...]) -> Programme:
        low, high = self.bounds.copy()
        for column, place in self.held.items():
            low[column] = high[column] = place
        programme = Programme(low.tolist(), high.tolist())
        for parameter in self.parameters:
            programme.add(parameter, self._group(parameter.name))
        Constraints(self.parameters, self.columns, self.slices, rules).describe(programme)
        return programme

    def _group(self, name: str) -> range:
        return range(len(self.columns))[self.slices[name]]

    def _parameter(self, name: str) -> Parameter:
        return next(parameter for parameter in self.parameters if parameter.name == name)


def _value(point: Point, parameter: Parameter, past: Value | None) -> Value:
    value = point.get(parameter.name, past)
    if value is None:
        raise SpaceError(f"space.{parameter.name}", "a value", f"a point without it: {dict(point)}")
    return value
