"""Whether the model can be trusted: what it predicted when it chose, against what was measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, pstdev

from loop.objective import Target
from loop.records import Prediction
from loop.report.drawing import Axis, Frame, Key, Line, Mark, Sheet, spanning
from loop.report.marks import tip
from loop.report.quantities import label, number, percent, unit, with_error
from loop.report.rows import Row

Z95 = 1.96  # a normal distribution holds 95 % within so many standard deviations


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """How the predictions made for one target at the time of choice turned out, in its unit.

    A prediction is inside where |measured - mean| <= 1.96 sd, for sd is that of a measurement.
    `left_out` counts replicates, and points that were made differently from what was asked: for
    those the prediction is not out of sample.
    """

    target: Target
    pairs: tuple[tuple[Row, Prediction], ...]
    left_out: int

    @property
    def inside(self) -> int:
        """How many measurements lie within their 95 % interval."""
        return sum(self.holds(row, prediction) for row, prediction in self.pairs)

    @property
    def rmse(self) -> float:
        """Root mean square of predicted minus measured."""
        return sqrt(fmean((self.measured(row) - p.mean) ** 2 for row, p in self.pairs))

    @property
    def spread(self) -> float:
        """The standard deviation of the measured values: the RMSE of always saying their mean."""
        return pstdev(self.measured(row) for row, _ in self.pairs)

    def measured(self, row: Row) -> float:
        """The measured mean."""
        value = row.value(self.target.name)
        return float("nan") if value is None else value

    def error(self, row: Row) -> float:
        """The standard error of the measured mean; 0 where none is known."""
        return 0.0 if row.result is None else row.result.errors.get(self.target.name, 0.0)

    def holds(self, row: Row, prediction: Prediction) -> bool:
        """Whether the measurement lies within the prediction's 95 % interval."""
        return abs(self.measured(row) - prediction.mean) <= Z95 * prediction.sd


def trust(target: Target, rows: Sequence[Row]) -> Trust:
    """The honest predictions of one target, with their measurements."""
    name = target.name
    told = [
        row for row in rows if row.value(name) is not None and name in row.candidate.why.predicted
    ]
    honest = [
        row
        for row in told
        if row.candidate.why.origin != "replicate" and row.point == row.candidate.point
    ]
    pairs = tuple((row, row.candidate.why.predicted[name]) for row in honest)
    return Trust(target=target, pairs=pairs, left_out=len(told) - len(honest))


def parity(known: Trust) -> Sheet | None:
    """Predicted against measured with two standard deviations; None where nothing was predicted."""
    if not known.pairs:
        return None
    target = known.target
    measured = [known.measured(row) for row, _ in known.pairs]
    ends = [p.mean + side * 2 * p.sd for _, p in known.pairs for side in (-1, 1)]
    both = spanning(f"measured {label(target.name, target.unit)}", [*measured, *ends])
    said = f"predicted {label(target.name, target.unit)}, ± 2 sd"
    frame = Frame(x=both, y=Axis(label=said, low=both.low, high=both.high))
    lines, texts = frame.grid()
    diagonal = f"M{frame.across(0)} {frame.up(0)}L{frame.across(1)} {frame.up(1)}"
    lines.append(Line(d=diagonal, css="diagonal"))
    marks = []
    for row, prediction in known.pairs:
        tone = "model" if known.holds(row, prediction) else "missed"
        x, y = frame.at(known.measured(row), prediction.mean)
        lines.append(
            Line(d=_bars(known, frame, row, prediction), css=f"bar {tone}", row=row.number)
        )
        said = f"{tip(row, target)}, predicted {with_error(prediction.mean, 2 * prediction.sd)}"
        marks.append(Mark(x=x, y=y, shape="dot", css=tone, row=row.number, tip=said))
    return Sheet(
        title=f"Predicted against measured: {target.name}",
        caption=caption(known),
        width=frame.width,
        height=frame.height,
        lines=tuple(lines),
        texts=tuple(texts),
        marks=tuple(marks),
        keys=(
            Key(label="measured within the 95 % interval", css="model", shape="dot"),
            Key(label="outside it", css="missed", shape="dot"),
        ),
    )


def caption(known: Trust) -> str:
    """The share within the interval and the RMSE, in words."""
    of = unit(known.target.unit)
    count = len(known.pairs)
    said = (
        f"{known.inside} of {count} measurements ({percent(known.inside / count)}) lie within the"
        f" 95 % interval that was predicted before they were made."
        f" RMSE {number(known.rmse, 3)} {of};"
        f" the measured values themselves spread by {number(known.spread, 3)} {of} (sd)."
    )
    if known.left_out:
        said += (
            f" Left out: {known.left_out} that repeat an earlier point or were made differently"
            " from what was asked."
        )
    return said


def _bars(known: Trust, frame: Frame, row: Row, prediction: Prediction) -> str:
    """Two standard deviations up and down, and two standard errors of the measurement across."""
    measured, error = known.measured(row), known.error(row)
    x, y = frame.at(measured, prediction.mean)
    top, foot = (frame.up(frame.y.place(prediction.mean + s * 2 * prediction.sd)) for s in (1, -1))
    path = f"M{x} {top}V{foot}"
    if error:
        left, right = (frame.across(frame.x.place(measured + s * 2 * error)) for s in (-1, 1))
        path += f"M{left} {y}H{right}"
    return path
