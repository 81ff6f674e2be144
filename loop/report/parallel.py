"""Parallel coordinates: one thread per candidate across all parameters, ending at the target."""

from collections.abc import Sequence

from loop.objective import Target
from loop.report.coordinates import Coordinate, values_of
from loop.report.drawing import Axis, Frame, Key, Line, Sheet, Text, grade, spanning
from loop.report.marks import LEADING, NO_VALUE, failure, goodness, ramp, tip
from loop.report.quantities import label
from loop.report.rows import Row

MOST_AXES = 10  # more do not fit side by side
SHEET = {"width": 1120, "height": 400, "bottom": 18, "left": 70, "right": 90}


def parallel(axes: Sequence[Coordinate], lead: Target, rows: Sequence[Row]) -> Sheet:
    """One line per candidate across all parameters, ending at the leading target."""
    kept = list(axes[:MOST_AXES])
    values = values_of(rows, lead)
    end = spanning(label(lead.name, lead.unit), values)
    scales = [*(each.axis for each in kept), *([end] if values else [])]
    frame = Frame(x=Axis(label="", low=0, high=1), y=end, **SHEET)
    across = [frame.across(i / (len(scales) - 1)) for i in range(len(scales))]
    lines, texts = _fence(frame, across, scales)
    marks = []
    for row in sorted(rows, key=lambda row: _rank(row, lead)):
        value = row.value(lead.name)
        places = [each.axis.place(each.of(row.point)) for each in kept]
        places += [] if value is None else [end.place(value)]
        corners = list(zip(across, map(frame.up, places), strict=False))
        path = "M" + "L".join(f"{x} {y}" for x, y in corners)
        tone = f"thread {_tone(row, lead, values)}"
        lines.append(Line(d=path, css=tone, row=row.number, tip=tip(row, lead)))
        if value is None and not row.waits:
            marks.append(failure(row, corners[-1]))
    hidden = len(axes) - len(kept)
    return Sheet(
        title="Parameters",
        caption=f"{hidden} further axes are not drawn; the table has them." if hidden else "",
        width=frame.width,
        height=frame.height,
        lines=tuple(lines),
        texts=tuple(texts),
        marks=tuple(marks),
        keys=tuple(_thread_keys(rows)),
        ramp=ramp(values, lead),
    )


def _fence(
    frame: Frame, across: Sequence[float], scales: Sequence[Axis]
) -> tuple[list[Line], list[Text]]:
    """The upright axes of parallel coordinates."""
    lines, texts = [], []
    for x, scale in zip(across, scales, strict=True):
        side, css = (1, "start") if x == across[-1] else (-1, "end")
        lines.append(Line(d=f"M{x} {frame.up(0)}V{frame.up(1)}", css="axis"))
        texts.append(Text(x=x, y=frame.top - 14, text=scale.label, css="mid name"))
        for place, said in scale.ticks(5):
            y = frame.up(place)
            lines.append(Line(d=f"M{x} {y}h{5 * side}", css="axis"))
            texts.append(Text(x=x + 9 * side, y=y + 4, text=said, css=css))
    return lines, texts


def _rank(row: Row, lead: Target) -> tuple[bool, float]:
    """The order of drawing: the best last, on top of all others."""
    value = row.value(lead.name)
    return row.state in LEADING, float("-inf") if value is None else goodness(lead, value)


def _tone(row: Row, lead: Target, values: Sequence[float]) -> str:
    value = row.value(lead.name)
    if value is None:
        return "waits" if row.waits else "failed"
    return f"{grade(goodness(lead, value), [goodness(lead, v) for v in values])} {row.state}"


def _thread_keys(rows: Sequence[Row]) -> list[Key]:
    states = {row.state for row in rows}
    offered = [
        ("best", Key(label="best", css="thread best q6", shape="dash")),
        ("front", Key(label="on the front", css="thread front q6", shape="dash")),
        ("outside", Key(label="breaks a bound", css="thread outside q3", shape="dash")),
        ("failed", Key(label=NO_VALUE, css="failed", shape="cross")),
    ]
    return [key for state, key in offered if state in states]
