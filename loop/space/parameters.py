"""The parameters of a search space: what may be varied, within which limits, in which unit.

Each kind knows its own encoded columns, and nothing else does:

    kind          value in a point            columns  encoded as
    Continuous    float                       1        (x - low) / (high - low), of log x if `log`
    Discrete      float on low + i * step     1        the same
    Ordinal       one of `levels`             1        numbers: the same; names: rank, from 0 to 1
    Categorical   one of `values`             k        one-hot: no order is invented; or its k
                                                       descriptors, each from 0 to 1
    Composition   {element: fraction}, sum 1  k        the fractions themselves
    Pool          the id of a row             k        its features, each from 0 to 1

`snap` moves any columns (n, k) to legal ones nearby: onto steps, to the nearest category, onto the
simplex of a composition. `decode` reads the value off one row of columns, snapped first.

`past` is the value that all points had before the parameter was added to a running campaign.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, isfinite, log
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from loop.errors import SpaceError
from loop.space.composition import Composition
from loop.space.pool import Pool
from loop.space.values import Array, Value, require_inside, require_number, require_range, stated_at

LEVEL_SLACK = 1e-9  # relative rounding of a level or a descriptor


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuous:
    """Any number from low to high; `log` for a quantity that spans decades."""

    name: str
    low: float
    high: float
    unit: str = ""
    log: bool = False
    past: float | None = None

    def __post_init__(self) -> None:
        """Raise SpaceError unless low < high, and low > 0 on a logarithmic scale."""
        require_range(self.name, self.low, self.high)
        if self.log and self.low <= 0:
            raise SpaceError(
                f"space.{self.name}.low",
                "a number above 0, because log = true",
                f"{self.low:g}",
                "Raise low, or drop log = true.",
            )
        if self.past is not None:
            with stated_at(f"space.{self.name}.past"):
                self.encode(self.past)

    @property
    def labels(self) -> tuple[str, ...]:
        """The name of the one encoded column."""
        return (self.name,)

    def encode(self, value: Value) -> tuple[float, ...]:
        """The value's place between low and high, from 0 to 1."""
        number = require_number(self.name, value)
        if self.log and number <= 0:
            raise SpaceError(
                f"space.{self.name}", "a number above 0, because log = true", f"{number:g}"
            )
        if self.log:
            return (log(number / self.low) / log(self.high / self.low),)
        return ((number - self.low) / (self.high - self.low),)

    def numbers(self, columns: Array) -> Array:
        """The values (n,) at columns (n, 1), in the parameter's unit."""
        if self.log:
            scaled: Array = self.low * np.exp(columns[:, 0] * log(self.high / self.low))
            return scaled
        return self.low + columns[:, 0] * (self.high - self.low)

    def snap(self, columns: Array) -> Array:
        """Columns (n, 1) moved into 0 to 1."""
        return np.clip(columns, 0.0, 1.0)

    def decode(self, columns: Sequence[float]) -> float:
        """The value at that place, never outside low and high."""
        place = min(max(float(columns[0]), 0.0), 1.0)
        if self.log:
            value = self.low * exp(place * log(self.high / self.low))
        else:
            value = self.low + place * (self.high - self.low)
        return float(min(max(value, self.low), self.high))

    def check(self, value: Value) -> None:
        """Raise SpaceError unless the value is a number within the bounds."""
        require_inside(self.name, require_number(self.name, value), self.low, self.high, self.unit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Discrete:
    """Numbers in equal steps: low, low + step, ... up to high."""

    name: str
    low: float
    high: float
    step: float
    unit: str = ""
    past: float | None = None

    def __post_init__(self) -> None:
        """Raise SpaceError unless a whole number of steps leads from low to high."""
        require_range(self.name, self.low, self.high)
        steps = (self.high - self.low) / self.step if self.step > 0 else 0.0
        if round(steps) < 1 or abs(steps - round(steps)) > 1e-6:
            raise SpaceError(
                f"space.{self.name}.step",
                f"a step that divides {self.low:g} to {self.high:g} evenly",
                f"{self.step:g}",
                "Change step, or move high onto a step.",
            )
        if self.past is not None:
            with stated_at(f"space.{self.name}.past"):
                self.encode(self.past)

    @property
    def count(self) -> int:
        """How many values there are."""
        return round((self.high - self.low) / self.step) + 1

    @property
    def labels(self) -> tuple[str, ...]:
        """The name of the one encoded column."""
        return (self.name,)

    def encode(self, value: Value) -> tuple[float, ...]:
        """The value's place between low and high, from 0 to 1."""
        return ((require_number(self.name, value) - self.low) / (self.high - self.low),)

    def numbers(self, columns: Array) -> Array:
        """The values (n,) at columns (n, 1), in the parameter's unit."""
        return self.low + columns[:, 0] * (self.high - self.low)

    def snap(self, columns: Array) -> Array:
        """Columns (n, 1) moved onto the nearest step."""
        last = self.count - 1
        return np.rint(np.clip(columns, 0.0, 1.0) * last) / last

    def decode(self, columns: Sequence[float]) -> float:
        """The nearest value that lies on a step."""
        index = round(min(max(float(columns[0]), 0.0), 1.0) * (self.count - 1))
        return float(round(self.low + index * self.step, 12))

    def check(self, value: Value) -> None:
        """Raise SpaceError unless the value is within the bounds and on a step."""
        number = require_number(self.name, value)
        require_inside(self.name, number, self.low, self.high, self.unit)
        nearest = self.decode(self.encode(number))
        if abs(nearest - number) > 1e-6 * self.step:
            raise SpaceError(
                f"space.{self.name}",
                f"a value in steps of {self.step:g} from {self.low:g}",
                f"{number:g}",
                f"The nearest is {nearest:g}.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordinal:
    """One of several levels in ascending order: numbers, at any distance, or names, by rank.

    `log` for numbers that span decades.
    """

    name: str
    levels: tuple[float | str, ...]
    unit: str = ""
    log: bool = False
    past: float | str | None = None

    def __post_init__(self) -> None:
        """Raise SpaceError unless there are levels of one kind, different and in order."""
        where = f"space.{self.name}"
        names = [level for level in self.levels if isinstance(level, str)]
        if len(set(self.levels)) < max(2, len(self.levels)) or 0 < len(names) < len(self.levels):
            raise SpaceError(
                f"{where}.levels",
                "two or more different levels, all numbers or all names",
                repr(list(self.levels)),
            )
        if names and (self.log or self.unit):
            raise SpaceError(
                where, "levels that are names without log and unit", f"{names[0]!r} and log or unit"
            )
        numbers = [float(level) for level in self.levels if not isinstance(level, str)]
        if not all(map(isfinite, numbers)) or numbers != sorted(numbers):
            raise SpaceError(
                f"{where}.levels", "finite numbers in ascending order", repr(list(self.levels))
            )
        if self.log and numbers[0] <= 0:
            raise SpaceError(
                f"{where}.levels", "numbers above 0, because log = true", f"{numbers[0]:g}"
            )
        if self.past is not None:
            with stated_at(f"space.{self.name}.past"):
                self.encode(self.past)

    @property
    def is_named(self) -> bool:
        """Whether the levels are names."""
        return isinstance(self.levels[0], str)

    @property
    def ends(self) -> tuple[float, float]:
        """Lowest and highest number; of names, lowest and highest rank."""
        low, high = self.levels[0], self.levels[-1]
        if isinstance(low, str) or isinstance(high, str):
            return 0.0, len(self.levels) - 1.0
        return float(low), float(high)

    @property
    def table(self) -> Array:
        """What each level is encoded as (k, 1)."""
        return np.array([self.encode(level) for level in self.levels])

    @property
    def labels(self) -> tuple[str, ...]:
        """The name of the one encoded column."""
        return (self.name,)

    def encode(self, value: Value) -> tuple[float, ...]:
        """The value's place from the first level, 0, to the last, 1."""
        low, high = self.ends
        if self.is_named:
            self.check(value)
            return (self.levels.index(str(value)) / high,)
        number = require_number(self.name, value)
        if not self.log:
            return ((number - low) / (high - low),)
        if number <= 0:
            raise SpaceError(
                f"space.{self.name}", "a number above 0, because log = true", f"{number:g}"
            )
        return (log(number / low) / log(high / low),)

    def numbers(self, columns: Array) -> Array:
        """The levels (n,) at legal columns (n, 1), in the parameter's unit; of names, the ranks."""
        known = range(len(self.levels)) if self.is_named else self.levels
        levels: Array = np.array([float(level) for level in known])
        return levels[_nearest(columns, self.table)]

    def snap(self, columns: Array) -> Array:
        """Columns (n, 1) moved onto the nearest level."""
        table = self.table
        return table[_nearest(columns, table)]

    def decode(self, columns: Sequence[float]) -> float | str:
        """The nearest level."""
        level = self.levels[int(_nearest(np.array([columns]), self.table)[0])]
        return level if isinstance(level, str) else float(level)

    def check(self, value: Value) -> None:
        """Raise SpaceError unless the value is one of the levels."""
        same = [
            each
            for each in self.levels
            if value == each
            or (
                isinstance(value, float | int)
                and not isinstance(each, str)
                and abs(value - each) <= LEVEL_SLACK * abs(each)
            )
        ]
        if not same:
            levels = ", ".join(
                each if isinstance(each, str) else f"{each:g}" for each in self.levels
            )
            raise SpaceError(f"space.{self.name}", f"one of {levels}", repr(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Categorical:
    """One of several names, with no order among them.

    With `descriptors`, numbers by which a model can tell what is similar: as many for every name,
    called `descriptor_names`.
    """

    name: str
    values: tuple[str, ...]
    descriptors: Mapping[str, tuple[float, ...]] | None = None
    descriptor_names: tuple[str, ...] = ()
    past: str | None = None

    def __post_init__(self) -> None:
        """Raise SpaceError unless the values differ, and have descriptors that differ."""
        if len(self.values) < 2 or len(set(self.values)) < len(self.values):
            raise SpaceError(
                f"space.{self.name}.values",
                "two or more different names",
                repr(list(self.values)),
                "Remove doubles; a parameter with one value is not a parameter.",
            )
        if self.descriptors is not None:
            self._check_descriptors(self.descriptors)
        elif self.descriptor_names:
            raise SpaceError(
                f"space.{self.name}.descriptors",
                "descriptors of every value, because descriptor_names are given",
                "none",
            )
        if self.past is not None:
            with stated_at(f"space.{self.name}.past"):
                self.check(self.past)

    def _check_descriptors(self, descriptors: Mapping[str, tuple[float, ...]]) -> None:
        where = f"space.{self.name}.descriptors"
        if set(descriptors) != set(self.values):
            without = [value for value in self.values if value not in descriptors]
            odd = [value for value in descriptors if value not in self.values]
            raise SpaceError(
                where,
                f"those of {', '.join(self.values)}",
                f"none of {without[0]!r}" if without else f"those of {odd[0]!r} too",
                "Give every value its descriptors, and nothing else.",
            )
        width = len(descriptors[self.values[0]])
        for value, numbers in descriptors.items():
            if len(numbers) != width or not numbers or not all(map(isfinite, numbers)):
                raise SpaceError(
                    f"{where}.{value}", f"{max(width, 1)} finite numbers", repr(list(numbers))
                )
        names = self.descriptor_names
        if names and (len(names) != width or len(set(names)) < width):
            raise SpaceError(
                f"space.{self.name}.descriptor_names", f"{width} different names", repr(list(names))
            )
        table = np.array([descriptors[value] for value in self.values])
        for label, column in zip(self.labels, table.T, strict=True):
            if np.ptp(column) <= LEVEL_SLACK * np.abs(column).max():
                raise SpaceError(
                    where,
                    f"{label} to differ between values",
                    f"{column[0]:g} of all",
                    "Remove it.",
                )
        self._check_distinct()

    def _check_distinct(self) -> None:
        table = self.table
        for place, row in enumerate(table[1:], start=1):
            same = np.flatnonzero(np.abs(table[:place] - row).max(axis=1) < LEVEL_SLACK)
            if same.size:
                one, other = self.values[int(same[0])], self.values[place]
                raise SpaceError(
                    f"space.{self.name}.descriptors",
                    "descriptors that tell every two values apart",
                    f"the same for {one} and {other}",
                    "Add a descriptor in which they differ, or drop descriptors.",
                )

    @property
    def table(self) -> Array:
        """What each value is encoded as (k, columns)."""
        if self.descriptors is None:
            return np.eye(len(self.values))
        raw = np.array([self.descriptors[value] for value in self.values], dtype=np.float64)
        low, high = raw.min(axis=0), raw.max(axis=0)
        scaled: Array = (raw - low) / (high - low)
        return scaled

    @property
    def labels(self) -> tuple[str, ...]:
        """A column per value, `parameter=value`; or per descriptor, `parameter.descriptor`."""
        if self.descriptors is None:
            return tuple(f"{self.name}={value}" for value in self.values)
        width = len(self.descriptors[self.values[0]])
        names = self.descriptor_names or tuple(f"descriptor {i + 1}" for i in range(width))
        return tuple(f"{self.name}.{name}" for name in names)

    def encode(self, value: Value) -> tuple[float, ...]:
        """One-hot: 1 in the value's column, 0 elsewhere; or the descriptors, each from 0 to 1."""
        self.check(value)
        if self.descriptors is None:
            return tuple(float(value == each) for each in self.values)
        return tuple(self.table[self.values.index(str(value))].tolist())

    def snap(self, columns: Array) -> Array:
        """Columns (n, k) moved to those of the nearest value: one-hot, where the largest is."""
        table = self.table
        return table[_nearest(columns, table)]

    def decode(self, columns: Sequence[float]) -> str:
        """The nearest value: one-hot, that whose column is largest."""
        return self.values[int(_nearest(np.array([columns]), self.table)[0])]

    def check(self, value: Value) -> None:
        """Raise SpaceError unless the value is one of the names."""
        if value not in self.values:
            raise SpaceError(f"space.{self.name}", f"one of {', '.join(self.values)}", repr(value))


Parameter: TypeAlias = Continuous | Discrete | Ordinal | Categorical | Composition | Pool


def is_named(parameter: Parameter) -> bool:
    """Whether its values are names, and not numbers or fractions."""
    match parameter:
        case Categorical() | Pool():
            return True
        case Ordinal():
            return parameter.is_named
        case Continuous() | Discrete() | Composition():
            return False


def _nearest(columns: Array, table: Array) -> NDArray[np.intp]:
    """Which row of table (k, w) is nearest to each row of columns (n, w), as (n,)."""
    # |c - t|^2 less |c|^2; of a one-hot table, the largest column: the first, where two are.
    nearest: NDArray[np.intp] = np.argmin((table**2).sum(axis=1) - 2 * columns @ table.T, axis=1)
    return nearest
