"""A file's bytes as a table of text: encoding and delimiter are recognised, never guessed."""

import codecs
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from typing import TypeAlias

from oracles.folder.cells import unguarded

ID_NAMES = ("candidate", "id")  # the header that makes a line the header of a results file
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

Cells: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A header and the rows below it, stripped of blanks around cells.

    `rows` are pairs of position below the header, from 1, and cells; blank lines count as
    positions but are no rows. `cut` is true where the last line does not end in a line break.
    """

    header: Cells
    rows: tuple[tuple[int, Cells], ...]
    delimiter: str
    cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """Why a file is no table."""

    reason: str


def read_sheet(content: bytes, encoding: str | None) -> Sheet | Unreadable | None:
    """The table in a file; None where the file is still being written.

    The encoding is told by a byte order mark; else it is UTF-8; else the declared one.
    """
    text = _decode(content, encoding)
    if text is None:
        declared = f" nor as the declared {encoding}" if encoding else ""
        return Unreadable(
            reason=f"the bytes do not read as UTF-8{declared}:"
            " save the file as UTF-8, or declare its encoding"
        )
    delimiter = _delimiter(text)
    cut = not text.endswith(("\n", "\r"))
    if delimiter is None:
        if cut and len(text.splitlines()) < 2:
            return None
        return Unreadable(
            reason="no column 'candidate' in the first line (separated by comma, semicolon or tab)"
        )
    try:
        lines = [_strip(line) for line in _reader(text, delimiter)]
    except csv.Error as error:
        return Unreadable(reason=f"the quotation marks do not pair: {error}")
    return _table(lines, delimiter, cut=cut and any(lines[-1]))


def _table(lines: list[Cells], delimiter: str, *, cut: bool) -> Sheet | None:
    top = next(index for index, cells in enumerate(lines) if any(cells))
    header, below = lines[top], lines[top + 1 :]
    if cut and (not below or len(below[-1]) < len(header)):
        return None
    rows = tuple((number, cells) for number, cells in enumerate(below, 1) if any(cells))
    return Sheet(header=header, rows=rows, delimiter=delimiter, cut=cut)


def _decode(content: bytes, encoding: str | None) -> str | None:
    marked = next((name for mark, name in MARKS if content.startswith(mark)), None)
    for name in (marked,) if marked else ("utf-8", encoding):
        if name is not None:
            try:
                return content.decode(name)
            except UnicodeDecodeError:
                continue
    return None


def _delimiter(text: str) -> str | None:
    """The one character that separates `candidate` from its neighbours in the first line."""
    for delimiter in ",;\t":
        try:
            header = next((cells for cells in _reader(text, delimiter) if any(_strip(cells))), [])
        except csv.Error:
            continue
        if any(cell in ID_NAMES for cell in map(str.casefold, _strip(header))):
            return delimiter
    return None


def _reader(text: str, delimiter: str) -> Iterator[list[str]]:
    return csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)


def _strip(cells: list[str]) -> Cells:
    return tuple(unguarded(cell.strip()) for cell in cells)
