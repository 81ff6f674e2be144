"""The search space: parameters, linear constraints, and the border between names and numbers.

Notation: a point is a mapping from parameter name to value; X (n, d) holds n encoded points in d
columns, those of `loop.parameters` side by side. `encode` and `decode` are the only way across.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf

import numpy as np
import scipy
from numpy.typing import NDArray

from loop.errors import SpaceError
from loop.parameters import Array, Categorical, Composition, Continuous, Discrete, Parameter, Point

SLACK = 1e-6  # how far rounding may carry a feasible point over a constraint, in units of its terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """A linear constraint: low <= sum of coefficient * parameter <= high.

    Terms name numeric parameters (`T`) or fractions of a composition (`alloy.Cu`).
    """

    terms: Mapping[str, float]
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        """Raise SpaceError unless there are terms and at least one bound, in order."""
        low, high = self.limits
        if not self.terms or low > high or (self.low is None and self.high is None):
            raise SpaceError(
                "constraint",
                "terms and a low or a high bound, low <= high",
                f"terms = {dict(self.terms)}, low = {self.low}, high = {self.high}",
            )

    @property
    def limits(self) -> tuple[float, float]:
        """Low and high, infinite where open."""
        return (-inf if self.low is None else self.low, inf if self.high is None else self.high)

    def __str__(self) -> str:
        """The constraint as it would be written on paper."""
        low, high = self.limits
        middle = " + ".join(f"{c:g} {name}" if c != 1 else name for name, c in self.terms.items())
        if low == high:
            return f"{middle} = {high:g}"
        left = f"{low:g} <= " if self.low is not None else ""
        right = f" <= {high:g}" if self.high is not None else ""
        return f"{left}{middle}{right}"


@dataclass(frozen=True, kw_only=True)
class SearchSpace:
    """What may be varied: parameters, and linear constraints among them.

    A space with no feasible point is refused when it is defined.
    """

    parameters: tuple[Parameter, ...]
    constraints: tuple[Linear, ...] = ()

    def __post_init__(self) -> None:
        """Raise SpaceError for doubled names, unknown terms, constraints that leave no point."""
        names = [parameter.name for parameter in self.parameters]
        if not names:
            raise SpaceError("space", "at least one parameter", "none", "Add a [[parameter]].")
        for name in names:
            if not name or names.count(name) > 1:
                raise SpaceError(
                    f"space.{name}",
                    "a name used once",
                    f"{names.count(name)} parameters",
                    "Rename one.",
                )
        for index, constraint in enumerate(self.constraints):
            for term in constraint.terms:
                self._require_term(term, f"constraint {index + 1} ({constraint})")
        for count in range(1, len(self.constraints) + 1):
            if self.extreme(np.zeros(len(self.columns)), count) is None:
                raise SpaceError(
                    f"constraint {count} ({self.constraints[count - 1]})",
                    "a constraint that some point of the space can meet",
                    "none is left"
                    + (" together with the constraints before it" if count > 1 else ""),
                    "Loosen it, or widen the bounds of its parameters.",
                )

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
        """Lower and upper bound of every encoded column (2, d)."""
        pairs: list[tuple[float, float]] = []
        for parameter in self.parameters:
            match parameter:
                case Composition():
                    pairs += parameter.limits
                case _:
                    pairs += [(0.0, 1.0)] * len(parameter.labels)
        return np.array(pairs).T

    @cached_property
    def rows(self) -> tuple[Array, Array, Array]:
        """The linear constraints on encoded points, low <= A x <= high: A (c, d), low, high (c,).

        The sums of compositions and one-hot groups are not among them: see `sums`.
        """
        a = np.zeros((len(self.constraints), len(self.columns)))
        low, high = np.zeros(len(a)), np.zeros(len(a))
        for index, constraint in enumerate(self.constraints):
            offset = 0.0
            for term, coefficient in constraint.terms.items():
                column, scale, origin = self._column(term)
                a[index, column] += coefficient * scale
                offset += coefficient * origin
            low[index], high[index] = constraint.limits[0] - offset, constraint.limits[1] - offset
        return a, low, high

    @cached_property
    def sums(self) -> tuple[slice, ...]:
        """The groups of columns that sum to one because they are compositions."""
        return tuple(self.slices[p.name] for p in self.parameters if isinstance(p, Composition))

    def encode(self, points: Iterable[Point]) -> Array:
        """Points as numbers: X (n, d)."""
        rows = [
            [x for p in self.parameters for x in p.encode(self._value(point, p))]
            for point in points
        ]
        return np.array(rows, dtype=np.float64).reshape(-1, len(self.columns))

    def snap(self, X: Array) -> Array:
        """Rows X (n, d) moved to legal points nearby: onto steps, categories and simplices.

        Snapping may cross a linear constraint: ask `meets` afterwards.
        """
        return np.hstack([p.snap(X[:, self.slices[p.name]]) for p in self.parameters])

    def meets(self, X: Array) -> NDArray[np.bool_]:
        """Which rows of X (n, d) meet every linear constraint (n,)."""
        met: NDArray[np.bool_] = np.all(self._kept(X), axis=1)
        return met

    def decode(self, X: Array) -> list[Point]:
        """The points of X (n, d), snapped."""
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
            parameter.check(self._value(point, parameter))
        met = self._kept(self.encode([point]))[0]
        if not met.all():
            broken = self.constraints[int(np.argmin(met))]
            raise SpaceError("point", f"a point that meets {broken}", str(dict(point)))

    def contains(self, point: Point) -> bool:
        """Whether the point breaks no rule."""
        try:
            self.check(point)
        except SpaceError:
            return False
        return True

    def keys(self, X: Array) -> list[bytes]:
        """What makes two points the same point: their encoded columns X (n, d) to nine decimals."""
        return [row.tobytes() for row in np.round(X, 9) + 0.0]  # + 0.0 turns -0.0 into 0.0

    @property
    def size(self) -> float:
        """How many points there are, constraints aside; infinite with anything continuous."""
        count = 1.0
        for parameter in self.parameters:
            match parameter:
                case Discrete():
                    count *= parameter.count
                case Categorical():
                    count *= len(parameter.values)
                case Continuous() | Composition():
                    return inf
        return count

    def _kept(self, X: Array) -> NDArray[np.bool_]:
        """Which of the constraints each row of X (n, d) meets (n, c)."""
        a, low, high = self.rows
        slack = SLACK * np.maximum(1.0, np.abs(a).max(axis=1, initial=0.0))
        values = X @ a.T
        kept: NDArray[np.bool_] = (low - slack <= values) & (values <= high + slack)
        return kept

    def _value(self, point: Point, parameter: Parameter) -> float | str | Mapping[str, float]:
        if parameter.name not in point:
            raise SpaceError(
                f"space.{parameter.name}", "a value", f"a point without it: {dict(point)}"
            )
        return point[parameter.name]

    def _column(self, term: str) -> tuple[int, float, float]:
        """Column of a term, and scale and origin with value = origin + scale * column."""
        column = self.columns.index(term)
        parameter = next(p for p in self.parameters if term in p.labels)
        match parameter:
            case Continuous() | Discrete():
                return column, parameter.high - parameter.low, parameter.low
            case Composition() | Categorical():
                return column, 1.0, 0.0

    def _require_term(self, term: str, where: str) -> None:
        numeric = [
            label
            for p in self.parameters
            if not isinstance(p, Categorical) and not (isinstance(p, Continuous) and p.log)
            for label in p.labels
        ]
        if term not in numeric:
            raise SpaceError(
                where,
                f"terms among {', '.join(numeric) or 'none'} (numeric and not logarithmic)",
                repr(term),
                "Name a parameter, or parameter.element for a composition.",
            )

    def extreme(self, direction: Array, count: int | None = None) -> Array | None:
        """The feasible encoded point (d,) farthest along `direction` (d,), or None.

        A mixed-integer linear programme over the first `count` constraints (all of them if None).
        Variables: the d columns, an integer step count per column, a switch per column.
        """
        d = len(self.columns)
        a, low, high = (part[:count] for part in self.rows)
        rules = [(dict(enumerate(row)), *ends) for row, *ends in zip(a, low, high, strict=True)]
        whole = np.zeros(3 * d, dtype=np.int64)
        for parameter in self.parameters:
            group = range(d)[self.slices[parameter.name]]
            match parameter:
                case Continuous():
                    pass
                case Discrete():
                    whole[d + group[0]] = 1
                    rules.append(({group[0]: parameter.count - 1.0, d + group[0]: -1.0}, 0.0, 0.0))
                case Categorical():
                    whole[list(group)] = 1
                    rules.append((dict.fromkeys(group, 1.0), 1.0, 1.0))
                case Composition():
                    rules.append((dict.fromkeys(group, 1.0), 1.0, 1.0))
                    rules.append(({2 * d + i: 1.0 for i in group}, 0.0, float(parameter.most)))
                    whole[[2 * d + i for i in group]] = 1
                    rules += [({i: 1.0, 2 * d + i: -1.0}, -1.0, 0.0) for i in group]
                    if parameter.step is not None:
                        whole[[d + i for i in group]] = 1
                        rules += [({i: 1 / parameter.step, d + i: -1.0}, 0.0, 0.0) for i in group]
        return self._solve(direction, rules, whole)

    def _solve(
        self,
        direction: Array,
        rules: Sequence[tuple[Mapping[int, float], float, float]],
        whole: NDArray[np.int64],
    ) -> Array | None:
        d = len(self.columns)
        table = np.zeros((len(rules), 3 * d))
        for row, (coefficients, _, _) in zip(table, rules, strict=True):
            row[list(coefficients)] = list(coefficients.values())
        lower = np.concatenate([self.bounds[0], np.full(d, -inf), np.zeros(d)])
        upper = np.concatenate([self.bounds[1], np.full(d, inf), np.ones(d)])
        answer = scipy.optimize.milp(
            np.concatenate([-direction, np.zeros(2 * d)]),
            integrality=whole,
            bounds=scipy.optimize.Bounds(lower, upper),
            constraints=scipy.optimize.LinearConstraint(
                table,
                np.array([low for _, low, _ in rules]),
                np.array([high for _, _, high in rules]),
            ),
        )
        return None if answer.x is None else np.asarray(answer.x[:d], dtype=np.float64)
