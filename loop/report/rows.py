"""One row per candidate: what the table lists and the figures draw, so that they cannot differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from loop.campaign import Campaign
from loop.objective import Objective
from loop.people import because
from loop.ranking import Result
from loop.records import (
    Attached,
    Candidate,
    Event,
    Failed,
    Proposed,
    Started,
    Why,
)
from loop.report.quantities import limit, number
from loop.space.values import Point

State: TypeAlias = Literal[
    "best",
    "front",
    "measured",
    "outside",
    "failed",
    "partial",
    "running",
    "waiting",
    "retracted",
    "vetoed",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One candidate in the order of asking: the point as it was made, its answer and its state.

    `front` is beaten by no other where there are several goals, `best` the best by what is wanted;
    `outside` is measured and breaks a bound; `partial` lacks a target; `remark` says the rest.
    """

    number: int
    candidate: Candidate
    point: Point
    state: State
    remark: str = ""
    result: Result | None = None
    failed: Failed | None = None
    asked_at: str = ""
    started_at: str = ""
    waits: bool = False

    def value(self, target: str) -> float | None:
        """The measured mean of a target, where there is one."""
        return None if self.result is None else self.result.values.get(target)


def rows(campaign: Campaign, entries: Sequence[tuple[str, Event]]) -> tuple[Row, ...]:
    """Every candidate, in the order of asking."""
    results = campaign.all_results
    failures = {candidate.id: failed for candidate, failed in campaign.all_failures}
    pending = {candidate.id for candidate in campaign.pending}
    leading = _leading(campaign)
    asked, started = _times(entries)
    found = []
    for count, candidate in enumerate(campaign.candidates.values(), start=1):
        key = candidate.id
        result = results.get(key)
        state = _state(campaign, candidate, result, waits=key in pending)
        state = leading.get(key, state)
        found.append(
            Row(
                number=count,
                candidate=candidate,
                point=candidate.point if result is None else result.point,
                state=state,
                remark=_remark(campaign, key, result, waits=key in pending),
                result=result,
                failed=failures.get(key),
                asked_at=asked.get(key, ""),
                started_at=started.get(key, ""),
                waits=key in pending,
            )
        )
    return tuple(found)


def _leading(campaign: Campaign) -> dict[str, State]:
    """The best, and the front where there are several goals, by candidate."""
    best, several = campaign.best, len(campaign.problem.objective.wanted) > 1
    front: dict[str, State] = {
        result.candidate.id: "front" for result in (campaign.front if several else ())
    }
    return front if best is None else front | {best.candidate.id: "best"}


def reason(why: Why) -> str:
    """Why a candidate was chosen, in one line."""
    parts = [why.cause] if why.cause else []
    if why.asked:
        parts.append(why.asked)
    if why.held:
        parts.append(f"{', '.join(why.held)} held")
    if why.acquisition:
        parts.append(why.acquisition + ("" if why.value is None else f" {number(why.value, 3)}"))
    if why.nearest:
        far = "" if why.distance is None else f", {number(why.distance, 2)} away"
        parts.append(f"nearest {why.nearest}{far}")
    return "; ".join(parts)


def _times(entries: Sequence[tuple[str, Event]]) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """When each candidate was asked, and when its last attempt began."""
    asked: dict[str, str] = {}
    started: dict[str, str] = {}
    for at, event in entries:
        match event:
            case Proposed() | Attached():
                asked.update({candidate.id: at for candidate in event.candidates})
            case Started():
                started[event.candidate] = at
            case _:
                pass
    return asked, started


def _state(
    campaign: Campaign, candidate: Candidate, result: Result | None, *, waits: bool
) -> State:
    if candidate.id in campaign.vetoed:
        return "vetoed"
    if candidate.id in campaign.retracted:
        return "retracted"
    if waits and candidate.id in campaign.running:
        return "running"
    if waits:
        return "waiting" if result is None else "partial"
    if result is None or campaign.lacks(candidate.id):
        return "failed"
    return "measured" if campaign.problem.objective.met(result.values) else "outside"


def _remark(campaign: Campaign, key: str, result: Result | None, *, waits: bool) -> str:
    if key in campaign.vetoed:
        return because(campaign.vetoed[key])
    if key in campaign.retracted:
        return because(campaign.retracted[key])
    if result is None:
        return ""
    objective = campaign.problem.objective
    missing = [name for name in objective.names if name in campaign.lacks(key)]
    parts = [f"still without {', '.join(missing)}"] if waits and missing else []
    parts += [f"breaks {bound}" for bound in _broken(objective, result)]
    if result.point != result.candidate.point:
        parts.append("made differently from what was asked")
    held = {id(measured) for measured in campaign.latest(key).values()}
    superseded = sum(id(measured) not in held for measured in campaign.measurements(key))
    return "; ".join([*parts, *(["corrected"] if superseded else [])])


def _broken(objective: Objective, result: Result) -> list[str]:
    units = objective.units
    return [
        limit(bound, units[bound.target])
        for bound in objective.bounds
        if bound.target in result.values and not bound.met(result.values[bound.target])
    ]
