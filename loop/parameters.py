"""The parameters of a search space: what may be varied, within which limits, in which unit.

Each kind knows its own encoded columns, and nothing else does:

    kind          value in a point            columns  encoded as
    Continuous    float                       1        (x - low) / (high - low), of log x if `log`
    Discrete      float on low + i * step     1        the same
    Categorical   one of `values`             k        one-hot: no order is invented
    Composition   {element: fraction}, sum 1  k        the fractions themselves

`snap` moves any columns (n, k) to legal ones nearby: onto steps, to the largest category, onto the
simplex of a composition. `decode` reads the value off one row of columns, snapped first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, exp, floor, isfinite, log
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from loop.errors import SpaceError

Array: TypeAlias = NDArray[np.float64]
Value: TypeAlias = float | str | Mapping[str, float]
Point: TypeAlias = Mapping[str, Value]

SUM_SLACK = 1e-9  # rounding of a sum of fractions
PRESENT = 1e-6  # a smaller fraction of an element is no element: far below any balance


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuous:
    """Any number from low to high; `log` for a quantity that spans decades."""

    name: str
    low: float
    high: float
    unit: str = ""
    log: bool = False

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
class Categorical:
    """One of several names, with no order among them."""

    name: str
    values: tuple[str, ...]

    def __post_init__(self) -> None:
        """Raise SpaceError unless there are two or more different values."""
        if len(self.values) < 2 or len(set(self.values)) < len(self.values):
            raise SpaceError(
                f"space.{self.name}.values",
                "two or more different names",
                repr(list(self.values)),
                "Remove doubles; a parameter with one value is not a parameter.",
            )

    @property
    def labels(self) -> tuple[str, ...]:
        """One column per value, named `parameter=value`."""
        return tuple(f"{self.name}={value}" for value in self.values)

    def encode(self, value: Value) -> tuple[float, ...]:
        """One-hot: 1 in the value's column, 0 elsewhere."""
        self.check(value)
        return tuple(float(value == each) for each in self.values)

    def snap(self, columns: Array) -> Array:
        """Columns (n, k) made one-hot, 1 where the largest is."""
        hot: Array = np.eye(len(self.values))[np.argmax(columns, axis=1)]
        return hot

    def decode(self, columns: Sequence[float]) -> str:
        """The value whose column is largest."""
        return self.values[int(np.argmax(np.asarray(columns)))]

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
        fractions = _onto_simplex(columns, low, high)
        return fractions if self.step is None else _onto_steps(fractions, low, high, self.step)

    def decode(self, columns: Sequence[float]) -> dict[str, float]:
        """The present elements with their fractions, legal and next to those given."""
        fractions = self.snap(np.array([columns], dtype=np.float64))[0].tolist()
        return {e: x for e, x in zip(self.elements, fractions, strict=True) if x > PRESENT}

    def check(self, value: Value) -> None:
        """Raise SpaceError unless the value is a composition within every rule."""
        where = f"space.{self.name}"
        fractions = self.encode(value)
        unknown = sorted(set(value) - set(self.elements)) if isinstance(value, Mapping) else []
        if unknown:
            raise SpaceError(
                where, f"elements among {', '.join(self.elements)}", ", ".join(unknown)
            )
        if abs(sum(fractions) - 1) > 1e-6:
            raise SpaceError(where, "fractions that sum to 1", f"a sum of {sum(fractions):.9g}")
        present = sum(x > PRESENT for x in fractions)
        if present > self.most:
            raise SpaceError(where, f"at most {self.most} elements", f"{present}")
        for element, x, (low, high) in zip(self.elements, fractions, self.limits, strict=True):
            _require_inside(f"{self.name}.{element}", x, low, high, "")
            if self.step is not None and abs(x / self.step - round(x / self.step)) > 1e-6:
                raise SpaceError(f"{where}.{element}", f"a multiple of {self.step:g}", f"{x:.9g}")

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


Parameter: TypeAlias = Continuous | Discrete | Categorical | Composition


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


def _onto_simplex(wanted: Array, low: Array, high: Array) -> Array:
    """The nearest rows x (n, k) with sum 1, low <= x <= high: a clipped shift, by bisection."""
    down = (low - wanted).min(axis=1, keepdims=True)
    up = (high - wanted).max(axis=1, keepdims=True)
    for _ in range(60):
        shift = (down + up) / 2
        under = np.clip(wanted + shift, low, high).sum(axis=1, keepdims=True) < 1
        down, up = np.where(under, shift, down), np.where(under, up, shift)
    x = np.clip(wanted + up, low, high)
    x[x < PRESENT] = 0.0
    rows = np.arange(len(x))
    x[rows, np.argmax(high - x, axis=1)] += 1 - x.sum(axis=1)  # rounding goes where there is room
    projected: Array = x
    return projected


def _onto_steps(fractions: Array, low: Array, high: Array, step: float) -> Array:
    """Rows (n, k) as multiples of step that sum to 1, by largest remainder within low and high."""
    least, most = np.rint(low / step), np.rint(high / step)
    counts = np.clip(np.floor(fractions / step + SUM_SLACK), least, most)
    remainder = fractions / step - counts
    missing = round(1 / step) - counts.sum(axis=1)
    while missing.any():
        rows = np.flatnonzero(missing)
        direction = np.sign(missing[rows])[:, None]
        room = np.where(direction > 0, most[rows] - counts[rows], counts[rows] - least[rows])
        best = np.argmax(np.where(room > 0, direction * remainder[rows], -np.inf), axis=1)
        counts[rows, best] += direction[:, 0]
        remainder[rows, best] -= direction[:, 0]
        missing[rows] -= direction[:, 0]
    rounded: Array = np.round(counts * step, 12)
    return rounded
