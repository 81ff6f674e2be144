"""The ternary diagram: a composition of three components on a triangle.

The first component is pure on top, the second at the left, the third at the right.
"""

from collections.abc import Sequence
from math import sqrt

from loop.objective import Target
from loop.report.coordinates import fraction_of, marked
from loop.report.drawing import Line, Sheet, Text, raised
from loop.report.marks import ramp, state_keys
from loop.report.rows import Row
from loop.space.composition import Composition

WIDTH, HEIGHT = 568, 470
LEFT, FOOT, SIDE = 84.0, 418.0, 400.0  # the left corner, and the length of a side
TALL = sqrt(3) / 2  # the height of a triangle whose side is 1


def ternary(parameter: Composition, lead: Target, rows: Sequence[Row]) -> Sheet:
    """Every composition on the triangle, coloured by the leading target."""

    def place(row: Row) -> tuple[float, float]:
        value = row.point[parameter.name]
        a, b, c = (fraction_of(value, element) for element in parameter.elements)
        return _at(a, b, c)

    marks, values = marked(rows, lead, place)
    return raised(
        Sheet(
            title=f"Composition: {parameter.name}",
            caption="",
            width=WIDTH,
            height=HEIGHT,
            lines=tuple(_net()),
            texts=(*_numbers(), *_names(parameter.elements)),
            marks=tuple(marks),
            keys=tuple(state_keys(marks)),
            ramp=ramp(values, lead),
        )
    )


def _at(a: float, b: float, c: float) -> tuple[float, float]:
    """Where fractions a, b, c lie on the sheet."""
    total = a + b + c or 1.0
    x = LEFT + SIDE * (c + a / 2) / total
    return round(x, 1), round(FOOT - SIDE * TALL * a / total, 1)


def _net() -> list[Line]:
    """The sides, and lines of equal fraction at every fifth."""
    lines = []
    for t in (0.2, 0.4, 0.6, 0.8):
        rest = 1 - t
        for one, other in (
            ((t, rest, 0), (t, 0, rest)),
            ((0, t, rest), (rest, t, 0)),
            ((rest, 0, t), (0, rest, t)),
        ):
            (x1, y1), (x2, y2) = _at(*one), _at(*other)
            lines.append(Line(d=f"M{x1} {y1}L{x2} {y2}", css="grid"))
    (ax, ay), (bx, by), (cx, cy) = _at(1, 0, 0), _at(0, 1, 0), _at(0, 0, 1)
    return [*lines, Line(d=f"M{ax} {ay}L{bx} {by}L{cx} {cy}Z", css="axis")]


def _numbers() -> list[Text]:
    """The fractions, each on the side along which its component grows."""
    texts = []
    for t in (0.2, 0.4, 0.6, 0.8):
        for (x, y), dx, dy, css in (
            (_at(t, 1 - t, 0), -8, 4, "end"),
            (_at(0, t, 1 - t), 3, 17, "mid"),
            (_at(1 - t, 0, t), 8, 2, "start"),
        ):
            texts.append(Text(x=round(x + dx, 1), y=round(y + dy, 1), text=f"{t:g}", css=css))
    return texts


def _names(names: Sequence[str]) -> list[Text]:
    """The components at their corners, and beside the sides that show their fractions."""
    top, left, right = names
    (ax, ay), (bx, by), (cx, cy) = _at(1, 0, 0), _at(0, 1, 0), _at(0, 0, 1)
    middle = round(FOOT - SIDE * TALL / 2 - 18, 1)
    return [
        Text(x=ax, y=ay - 12, text=top, css="mid corner"),
        Text(x=bx - 6, y=by + 20, text=left, css="end corner"),
        Text(x=cx + 6, y=cy + 20, text=right, css="start corner"),
        Text(x=(ax + bx) / 2 - 38, y=middle, text=f"{top} →", css="mid name", turn=-60),
        Text(x=(bx + cx) / 2, y=by + 40, text=f"← {left}", css="mid name"),
        Text(x=(ax + cx) / 2 + 38, y=middle, text=f"{right} →", css="mid name", turn=60),
    ]
