"""Rows against one another, and against what was asked: what no row can tell by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TypeAlias

from loop.parameters import Value
from loop.records import Candidate, Measured, Observation, Rejection
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


def compared(row: Row, pending: Mapping[str, Candidate]) -> Observation | Rejection:
    """The row's answer; a rejection where the row repeats another point than was asked.

    Cells that were sorted or pasted apart from their id look like this. Only a pending candidate's
    point is known here; the parameters of others are not compared.
    """
    answer = row.answer
    if isinstance(answer, Rejection) or answer.candidate not in pending:
        return answer
    point = pending[answer.candidate].point
    for column, cell in row.asked:
        wanted = _asked(point, column.subject)
        if not _same(column, cell, wanted):
            given = f"{wanted:.10g} {column.wanted}".rstrip() if column.is_number else wanted
            reason = (
                f"{answer.candidate} was asked at {column.subject} = {given}, the row says {cell}:"
                f" correct the id, or state what was made in a column 'executed:{column.subject}'"
            )
            return Rejection(row=answer.source.row or 0, column=column.header, reason=reason)
    return answer


def _asked(point: Mapping[str, Value], label: str) -> float | str:
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
    if (column.trouble and column.unit) or not NUMBER.fullmatch(cell):
        return False
    shown = Decimal(cell.replace(",", "."))
    exponent = shown.as_tuple().exponent
    value = convert(wanted, column.wanted, column.unit or column.wanted, column.header)
    last_digit = 10.0**exponent if isinstance(exponent, int) else 0.0
    half = 0.51 * last_digit  # a little more than half, for a 5 that was rounded either way
    return abs(float(shown) - value) <= half + 1e-9 * abs(value)
