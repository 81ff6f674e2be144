"""The worklist: what the laboratory is to make next, one row per candidate.

It is a table before it is a file: CSV here, a workbook in `workbook`, a page to print in `paper`.
All of its columns may come back in results/ as they are.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import TypeAlias

from loop.objective import Objective, Target
from loop.records import Candidate, Why
from loop.space.composition import Composition
from loop.space.parameters import Parameter
from loop.space.space import SearchSpace
from oracles.folder.cells import guarded
from oracles.folder.columns import CODE, PREDICTED, REPEATS, WHY, fields, titled, unit_of
from oracles.folder.making import Making
from oracles.folder.weighing import labels, weighed

Cell: TypeAlias = float | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Worklist:
    """A header, and a row of as many cells for every candidate; numbers are numbers."""

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def worklist(
    candidates: Sequence[Candidate], space: SearchSpace, objective: Objective, making: Making
) -> Worklist:
    """What to make: id and code, parameters, amounts, empty cells for results, what is expected."""
    targets, weighing = objective.targets, making.weighing
    header = [
        "candidate",
        CODE,
        *(titled(name, unit_of(p)) for p in space.parameters for name in fields(p)),
        *(() if weighing is None else labels(weighing)),
        REPEATS,
        *(titled(target.name, target.unit) for target in targets),
        *(
            titled(f"{PREDICTED}{name}", t.unit)
            for t in targets
            for name in (t.name, f"{t.name} +-")
        ),
        WHY,
    ]
    rows = [
        (
            each.id,
            code(each.id),
            *(cell for p in space.parameters for cell in cells_of(p, each)),
            *(() if weighing is None else weighed(weighing, each.point)),
            float(len(making.wanted(each.id))),
            *(None for _ in targets),
            *(cell for target in targets for cell in _predicted(target, each.why)),
            sentence(each.why),
        )
        for each in candidates
    ]
    return Worklist(header=tuple(header), rows=tuple(rows))


def as_csv(table: Worklist) -> bytes:
    """The worklist as CSV in UTF-8, its texts guarded against being run by a spreadsheet."""
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(guarded, table.header))
    writer.writerows([written(cell) for cell in row] for row in table.rows)
    return text.getvalue().encode()


def written(cell: Cell) -> str:
    """A cell as text: numbers with as many digits as they have, up to ten."""
    match cell:
        case None:
            return ""
        case str():
            return guarded(cell)
        case _:
            return f"{cell:.10g}"


def code(candidate: str) -> str:
    """What to write on the vial: the letters at the end of an id."""
    return candidate.rpartition("-")[2]


def sentence(why: Why) -> str:
    """Why this one, in a sentence."""
    match why.origin:
        case "design":
            said = "Fills a gap before the model chooses"
        case "model":
            said = "Worth most to the model" + (f"; most like {why.nearest}" if why.nearest else "")
        case "fallback":
            said = "Fills a gap, for want of a model"
        case "replicate":
            said = "To be measured once more"
        case "manual":
            said = "Asked for by a person"
        case "attached":
            said = "Measured before the campaign"
        case "promoted":
            said = "Best where a stand-in was asked"
    held = f"; {', '.join(why.held)} held" if why.held else ""
    return f"{said}{held}: {why.cause}." if why.cause else f"{said}{held}."


def cells_of(parameter: Parameter, candidate: Candidate) -> list[Cell]:
    """What is asked of a parameter: one cell, or one per component."""
    value = candidate.point[parameter.name]
    match parameter:
        case Composition(elements=elements):
            fractions = value if isinstance(value, Mapping) else {}
            return [fractions.get(element, 0.0) for element in elements]
        case _:
            return [value if isinstance(value, str) else float(str(value))]


def _predicted(target: Target, why: Why) -> tuple[Cell, Cell]:
    """What a measurement is expected to give and how far it may be off: four digits are plenty."""
    known = why.predicted.get(target.name)
    if known is None:
        return None, None
    return float(f"{known.mean:.4g}"), float(f"{known.sd:.2g}")
