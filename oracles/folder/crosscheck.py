"""Rows beside what was asked: what no row can tell by itself."""

from collections.abc import Mapping
from decimal import Decimal
from math import isfinite

from loop.records import Candidate, Observation, Rejection
from loop.space.values import Point
from loop.units import convert
from oracles.folder.columns import Column
from oracles.folder.numbers import NUMBER
from oracles.folder.rows import Row


def compare(row: Row, pending: Mapping[str, Candidate]) -> Observation | Rejection:
    """The row's answer, beside the point that was asked.

    Only pending candidates' points are known here: the parameters of other rows are not compared.
    """
    answer = row.answer
    if isinstance(answer, Rejection) or answer.candidate not in pending:
        return answer
    point = pending[answer.candidate].point
    return _elsewhere(row, answer, point) or answer


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
                f" correct the id, or state what was made in a column 'executed:{column.subject}'"
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
    shown = Decimal(cell.replace(",", ".")) if NUMBER.fullmatch(cell) else Decimal("inf")
    if not isfinite(shown):
        return False
    last_digit = float(f"1e{shown.as_tuple().exponent}")
    value = convert(wanted, column.wanted, column.unit or column.wanted, column.header)
    half = 0.51 * last_digit  # a little more than half, for a 5 that was rounded either way
    return abs(float(shown) - value) <= half + 1e-9 * abs(value)
