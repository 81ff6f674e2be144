"""A row of a results file as an answer, or as a rejection that says why it is none."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf
from typing import get_args

from loop.errors import SpaceError
from loop.records import Failed, Kind, Measured, Observation, Rejection, Source
from loop.space.composition import Composition
from loop.space.parameters import Categorical, Continuous, Ordinal, Parameter
from loop.space.pool import Pool
from loop.space.space import SearchSpace
from loop.space.values import Point, Value
from loop.units import convert
from oracles.folder.columns import REPEATS, Column, Role, fields
from oracles.folder.numbers import LIMIT, counted, number
from oracles.folder.reading import Reading
from oracles.folder.sheet import Cells

FINE = frozenset({"ok", "done", "measured"})
# Of a sample, not of settings: `invalid_input` would end the campaign.
KINDS = tuple(kind for kind in get_args(Kind) if kind != "invalid_input")
FAILED: Mapping[str, Kind] = {
    "failed": "infeasible",
    **{kind: kind for kind in KINDS},
    "cracked": "infeasible",
    "not_formed": "infeasible",
    # The sample or the measurement was lost, not the point: it is asked for again.
    "instrument": "crashed",
    "contaminated": "crashed",
    "lost": "crashed",
    "broken": "crashed",
    "no_time": "timeout",
    "implausible": "invalid_output",
    "skipped": "cancelled",
}
DETECTION = frozenset({"<lod", "<loq", "lod", "loq", "n.d.", "nd", "bdl"})
SUM_SLACK = 1e-6  # as loop.space.parameters allows a composition


ANSWERS: tuple[Role, ...] = ("value", "error", "status", "reason", "executed", "note")


class Unfit(Exception):
    """A cell that cannot be taken: its column, and why. It leaves this module as a Rejection."""

    def __init__(self, column: str, reason: str) -> None:
        """Keep both."""
        super().__init__(column, reason)
        self.column = column
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row: what it answers, and what it says of the point as it was asked."""

    answer: Observation | Rejection
    asked: tuple[tuple[Column, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Reads the rows of one file; `candidate` is the id in its name, where it stands there."""

    space: SearchSpace
    columns: tuple[Column, ...]
    mark: str
    source: Source
    reading: Reading = field(default_factory=Reading)
    candidate: str = ""

    def read(self, position: int, cells: Cells) -> Row:
        """The row at a position below the header."""
        try:
            answer = self._answer(cells, replace(self.source, row=position))
        except Unfit as unfit:
            rejection = Rejection(row=position, column=unfit.column, reason=unfit.reason)
            return Row(answer=rejection)
        return Row(answer=answer, asked=tuple(self._cells(cells, "asked")))

    def names(self, cells: Cells) -> str:
        """The candidate that a row, or the name of its file, tells."""
        return self._text(cells, "candidate") or self.candidate

    def is_open(self, cells: Cells) -> bool:
        """Whether a line of our own worklist or form has not been filled in yet: it is no row."""
        is_ours = any(c.role == "told" and c.header.casefold() == REPEATS for c in self.columns)
        return is_ours and not any(cell for role in ANSWERS for _, cell in self._cells(cells, role))

    def _answer(self, cells: Cells, source: Source) -> Observation:
        self._require_width(cells)
        candidate = self.names(cells)
        if not candidate and not self.reading.ad_hoc:
            raise Unfit("candidate", "no candidate id")
        values, censored = self._values(cells)
        errors = self._errors(cells, values)
        kind = self._failure(cells, is_valued=bool(values or censored))
        notes = {column.header: cell for column, cell in self._cells(cells, "note")}
        notes |= {f"{target} as given": limit for target, limit in censored.items()}
        reason = self._text(cells, "reason")
        replicate, revision = self._replicate(cells), self._revision(cells)
        if kind is not None:
            message = reason or f"the laboratory says: {self._text(cells, 'status')}"
            log = "\n".join(f"{name}: {text}" for name, text in notes.items())
            return Failed(
                candidate=candidate,
                kind=kind,
                message=message,
                source=source,
                log=log,
                replicate=replicate,
                revision=revision,
            )
        return Measured(
            candidate=candidate,
            values=values,
            errors=errors,
            replicate=replicate,
            executed=self.executed(cells),
            notes=notes | ({"reason": reason} if reason else {}),
            source=source,
            revision=revision,
            censored={target: each for target, each in censored.items() if target not in values},
        )

    def _replicate(self, cells: Cells) -> str:
        """What tells this measurement from others of the sample; Excel's 1.0 is 1."""
        parts = (self._text(cells, "replicate"), self._text(cells, "measurement"))
        return "/".join(re.sub(r"^(\d+)[.,]0+$", r"\1", part) for part in parts if part)

    def _revision(self, cells: Cells) -> int:
        for column, cell in self._cells(cells, "revision"):
            if not re.fullmatch(r"\d{1,6}([.,]0+)?", cell, re.ASCII):
                raise Unfit(column.header, f"expected a whole number such as 1, got {cell!r}")
            return int(re.split(r"[.,]", cell)[0])
        return 0

    def _values(self, cells: Cells) -> tuple[dict[str, float], dict[str, str]]:
        """Values by target, in the campaign's units; and what only a limit is known of."""
        values: dict[str, float] = {}
        censored: dict[str, str] = {}
        for column, cell in self._cells(cells, "value"):
            limit = self._limit(column, cell)
            if limit is None:
                values[column.subject] = self._plausible(column, self._number(column, cell))
                continue
            sense, value = limit
            censored[column.subject] = f"{sense} {value:.10g} {column.wanted}".rstrip()
            if self.reading.censored != "flag" and not (sense == ">" and self._halves):
                values[column.subject] = value / 2 if self._halves else value
        return values, censored

    @property
    def _halves(self) -> bool:
        return self.reading.censored == "half"

    def _limit(self, column: Column, cell: str) -> tuple[str, float] | None:
        """Sense and value of a limit in the campaign's unit; None for a cell that is none."""
        if cell.casefold().replace(" ", "") in DETECTION:
            declared = self.reading.detection.get(column.subject)
            if declared is None:
                raise Unfit(
                    column.header,
                    f"{cell!r} is below a limit of detection that nobody has declared: write it as"
                    f" '<0.5', or declare it under [oracle.detection]",
                )
            return "<", declared
        found = LIMIT.fullmatch(cell)
        if found is None:
            return None
        sense = "<" if found["sense"][0] in "<\u2264" else ">"
        return sense, self._number(column, found["number"])

    def _plausible(self, column: Column, value: float) -> float:
        """The value; Unfit where it cannot be, with what a slipped decimal point would make."""
        low, high = self.reading.plausible.get(column.subject, (-inf, inf))
        if low <= value <= high:
            return value
        unit = column.wanted
        span = f"{low:g} to {high:g} {unit}".rstrip()
        got = f"{value:.6g} {unit}".rstrip() + _slip(value, low, high)
        raise Unfit(column.header, f"expected {span} (oracle.plausible), got {got}")

    def _require_width(self, cells: Cells) -> None:
        """Raise Unfit for cells under no header; a row may end early, as Excel writes it."""
        width = len(self.columns)
        if any(cells[width:]):
            raise Unfit(
                "",
                f"{len(cells)} cells below a header of {width}:"
                " a decimal comma or a merged header, perhaps",
            )
        for column in self.columns:
            if not column.header and any(cells[column.index : column.index + 1]):
                raise Unfit("", f"{cells[column.index]!r} stands in a column without a header")

    def _cells(self, cells: Cells, role: Role) -> list[tuple[Column, str]]:
        """The filled cells of a role, with their columns."""
        columns = (column for column in self.columns if column.role == role)
        pairs = ((column, "".join(cells[column.index : column.index + 1])) for column in columns)
        return [(column, cell) for column, cell in pairs if cell]

    def _text(self, cells: Cells, role: Role) -> str:
        return next((cell for _, cell in self._cells(cells, role)), "")

    def _numbers(self, cells: Cells, role: Role) -> dict[str, float]:
        """The numbers of a role by subject, in the campaign's units."""
        return {
            column.subject: self._number(column, cell)
            for column, cell in self._cells(cells, role)
            if column.is_number
        }

    def _number(self, column: Column, cell: str) -> float:
        if column.trouble:
            raise Unfit(column.header, column.trouble)
        try:
            text, over = counted(cell, column.unit)
            value = number(text, self.mark) / over
        except ValueError as error:
            raise Unfit(column.header, str(error)) from error
        if column.role != "error":
            return convert(value, column.unit, column.wanted, column.header)
        if value < 0:
            raise Unfit(column.header, f"expected a standard error, got {cell}")
        # An error is a difference: 1 degC of it is 1 K, not 274.15 K.
        zero, one = (convert(x, column.unit, column.wanted, column.header) for x in (0.0, 1.0))
        return value * (one - zero)

    def _failure(self, cells: Cells, *, is_valued: bool) -> Kind | None:
        """The kind of failure that the row reports, if any."""
        for column, cell in self._cells(cells, "status"):
            said = cell.casefold().replace(" ", "_")
            words = {**FAILED, **self._spelt}
            if said in words and is_valued:
                raise Unfit(column.header, f"{cell!r} beside a value: empty one of the two")
            if said in words:
                return words[said]
            if said not in FINE:
                raise Unfit(column.header, f"expected ok, {', '.join(words)}, got {cell!r}")
        if not is_valued and self._text(cells, "status"):
            raise Unfit("status", f"{self._text(cells, 'status')!r}, but no value")
        if not is_valued:
            raise Unfit("", "no value and no status")
        return None

    @property
    def _spelt(self) -> dict[str, Kind]:
        """The campaign's own words, as they are compared."""
        own = self.reading.statuses.items()
        return {word.casefold().replace(" ", "_"): kind for word, kind in own}

    def _errors(self, cells: Cells, values: Mapping[str, float]) -> dict[str, float]:
        errors: dict[str, float] = {}
        for column, cell in self._cells(cells, "error"):
            if column.subject not in values:
                raise Unfit(column.header, f"an error, but no value of {column.subject}")
            errors[column.subject] = self._number(column, cell)
        return errors

    def executed(self, cells: Cells) -> Point | None:
        """What the row says of the point as it was made: the parameters it names, no others."""
        found: dict[str, float | str] = {
            column.subject: self._number(column, cell) if column.is_number else cell
            for column, cell in self._cells(cells, "executed")
        }
        headers = {column.subject: column.header for column, _ in self._cells(cells, "executed")}
        point: dict[str, Value] = {}
        for parameter in self.space.parameters:
            parts = {label: found[label] for label in fields(parameter) if label in found}
            if parts:
                where = headers[next(iter(parts))]
                point[parameter.name] = _made(parameter, parts, where)
        return point or None


def _slip(value: float, low: float, high: float) -> str:
    """By which power of ten a value seems to be wrong; empty where none would help."""
    for factor in (10.0, 100.0, 1000.0):
        if low <= value / factor <= high:
            return f": {factor:g} times too large, perhaps"
        if low <= value * factor <= high:
            return f": {factor:g} times too small, perhaps"
    return ""


def _made(parameter: Parameter, parts: Mapping[str, float | str], where: str) -> Value:
    """A parameter's value as executed: it may lie outside the bounds, but it must be encodable.

    `where` is its column, for whoever has to mend it.
    """
    match parameter:
        case Composition(name=name):
            whole = {label.removeprefix(f"{name}."): float(part) for label, part in parts.items()}
            if min(whole.values()) < 0 or abs(sum(whole.values()) - 1) > SUM_SLACK:
                raise Unfit(
                    where, f"expected fractions that sum to 1, got {sum(whole.values()):.9g}"
                )
            return whole
        case Categorical(values=values):
            value = parts[parameter.name]
            if value not in values:
                raise Unfit(where, f"expected one of {', '.join(values)}, got {value!r}")
            return value
        case Pool() | Ordinal(is_named=True):
            value = parts[parameter.name]
            try:
                parameter.check(value)
            except SpaceError as error:
                raise Unfit(where, str(error)) from error
            return value
        case Continuous(log=True) | Ordinal(log=True) if float(parts[parameter.name]) <= 0:
            raise Unfit(where, f"expected a number above 0, got {parts[parameter.name]}")
        case _:
            return parts[parameter.name]
