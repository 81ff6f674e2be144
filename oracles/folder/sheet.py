"""A file's bytes as a table of text: encoding and delimiter are recognised, never guessed."""

import codecs
import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import StringIO
from itertools import islice
from typing import TypeAlias

from oracles.folder.cells import unguarded
from oracles.folder.reading import Reading

LINES = 30  # among which the header is: a title and a few lines of an instrument may stand above
SPELT = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

Cells: TypeAlias = tuple[str, ...]
IsHeader: TypeAlias = Callable[[Cells], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A header and the rows below it, stripped of blanks around cells.

    `rows` are pairs of position below the header, from 1, and cells; blank lines count as
    positions but are no rows. `cut` is true where the last line does not end in a line break;
    `mark` is the decimal mark of its numbers, where that is known.
    """

    header: Cells
    rows: tuple[tuple[int, Cells], ...]
    delimiter: str
    cut: bool
    mark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """Why a file is no table."""

    reason: str


def read_sheet(content: bytes, reading: Reading, names: IsHeader) -> Sheet | Unreadable | None:
    """The table in a file; None where there is only a header yet.

    The encoding is told by a byte order mark; else it is UTF-8; else the declared one. The header
    is the first of the LINES that `names` knows; what stands above it is a title.
    """
    text = _decode(content, reading.encoding)
    if text is None:
        declared = f" nor as the declared {reading.encoding}" if reading.encoding else ""
        return Unreadable(
            reason=f"the bytes do not read as UTF-8{declared}:"
            " save the file as UTF-8, or declare its encoding"
        )
    if "\0" in text:
        return Unreadable(
            reason="this is no text but a binary file: save the table as CSV or .xlsx"
        )
    cut = not text.endswith(("\n", "\r"))
    delimiters = [reading.delimiter] if reading.delimiter else [",", ";", "\t"]
    fitting = [each for each in delimiters if _header_line(text, each, names) is not None]
    if not fitting:
        between = " or ".join(SPELT[each] for each in delimiters)
        return Unreadable(reason=f"{reading.lack} in the first lines (separated by {between})")
    if reading.lines:
        return _lines(text, fitting[0], names, cut=cut)
    return _parse(text, fitting[0], names, cut=cut)


def _parse(text: str, delimiter: str, names: IsHeader, *, cut: bool) -> Sheet | Unreadable | None:
    top = _header_line(text, delimiter, names) or 0
    try:
        lines = [_strip(line) for line in _reader(text, delimiter)][top:]
    except csv.Error as error:
        return Unreadable(reason=f"the quotation marks do not pair, or a cell is endless: {error}")
    header, below = lines[0], lines[1:]
    cut = cut and any(lines[-1])
    if cut and not below:
        return None
    rows = tuple((number, cells) for number, cells in enumerate(below, 1) if any(cells))
    return Sheet(header=header, rows=rows, delimiter=delimiter, cut=cut)


def _lines(text: str, delimiter: str, names: IsHeader, *, cut: bool) -> Sheet | Unreadable | None:
    """A file whose lines are a header and its value each, as one row; other lines are left out.

    Where its last line is one of them and has no line break, the row is cut.
    """
    try:
        lines = [_strip(line) for line in _reader(text, delimiter)]
    except csv.Error as error:
        return Unreadable(reason=f"the quotation marks do not pair, or a cell is endless: {error}")
    pairs = said_in(lines, names)
    if pairs is None:
        return None
    cut = cut and names(lines[-1][:1])
    return Sheet(header=pairs[0], rows=((1, pairs[1]),), delimiter=delimiter, cut=cut)


def said_in(lines: Iterable[Cells], names: IsHeader) -> tuple[Cells, Cells] | None:
    """The header and the one row of lines that are a header and its value; None without any."""
    pairs = [cells[:2] for cells in lines if len(cells) > 1 and names(cells[:1])]
    return (tuple(h for h, _ in pairs), tuple(v for _, v in pairs)) if pairs else None


def _header_line(text: str, delimiter: str, names: IsHeader) -> int | None:
    """Which line, of the first few, is the header; None where none is."""
    try:
        for number, line in enumerate(islice(_reader(text, delimiter), LINES)):
            if names(_strip(line)):
                return number
    except csv.Error:
        pass
    return None


def _decode(content: bytes, encoding: str | None) -> str | None:
    marked = next((name for mark, name in MARKS if content.startswith(mark)), None)
    for name in (marked,) if marked else ("utf-8", encoding):
        if name is not None:
            try:
                return content.decode(name)
            except UnicodeDecodeError:
                continue
    return None


def _reader(text: str, delimiter: str) -> Iterator[list[str]]:
    return csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)


def _strip(cells: list[str]) -> Cells:
    return tuple(unguarded(cell.strip()) for cell in cells)
