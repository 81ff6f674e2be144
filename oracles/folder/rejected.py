"""What could not be taken, given back to the laboratory: rows as they came, with the reasons."""

import csv
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from io import StringIO
from pathlib import Path

from loop.records import Ingested, Receipt, Rejection
from oracles.folder.cells import guarded
from oracles.folder.columns import REJECTED
from oracles.folder.files import write_whole
from oracles.folder.sheet import Sheet
from oracles.folder.tables import TEXTS, Tables, book_of


def write_rejected(
    folder: Path, ingested: Iterable[Ingested], tables: Callable[[str, bytes], Tables | None]
) -> tuple[Path, ...]:
    """The files in rejected/ of the campaign folder, one per file revision with rejections.

    Rebuilt from the events and the archive alone, where they are missing: the same events, the same
    files. `tables` reads the archived bytes of a file as the laboratory's file was read.
    """
    there = {path.name for path in (folder / "rejected").glob("*.csv")}
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
    return f"{file}.{unread or receipt.sha256[:8]}{again}.csv"


def _content(
    folder: Path, receipt: Receipt, tables: Callable[[str, bytes], Tables | None]
) -> bytes:
    path = archived(folder, receipt.file, receipt.sha256)
    found = dict(tables(receipt.file, path.read_bytes()) or ()) if path.is_file() else {}
    sheet = found.get(receipt.file)
    text = StringIO(newline="")
    if isinstance(sheet, Sheet):
        writer = csv.writer(text, delimiter=sheet.delimiter, lineterminator="\n")
        kept = [i for i, head in enumerate(sheet.header) if head.casefold() not in REJECTED]
        writer.writerow([*(guarded(sheet.header[i]) for i in kept), *REJECTED])
        for line in _lines(sheet, kept, receipt.rejected):
            writer.writerow(map(guarded, line))
    else:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(REJECTED)
        writer.writerows([each.row, each.column, each.reason] for each in receipt.rejected)
    return text.getvalue().encode()


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
