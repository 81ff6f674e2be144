"""Workbooks that come in: every sheet with a candidate column, as the numbers in its cells are.

A cell counts with what Excel has computed last; one that was never computed is refused where it is
needed, as is a date that Excel has made of a number. What is shown as 41 % is `41%`, not 0.41.
Sizes are looked at before anything is opened.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from io import BytesIO
from zipfile import BadZipFile, ZipFile

from openpyxl import load_workbook
from openpyxl.cell.cell import Cell, MergedCell
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.workbook.workbook import Workbook

from oracles.folder.numbers import UNCOMPUTED
from oracles.folder.reading import Reading
from oracles.folder.sheet import Cells, IsHeader, Sheet, Unreadable, said_in

BOOKS = frozenset({".xlsx", ".xlsm"})
OTHER_BOOKS = frozenset({".xls", ".xlsb", ".ods"})  # not read, but it would be rude to say nothing
MOST_COLUMNS = 1000
UNPACKED = 8  # times the largest file: a bomb unpacks to a thousand times its size
QUOTED = re.compile(r'"[^"]*"|\\.')  # of a number's format: what is shown as it is
# What openpyxl and the parsers below it raise for parts that are no workbook's.
BROKEN = (
    BadZipFile,
    InvalidFileException,
    SyntaxError,
    LookupError,
    ValueError,
    TypeError,
    EOFError,
)


def read_book(
    content: bytes, reading: Reading, is_header: IsHeader
) -> list[tuple[str, Sheet | Unreadable]]:
    """Name and table of each sheet that has results; or one nameless reason why there is none."""
    wanted = reading.sheet
    try:
        with ZipFile(BytesIO(content)) as packed:
            reason = _trouble(packed, reading.file_mb)
        if reason:
            return [("", Unreadable(reason=reason))]
        shown = load_workbook(BytesIO(content), read_only=True, data_only=True)
        typed = load_workbook(BytesIO(content), read_only=True)
        names = shown.sheetnames if wanted is None else [wanted]
        if wanted is not None and wanted not in shown.sheetnames:
            there = ", ".join(shown.sheetnames)
            return [("", Unreadable(reason=f"expected a sheet {wanted!r}, got {there}"))]
        tables = [
            (name, _summary(lines, is_header) if reading.lines else _sheet(lines, name, is_header))
            for name in names
            for lines in [_rows(shown, typed, name)]
        ]
    except BROKEN as error:
        said = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        reason = f"this is no workbook that can be read ({said}): save it again as .xlsx or as CSV"
        return [("", Unreadable(reason=reason))]
    good = [(name, table) for name, table in tables if table is not None]
    if good:
        return good
    reason = f"no sheet has {reading.lack.replace('no', 'a', 1)} (sheets: {', '.join(names)})"
    return [("", Unreadable(reason=reason))]


def _trouble(packed: ZipFile, file_mb: float) -> str:
    """Why the parts of a workbook are not unpacked; empty where they can be."""
    size = sum(part.file_size for part in packed.infolist()) / 1e6
    if size > UNPACKED * file_mb:
        most = f"at most {UNPACKED * file_mb:g} are unpacked (oracle.file_mb)"
        return f"it unpacks to {size:.0f} MB, and {most}: send the sheet as CSV"
    if any(part.flag_bits & 1 for part in packed.infolist()):
        return "it is protected by a password: save it without"
    for part in packed.infolist():
        if part.filename.endswith((".xml", ".rels")):
            with packed.open(part) as stream:
                if b"<!DOCTYPE" in stream.read(2048):
                    return (
                        "its parts declare document types, as no spreadsheet does: send it as CSV"
                    )
    return ""


def _sheet(lines: Iterator[Cells], name: str, is_header: IsHeader) -> Sheet | Unreadable | None:
    """The table of one sheet; None where it has no candidate column."""
    header: Cells | None = None
    rows: list[tuple[int, Cells]] = []
    below = 0
    for cells in lines:
        if len(cells) > MOST_COLUMNS:
            return Unreadable(reason=f"more than {MOST_COLUMNS} columns in the sheet {name!r}")
        if header is None:
            header = cells if is_header(cells) else None
            continue
        below += 1
        if any(cells):
            rows.append((below, cells))
    if header is None:
        return None
    return Sheet(header=header, rows=tuple(rows), delimiter=";", cut=False, mark=".")


def _summary(lines: Iterator[Cells], is_header: IsHeader) -> Sheet | None:
    """The one row of a sheet whose lines are a header and its value each."""
    found = said_in(lines, is_header)
    if found is None:
        return None
    return Sheet(header=found[0], rows=((1, found[1]),), delimiter=";", cut=False, mark=".")


def _rows(shown: Workbook, typed: Workbook, name: str) -> Iterator[Cells]:
    """The rows of a sheet as text; blank ones are empty."""
    values, formulas = shown[name], typed[name]
    if not hasattr(values, "reset_dimensions"):
        return  # a sheet of charts
    for each in (values, formulas):
        each.reset_dimensions()  # what the file says of its own size may be wrong
    pairs = zip(values.iter_rows(), formulas.iter_rows(values_only=True), strict=False)
    for row, source in pairs:
        yield _trimmed([_text(cell, origin) for cell, origin in zip(row, source, strict=False)])


def _trimmed(cells: Sequence[str]) -> Cells:
    filled = [index for index, cell in enumerate(cells, start=1) if cell]
    return tuple(cells[: filled[-1]]) if filled else ()


def _text(cell: Cell | MergedCell, origin: object) -> str:
    """A cell as text that is read back as the same number."""
    value: object = cell.value
    match value:
        case None:
            is_formula = isinstance(origin, str) and origin.startswith("=")
            return UNCOMPUTED if is_formula else ""
        case bool():
            return str(value).upper()
        case float() | int() if "%" in QUOTED.sub("", cell.number_format):
            return f"{100 * value:.15g}%"
        case float():
            return repr(value).removesuffix(".0")
        case datetime() | date() | time():
            return value.isoformat()
        case _:
            return str(value).strip()
