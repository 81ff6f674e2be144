"""Rules on encoded columns: which rows meet them, and where rows must be moved to.

Notation: X (n, d) encoded points, as in `loop.space.space`; c rules in their order.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from math import inf
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from loop.errors import SpaceError
from loop.space.composition import Composition
from loop.space.expressions import Quantity, parse
from loop.space.parameters import Categorical, Continuous, Discrete, Ordinal, Parameter
from loop.space.pool import Pool
from loop.space.programme import Programme
from loop.space.rules import Dependent, Excluded, Expression, Linear, Rule, Span, Values
from loop.space.values import Array, stated_at

SLACK = 1e-6  # how far rounding may carry a feasible point over a constraint, in units of its terms
ROUNDING = 1e-9  # the same of an expression, relative to its sides
TIGHT = 1e-12  # to which rows are moved onto a rule: two that differ by less are one point
ASIDE = 4 * SLACK  # how far from an excluded span a solver stays: it has a slack of its own
SWEEPS = 200  # of projections onto one constraint after the other

LISTED = " (ordinal or categorical)"
TERM = "Name a parameter, or parameter.element for a composition."  # remedies
PARAMETER = "Name a parameter."
DECIDES = "What a parameter depends on has values that can be listed."
SPANNED = "Of names, list the values that are excluded; of a composition, name parameter.element."
VALUED = "Of other numbers, exclude a span, such as {min = 40, max = 60}."

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Clause:
    """A condition: the parameter has one of these `choices`; or, without, its column is inside."""

    name: str
    column: int
    choices: tuple[int, ...] = ()
    low: float = -inf
    high: float = inf


@dataclass(frozen=True)
class Constraints:
    """The rules of a space with these parameters, whose columns are labelled and sliced so."""

    parameters: tuple[Parameter, ...]
    columns: tuple[str, ...]
    slices: Mapping[str, slice]
    rules: tuple[Rule, ...]

    def __post_init__(self) -> None:
        """Raise SpaceError for a rule about what is not there."""
        for number, rule in enumerate(self.rules, start=1):
            where = f"constraint {number} ({rule})"
            match rule:
                case Linear():
                    for term in rule.terms:
                        _require(term, self._linear, where, " (numeric and not logarithmic)")
                case Expression():
                    for name in parse(rule.text).names:
                        _require(name, self._numeric, where, " (numeric)")
                case Excluded():
                    for name, chosen in rule.when.items():
                        self._clause(name, chosen, where)
                case Dependent():
                    _require(rule.parameter, tuple(self.slices), where, remedy=PARAMETER)
                    with stated_at(f"{where}, otherwise"):
                        self._parameter(rule.parameter).check(rule.otherwise)
                    _require(rule.on, self._listed, where, LISTED, DECIDES)
                    self._clause(rule.on, rule.values, where)
                case _:
                    assert_never(rule)

    @cached_property
    def rows(self) -> tuple[Array, Array, Array]:
        """The linear rules, low <= A x <= high: A (l, d), low, high (l,)."""
        linear = [rule for rule in self.rules if isinstance(rule, Linear)]
        a = np.zeros((len(linear), len(self.columns)))
        low, high = np.zeros(len(a)), np.zeros(len(a))
        for index, rule in enumerate(linear):
            offset = 0.0
            for term, coefficient in rule.terms.items():
                column, scale, origin = self._column(term)
                a[index, column] += coefficient * scale
                offset += coefficient * origin
            low[index], high[index] = rule.limits[0] - offset, rule.limits[1] - offset
        return a, low, high

    def broken(self, X: Array) -> Array:
        """By how much each row of X (n, d) breaks each rule (n, c); 0 where it is kept."""
        linear = iter(self._linear_excess(X).T)
        excess = np.zeros((len(X), len(self.rules)))
        for column, rule in zip(excess.T, self.rules, strict=True):
            match rule:
                case Linear():
                    column[:] = next(linear)
                case Expression():
                    column[:] = self._expression_excess(rule, X)
                case Excluded():
                    clauses = [self._clause(*each) for each in rule.when.items()]
                    column[:] = np.all([self._holds(each, X) for each in clauses], axis=0)
                case Dependent():
                    off = ~self._holds(self._clause(rule.on, rule.values), X)
                    gap = np.abs(X[:, self.slices[rule.parameter]] - self._otherwise(rule))
                    column[:] = np.where(off & (gap.max(axis=1) > SLACK), gap.max(axis=1), 0.0)
                case _:
                    assert_never(rule)
        return excess

    def is_off(self, X: Array) -> Mask:
        """Which rows of X (n, d) break a linear rule, be it by rounding (n,)."""
        a, low, high = self.rows
        values = X @ a.T
        off: Mask = np.any(np.maximum(low - values, values - high) > TIGHT, axis=1)
        return off

    @cached_property
    def has_equality(self) -> bool:
        """Whether a linear rule leaves no room across it."""
        _, low, high = self.rows
        return bool((low == high).any())

    def settle(self, X: Array, held: AbstractSet[str]) -> Array:
        """Legal rows X (n, d) with every dependent parameter where it must be, the `held` aside."""
        dependents = [r for r in self.rules if isinstance(r, Dependent) and r.parameter not in held]
        for _ in dependents:  # one may depend on another that is settled after it
            for rule in dependents:
                off = ~self._holds(self._clause(rule.on, rule.values), X)
                X[off, self.slices[rule.parameter]] = self._otherwise(rule)
        return X

    def is_free(self, X: Array) -> Mask:
        """Which columns of legal rows X (n, d) may be moved a little (n, d)."""
        free = np.zeros(X.shape, dtype=bool)
        for parameter in self.parameters:
            group = self.slices[parameter.name]
            match parameter:
                case Continuous():
                    free[:, group] = True
                case Composition(step=None) if parameter.most < len(parameter.elements):
                    free[:, group] = X[:, group] > 0
                case Composition(step=None):
                    free[:, group] = True
                case _:
                    pass
        for rule in self.rules:
            if isinstance(rule, Dependent):
                off = ~self._holds(self._clause(rule.on, rule.values), X)
                free[off, self.slices[rule.parameter]] = False
        return free

    def shift(self, X: Array, free: Mask) -> Array:
        """Rows X (n, d) moved in their `free` columns onto the linear rules, as far as it goes.

        Projections onto one rule after the other (Kaczmarz 1937; Agmon, Canadian Journal of
        Mathematics 6, 1954), back into the bounds after each sweep.
        """
        X, bounds = X.copy(), self._bounds
        low, high = np.where(free, bounds[0], X), np.where(free, bounds[1], X)
        rules = [*zip(*self.rows, strict=True), *((row, 1.0, 1.0) for row in self._sums)]
        for _ in range(SWEEPS):
            moved = 0.0
            for a, least, most in rules:
                normal = a * free
                square = (normal**2).sum(axis=1)
                value = X @ a
                gap = np.where(square > 0, np.clip(value, least, most) - value, 0.0)
                X += (gap / np.maximum(square, np.finfo(float).tiny))[:, None] * normal
                moved = max(moved, float(np.abs(gap).max(initial=0.0)))
            X = np.clip(X, low, high)
            if moved < TIGHT:
                break
        return X

    def describe(self, programme: Programme) -> None:
        """Add the rules to a programme that has the columns; expressions are beyond it."""
        for a, low, high in zip(*self.rows, strict=True):
            programme.require(dict(enumerate(a.tolist())), low, high)
        for rule in self.rules:
            match rule:
                case Excluded():
                    clauses = [self._clause(*each) for each in rule.when.items()]
                    programme.exclude(
                        [
                            (
                                [programme.choices[c.name][i] for i in c.choices],
                                c.column,
                                c.low - ASIDE,
                                c.high + ASIDE,
                            )
                            for c in clauses
                        ]
                    )
                case Dependent():
                    on = self._clause(rule.on, rule.values)
                    group = range(len(self.columns))[self.slices[rule.parameter]]
                    programme.depend(
                        [programme.choices[on.name][i] for i in on.choices],
                        dict(zip(group, self._otherwise(rule), strict=True)),
                    )
                case Linear() | Expression():
                    pass

    def _linear_excess(self, X: Array) -> Array:
        """By how much each row of X (n, d) breaks each linear rule (n, l)."""
        a, low, high = self.rows
        slack = SLACK * np.maximum(1.0, np.abs(a).max(axis=1, initial=0.0))
        values = X @ a.T
        excess = np.maximum(low - values, values - high)
        return np.where(excess > slack, excess, 0.0)

    def _expression_excess(self, rule: Expression, X: Array) -> Array:
        inequality = parse(rule.text)
        excess = inequality.excess({name: self._numbers(name, X) for name in inequality.names})
        return np.where(excess > ROUNDING, excess, 0.0)

    def values(self, quantity: Quantity, X: Array, where: str) -> Array:
        """A quantity at rows X (n, d), as (n,); SpaceError for a name that is no number here."""
        for name in quantity.names:
            _require(name, [*self._numeric, *self._beside], where, " (numeric)")
        found = quantity.values({name: self._numbers(name, X) for name in quantity.names})
        return np.broadcast_to(found, len(X))

    def _numbers(self, label: str, X: Array) -> Array:
        """The values (n,) of a numeric parameter, a fraction or a column of a pool in X (n, d)."""
        if label in self._beside:
            pool = self._beside[label]
            return pool.beside[label][pool.nearest(X[:, self.slices[pool.name]])]
        column = X[:, [self.columns.index(label)]]
        match self._owner(label):
            case Continuous() | Discrete() | Ordinal() as parameter:
                return parameter.numbers(column)
            case Composition() | Categorical() | Pool():
                fractions: Array = column[:, 0]
                return fractions

    def _clause(self, name: str, chosen: Values | Span, where: str = "constraint") -> _Clause:
        """A condition on encoded columns; SpaceError where the parameter cannot have it."""
        if isinstance(chosen, Span):
            _require(name, self._numeric, where, " (numeric)", SPANNED)
            column, (low, high) = self.columns.index(name), chosen.limits
            return _Clause(name, column, low=self._place(name, low), high=self._place(name, high))
        _require(name, self._listed, where, LISTED, VALUED)
        parameter = self._parameter(name)
        with stated_at(f"{where}, {name}"):
            for value in chosen:
                parameter.check(value)
        table = self._table(name)
        places = np.array([parameter.encode(value) for value in chosen])
        gaps = np.abs(table[:, None, :] - places[None]).max(axis=2)
        choices = np.flatnonzero(gaps.min(axis=1) < SLACK).tolist()
        return _Clause(name, self.slices[name].start, choices=tuple(choices))

    def _holds(self, clause: _Clause, X: Array) -> Mask:
        """Which rows of X (n, d) are as the clause says (n,)."""
        if clause.choices:
            table = self._table(clause.name)[list(clause.choices)]
            gaps = np.abs(X[:, None, self.slices[clause.name]] - table[None]).max(axis=2)
            holds: Mask = gaps.min(axis=1) < SLACK
            return holds
        x = X[:, clause.column]
        return (clause.low - SLACK <= x) & (x <= clause.high + SLACK)

    def _place(self, name: str, number: float) -> float:
        """Where a number stands on its column; infinity, and what has no logarithm, at the end."""
        match self._owner(name):
            case Continuous() | Discrete() | Ordinal() as parameter:
                if abs(number) == inf:
                    return number
                is_log = not isinstance(parameter, Discrete) and parameter.log
                return -inf if is_log and number <= 0 else parameter.encode(number)[0]
            case Composition() | Categorical() | Pool():
                return number

    def _otherwise(self, rule: Dependent) -> tuple[float, ...]:
        return self._parameter(rule.parameter).encode(rule.otherwise)

    def _table(self, name: str) -> Array:
        match self._parameter(name):
            case Ordinal() | Categorical() as parameter:
                return parameter.table
            case other:
                raise SpaceError(f"space.{name}", "a parameter with listed values", str(other))

    @cached_property
    def _listed(self) -> list[str]:
        """Parameters of which single values can be named."""
        return [p.name for p in self.parameters if isinstance(p, Ordinal | Categorical)]

    @cached_property
    def _numeric(self) -> list[str]:
        """Labels that stand for a number in a unit, or for a fraction."""
        return [
            label
            for p in self.parameters
            if not (isinstance(p, Categorical | Pool) or (isinstance(p, Ordinal) and p.is_named))
            for label in p.labels
        ]

    @cached_property
    def _beside(self) -> dict[str, Pool]:
        """The pools of the columns that are no features."""
        return {label: p for p in self.parameters if isinstance(p, Pool) for label in p.beside}

    @cached_property
    def _linear(self) -> list[str]:
        """Labels of which a number is a linear function of the column."""
        log = {p.name for p in self.parameters if isinstance(p, Continuous | Ordinal) and p.log}
        return [label for label in self._numeric if label not in log]

    @cached_property
    def _bounds(self) -> Array:
        pairs: list[tuple[float, float]] = []
        for p in self.parameters:
            pairs += p.limits if isinstance(p, Composition) else [(0.0, 1.0)] * len(p.labels)
        return np.array(pairs).T

    @cached_property
    def _sums(self) -> list[Array]:
        """A row of ones (d,) over the columns of each composition."""
        groups = [self.slices[p.name] for p in self.parameters if isinstance(p, Composition)]
        places = np.arange(len(self.columns))
        return [((g.start <= places) & (places < g.stop)).astype(np.float64) for g in groups]

    def _column(self, term: str) -> tuple[int, float, float]:
        """Column of a term, and scale and origin with value = origin + scale * column."""
        column = self.columns.index(term)
        match self._owner(term):
            case Continuous() | Discrete() as parameter:
                return column, parameter.high - parameter.low, parameter.low
            case Ordinal() as parameter:
                low, high = parameter.ends
                return column, high - low, low
            case Composition() | Categorical() | Pool():
                return column, 1.0, 0.0

    def _owner(self, label: str) -> Parameter:
        return next(p for p in self.parameters if label in p.labels)

    def _parameter(self, name: str) -> Parameter:
        return next(p for p in self.parameters if p.name == name)


def _require(
    name: str, valid: Sequence[str], where: str, kind: str = "", remedy: str = TERM
) -> None:
    if name not in valid:
        what = "terms" if remedy == TERM else "a name"
        raise SpaceError(
            where, f"{what} among {', '.join(valid) or 'none'}{kind}", repr(name), remedy
        )
