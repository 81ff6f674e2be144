"""Values and points: what stands for a parameter in a point, and how people read it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import isfinite
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from loop.errors import SpaceError

Array: TypeAlias = NDArray[np.float64]
Value: TypeAlias = float | str | Mapping[str, float]
Point: TypeAlias = Mapping[str, Value]


def ordered(X: Array) -> Array:
    """Rows X (n, d) in the order of their columns, so that it does not matter how they came."""
    return X[np.lexsort(X.T[::-1])]


def written(point: Point) -> str:
    """A point for people: `Ni0.53Pd0.06Pt0.41, T = 600`."""
    parts = []
    for name, value in point.items():
        if isinstance(value, Mapping):
            parts.append("".join(f"{each}{round(x, 3):g}" for each, x in value.items()))
        else:
            parts.append(f"{name} = {value if isinstance(value, str) else f'{value:.5g}'}")
    return ", ".join(parts)


@contextmanager
def stated_at(where: str) -> Iterator[None]:
    """Let the error of a refused value say where the value was stated."""
    try:
        yield
    except SpaceError as error:
        raise SpaceError(where, error.expected, error.got, error.remedy) from error


def require_range(name: str, low: float, high: float) -> None:
    """Raise SpaceError unless low < high, both finite."""
    if not (isfinite(low) and isfinite(high) and low < high):
        raise SpaceError(
            f"space.{name}",
            "low below high, both finite",
            f"low = {low:g}, high = {high:g}",
            "Swap or correct the two bounds.",
        )


def require_number(name: str, value: Value) -> float:
    """The value, if it is a finite number; else SpaceError."""
    if isinstance(value, str | Mapping) or not isfinite(value):
        raise SpaceError(f"space.{name}", "a finite number", repr(value))
    return float(value)


def require_inside(name: str, value: float, low: float, high: float, unit: str) -> None:
    """Raise SpaceError unless low <= value <= high, but for rounding."""
    slack = 1e-9 * max(1.0, abs(low), abs(high))
    if not low - slack <= value <= high + slack:
        raise SpaceError(
            f"space.{name}",
            f"a value from {low:g} to {high:g} {unit}".rstrip(),
            f"{value:g} {unit}".rstrip(),
        )
