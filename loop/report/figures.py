"""The figures over answers: the progress of the search, and one target against another."""

from collections.abc import Sequence

from loop.campaign import Campaign
from loop.objective import Objective, Target
from loop.report.drawing import Axis, Frame, Key, Line, Sheet, Text, raised, spanning
from loop.report.marks import (
    by_origin,
    failure,
    origin_keys,
    state_keys,
    tip,
)
from loop.report.quantities import label, limit, quantity
from loop.report.rows import Row
from loop.stopping import StopRules


def progress(campaign: Campaign, rows: Sequence[Row], rules: StopRules | None) -> Sheet | None:
    """The leading target of every answer and the best so far; None before the first value."""
    lead = campaign.problem.objective.lead
    by_id = {row.candidate.id: row for row in rows}
    steps = [(by_id[candidate.id], best) for candidate, best in campaign.trace]
    values = [value for row, _ in steps if (value := row.value(lead.name)) is not None]
    if not values:
        return None
    goal = [] if rules is None or rules.reached is None else [rules.reached]
    frame = Frame(
        x=Axis(
            label="evaluations, in the order of asking", low=0.0, high=len(steps) + 0.5, whole=True
        ),
        y=spanning(label(lead.name, lead.unit), [*values, *goal], margin=0.1),
    )
    lines, texts = frame.grid()
    for level in goal:
        _level(frame, level, f"goal {quantity(level, lead.unit)}", "goal", lines, texts)
    bound_lines, bound_texts = _bound_lines(frame, campaign.problem.objective, lead)
    marks = []
    for count, (row, _) in enumerate(steps, start=1):
        value = row.value(lead.name)
        if value is None:
            marks.append(failure(row, (frame.across(frame.x.place(count)), frame.up(0) - 7)))
        else:
            marks.append(by_origin(row, frame.at(count, value), tip(row, lead)))
    split_lines, split_texts = _split(frame, [row for row, _ in steps])
    best = [Line(d=_staircase(frame, [best for _, best in steps]), css="best-line")]
    keys = [
        Key(label="best so far", css="best-line", shape="dash"),
        *origin_keys(r for r, _ in steps),
    ]
    return raised(
        Sheet(
            title="Best so far",
            caption="",
            width=frame.width,
            height=frame.height,
            lines=(*lines, *bound_lines, *split_lines, *best),
            texts=(*texts, *bound_texts, *split_texts),
            marks=tuple(marks),
            keys=(*keys, *(key for key in state_keys(marks) if key.label != "best")),
        )
    )


def against(campaign: Campaign, rows: Sequence[Row]) -> list[Sheet]:
    """The leading target against up to two others: those with goals and bounds first."""
    objective = campaign.problem.objective
    bounded = {bound.target for bound in objective.bounds}
    others = [target for target in objective.targets if target != objective.lead]
    others.sort(key=lambda target: (target.goal == "observe") + (target.name not in bounded))
    sheets = (_pair(objective, other, rows) for other in others[:2])
    return [sheet for sheet in sheets if sheet is not None]


def _pair(objective: Objective, other: Target, rows: Sequence[Row]) -> Sheet | None:
    """The leading target over another; None where no candidate has both."""
    lead = objective.lead
    found = [
        (row, x, y)
        for row in rows
        if (x := row.value(other.name)) is not None and (y := row.value(lead.name)) is not None
    ]
    if not found:
        return None
    frame = Frame(
        x=spanning(label(other.name, other.unit), [x for _, x, _ in found]),
        y=spanning(label(lead.name, lead.unit), [y for _, _, y in found]),
    )
    lines, texts = frame.grid()
    for bound in objective.bounds:
        if bound.target == other.name and 0 < (place := frame.x.place(bound.value)) < 1:
            x = frame.across(place)
            lines.append(Line(d=f"M{x} {frame.up(0)}V{frame.up(1)}", css="bound"))
            said = limit(bound, other.unit)
            texts.append(Text(x=x + 5, y=frame.up(1) + 10, text=said, css="bound"))
    marks = [by_origin(row, frame.at(x, y), tip(row, lead, other)) for row, x, y in found]
    wish = {"max": "more is better", "min": "less is better", "observe": "only recorded"}
    return raised(
        Sheet(
            title=f"{lead.name} against {other.name}",
            caption=f"{lead.name}: {wish[lead.goal]}; {other.name}: {wish[other.goal]}.",
            width=frame.width,
            height=frame.height,
            lines=(*lines, *_bound_lines(frame, objective, lead)[0]),
            texts=(*texts, *_bound_lines(frame, objective, lead)[1]),
            marks=tuple(marks),
            keys=(*origin_keys(row for row, _, _ in found), *state_keys(marks)),
        )
    )


def _bound_lines(
    frame: Frame, objective: Objective, target: Target
) -> tuple[list[Line], list[Text]]:
    """The bounds of the target on the y axis, as far as they lie on the sheet."""
    lines: list[Line] = []
    texts: list[Text] = []
    for bound in objective.bounds:
        if bound.target == target.name and 0 < frame.y.place(bound.value) < 1:
            _level(frame, bound.value, limit(bound, target.unit), "bound", lines, texts)
    return lines, texts


def _level(
    frame: Frame, value: float, said: str, css: str, lines: list[Line], texts: list[Text]
) -> None:
    """Add a level across the sheet, with what it means."""
    y = frame.up(frame.y.place(value))
    lines.append(Line(d=f"M{frame.across(0)} {y}H{frame.across(1)}", css=css))
    texts.append(Text(x=frame.across(1), y=y - 5, text=said, css=f"{css} end"))


def _split(frame: Frame, rows: Sequence[Row]) -> tuple[list[Line], list[Text]]:
    """A line between the design and the first candidate of the model, where both are there."""
    origins = [row.candidate.why.origin for row in rows]
    first = origins.index("model") if "model" in origins else 0
    if first == 0:
        return [], []
    x, top = frame.across(frame.x.place(first + 0.5)), frame.up(1)
    line = Line(d=f"M{x} {frame.up(0)}V{top}", css="split")
    return [line], [Text(x=x + 5, y=top + 2, text="model →", css="note")]


def _staircase(frame: Frame, best: Sequence[float | None]) -> str:
    """The path of the best value after each answer."""
    path, level = "", None
    for count, value in enumerate(best, start=1):
        if value is None or value == level:
            continue
        x, y = frame.at(count, value)
        path += f"M{x} {y}" if level is None else f"H{x}V{y}"
        level = value
    return f"{path}H{frame.across(frame.x.place(len(best) + 0.5))}" if path else "M0 0"
