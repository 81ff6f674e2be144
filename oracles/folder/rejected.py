"""What could not be taken, given back to the laboratory: rows as they came, with the reasons.

A workbook's rows go back in a workbook: a spreadsheet set to decimal commas makes 1234 of the 1.234
in a CSV file, and saves it so.
"""

import csv
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from io import StringIO
from math import isfinite
from pathlib import Path

from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from loop.records import Ingested, Receipt, Rejection
from oracles.folder.cells import guarded
from oracles.folder.columns import REJECTED
from oracles.folder.files import write_whole
from oracles.folder.sheet import Sheet
from oracles.folder.tables import TEXTS, Tables, book_of
from oracles.folder.workbook import as_workbook
from oracles.folder.worklist import Cell, Worklist


def write_rejected(
    folder: Path, ingested: Iterable[Ingested], tables: Callable[[str, bytes], Tables | None]
) -> tuple[Path, ...]:
    """The files in rejected/ of the campaign folder, one per file revision with rejections.

    Rebuilt from the events and the archive alone, where they are missing: the same events, the same
    files. `tables` reads the archived bytes of a file as the laboratory's file was read.
    """
    there = {path.name for path in (folder / "rejected").glob("*")}
    wanted = {_name(each.receipt): each.receipt for each in ingested if each.receipt.rejected}
    for name, receipt in wanted.items():
        if name not in there:
            write_whole(folder / "rejected" / name, _content(folder, receipt, tables))
    return tuple(folder / "rejected" / name for name in wanted)


def archived(folder: Path, file: str, sha256: str) -> Path:
    """Where the bytes of a file revision are kept: text as .csv, others as what they are."""
    suffix = Path(book_of(file)).suffix.casefold()
    return folder / "archive" / f"{sha256}{'.csv' if suffix in TEXTS else suffix}"


def _name(receipt: Receipt) -> str:
    file = receipt.file.replace("/", "_")
    digest = sha256(repr(receipt.rejected).encode()).hexdigest()
    unread = "" if receipt.sha256 else f"unread-{digest[:6]}"
    again = f"-{receipt.reading[:4]}" if receipt.reading else ""
    kind = "xlsx" if _is_of_book(receipt) else "csv"
    return f"{file}.{unread or receipt.sha256[:8]}{again}.{kind}"


def _is_of_book(receipt: Receipt) -> bool:
    return book_of(receipt.file) != receipt.file


def _content(
    folder: Path, receipt: Receipt, tables: Callable[[str, bytes], Tables | None]
) -> bytes:
    path = archived(folder, receipt.file, receipt.sha256)
    found = dict(tables(receipt.file, path.read_bytes()) or ()) if path.is_file() else {}
    sheet = found.get(receipt.file)
    if isinstance(sheet, Sheet):
        kept = [i for i, head in enumerate(sheet.header) if head.casefold() not in REJECTED]
        header = [*(sheet.header[i] for i in kept), *REJECTED]
        lines = _lines(sheet, kept, receipt.rejected)
    else:
        header = [*REJECTED]
        lines = [[str(each.row), each.column, each.reason] for each in receipt.rejected]
    if _is_of_book(receipt):
        return _book(header, lines)
    return _csv([header, *lines], sheet.delimiter if isinstance(sheet, Sheet) else ",")


def _csv(lines: Iterable[Sequence[str]], delimiter: str) -> bytes:
    """CSV in UTF-8; with the mark by which Excel knows that, where it matters."""
    text = StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerows(map(guarded, line) for line in lines)
    written = text.getvalue()
    return written.encode("utf-8" if written.isascii() else "utf-8-sig")


def _book(header: Sequence[str], lines: Sequence[Sequence[str]]) -> bytes:
    """A workbook, in which a number is one."""
    width = max(len(header), *map(len, lines))
    padded = (*header, *[""] * (width - len(header)))
    rows = tuple((*map(_cell, line), *[None] * (width - len(line))) for line in lines)
    return as_workbook(Worklist(header=padded, rows=rows), frozenset(), "rejected")


def _cell(text: str) -> Cell:
    """The cell as it came: what is read back as the same text may be a number."""
    try:
        number = float(text)
    except ValueError:
        return ILLEGAL_CHARACTERS_RE.sub("", text) or None
    return number if isfinite(number) and repr(number).removesuffix(".0") == text else text


def _lines(sheet: Sheet, kept: Sequence[int], rejected: Sequence[Rejection]) -> list[list[str]]:
    """Rejected rows as they came, then row, column, reason; all rows where the file is refused."""
    rows = dict(sheet.rows)
    lines: list[list[str]] = []
    for each in rejected:
        for position in [each.row] if each.row else rows or [0]:
            cells = rows.get(position, ())
            came = [cells[i] if i < len(cells) else "" for i in kept]
            stray = list(cells[len(sheet.header) :])
            lines.append([*came, str(position), each.column, each.reason, *stray])
    return lines
