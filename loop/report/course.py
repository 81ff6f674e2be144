"""How well the model predicted as the campaign went on: what each model said of itself."""

from collections.abc import Sequence

from loop.objective import Target
from loop.records import Health
from loop.report.drawing import Axis, Frame, Key, Line, Mark, Sheet
from loop.report.quantities import number, percent, quantity
from loop.report.rows import Row

MARKED = 30  # models that have a mark, the newest among them; the line goes through all
RIGHT = 0.95  # the share of 95 % intervals that hold if a model is right


def course(target: Target, rows: Sequence[Row]) -> Sheet | None:
    """R2 and coverage over the candidates that a model chose; None where none told of itself.

    Both are of outcomes that the model had not seen. R2 is not drawn where outcomes did not differ.
    """
    told = [(row, row.candidate.why.health[target.name]) for row in rows if _tells(row, target)]
    if not told:
        return None
    r2 = [(row, known, known.r2) for row, known in told if known.r2 is not None]
    coverage = [(row, known, known.coverage) for row, known in told]
    low = min(0.0, *(value for *_, value in coverage), *(value for *_, value in r2))
    frame = Frame(
        x=Axis(label="candidates, in the order of asking", low=0, high=len(rows) + 1, whole=True),
        y=Axis(label="R2, and the share of 95 % intervals that held", low=low, high=1.0),
    )
    lines, texts = frame.grid()
    right = frame.up(frame.y.place(RIGHT))
    lines.append(Line(d=f"M{frame.across(0)} {right}H{frame.across(1)}", css="diagonal"))
    lines.append(Line(d=_path(frame, coverage), css="axis"))
    lines.append(Line(d=_path(frame, r2), css="best-line"))
    every = -(-len(told) // MARKED)
    marks = [_mark(frame, target, each, ("ring", "design")) for each in coverage[::-every]]
    marks += [_mark(frame, target, each, ("dot", "model")) for each in r2[::-every]]
    return Sheet(
        title=f"The model's health: {target.name}",
        caption=_caption(told[-1][1]),
        width=frame.width,
        height=frame.height,
        lines=tuple(lines),
        texts=tuple(texts),
        marks=tuple(marks),
        keys=(
            Key(label="R2: 1 is perfect", css="model", shape="dot"),
            Key(label="share of 95 % intervals that held", css="design", shape="ring"),
        ),
    )


def _tells(row: Row, target: Target) -> bool:
    return target.name in row.candidate.why.health


def _path(frame: Frame, points: Sequence[tuple[Row, Health, float]]) -> str:
    """The path through the values, from candidate to candidate."""
    ends = [frame.at(row.number, value) for row, _, value in points]
    return "M" + "L".join(f"{x} {y}" for x, y in ends) if ends else "M0 0"


def _mark(
    frame: Frame, target: Target, point: tuple[Row, Health, float], look: tuple[str, str]
) -> Mark:
    row, known, value = point
    x, y = frame.at(row.number, value)
    off = quantity(known.error, target.unit)
    r2 = "none" if known.r2 is None else number(known.r2, 2)
    said = f"{row.candidate.id}, chosen on {known.n} values: R2 {r2}, {percent(known.coverage)}"
    tip = f"{said} of the intervals held, off by {off}"
    return Mark(x=x, y=y, shape=look[0], css=look[1], row=row.number, tip=tip)


def _caption(known: Health) -> str:
    """The newest model's sentence, and what to look at."""
    said = known.says
    if known.outliers:
        said += f" It would not have believed {', '.join(known.outliers)}."
    if known.at_bounds:
        said += f" At the end of its range: {', '.join(known.at_bounds)}."
    return f"{said} Left-out errors are {number(known.calibration, 2)} times what it expects."
