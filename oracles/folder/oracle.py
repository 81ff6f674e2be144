"""The laboratory as an oracle: a folder in which worklists go out and result files come in.

    worklist/               written whole, by rename: what waits for an answer, as worklist.csv,
                            worklist.xlsx, worklist.html, a page to print, and form.xlsx, to fill in
    results/                read, and never changed: any file names, .csv, .tsv or .txt
    archive/                every file as it was read, by its sha256

Every file is read again at every turn, and its receipt is the same as long as the file is: what of
it is new, repeated, corrected or of an unknown candidate is decided by `loop.decisions.settling`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import blake2b, sha256
from pathlib import Path

from loop.campaign import Campaign
from loop.errors import OracleError, SpaceError
from loop.objective import Objective
from loop.past import placed
from loop.protocols import Declaration
from loop.records import Candidate, Failed, Measured, Observation, Receipt, Rejection, Source
from loop.space.space import SearchSpace
from loop.space.values import Point
from oracles.folder.columns import as_made, header_test, read_header, vocabulary
from oracles.folder.crosscheck import Asked, compare
from oracles.folder.files import write_whole
from oracles.folder.making import Making, require_resolution
from oracles.folder.numbers import decimal_mark
from oracles.folder.publishing import publish
from oracles.folder.reading import Reading
from oracles.folder.rejected import archived
from oracles.folder.rows import Reader, Row
from oracles.folder.sheet import Sheet, Unreadable
from oracles.folder.tables import TEXTS, Tables, is_read, named_in, run_reader, tables
from oracles.folder.tray import Found, Read, content, found, read_index, settled, write_index

BLANK = b" \t\r\n\xef\xbb\xbf"  # an empty file, its byte order mark included
INDEX = ".index.json"  # beside the archive: what was read of which file


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A laboratory that answers through files.

    `folder` is the campaign folder, `making` how samples are made, `reading` how files are read.
    Where it does not archive, collecting writes nothing at all.
    """

    folder: Path
    space: SearchSpace
    objective: Objective
    making: Making = field(default_factory=Making)
    reading: Reading = field(default_factory=Reading)
    archives: bool = True
    _points: dict[str, Point] = field(default_factory=dict, init=False, repr=False, compare=False)
    _on_record: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)
    _made: dict[str, set[str]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raise OracleError for names that a header cannot tell apart.

        SettingsError for a resolution of what has none.
        """
        vocabulary(self.space, self.objective)
        require_resolution(self.making.resolution, self.space)

    @property
    def declaration(self) -> Declaration:
        """It measures every target, in its own time; no one may be asked twice to make a sample."""
        return Declaration(
            name="folder",
            measures=self.objective.units,
            evaluates=False,
            repeatable=False,
            resolution=self.making.resolution,
            repeats=self.making.repeats,
        )

    def submit(self, candidates: Sequence[Candidate]) -> None:
        """Make these candidates the whole worklist; OracleError where it cannot be written."""
        publish(self.folder, candidates, self.space, self.objective, self.to_make)

    @property
    def to_make(self) -> Making:
        """How samples are made, and how much of that has been done."""
        return replace(self.making, made={each: frozenset(of) for each, of in self._made.items()})

    def recall(self, campaign: Campaign) -> None:
        """Take in what is on record: files that are, and have not changed, need not be read again.

        Rows are compared with every point that was asked, also those nobody waits for any more.
        """
        self._points.update({each.id: each.point for each in campaign.candidates.values()})
        if self.making.repeats > 1:
            self._made.update({each: set(campaign.made(each)) for each in campaign.candidates})
        self._on_record.clear()
        files = (event.receipt for event in campaign.ingested)
        self._on_record.update({receipt.file: receipt.sha256 for receipt in files})

    def collect(self, pending: Sequence[Candidate]) -> tuple[Receipt, ...]:
        """A receipt for every file in results/ that is not still being written, and is not known.

        None while results/ is missing; OracleError where a file or the archive fails.
        """
        return tuple(self.read(self.news(), pending))

    def news(self) -> list[Found]:
        """The files in results/ that are to be read: new, changed, or not on record."""
        files = found(self.folder / "results", self.reading.file_mb)
        files = [each for each in files if each.trouble or is_read(each.name, self.reading)]
        index = read_index(self._index, self._way)
        return [each for each in files if not self._is_known(each, index)]

    def read(self, news: Sequence[Found], pending: Sequence[Candidate]) -> Iterator[Receipt]:
        """The receipts of these files, one after the other; as `collect`, which reads them all."""
        points = self._points | {candidate.id: candidate.point for candidate in pending}
        limits = {"tolerance": self.reading.tolerance, "limit": self.reading.limit}
        try:
            yield from self._collect(news, Asked(points=points, **limits))
        except OSError as error:
            raise OracleError(
                str(self.folder), "results/ to read and archive/ to write", str(error)
            ) from error

    def tables(self, name: str, content: bytes) -> Tables | None:
        """Every table of a file, by the name of its receipt."""
        known = vocabulary(self.space, self.objective)
        own = partial(run_reader, self.folder, self.reading.reader or "")
        return tables(name, content, self.reading, header_test(known, self.reading), own)

    @property
    def _way(self) -> str:
        """Tells how files are read: as declared, and by the campaign's own reader as it is now."""
        script = self.folder / (self.reading.reader or "").partition(":")[0]
        if self.reading.reader is None or not script.is_file():
            return self.reading.digest
        return blake2b(
            self.reading.digest.encode() + script.read_bytes(), digest_size=4
        ).hexdigest()

    @property
    def _index(self) -> Path:
        return self.folder / "archive" / INDEX

    def _collect(self, news: Sequence[Found], asked: Asked) -> Iterator[Receipt]:
        index = read_index(self._index, self._way) if news else {}
        for file in settled(news, self.reading.settle_s):
            receipts, sha256 = self._receipts(file, asked)
            names = tuple(each.file for each in receipts)
            if sha256 and receipts:
                index[file.name] = Read(state=file.state, sha256=sha256, receipts=names)
            yield from receipts
        if news and self.archives:
            write_index(self._index, self._way, index)

    def _is_known(self, file: Found, index: Mapping[str, Read]) -> bool:
        """Whether a file was read as it is now, and that is on record."""
        read = index.get(file.name)
        return (
            read is not None
            and read.state == file.state
            and all(self._on_record.get(name) == read.sha256 for name in read.receipts)
        )

    def _receipts(self, file: Found, asked: Asked) -> tuple[list[Receipt], str]:
        """What a file holds, and its sha256; nothing where it is not there yet, or not whole."""
        if file.trouble:
            return [_refused(file.name, file.trouble)], ""
        try:
            raw = content(file)
        except OSError as error:
            return [_refused(file.name, f"the file cannot be read: {error.strerror}")], ""
        if raw is None or not raw.strip(BLANK):
            return [], ""
        if (
            file.is_done
            and not raw.endswith((b"\n", b"\r"))
            and file.path.suffix.casefold() in TEXTS
        ):
            raw += b"\n"  # whoever marks a file as done has ended its last line
        made = self.tables(file.name, raw)
        if made is None:
            return [], ""
        digest = sha256(raw).hexdigest()
        path = archived(self.folder, file.name, digest)
        if self.archives and not path.is_file():
            write_whole(path, raw)
        return [self._receipt(name, table, digest, asked) for name, table in made], digest

    def _receipt(self, name: str, table: Sheet | Unreadable, digest: str, asked: Asked) -> Receipt:
        rows = self._rows(name, table, digest, asked)
        if isinstance(rows, str):
            return replace(_refused(name, rows), sha256=digest, reading=self._way)
        return Receipt(
            file=name,
            sha256=digest,
            rows=len(rows),
            observations=tuple(each for each in rows if not isinstance(each, Rejection)),
            rejected=tuple(each for each in rows if isinstance(each, Rejection)),
            reading=self._way,
        )

    def _rows(
        self, name: str, sheet: Sheet | Unreadable, digest: str, asked: Asked
    ) -> list[Observation | Rejection] | str:
        """The rows of a table, each beside what was asked; or why there are none."""
        if isinstance(sheet, Unreadable):
            return sheet.reason
        header = [self.reading.named(each) for each in sheet.header]
        columns = read_header(header, vocabulary(self.space, self.objective))
        if isinstance(columns, str):
            return columns
        numeric = [c.index for c in columns if c.is_number and c.role != "asked"]
        cells = [cell for _, row in sheet.rows for i in numeric for cell in row[i : i + 1]]
        try:
            mark = sheet.mark or decimal_mark(cells, sheet.delimiter, self.reading.decimal)
        except ValueError as error:
            return str(error)
        reader = Reader(
            space=self.space,
            columns=columns,
            mark=mark,
            source=Source(oracle="folder", file=name, sha256=digest),
            reading=self.reading,
            candidate=named_in(name, self.reading),
        )
        last = sheet.rows[-1][0] if sheet.cut else None
        filled = (line for line in sheet.rows if line[0] == last or not reader.is_open(line[1]))
        alone = replace(reader, columns=as_made(columns))  # a row without an id says where it was
        rows = [
            (reader if reader.names(cells) else alone).read(position, cells)
            for position, cells in filled
        ]
        if last is not None:
            rows[-1] = _cut(last)
        told = [compare(row, asked, columns) for row in rows]
        self._note(told, asked)
        return [self._unasked(each) for each in told] if self.reading.ad_hoc else told

    def _note(self, answers: Sequence[Observation | Rejection], asked: Asked) -> None:
        """Remember which replicates have come, for the worklist that is written next."""
        for each in answers:
            if isinstance(each, Measured) and {*each.values, *each.censored} >= {
                *self.objective.names
            }:
                meant = asked.ids.find(each.candidate) or each.candidate
                self._made.setdefault(meant, set()).add(each.replicate)

    def _unasked(self, answer: Observation | Rejection) -> Observation | Rejection:
        """The answer; without a candidate it must say where it was measured, and have a value."""
        if isinstance(answer, Rejection) or answer.candidate:
            return answer
        row = answer.source.row or 0
        if isinstance(answer, Failed):
            return Rejection(row=row, reason="a failure without a candidate id")
        point = self.space.complete(answer.executed or {})
        missing = [each.name for each in self.space.parameters if each.name not in point]
        if missing:
            reason = "a row without a candidate id says of every parameter what it was"
            return Rejection(row=row, column=missing[0], reason=reason)
        try:
            placed(self.space, point)
        except SpaceError as error:
            where = error.where.removeprefix("space.")
            reason = f"expected {error.expected}, got {error.got}"
            return Rejection(row=row, column=where, reason=reason)
        return replace(answer, executed=point)


def _refused(name: str, reason: str) -> Receipt:
    return Receipt(file=name, sha256="", rows=0, rejected=(Rejection(row=0, reason=reason),))


def _cut(position: int) -> Row:
    reason = "the file ends within this row, without a line break: its last cell may be incomplete"
    return Row(answer=Rejection(row=position, reason=reason))
