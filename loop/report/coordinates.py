"""The axes of a parameter space, and its rows as marks coloured by the leading target.

A composition of two components is one axis, of more one for each component.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from loop.objective import Target
from loop.report.drawing import Axis, Mark, grade
from loop.report.marks import by_value, failure, goodness, tip, waiting
from loop.report.quantities import label
from loop.report.rows import Row
from loop.space.composition import Composition
from loop.space.parameters import Categorical, Continuous, Discrete, Ordinal, Parameter
from loop.space.pool import Pool
from loop.space.values import Point, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Coordinate:
    """One axis of the space: a parameter, or a component's fraction."""

    axis: Axis
    of: Callable[[Point], float | str]


def coordinates(parameter: Parameter, rows: Sequence[Row]) -> list[Coordinate]:
    """The axes of a parameter; those of a composition with the most used component first.

    A pool has none: its ids have no order, and a ledger does not keep their features.
    """
    name = parameter.name
    made = [row.point[name] for row in rows]
    match parameter:
        case Categorical():
            names = tuple(dict.fromkeys([*parameter.values, *map(str, made)]))
            axis = Axis(label=name, low=0.0, high=1.0, names=names)
            return [Coordinate(axis=axis, of=lambda point: str(point[name]))]
        case Ordinal(is_named=True):
            axis = Axis(label=name, low=0.0, high=1.0, names=tuple(map(str, parameter.levels)))
            return [Coordinate(axis=axis, of=lambda point: str(point[name]))]
        case Continuous() | Discrete() | Ordinal():
            log = not isinstance(parameter, Discrete) and parameter.log
            known = [x for x in map(_number, made) if x > 0 or not log]
            low, high = _ends(parameter)
            axis = Axis(
                label=label(name, parameter.unit),
                low=min([low, *known]),
                high=max([high, *known]),
                log=log,
            )
            return [Coordinate(axis=axis, of=lambda point: _number(point[name]))]
        case Composition():
            use = {e: fmean(fraction_of(value, e) for value in made) for e in parameter.elements}
            most = sorted(parameter.elements, key=lambda e: -use[e])
            kept = parameter.elements[:1] if len(most) == 2 else most
            return [_component(parameter, element, made) for element in kept]
        case Pool():
            return []


def marked(
    rows: Sequence[Row], lead: Target, at: Callable[[Row], tuple[float, float]]
) -> tuple[list[Mark], list[float]]:
    """Every row as a mark coloured by the leading target, and that target's values."""
    values = values_of(rows, lead)
    goods = [goodness(lead, value) for value in values]
    marks: list[Mark] = []
    for row in rows:
        value = row.value(lead.name)
        if value is not None:
            tone = grade(goodness(lead, value), goods)
            marks.append(by_value(row, at(row), tone, tip(row, lead)))
        else:
            marks.append((waiting if row.waits else failure)(row, at(row)))
    return marks, values


def values_of(rows: Sequence[Row], lead: Target) -> list[float]:
    """The known values of the leading target."""
    return [value for row in rows if (value := row.value(lead.name)) is not None]


def fraction_of(value: Value, element: str) -> float:
    """A component's fraction in a composition, 0 where it is absent."""
    return float(value.get(element, 0.0)) if isinstance(value, Mapping) else 0.0


def _component(parameter: Composition, element: str, made: Sequence[Value]) -> Coordinate:
    low, high = parameter.limits[parameter.elements.index(element)]
    known = [fraction_of(value, element) for value in made]
    low, high = min([low, *known]), max([high, *known])
    axis = Axis(label=element, low=low, high=high if high > low else low + 1.0)
    return Coordinate(axis=axis, of=lambda point: fraction_of(point[parameter.name], element))


def _ends(parameter: Continuous | Discrete | Ordinal) -> tuple[float, float]:
    match parameter:
        case Ordinal():
            return parameter.ends
        case Continuous() | Discrete():
            return parameter.low, parameter.high


def _number(value: Value) -> float:
    return float(value) if isinstance(value, float | int) else float("nan")
