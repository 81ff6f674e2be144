"""Rows beside what was asked: what no row can tell by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from math import inf, isfinite

from loop.ids import Register
from loop.records import DRIFT, Failed, Measured, Observation, Rejection
from loop.space.values import Point
from loop.units import convert
from oracles.folder.columns import Column, titled
from oracles.folder.numbers import NUMBER, counted
from oracles.folder.rows import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the laboratory was asked for, by id; and how far off a sample may be made."""

    points: Mapping[str, Point]
    tolerance: Mapping[str, float] = field(default_factory=dict)
    limit: Mapping[str, float] = field(default_factory=dict)
    ids: Register = field(init=False)

    def __post_init__(self) -> None:
        """Keep the ids so that they are found as people write them."""
        object.__setattr__(self, "ids", Register(self.points))


def compare(row: Row, asked: Asked, columns: Sequence[Column]) -> Observation | Rejection:
    """The row's answer, beside the point that was asked."""
    answer = row.answer
    if isinstance(answer, Rejection):
        return answer
    candidate = asked.ids.find(answer.candidate)
    if candidate is None:
        return answer
    point = asked.points[candidate]
    refused = _elsewhere(row, answer, point)
    if refused is not None or isinstance(answer, Failed) or answer.executed is None:
        return refused or answer
    return _drifted(answer, point, asked, columns)


def _drifted(
    answer: Measured, point: Point, asked: Asked, columns: Sequence[Column]
) -> Measured | Rejection:
    """The answer, with a note where it was made elsewhere than tolerated; not beyond the limit."""
    notes = dict(answer.notes)
    for column in columns:
        name = column.subject.partition(".")[0]
        if column.role != "executed" or not column.is_number or name not in (answer.executed or {}):
            continue
        made, wanted = _asked(answer.executed or {}, column.subject), _asked(point, column.subject)
        off = abs(float(made) - float(wanted))
        said = f"made at {made:.6g} {column.wanted}".rstrip() + f", asked at {wanted:.6g}"
        most = asked.limit.get(column.subject, asked.limit.get(name, inf))
        if off > most:
            reason = f"{said}: more than oracle.limit = {most:g} off, so it is another sample"
            return Rejection(row=answer.source.row or 0, column=column.header, reason=reason)
        if off > asked.tolerance.get(column.subject, asked.tolerance.get(name, inf)):
            notes[f"{DRIFT}{column.subject}"] = said
    return replace(answer, notes=notes)


def _elsewhere(row: Row, answer: Observation, point: Point) -> Rejection | None:
    """A rejection where the row repeats another point than was asked.

    Cells that were sorted or pasted apart from their id look like this.
    """
    for column, cell in row.asked:
        wanted = _asked(point, column.subject)
        if column.unit and column.trouble:
            return Rejection(
                row=answer.source.row or 0, column=column.header, reason=column.trouble
            )
        if not _same(column, cell, wanted):
            given = f"{wanted:.10g} {column.wanted}".rstrip() if column.is_number else wanted
            reason = (
                f"{answer.candidate} was asked at {column.subject} = {given}, the row says {cell}:"
                f" correct the id, or state what was made in a column"
                f" {titled(f'actual:{column.subject}', column.wanted)!r}"
            )
            return Rejection(row=answer.source.row or 0, column=column.header, reason=reason)
    return None


def _asked(point: Point, label: str) -> float | str:
    """The value of a worklist column in a point."""
    if label in point:
        value = point[label]
        return str(value) if isinstance(value, str | Mapping) else value
    name, _, element = label.rpartition(".")
    fractions = point[name]
    return fractions.get(element, 0.0) if isinstance(fractions, Mapping) else str(fractions)


def _same(column: Column, cell: str, wanted: float | str) -> bool:
    """Whether a cell shows the value, as far as its digits go and under either decimal mark."""
    if isinstance(wanted, str):
        return cell == wanted
    cell, over = counted(cell, column.unit or column.wanted)
    shown = Decimal(cell.replace(",", ".")) if NUMBER.fullmatch(cell) else Decimal("inf")
    if not isfinite(shown):
        return False
    shown /= over
    last_digit = float(f"1e{shown.as_tuple().exponent}")
    value = convert(wanted, column.wanted, column.unit or column.wanted, column.header)
    half = 0.51 * last_digit  # a little more than half, for a 5 that was rounded either way
    return abs(float(shown) - value) <= half + 1e-9 * abs(value)
