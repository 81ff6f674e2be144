"""Rows against one another, and against what was asked: what no row can tell by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from math import isfinite
from typing import TypeAlias

from loop.records import Candidate, Measured, Observation, Rejection
from loop.space.values import Point
from loop.units import convert
from oracles.folder.columns import Column
from oracles.folder.numbers import NUMBER
from oracles.folder.rows import Row

Said: TypeAlias = tuple[float, float | None]  # a value and its standard error


def reject_contradictions(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The rows, with all those rejected that give one measurement different values.

    Which of them is right nobody can tell, least of all by their order.
    """
    said: dict[tuple[str, str, str], set[Said]] = {}
    for row in rows:
        for key, value in _says(row).items():
            said.setdefault(key, set()).add(value)
    torn = {key for key, values in said.items() if len(values) > 1}
    return tuple(_rejected(row, torn) for row in rows)


def _says(row: Row) -> dict[tuple[str, str, str], Said]:
    """What a row says of each (candidate, replicate, target)."""
    answer = row.answer
    if not isinstance(answer, Measured):
        return {}
    return {
        (answer.candidate, answer.replicate, target): (value, answer.errors.get(target))
        for target, value in answer.values.items()
    }


def _rejected(row: Row, torn: set[tuple[str, str, str]]) -> Row:
    for key in _says(row):
        if key in torn and isinstance(row.answer, Measured):
            reason = (
                f"this file gives {key[0]} more than one {key[2]}: correct the rows, or tell"
                " repeated measurements apart in a column 'replicate'"
            )
            rejection = Rejection(row=row.answer.source.row or 0, column=key[2], reason=reason)
            return replace(row, answer=rejection)
    return row


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
