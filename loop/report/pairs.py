"""One target against another; of two goals, with the front that no other result beats."""

from collections.abc import Sequence

from loop.campaign import Campaign
from loop.objective import Objective, Target
from loop.report.drawing import Frame, Key, Line, Mark, Sheet, raised, spanning
from loop.report.levels import bounds, upright
from loop.report.marks import LEADING, SHAPES, by_origin, origin_keys, state_keys, tip
from loop.report.quantities import label
from loop.report.question import wish
from loop.report.rows import Row

Found = Sequence[tuple[Row, float, float]]
MOST = 2  # of the other targets


def against(campaign: Campaign, rows: Sequence[Row]) -> list[Sheet]:
    """The leading target against up to two others: wanted ones first, then bounded ones."""
    objective = campaign.problem.objective
    bounded = {bound.target for bound in objective.bounds}
    others = [target for target in objective.targets if target != objective.lead]
    others.sort(key=lambda target: (target.goal == "observe") + (target.name not in bounded))
    others.sort(key=lambda target: target not in objective.wanted)
    sheets = (_pair(objective, other, rows) for other in others[:MOST])
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
    is_front = other in objective.wanted and lead.is_wish
    lines, texts = frame.grid()
    for more_lines, more_texts in (
        upright(frame, objective, other),
        bounds(frame, objective, lead),
    ):
        lines += more_lines
        texts += more_texts
    if is_front and len(objective.wanted) == 2:
        lines += _front(frame, objective, found)
    draw = _by_rank if is_front else by_origin
    marks = [draw(row, frame.at(x, y), tip(row, lead, other)) for row, x, y in found]
    keys = _rank_keys(marks) if is_front else origin_keys(row for row, _, _ in found)
    return raised(
        Sheet(
            title=f"{lead.name} against {other.name}",
            caption=f"{wish(lead)}; {_lowered(wish(other))}.",
            width=frame.width,
            height=frame.height,
            lines=tuple(lines),
            texts=tuple(texts),
            marks=tuple(marks),
            keys=(*keys, *state_keys(marks)),
        )
    )


def _front(frame: Frame, objective: Objective, found: Found) -> list[Line]:
    """The border of what two goals max or min have reached: steps from one result to the next."""
    y_goal, x_goal = objective.wanted
    if not {x_goal.goal, y_goal.goal} <= {"max", "min"}:
        return []
    leading = sorted((x, y) for row, x, y in found if row.state in LEADING)
    if len(leading) < 2:
        return []
    x, y = frame.at(*leading[0])
    path = f"M{x} {y}"
    for point in leading[1:]:
        x, y = frame.at(*point)
        path += f"V{y}H{x}" if x_goal.goal == "max" else f"H{x}V{y}"
    return [Line(d=path, css="best-line")]


def _by_rank(row: Row, at: tuple[float, float], tip: str) -> Mark:
    """A mark that is grey where another result beats it; shaped by who chose it."""
    mark = by_origin(row, at, tip)
    if row.state in {*LEADING, "outside"}:
        return mark
    origin = row.candidate.why.origin
    return Mark(x=at[0], y=at[1], shape=SHAPES[origin], css="beaten", row=row.number, tip=tip)


def _rank_keys(marks: Sequence[Mark]) -> list[Key]:
    is_beaten = any(mark.css == "beaten" for mark in marks)
    return [Key(label="beaten by another", css="beaten", shape="dot")] if is_beaten else []


def _lowered(text: str) -> str:
    return f"{text[0].lower()}{text[1:]}"
