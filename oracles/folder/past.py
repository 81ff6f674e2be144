"""Past data: a table in which a row names no candidate, but the point at which it was measured.

It is read as a results file is, by the same headers, units and mapping of columns; a parameter
counts as it was made, whichever way its header spells it. A composition may stand in one column
under its own name, as a formula: `Al0.5 CoCrFeNi`, in atoms.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pymatgen.core.composition import Composition as Formula

from loop.errors import SpaceError
from loop.past import Past, placed
from loop.records import Measured, Rejection, Source
from loop.space.composition import Composition
from loop.space.space import SearchSpace
from loop.space.values import Point
from oracles.folder.columns import as_made, read_header, vocabulary
from oracles.folder.numbers import decimal_mark
from oracles.folder.oracle import Folder
from oracles.folder.rows import Reader, Unfit
from oracles.folder.sheet import Cells, Sheet, Unreadable


def past(
    lab: Folder, name: str, content: bytes, sha256: str
) -> dict[str, Sequence[Past | Rejection]]:
    """The rows of every table of a file, by the name of the table."""
    lab = without_ids(lab)
    found = lab.tables(name, content)
    if found is None:
        reason = "the file is empty, or ends within its first row"
        return {name: [Rejection(row=0, reason=reason)]}
    return {
        each: _rows(lab, table, Source(oracle="attached", file=each, sha256=sha256))
        for each, table in found
    }


def without_ids(lab: Folder) -> Folder:
    """The laboratory, as it reads tables whose rows name no candidate."""
    return replace(lab, reading=replace(lab.reading, ad_hoc=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """How the rows of a table are read: by what reader, and where compositions are formulas."""

    space: SearchSpace
    reader: Reader
    formulas: Mapping[str, int]

    def read(self, position: int, cells: Cells) -> Past | Rejection:
        """A row as a point with its answer; or why it is none."""
        answer = self.reader.read(position, cells).answer
        if isinstance(answer, Rejection):
            return answer
        try:
            made = self.reader.executed(cells) or {}
            point = self.space.complete({**made, **self._mixtures(cells)})
        except Unfit as unfit:
            return Rejection(row=position, column=unfit.column, reason=unfit.reason)
        for parameter in self.space.parameters:
            if parameter.name not in point:
                return Rejection(row=position, column=parameter.name, reason="no value of it")
        try:
            placed(self.space, point)
        except SpaceError as error:
            reason = f"expected {error.expected}, got {error.got}"
            where = error.where.removeprefix("space.")
            return Rejection(row=position, column=where, reason=reason)
        if isinstance(answer, Measured):
            answer = replace(answer, executed=None)
        return Past(point=point, answer=answer)

    def _mixtures(self, cells: Cells) -> Point:
        """The compositions that stand in a column of their own."""
        return {
            parameter.name: _fractions(parameter, "".join(cells[at : at + 1]))
            for parameter in self.space.parameters
            if isinstance(parameter, Composition)
            and (at := self.formulas.get(parameter.name)) is not None
        }


def _rows(lab: Folder, table: Sheet | Unreadable, source: Source) -> Sequence[Past | Rejection]:
    if isinstance(table, Unreadable):
        return [Rejection(row=0, reason=table.reason)]
    header = [lab.reading.named(each) for each in table.header]
    columns = read_header(header, vocabulary(lab.space, lab.objective))
    if isinstance(columns, str):
        return [Rejection(row=0, reason=columns)]
    columns = as_made(columns)
    cells = [
        x
        for _, row in table.rows
        for c in columns
        if c.is_number
        for x in row[c.index : c.index + 1]
    ]
    try:
        mark = table.mark or decimal_mark(cells, table.delimiter, lab.reading.decimal)
    except ValueError as error:
        return [Rejection(row=0, reason=str(error))]
    reader = Reader(space=lab.space, columns=columns, mark=mark, source=source, reading=lab.reading)
    mixtures = {p.name for p in lab.space.parameters if isinstance(p, Composition)}
    formulas = {head: index for index, head in enumerate(header) if head in mixtures}
    reading = _Table(space=lab.space, reader=reader, formulas=formulas)
    return [reading.read(position, row) for position, row in table.rows]


def _fractions(parameter: Composition, text: str) -> Mapping[str, float]:
    """A formula as fractions of atoms; Unfit for one that is none, and for other elements."""
    try:
        amounts = Formula(text).fractional_composition.get_el_amt_dict()
    except (ValueError, KeyError, AttributeError) as error:
        raise Unfit(parameter.name, f"expected a formula such as 'CuNi', got {text!r}") from error
    strange = [each for each in amounts if each not in parameter.elements]
    if strange:
        known = ", ".join(parameter.elements)
        raise Unfit(parameter.name, f"expected elements among {known}, got {', '.join(strange)}")
    return {element: float(x) for element, x in amounts.items()}
