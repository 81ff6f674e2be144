"""The worklist: what the laboratory is to make next, one row per candidate."""

import csv
from collections.abc import Mapping, Sequence
from io import StringIO

from loop.objective import Objective
from loop.records import Candidate
from loop.space.composition import Composition
from loop.space.parameters import Parameter
from loop.space.space import SearchSpace
from loop.space.values import Point
from oracles.folder.columns import fields, titled, unit_of


def worklist(candidates: Sequence[Candidate], space: SearchSpace, objective: Objective) -> bytes:
    """The worklist as CSV: id, parameters with their units, an empty column for every target."""
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        [
            "candidate",
            *(titled(name, unit_of(p)) for p in space.parameters for name in fields(p)),
            *(titled(target.name, target.unit) for target in objective.targets),
        ]
    )
    for candidate in candidates:
        cells = [cell for p in space.parameters for cell in _cells(p, candidate.point)]
        writer.writerow([candidate.id, *cells, *("" for _ in objective.targets)])
    return text.getvalue().encode()


def _cells(parameter: Parameter, point: Point) -> list[str]:
    value = point[parameter.name]
    match parameter:
        case Composition(elements=elements):
            fractions = value if isinstance(value, Mapping) else {}
            return [f"{fractions.get(element, 0.0):.10g}" for element in elements]
        case _:
            return [value if isinstance(value, str) else f"{value:.10g}"]
