"""A composition: fractions of elements, or of any components, that sum to one.

Notation: k elements; columns (n, k) are n rows of fractions, as in `loop.space.simplex`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from loop.errors import SpaceError
from loop.space.simplex import PRESENT, count, onto_simplex, onto_steps, rows
from loop.space.values import Array, Value, require_inside, stated_at

SUM_SLACK = 1e-9  # rounding of a sum of fractions


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
            least, most = (self.low or {}).get(element, 0.0), (self.high or {}).get(element, 1.0)
            if least > most:
                raise SpaceError(
                    f"{where}.low.{element}", f"a fraction of at most {most:g}", f"{least:g}"
                )
            if low > high:
                raise SpaceError(
                    f"{where}.step",
                    f"a step with a multiple from {least:g} to {most:g}, as {element} has them",
                    f"{self.step:g}",
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
            with stated_at(f"{where}.past"):
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
    def pitch(self) -> float | None:
        """By what all fractions differ: the step, 1 where one element is all; else None."""
        return 1.0 if self.step is None and self.most == 1 else self.step

    @property
    def count(self) -> int | None:
        """How many compositions there are; None where fractions vary continuously."""
        if self.pitch is None:
            return None
        return count(*self._grid(self.pitch), round(1 / self.pitch))

    def grid(self) -> Iterator[dict[str, float]]:
        """Every composition, where they can be counted."""
        if self.pitch is None:
            return
        for parts in rows(*self._grid(self.pitch), round(1 / self.pitch)):
            fractions = (round(part * self.pitch, 12) for part in parts)
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
            require_inside(f"{self.name}.{element}", x, low, high, "")
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
        least = [ceil(low / step - 1e-6) for low, _ in self.limits]
        return least, [floor(high / step + 1e-6) for _, high in self.limits], self.most

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
