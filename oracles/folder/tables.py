"""The tables in a file, by its kind: text, a workbook, or what a function makes of it."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from oracles.folder.book import BOOKS, OTHER_BOOKS, read_book
from oracles.folder.reading import Reading
from oracles.folder.sheet import IsHeader, Sheet, Unreadable, read_sheet

Tables: TypeAlias = tuple[tuple[str, Sheet | Unreadable], ...]  # by the name of their receipt

TEXTS = frozenset({".csv", ".tsv", ".txt"})
ENDINGS = (*TEXTS, *BOOKS, *OTHER_BOOKS)
SHEET = "!"  # between a workbook's name and that of its sheet, as in a formula
READ_S = 60.0  # longest that a reader may take for one file


def is_read(name: str, reading: Reading) -> bool:
    """Whether a file of that name is looked at."""
    return name.casefold().endswith(ENDINGS) or is_own(name, reading)


def is_own(name: str, reading: Reading) -> bool:
    """Whether a function of the campaign's own reads files of that name."""
    return reading.reader is not None and fnmatch(name, reading.files)


def book_of(receipt: str) -> str:
    """The file of a receipt: a workbook has one for every sheet."""
    book, _, _ = receipt.partition(SHEET)
    return book if Path(book).suffix.casefold() in BOOKS else receipt


def named_in(name: str, reading: Reading) -> str:
    """The candidate that a file's name tells; empty where it tells none."""
    found = re.search(reading.id_in_name, name) if reading.id_in_name else None
    return "" if found is None else found["id"]


def tables(
    name: str, content: bytes, reading: Reading, names: IsHeader, own: Callable[[str, bytes], str]
) -> Tables | None:
    """Every table of a file; None where it is still being written."""
    file = book_of(name)
    suffix = Path(file).suffix.casefold()
    if is_own(file, reading):
        return ((file, _made(own(file, content))),)
    if suffix in OTHER_BOOKS:
        reason = f"a workbook of the kind {suffix}: save it as .xlsx, or the sheet as CSV"
        return ((file, Unreadable(reason=reason)),)
    if suffix in BOOKS:
        found = read_book(content, reading, names)
        return tuple((f"{file}{SHEET}{sheet}" if sheet else file, each) for sheet, each in found)
    sheet = read_sheet(content, reading, names)
    return None if sheet is None else ((file, sheet),)


def run_reader(folder: Path, reader: str, name: str, content: bytes) -> str:
    """What the campaign's own reader says of a file, as JSON, from a process of its own.

    The file is given to it under its name in a folder that is taken away afterwards.
    """
    script, _, function = reader.partition(":")
    with TemporaryDirectory() as scratch:
        path, answer = Path(scratch) / Path(name).name, Path(scratch) / ".answer"
        path.write_bytes(content)
        command = [
            sys.executable,
            "-c",
            RUN,
            str(folder / script),
            function,
            str(path),
            str(answer),
        ]
        try:
            done = subprocess.run(
                command, cwd=scratch, capture_output=True, timeout=READ_S, check=False
            )
        except subprocess.TimeoutExpired:
            return json.dumps({"error": f"took longer than {READ_S:g} s"})
        if done.returncode == 0 and answer.is_file():
            return answer.read_text(encoding="utf-8")
    said = done.stderr.decode(errors="replace").strip().splitlines()
    last = (said or [f"it returned nothing, exit status {done.returncode}"])[-1]
    return json.dumps({"error": last[:300]})


# The answer is a file: a reader may print.
RUN = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("reader", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
made = getattr(module, sys.argv[2])(sys.argv[3])
with open(sys.argv[4], "w", encoding="utf-8") as answer:
    json.dump({"rows": [made] if hasattr(made, "keys") else list(made)}, answer, default=float)
"""


def _made(said: str) -> Sheet | Unreadable:
    """Rows that a reader made, as a table: every header that any of them has."""
    answer = json.loads(said)
    if "error" in answer:
        return Unreadable(reason=f"the campaign's reader failed: {answer['error']}")
    rows = answer["rows"]
    if not rows or not all(isinstance(row, dict) for row in rows):
        got = "none" if not rows else type(rows[0]).__name__
        expected = "expected rows of header and value from the campaign's reader"
        return Unreadable(reason=f"{expected}, got {got}")
    header = tuple(dict.fromkeys(str(key) for row in rows for key in row))
    lines = ((n, tuple(_cell(row.get(key)) for key in header)) for n, row in enumerate(rows, 1))
    return Sheet(header=header, rows=tuple(lines), delimiter=";", cut=False, mark=".")


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case float():
            return repr(value).removesuffix(".0")
        case _:
            return str(value)
