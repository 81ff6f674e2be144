"""The laboratory as an oracle: a folder in which worklists go out and result files come in.

    worklist/               written whole, by rename: what waits for an answer, as worklist.csv,
                            worklist.xlsx and worklist.html, a page to print
    results/                read, and never changed: any file names, .csv, .tsv or .txt
    archive/                every file as it was read, by its sha256

Every file is read again at every turn, and its receipt is the same as long as the file is: what of
it is new, repeated, corrected or of an unknown candidate is decided by `loop.decisions.settling`.
"""

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Literal

from loop.errors import OracleError
from loop.objective import Objective
from loop.protocols import Declaration
from loop.records import Candidate, Receipt, Rejection, Source
from loop.space.space import SearchSpace
from oracles.folder.columns import read_header, vocabulary
from oracles.folder.crosscheck import compare
from oracles.folder.files import write_whole
from oracles.folder.making import Making, require_resolution
from oracles.folder.numbers import decimal_mark
from oracles.folder.publishing import publish
from oracles.folder.rows import Reader, Row
from oracles.folder.sheet import Sheet, Unreadable, read_sheet

TABLES = frozenset({".csv", ".tsv", ".txt"})
WORKBOOKS = frozenset({".xlsx", ".xls", ".ods"})  # not read, but it would be rude to say nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A laboratory that answers through files.

    `folder` is the campaign folder, `making` how samples are made. `encoding` is what files are in
    that are not UTF-8, `decimal` the decimal mark of files that do not show it; without them such
    files are rejected.
    """

    folder: Path
    space: SearchSpace
    objective: Objective
    encoding: str | None = None
    decimal: Literal[".", ","] | None = None
    making: Making = field(default_factory=Making)
    _read: dict[tuple[str, str], tuple[Row, ...] | Unreadable | None] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        """Raise OracleError for an unknown encoding, or names that a header cannot tell apart.

        SettingsError for a resolution of what has none.
        """
        vocabulary(self.space, self.objective)
        require_resolution(self.making.resolution, self.space)
        try:
            codecs.lookup(self.encoding or "utf-8")
        except LookupError as error:
            raise OracleError(
                "oracle.encoding", "an encoding such as 'cp1252'", repr(self.encoding)
            ) from error

    @property
    def declaration(self) -> Declaration:
        """It measures every target, in its own time; no one may be asked twice to make a sample."""
        return Declaration(
            name="folder",
            measures=self.objective.units,
            evaluates=False,
            repeatable=False,
            resolution=self.making.resolution,
        )

    def submit(self, candidates: Sequence[Candidate]) -> None:
        """Make these candidates the whole worklist; OracleError where it cannot be written."""
        publish(self.folder, candidates, self.space, self.objective, self.making)

    def collect(self, pending: Sequence[Candidate]) -> tuple[Receipt, ...]:
        """A receipt for every file in results/ that is not still being written.

        None while results/ is missing; OracleError where a file or the archive fails.
        """
        asked = {candidate.id: candidate for candidate in pending}
        try:
            receipts = [self._receipt(path, asked) for path in self._files()]
        except OSError as error:
            raise OracleError(
                str(self.folder), "results/ to read and archive/ to write", str(error)
            ) from error
        return tuple(receipt for receipt in receipts if receipt is not None)

    def _files(self) -> list[Path]:
        results = self.folder / "results"
        if not results.is_dir():
            return []
        return sorted(
            path
            for path in results.iterdir()
            if path.suffix.casefold() in TABLES | WORKBOOKS
            and not path.name.startswith((".", "~$"))
            and path.is_file()
        )

    def _receipt(self, path: Path, asked: Mapping[str, Candidate]) -> Receipt | None:
        """What the file holds; None where it is not there yet, or not whole."""
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None  # taken away since it was listed
        except OSError as error:
            locked = Rejection(row=0, reason=f"the file cannot be read: {error.strerror}")
            return Receipt(file=path.name, sha256="", rows=0, rejected=(locked,))
        if not content.strip():
            return None
        digest = sha256(content).hexdigest()
        key = (path.name, digest)
        if key not in self._read:
            self._read[key] = self._rows(path, content, digest)
        match self._read[key]:
            case None:
                return None
            case Unreadable(reason=reason):
                rejected: tuple[Rejection, ...] = (Rejection(row=0, reason=reason),)
                return Receipt(file=path.name, sha256=digest, rows=0, rejected=rejected)
            case tuple() as rows:
                answers = [compare(row, asked) for row in rows]
        rejected = tuple(each for each in answers if isinstance(each, Rejection))
        return Receipt(
            file=path.name,
            sha256=digest,
            rows=len(rows),
            observations=tuple(each for each in answers if not isinstance(each, Rejection)),
            rejected=rejected,
        )

    def _rows(self, path: Path, content: bytes, digest: str) -> tuple[Row, ...] | Unreadable | None:
        """The rows of a file, once it is in the archive."""
        if path.suffix.casefold() in WORKBOOKS:
            return Unreadable(reason="a workbook: save the sheet as CSV, in UTF-8")
        sheet = read_sheet(content, self.encoding)
        if sheet is None:
            return None
        archived = self.folder / "archive" / f"{digest}.csv"
        if not archived.is_file():
            write_whole(archived, content)
        if isinstance(sheet, Unreadable):
            return sheet
        return self._table(sheet, Source(oracle="folder", file=path.name, sha256=digest))

    def _table(self, sheet: Sheet, source: Source) -> tuple[Row, ...] | Unreadable:
        columns = read_header(sheet.header, vocabulary(self.space, self.objective))
        if isinstance(columns, str):
            return Unreadable(reason=columns)
        numeric = [c.index for c in columns if c.is_number and c.role != "asked"]
        cells = [cell for _, row in sheet.rows for i in numeric for cell in row[i : i + 1]]
        try:
            mark = decimal_mark(cells, sheet.delimiter, self.decimal)
        except ValueError as error:
            return Unreadable(reason=str(error))
        reader = Reader(space=self.space, columns=columns, mark=mark, source=source)
        rows = [reader.read(position, row) for position, row in sheet.rows]
        if sheet.cut:
            rows[-1] = _cut(sheet.rows[-1][0])
        return tuple(rows)


def _cut(position: int) -> Row:
    reason = "the file ends within this row, without a line break: its last cell may be incomplete"
    return Row(answer=Rejection(row=position, reason=reason))
