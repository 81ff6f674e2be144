"""Fractions that sum to one: projected, put on steps, counted and listed.

Notation: x (n, k) rows of k fractions; low, high (n, k) their bounds. On steps a row is k whole
numbers of `parts`, between `least` (k,) and `most` (k,), at most `present` of them above zero.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from loop.space.values import Array

PRESENT = 1e-6  # a smaller fraction of an element is no element: far below any balance
ROUNDING = 1e-9  # of a fraction in units of its step


def onto_simplex(wanted: Array, low: Array, high: Array) -> Array:
    """The nearest rows x (n, k) with sum 1, low <= x <= high: wanted, shifted and clipped."""
    x = np.clip(wanted + shifts(wanted, low, high), low, high)
    x[x < PRESENT] = 0.0
    rows = np.arange(len(x))
    room = np.where(x > 0, high - x, -1.0)  # what was rounded off goes to what is there, with room
    x[rows, np.argmax(room, axis=1)] += 1 - x.sum(axis=1)
    projected: Array = x
    return projected


def shifts(wanted: Array, low: Array, high: Array) -> Array:
    """By how much to shift each row (n, 1), so that it sums to 1 once clipped to low and high.

    The clipped sum is piecewise linear in the shift: an element begins to count where it leaves
    its low, and ends where it meets its high. Between two of these 2 k corners, sorted, the shift
    is exact (Brucker, Operations Research Letters 3, 1984, 163, finds them without sorting). Where
    no shift does, all elements are low, or all high.
    """
    corners = np.hstack([low - wanted, high - wanted])
    order = np.argsort(corners, axis=1)
    corners = np.take_along_axis(corners, order, axis=1)
    slopes = np.cumsum(np.where(order < wanted.shape[1], 1.0, -1.0), axis=1)
    gained = np.cumsum(slopes[:, :-1] * np.diff(corners, axis=1), axis=1)
    first = low.sum(axis=1, keepdims=True)
    sums = np.hstack([first, first + gained])
    before = np.maximum((sums < 1).sum(axis=1, keepdims=True) - 1, 0)
    corner, total, slope = (
        np.take_along_axis(each, before, axis=1) for each in (corners, sums, slopes)
    )
    rest: Array = np.maximum(1 - total, 0.0) / np.where(slope > 0, slope, np.inf)
    return corner + rest


def onto_steps(fractions: Array, low: Array, high: Array, step: float) -> Array:
    """Rows (n, k) as multiples of step that sum to 1, by largest remainder within low and high."""
    least, most = np.rint(low / step), np.rint(high / step)
    counts = np.clip(np.floor(fractions / step + ROUNDING), least, most)
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


def count(least: Sequence[int], most: Sequence[int], present: int, parts: int) -> int:
    """How many rows on steps there are, exactly: one element after the other, nothing listed."""
    ways = {(0, 0): 1}  # (parts spent, elements present) -> rows so far
    for low, high in zip(least, most, strict=True):
        after: dict[tuple[int, int], int] = {}
        for (spent, used), number in ways.items():
            for part in range(low, min(high, parts - spent) + 1):
                key = (spent + part, used + (part > 0))
                if key[1] <= present:
                    after[key] = after.get(key, 0) + number
        ways = after
    return sum(number for (spent, _), number in ways.items() if spent == parts)


def rows(
    least: Sequence[int], most: Sequence[int], present: int, parts: int
) -> Iterator[tuple[int, ...]]:
    """The rows on steps, each once; branches that cannot reach the sum are not entered."""
    if not least:
        if parts == 0:
            yield ()
        return
    first = max(least[0], parts - sum(most[1:]))
    for part in range(first, min(most[0], parts - sum(least[1:])) + 1):
        left = present - (part > 0)
        if left >= sum(low > 0 for low in least[1:]):
            for rest in rows(least[1:], most[1:], left, parts - part):
                yield (part, *rest)
