"""A mixed-integer linear programme over the encoded columns of a space: what rules leave of it.

Variables: first the d columns, then whole numbers that stand for steps, choices and presence. All
but expressions is linear in them, so whether a point is left, which is farthest along a direction
and which is nearest to a given row has an exact answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import assert_never

import numpy as np
import scipy

from loop.space.composition import Composition
from loop.space.parameters import Categorical, Continuous, Discrete, Ordinal, Parameter
from loop.space.pool import Pool
from loop.space.values import Array


@dataclass(slots=True)
class Programme:
    """Bounds of the variables, which of them are whole, and rules low <= sum of c x <= high."""

    lower: list[float]
    upper: list[float]
    whole: list[int] = field(default_factory=list)
    rules: list[tuple[Mapping[int, float], float, float]] = field(default_factory=list)
    choices: dict[str, list[int]] = field(default_factory=dict)  # a switch per value, by parameter

    def variable(self, low: float, high: float, *, whole: bool = False) -> int:
        """Add a variable and return its number."""
        self.lower.append(low)
        self.upper.append(high)
        if whole:
            self.whole.append(len(self.lower) - 1)
        return len(self.lower) - 1

    def require(self, terms: Mapping[int, float], low: float = -inf, high: float = inf) -> None:
        """Add a rule."""
        self.rules.append((terms, low, high))

    def add(self, parameter: Parameter, columns: Sequence[int]) -> None:
        """Add what makes these columns a legal value of the parameter."""
        match parameter:
            case Continuous() | Pool():  # the nearest row is looked for afterwards
                pass
            case Discrete():
                last = parameter.count - 1.0
                step = self.variable(0.0, last, whole=True)
                self.require({columns[0]: last, step: -1.0}, 0.0, 0.0)
            case Ordinal() | Categorical():
                self._choose(parameter.name, parameter.table, columns)
            case Composition():
                self._compose(parameter, columns)
            case _:
                assert_never(parameter)

    def _choose(self, name: str, table: Array, columns: Sequence[int]) -> None:
        switches = [self.variable(0.0, 1.0, whole=True) for _ in table]
        self.require(dict.fromkeys(switches, 1.0), 1.0, 1.0)
        for column, places in zip(columns, table.T, strict=True):
            self.require(
                {column: -1.0, **dict(zip(switches, places.tolist(), strict=True))}, 0.0, 0.0
            )
        self.choices[name] = switches

    def _compose(self, parameter: Composition, columns: Sequence[int]) -> None:
        self.require(dict.fromkeys(columns, 1.0), 1.0, 1.0)
        if parameter.at_most is not None:
            present = [self.variable(0.0, 1.0, whole=True) for _ in columns]
            self.require(dict.fromkeys(present, 1.0), high=float(parameter.most))
            for column, switch in zip(columns, present, strict=True):
                self.require({column: 1.0, switch: -1.0}, high=0.0)
        if parameter.step is not None:
            parts = round(1 / parameter.step)
            for column in columns:
                steps = self.variable(0.0, float(parts), whole=True)
                self.require({column: float(parts), steps: -1.0}, 0.0, 0.0)

    def exclude(self, clauses: Sequence[tuple[Sequence[int], int, float, float]]) -> None:
        """Require that one clause at least does not hold.

        A clause holds where one of its switches is on; or, where it has none, where its column is
        between low and high.
        """
        escapes: dict[int, float] = {}
        kept = 1.0
        for switches, column, low, high in clauses:
            if switches:
                kept -= 1.0
                escapes |= dict.fromkeys(switches, -1.0)
                continue
            if low > self.lower[column]:
                below = self.variable(0.0, 1.0, whole=True)
                reach = self.upper[column] - low
                self.require({column: 1.0, below: reach}, high=self.upper[column])
                escapes[below] = 1.0
            if high < self.upper[column]:
                above = self.variable(0.0, 1.0, whole=True)
                reach = self.lower[column] - high
                self.require({column: 1.0, above: reach}, low=self.lower[column])
                escapes[above] = 1.0
        self.require(escapes, low=kept)

    def depend(self, switches: Sequence[int], places: Mapping[int, float]) -> None:
        """Require each column at its place unless one of the switches is on."""
        for column, place in places.items():
            low, high = self.lower[column], self.upper[column]
            self.require(
                {column: 1.0, **dict.fromkeys(switches, min(place - high, 0.0))}, high=place
            )
            self.require({column: 1.0, **dict.fromkeys(switches, max(place - low, 0.0))}, low=place)

    def farthest(self, direction: Array) -> Array | None:
        """The columns (d,) farthest along `direction` (d,); None where no point is left."""
        return self._solve(-direction, len(direction))

    def nearest(self, row: Array, width: Array) -> Array | None:
        """The columns (d,) nearest to `row` (d,): least sum of distances in units of `width`."""
        gaps = [self.variable(0.0, inf) for _ in row]
        for column, (gap, place) in enumerate(zip(gaps, row.tolist(), strict=True)):
            self.require({column: 1.0, gap: -1.0}, high=place)
            self.require({column: 1.0, gap: 1.0}, low=place)
        cost = np.zeros(len(self.lower))
        cost[gaps] = 1 / width
        return self._solve(cost, len(row))

    def _solve(self, cost: Array, d: int) -> Array | None:
        count = len(self.lower)
        table = np.zeros((len(self.rules), count))
        for row, (terms, _, _) in zip(table, self.rules, strict=True):
            row[list(terms)] = list(terms.values())
        whole = np.zeros(count, dtype=np.int64)
        whole[self.whole] = 1
        answer = scipy.optimize.milp(
            np.concatenate([cost, np.zeros(count - len(cost))]),
            integrality=whole,
            bounds=scipy.optimize.Bounds(np.array(self.lower), np.array(self.upper)),
            constraints=scipy.optimize.LinearConstraint(
                table,
                np.array([low for _, low, _ in self.rules]),
                np.array([high for _, _, high in self.rules]),
            ),
        )
        return None if answer.x is None else np.asarray(answer.x[:d], dtype=np.float64)
