"""The rules among parameters: linear, as an expression, exclusions and dependencies.

Each is a record of plain values that checks itself as far as it can alone; whether the names in it
exist, and what it leaves of a space, is decided in `loop.space.space`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import TypeAlias, assert_never

from loop.errors import SpaceError
from loop.space.expressions import parse
from loop.space.values import Value


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """A nonlinear inequality, such as `T * t <= 3000`, in the units of the parameters.

    A point where it is not finite, such as a root of a negative number, does not meet it.
    """

    text: str

    def __post_init__(self) -> None:
        """Raise SpaceError unless the text is one inequality (`loop.space.expressions`)."""
        parse(self.text)

    def __str__(self) -> str:
        """The text."""
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Numbers from min to max, both included; open where one is None."""

    min: float | None = None
    max: float | None = None

    def __post_init__(self) -> None:
        """Raise SpaceError unless there is an end, and the ends are in order."""
        low, high = self.limits
        if low > high or (self.min is None and self.max is None):
            raise SpaceError(
                "constraint", "min, max or both, min <= max", f"min = {self.min}, max = {self.max}"
            )

    @property
    def limits(self) -> tuple[float, float]:
        """Min and max, infinite where open."""
        return (-inf if self.min is None else self.min, inf if self.max is None else self.max)

    def __str__(self) -> str:
        """As words: `from 3 to 5`."""
        left = "" if self.min is None else f"from {self.min:g}"
        right = "" if self.max is None else f"to {self.max:g}"
        return f"{left} {right}".strip()


Values: TypeAlias = tuple[float | str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Excluded:
    """A combination that may not occur: every parameter of `when` among its values at once.

    Values of categorical and ordinal parameters, spans of other numbers (`alloy.Cu` too).
    """

    when: Mapping[str, Values | Span]

    def __post_init__(self) -> None:
        """Raise SpaceError where nothing is excluded."""
        if not self.when or any(chosen == () for chosen in self.when.values()):
            raise SpaceError(
                "constraint", "parameters with values to exclude", f"{dict(self.when)}"
            )

    def __str__(self) -> str:
        """The combination in words."""
        parts = [f"{name} {_said(chosen)}" for name, chosen in self.when.items()]
        return f"not {' and '.join(parts)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependent:
    """A parameter that is free only where `on` has one of `values`; elsewhere it is `otherwise`.

    So what has no meaning there, such as the amount of no ligand, makes no second point of one.
    """

    parameter: str
    on: str
    values: Values
    otherwise: Value

    def __post_init__(self) -> None:
        """Raise SpaceError where a parameter depends on itself or on nothing."""
        if self.parameter == self.on or not self.values:
            raise SpaceError(
                "constraint",
                "a parameter that depends on values of another",
                f"{self.parameter} on {self.on} {list(self.values)}",
            )

    def __str__(self) -> str:
        """The dependency in words."""
        return f"{self.parameter} = {_plain(self.otherwise)} unless {self.on} {_said(self.values)}"


Rule: TypeAlias = Linear | Expression | Excluded | Dependent


def _said(chosen: Values | Span) -> str:
    match chosen:
        case Span():
            return str(chosen)
        case (one,):
            return f"= {_plain(one)}"
        case tuple():
            return f"in ({', '.join(map(_plain, chosen))})"
        case _:
            assert_never(chosen)


def _plain(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float | int) else str(value)
