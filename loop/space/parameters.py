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

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, exp, floor, isfinite, log
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from loop.errors import SpaceError
from loop.space.pool import Pool
from loop.space.simplex import PRESENT, count, onto_simplex, onto_steps, rows

Array: TypeAlias = NDArray[np.float64]
Value: TypeAlias = float | str | Mapping[str, float]
Point: TypeAlias = Mapping[str, Value]

SUM_SLACK = 1e-9  # rounding of a sum of fractions
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
        _require_range(self.name, self.low, self.high)
        if self.log and self.low <= 0:
            raise SpaceError(
                f"space.{self.name}.low",
                "a number above 0, because log = true",
                f"{self.low:g}",
                "Raise low, or drop log = true.",
            )
        if self.past is not None:
            self.encode(self.past)

    @property
    def labels(self) -> tuple[str, ...]:
        """The name of the one encoded column."""
        return (self.name,)

    def encode(self, value: Value) -> tuple[float, ...]:
        """The value's place between low and high, from 0 to 1."""
        number = _require_number(self.name, value)
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
        _require_inside(
            self.name, _require_number(self.name, value), self.low, self.high, self.unit
        )


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
        _require_range(self.name, self.low, self.high)
        steps = (self.high - self.low) / self.step if self.step > 0 else 0.0
        if round(steps) < 1 or abs(steps - round(steps)) > 1e-6:
            raise SpaceError(
                f"space.{self.name}.step",
                f"a step that divides {self.low:g} to {self.high:g} evenly",
                f"{self.step:g}",
                "Change step, or move high onto a step.",
            )
        if self.past is not None:
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
        return ((_require_number(self.name, value) - self.low) / (self.high - self.low),)

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
        number = _require_number(self.name, value)
        _require_inside(self.name, number, self.low, self.high, self.unit)
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
        number = _require_number(self.name, value)
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
            self.check(self.past)

    def _check_descriptors(self, descriptors: Mapping[str, tuple[float, ...]]) -> None:
        where = f"space.{self.name}.descriptors"
        if set(descriptors) != set(self.values):
            odd = sorted(set(descriptors) ^ set(self.values))
            raise SpaceError(where, f"those of {', '.join(self.values)}", f"{odd[0]!r} differing")
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Composition:
    """Fractions of elements (or of any components) that sum to one.

    `low` and `high` bound single elements (0 and 1 where they are silent),
    at most `at_most` elements are present at once, and every fraction is a multiple of `step`
    where one is given. Absent elements are left out of a value.
    """

    name: str
    elements: tuple[str, ...]
    low: Mapping[str, float] | None = None
    high: Mapping[str, float] | None = None
    at_most: int | None = None
    step: float | None = None
    past: Mapping[str, float] | None = None

    def __post_init__(self) -> None:  # noqa: C901 - one rule after the other
        """Raise SpaceError where the elements, bounds, count and step allow no composition."""
        where = f"space.{self.name}"
        if len(self.elements) < 2 or len(set(self.elements)) < len(self.elements):
            raise SpaceError(
                f"{where}.elements", "two or more different elements", repr(list(self.elements))
            )
        for side, bounds in (("low", self.low or {}), ("high", self.high or {})):
            for element, bound in bounds.items():
                if element not in self.elements:
                    raise SpaceError(
                        f"{where}.{side}", f"one of {', '.join(self.elements)}", repr(element)
                    )
                if not 0 <= bound <= 1:
                    raise SpaceError(
                        f"{where}.{side}.{element}", "a fraction from 0 to 1", f"{bound:g}"
                    )
        if self.step is not None and not (
            0 < self.step <= 0.5 and abs(1 / self.step - round(1 / self.step)) < 1e-6
        ):
            raise SpaceError(
                f"{where}.step", "a step that divides 1 evenly, such as 0.05", f"{self.step:g}"
            )
        for element, (low, high) in zip(self.elements, self.limits, strict=True):
            if low > high:
                raise SpaceError(
                    f"{where}.low.{element}", f"a fraction of at most {high:g}", f"{low:g}"
                )
        if self.at_most is not None and not 1 <= self.at_most <= len(self.elements):
            raise SpaceError(
                f"{where}.at_most", f"1 to {len(self.elements)} elements", str(self.at_most)
            )
        if not self._is_possible():
            raise SpaceError(
                where,
                "bounds, at_most and step that some composition can meet",
                "none: the fractions cannot sum to 1",
                "Widen low and high, or raise at_most.",
            )
        if self.past is not None:
            self._require_composition(self.past)

    @property
    def limits(self) -> tuple[tuple[float, float], ...]:
        """Lowest and highest fraction of each element, in order, on steps where there are any."""
        low, high = self.low or {}, self.high or {}
        pairs = ((low.get(each, 0.0), high.get(each, 1.0)) for each in self.elements)
        if self.step is None:
            return tuple(pairs)
        step = self.step
        return tuple(
            (ceil(a / step - 1e-6) * step, floor(b / step + 1e-6) * step) for a, b in pairs
        )

    @property
    def most(self) -> int:
        """How many elements may be present at once."""
        return len(self.elements) if self.at_most is None else self.at_most

    @property
    def count(self) -> int | None:
        """How many compositions there are on steps; None without steps."""
        if self.step is None:
            return None
        return count(*self._grid(self.step), round(1 / self.step))

    def grid(self) -> Iterator[dict[str, float]]:
        """Every composition on steps; none without steps."""
        if self.step is None:
            return
        for parts in rows(*self._grid(self.step), round(1 / self.step)):
            fractions = (round(part * self.step, 12) for part in parts)
            yield {e: x for e, x in zip(self.elements, fractions, strict=True) if x > 0}

    @property
    def labels(self) -> tuple[str, ...]:
        """One column per element, named `parameter.element`."""
        return tuple(f"{self.name}.{element}" for element in self.elements)

    def encode(self, value: Value) -> tuple[float, ...]:
        """The fractions in the order of the elements."""
        if not isinstance(value, Mapping):
            raise SpaceError(
                f"space.{self.name}",
                "fractions by element, such as {Cu = 0.5, Au = 0.5}",
                repr(value),
            )
        return tuple(float(value.get(element, 0.0)) for element in self.elements)

    def snap(self, columns: Array) -> Array:
        """Columns (n, k) moved to legal compositions: largest elements kept, projected, stepped."""
        support = self._support(columns)
        low, high = (np.where(support, limit, 0.0) for limit in np.array(self.limits).T)
        fractions = onto_simplex(columns, low, high)
        return fractions if self.step is None else onto_steps(fractions, low, high, self.step)

    def decode(self, columns: Sequence[float]) -> dict[str, float]:
        """The present elements with their fractions, legal and next to those given."""
        fractions = self.snap(np.array([columns], dtype=np.float64))[0].tolist()
        return {e: x for e, x in zip(self.elements, fractions, strict=True) if x > PRESENT}

    def check(self, value: Value) -> None:
        """Raise SpaceError unless the value is a composition within every rule."""
        where = f"space.{self.name}"
        fractions = self._require_composition(value)
        present = sum(x > PRESENT for x in fractions)
        if present > self.most:
            raise SpaceError(where, f"at most {self.most} elements", f"{present}")
        for element, x, (low, high) in zip(self.elements, fractions, self.limits, strict=True):
            _require_inside(f"{self.name}.{element}", x, low, high, "")
            if self.step is not None and abs(x / self.step - round(x / self.step)) > 1e-6:
                raise SpaceError(f"{where}.{element}", f"a multiple of {self.step:g}", f"{x:.9g}")

    def _require_composition(self, value: Value) -> tuple[float, ...]:
        """The fractions, if they are of these elements and sum to 1; within bounds or not."""
        where = f"space.{self.name}"
        fractions = self.encode(value)
        unknown = sorted(set(value) - set(self.elements)) if isinstance(value, Mapping) else []
        if unknown:
            raise SpaceError(
                where, f"elements among {', '.join(self.elements)}", ", ".join(unknown)
            )
        if not abs(sum(fractions) - 1) <= 1e-6:
            raise SpaceError(where, "fractions that sum to 1", f"a sum of {sum(fractions):.9g}")
        return fractions

    def _grid(self, step: float) -> tuple[list[int], list[int], int]:
        """Least and most steps of each element, and how many elements may be present."""
        least, most = np.rint(np.array(self.limits).T / step).astype(int).tolist()
        return least, most, self.most

    def _support(self, wanted: Array) -> NDArray[np.bool_]:
        """Which elements to keep per row (n, k): required, then the largest with room for 1."""
        low, high = np.array(self.limits).T
        order = np.argsort(np.where(low > 0, -np.inf, -wanted), axis=1, kind="stable")
        support = np.zeros(wanted.shape, dtype=bool)
        np.put_along_axis(support, order[:, : self.most], values=True, axis=1)
        for row in np.flatnonzero((support * high).sum(axis=1) < 1 - SUM_SLACK):
            support[row] = self._roomier(order[row])
        return support

    def _roomier(self, order: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Which elements to keep where the first of `order` are bounded too tightly to reach 1.

        The smallest of them are traded for elements with more room.
        """
        low, high = np.array(self.limits).T
        kept, spare = order[: self.most].tolist(), order[self.most :].tolist()
        for place in reversed(range(len(kept))):
            if high[kept].sum() >= 1 - SUM_SLACK or not spare:
                break
            roomiest = max(spare, key=lambda i: float(high[i]))
            if low[kept[place]] <= 0 and high[roomiest] > high[kept[place]]:
                spare[spare.index(roomiest)], kept[place] = kept[place], roomiest
        return np.isin(np.arange(len(high)), kept)

    def _is_possible(self) -> bool:
        low, high = np.array(self.limits).T
        kept = self._support(np.ones((1, len(self.elements))))[0]
        return bool(
            (low > 0).sum() <= self.most
            and low.sum() <= 1 + SUM_SLACK
            and high[kept].sum() >= 1 - SUM_SLACK
        )


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


def _require_range(name: str, low: float, high: float) -> None:
    if not (isfinite(low) and isfinite(high) and low < high):
        raise SpaceError(
            f"space.{name}",
            "low below high, both finite",
            f"low = {low:g}, high = {high:g}",
            "Swap or correct the two bounds.",
        )


def _require_number(name: str, value: Value) -> float:
    if isinstance(value, str | Mapping) or not isfinite(value):
        raise SpaceError(f"space.{name}", "a finite number", repr(value))
    return float(value)


def _require_inside(name: str, value: float, low: float, high: float, unit: str) -> None:
    slack = 1e-9 * max(1.0, abs(low), abs(high))
    if not low - slack <= value <= high + slack:
        raise SpaceError(
            f"space.{name}",
            f"a value from {low:g} to {high:g} {unit}".rstrip(),
            f"{value:g} {unit}".rstrip(),
        )
