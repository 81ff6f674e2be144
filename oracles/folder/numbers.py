"""Numbers in cells: one decimal mark per file, and only where it cannot be misread."""

import re
from collections.abc import Iterable
from math import isfinite

NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d{1,3})?", re.ASCII)
CHARACTERS = frozenset("+-0123456789.,eE '\u00a0\u202f")  # of numbers, however grouped
LIMIT = re.compile(r"(?P<sense><=?|>=?|\u2264|\u2265)\s*(?P<number>.*)")
UNCOMPUTED = "#FORMULA"  # stands for a formula of a workbook that was never computed
DATE = re.compile(r"\d{4}-\d\d-\d\d.*|\d\d:\d\d(:\d\d.*)?")
GROUPED = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)  # 1,234: a decimal, or a thousand


def decimal_mark(cells: Iterable[str], delimiter: str, declared: str | None) -> str:
    """The decimal mark of these cells, `.` or `,`; ValueError where two readings are possible."""
    if declared is not None:
        return declared
    numbers = [cell for cell in cells if cell and set(cell) <= CHARACTERS]
    commas = [cell for cell in numbers if "," in cell]
    points = [cell for cell in numbers if "." in cell]
    if not commas:
        return "."
    if delimiter == "," or points:
        raise ValueError(
            f"the decimal mark is not clear: {commas[0]!r} has a comma,"
            + (f" {points[0]!r} a point" if points else " and so are the columns separated")
        )
    if all(GROUPED.fullmatch(cell) for cell in commas):
        raise ValueError(
            f"{commas[0]!r} may be a decimal or a thousand:"
            " write a decimal point, or declare the decimal mark"
        )
    return ","


def counted(cell: str, unit: str) -> tuple[str, int]:
    """The number in a cell, and what it is to be divided by: 41% is 0.41, but 41 under [%]."""
    if not cell.endswith("%") or unit not in {"", "%"}:
        return cell, 1
    return cell[:-1].rstrip(), 1 if unit else 100


def number(cell: str, mark: str) -> float:
    """The number in a cell; ValueError for anything else, infinities included."""
    if cell == UNCOMPUTED:
        raise ValueError(
            "expected a number, got a formula that was never computed:"
            " open the workbook, let it compute, and save it"
        )
    if DATE.fullmatch(cell):
        raise ValueError(
            f"expected a number, got the date {cell!r}: a spreadsheet has made it of what was"
            " typed; format the column as a number and type the value again"
        )
    other = "," if mark == "." else "."
    if not NUMBER.fullmatch(cell) or other in cell:
        raise ValueError(f"expected a number with the decimal mark {mark!r}, got {cell!r}")
    value = float(cell.replace(",", "."))
    if not isfinite(value):
        raise ValueError(f"expected a finite number, got {cell!r}")
    return value
