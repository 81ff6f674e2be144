"""The figures of the parameter space, coloured by the leading target.

Three components: a ternary diagram. One axis: the target over it. Two: a map. More: parallel
coordinates.
"""

from collections.abc import Callable, Sequence

from loop.campaign import Campaign
from loop.objective import Target
from loop.report.coordinates import Coordinate, coordinates, marked, values_of
from loop.report.drawing import Frame, Sheet, raised, spanning
from loop.report.marks import ramp, state_keys
from loop.report.parallel import parallel
from loop.report.quantities import label
from loop.report.rows import Row
from loop.report.ternary import ternary
from loop.space.composition import Composition


def spaces(campaign: Campaign, rows: Sequence[Row]) -> list[Sheet]:
    """The figures that suit the space; none before anything was asked."""
    shown = [row for row in rows if row.state not in {"vetoed", "retracted"}]
    if not shown:
        return []
    lead, parameters = campaign.problem.objective.lead, campaign.problem.space.parameters
    threes = [p for p in parameters if isinstance(p, Composition) and len(p.elements) == 3]
    sheets = [ternary(parameter, lead, shown) for parameter in threes]
    if len(parameters) == len(threes) == 1:
        return sheets
    axes = [axis for parameter in parameters for axis in coordinates(parameter, shown)]
    match len(axes):
        case 0:
            return sheets
        case 1:
            known = values_of(shown, lead)
            return [*sheets, *([_line(axes[0], lead, shown)] if known else [])]
        case 2:
            return [*sheets, _map(axes[0], axes[1], lead, shown)]
        case _:
            return [*sheets, parallel(axes, lead, shown)]


def _line(axis: Coordinate, lead: Target, rows: Sequence[Row]) -> Sheet:
    """The leading target over the only parameter."""
    values = values_of(rows, lead)
    frame = Frame(x=axis.axis, y=spanning(label(lead.name, lead.unit), values))

    def at(row: Row) -> tuple[float, float]:
        value = row.value(lead.name)
        x = frame.across(axis.axis.place(axis.of(row.point)))
        return x, frame.up(0) - 7 if value is None else frame.up(frame.y.place(value))

    return _framed(f"{lead.name} over {axis.axis.label}", frame, rows, lead, at)


def _map(x: Coordinate, y: Coordinate, lead: Target, rows: Sequence[Row]) -> Sheet:
    """The two parameters against one another."""
    frame = Frame(x=x.axis, y=y.axis, left=84 if y.axis.names else 62)
    return _framed(
        "Parameters", frame, rows, lead, lambda row: frame.at(x.of(row.point), y.of(row.point))
    )


def _framed(
    title: str,
    frame: Frame,
    rows: Sequence[Row],
    lead: Target,
    at: Callable[[Row], tuple[float, float]],
) -> Sheet:
    marks, values = marked(rows, lead, at)
    lines, texts = frame.grid()
    return raised(
        Sheet(
            title=title,
            caption="",
            width=frame.width,
            height=frame.height,
            lines=tuple(lines),
            texts=tuple(texts),
            marks=tuple(marks),
            keys=tuple(state_keys(marks)),
            ramp=ramp(values, lead),
        )
    )
