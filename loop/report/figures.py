"""The progress of the search: every answer, and what had been found by then."""

from collections.abc import Sequence

from loop.campaign import Campaign
from loop.front import reference_point
from loop.objective import Target
from loop.ranking import utilities
from loop.report.drawing import Axis, Frame, Key, Line, Mark, Sheet, Text, raised, spanning
from loop.report.levels import bounds, marked_values, wanted
from loop.report.marks import by_origin, failure, origin_keys, state_keys, tip
from loop.report.quantities import label, quantity
from loop.report.rows import Row
from loop.stopping import StopRules

Steps = Sequence[tuple[Row, float | None]]


def progress(campaign: Campaign, rows: Sequence[Row], rules: StopRules | None) -> Sheet | None:
    """Every answer and the best so far; None before the first value.

    Of several goals, the number that stands for all of them (`Campaign.gains`).
    """
    objective = campaign.problem.objective
    lead = objective.lead
    by_id = {row.candidate.id: row for row in rows}
    steps = [(by_id[candidate.id], amount) for candidate, amount in campaign.trace]
    if objective.way in {"pareto", "scalar", "desirability"}:
        return _gains(campaign, steps)
    values = [value for row, _ in steps if (value := row.value(lead.name)) is not None]
    if not values:
        return None
    axis = spanning(label(lead.name, lead.unit), [*values, *marked_values(lead, rules)], margin=0.1)
    frame = _over_answers(steps, axis)
    lines, texts = frame.grid()
    for more_lines, more_texts in (
        wanted(frame, lead, rules),
        bounds(frame, objective, lead),
    ):
        lines += more_lines
        texts += more_texts
    marks = [
        _placed(frame, count, row, row.value(lead.name), lead)
        for count, (row, _) in enumerate(steps, start=1)
    ]
    if not lead.is_wish:
        return _sheet(f"Answers: {lead.name}", frame, (lines, texts), marks, steps)
    lines.append(Line(d=_staircase(frame, [best for _, best in steps]), css="best-line"))
    return _sheet("Best so far", frame, (lines, texts), marks, steps)


def _gains(campaign: Campaign, steps: Steps) -> Sheet | None:
    """How far all goals together had come after each answer."""
    objective = campaign.problem.objective
    gains = [gain for _, gain in steps]
    if not any(gain is not None for gain in gains):
        return None
    said = {
        "pareto": "covered by the front, share of the box",
        "scalar": "balance of the goals, 1 at the best of each",
        "desirability": "desirability, 0 to 1",
    }[objective.way]
    known = [gain for gain in gains if gain is not None]
    frame = _over_answers(steps, Axis(label=said, low=min(0.0, *known), high=1.0))
    lines, texts = frame.grid()
    marks = [
        _placed(frame, count, row, gain if row.value(objective.lead.name) is not None else None)
        for count, (row, gain) in enumerate(steps, start=1)
    ]
    lines.append(Line(d=_staircase(frame, gains), css="best-line"))
    return _sheet("Progress", frame, (lines, texts), marks, steps, _box(campaign))


def _box(campaign: Campaign) -> str:
    """Where the box of a front begins, in words."""
    objective = campaign.problem.objective
    results = campaign.contenders
    if objective.way != "pareto" or not results:
        return ""
    r = reference_point(objective, utilities(objective, results))
    words = []
    for target, utility in zip(objective.wanted, r.tolist(), strict=True):
        match target.goal:
            case "max" | "min":
                words.append(f"{target.name} {quantity(target.sign * utility, target.unit)}")
            case _:
                words.append(f"{target.name} {quantity(-utility, target.unit)} off")
    return f"The box reaches from {', '.join(words)} to the best of each goal so far."


def _over_answers(steps: Steps, axis: Axis) -> Frame:
    """The answers from left to right, over this axis."""
    said = "evaluations, in the order of asking"
    return Frame(x=Axis(label=said, low=0.0, high=len(steps) + 0.5, whole=True), y=axis)


def _placed(
    frame: Frame, count: int, row: Row, value: float | None, lead: Target | None = None
) -> Mark:
    """The mark of the answer of that number; a cross at the foot where it has no value."""
    if value is None:
        return failure(row, (frame.across(frame.x.place(count)), frame.up(0) - 7))
    return by_origin(row, frame.at(count, value), tip(row, *([lead] if lead else [])))


def _sheet(
    title: str,
    frame: Frame,
    drawn: tuple[list[Line], list[Text]],
    marks: Sequence[Mark],
    steps: Steps,
    caption: str = "",
) -> Sheet:
    split_lines, split_texts = _split(frame, [row for row, _ in steps])
    lines = (*drawn[0], *split_lines)
    is_line = any(line.css == "best-line" for line in lines)
    keys = [Key(label="best so far", css="best-line", shape="dash")] if is_line else []
    keys += origin_keys(row for row, _ in steps)
    return raised(
        Sheet(
            title=title,
            caption=caption,
            width=frame.width,
            height=frame.height,
            lines=lines,
            texts=(*drawn[1], *split_texts),
            marks=tuple(marks),
            keys=(*keys, *(key for key in state_keys(marks) if key.css != "halo")),
        )
    )


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
