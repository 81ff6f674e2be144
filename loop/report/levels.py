"""Lines across a figure that say what is wanted: bounds, values to match, windows, goals."""

from loop.objective import Objective, Target
from loop.report.drawing import Frame, Line, Text
from loop.report.quantities import limit, number, quantity
from loop.stopping import StopRules

Drawn = tuple[list[Line], list[Text]]


def bounds(frame: Frame, objective: Objective, target: Target) -> Drawn:
    """The bounds of the target on the y axis, as far as they lie on the sheet."""
    lines: list[Line] = []
    texts: list[Text] = []
    for bound in objective.bounds:
        if bound.target == target.name and 0 < frame.y.place(bound.value) < 1:
            _level(frame, bound.value, limit(bound, target.unit), "bound", lines, texts)
    return lines, texts


def upright(frame: Frame, objective: Objective, target: Target) -> Drawn:
    """The bounds of the target on the x axis, as far as they lie on the sheet."""
    lines: list[Line] = []
    texts: list[Text] = []
    for bound in objective.bounds:
        if bound.target == target.name and 0 < (place := frame.x.place(bound.value)) < 1:
            x = frame.across(place)
            lines.append(Line(d=f"M{x} {frame.up(0)}V{frame.up(1)}", css="bound"))
            said = limit(bound, target.unit)
            texts.append(Text(x=x + 5, y=frame.up(1) + 10, text=said, css="bound"))
    return lines, texts


def marked_values(target: Target, rules: StopRules | None) -> list[float]:
    """The values that a y axis has to hold, so that what is wanted lies on the sheet."""
    reached = None if rules is None else rules.reached
    match target:
        case Target(goal="match", value=float() as value):
            near = reached or 0.0
            return [value - near, value + near]
        case Target(goal="window", low=float() as low, high=float() as high):
            return [low, high]
        case Target(goal="level", value=float() as value):
            return [value]
        case Target(goal="max" | "min") if reached is not None:
            return [reached]
        case _:
            return []


def wanted(frame: Frame, target: Target, rules: StopRules | None) -> Drawn:
    """What is wanted of the target on the y axis: a line, and a band where there is a range."""
    lines: list[Line] = []
    texts: list[Text] = []
    ends = sorted(set(marked_values(target, rules)))
    if len(ends) == 2:
        low, high = (frame.up(frame.y.place(end)) for end in ends)
        left, right = frame.across(0), frame.across(1)
        lines.append(Line(d=f"M{left} {low}H{right}V{high}H{left}Z", css="band"))
    match target:
        case Target(goal="match", value=float() as value):
            _level(frame, value, f"wanted {quantity(value, target.unit)}", "goal", lines, texts)
        case Target(goal="level", value=float() as value):
            _level(frame, value, f"level {quantity(value, target.unit)}", "goal", lines, texts)
        case Target(goal="window", low=float() as low, high=float() as high):
            said = f"wanted {number(low)} to {quantity(high, target.unit)}"
            _level(frame, high, said, "goal", lines, texts)
            _level(frame, low, "", "goal", lines, texts)
        case _:
            for end in ends:
                _level(frame, end, f"goal {quantity(end, target.unit)}", "goal", lines, texts)
    return lines, texts


def _level(
    frame: Frame, value: float, said: str, css: str, lines: list[Line], texts: list[Text]
) -> None:
    """Add a level across the sheet, with what it means."""
    y = frame.up(frame.y.place(value))
    lines.append(Line(d=f"M{frame.across(0)} {y}H{frame.across(1)}", css=css))
    if said:
        texts.append(Text(x=frame.across(1), y=y - 5, text=said, css=f"{css} end"))
