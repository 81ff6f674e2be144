"""What could not be taken, given back to the laboratory: rows as they came, with the reasons."""

import csv
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path

from loop.records import Ingested, Receipt, Rejection
from oracles.folder.files import write_changed
from oracles.folder.sheet import Sheet, Unreadable, read_sheet

ADDED = ("row", "column", "reason")


def write_rejected(
    folder: Path, ingested: Iterable[Ingested], *, encoding: str | None = None
) -> tuple[Path, ...]:
    """The files written to rejected/ of the campaign folder, one per file revision with rejections.

    Rebuilt from the events and the archive alone: the same events, the same files.
    """
    return tuple(
        _write(folder, event.receipt, encoding) for event in ingested if event.receipt.rejected
    )


def _write(folder: Path, receipt: Receipt, encoding: str | None) -> Path:
    archived = folder / "archive" / f"{receipt.sha256}.csv"
    sheet = read_sheet(archived.read_bytes(), encoding) if archived.is_file() else None
    text = StringIO(newline="")
    match sheet:
        case Sheet(header=header, delimiter=delimiter):
            writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
            writer.writerow([*header, *ADDED])
            writer.writerows(_lines(sheet, receipt.rejected))
        case Unreadable() | None:
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow(ADDED)
            writer.writerows([each.row, each.column, each.reason] for each in receipt.rejected)
    name = f"{Path(receipt.file).name}.{receipt.sha256[:8] or 'unread'}.csv"
    path = folder / "rejected" / name
    write_changed(path, text.getvalue().encode())
    return path


def _lines(sheet: Sheet, rejected: Sequence[Rejection]) -> list[list[str]]:
    """Rejected rows as they came, then row, column, reason; all rows where the file is refused."""
    rows = dict(sheet.rows)
    lines: list[list[str]] = []
    for each in rejected:
        for position in [each.row] if each.row else rows or [0]:
            cells = list(rows.get(position, ()))
            padding = [""] * (len(sheet.header) - len(cells))
            lines.append([*cells, *padding, str(position), each.column, each.reason])
    return lines
