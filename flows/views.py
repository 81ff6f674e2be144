"""What is shown and exported of a campaign: its standing in a few words, and a row per candidate.

Everything here is computed from the campaign and its ledger; nothing is kept.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TypeAlias

from loop.campaign import Campaign, Result
from loop.parameters import Composition, Parameter, Point
from loop.records import (
    Attached,
    Candidate,
    Event,
    Ingested,
    Json,
    Observed,
    Proposed,
)

Cell: TypeAlias = str | float | int | None
Entries: TypeAlias = Sequence[tuple[str, Event]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a campaign stands. `budget` is None where the settings on record state none."""

    name: str
    goal: str
    answered: int
    budget: int | None
    waiting: int
    running: int
    failed: Mapping[str, int]
    best: Mapping[str, Json] | None
    best_said: str
    closed: str | None
    since: str
    last: str


def standing(campaign: Campaign, entries: Entries) -> Standing:
    """Where the campaign stands after these events."""
    lead = campaign.problem.objective.lead
    best = campaign.best
    return Standing(
        name=campaign.problem.name,
        goal=f"{lead.goal} {lead.name}" + (f" [{lead.unit}]" if lead.unit else ""),
        answered=campaign.answered,
        budget=campaign.settings.get("stop", {}).get("evaluations"),
        waiting=len(campaign.pending),
        running=len(campaign.running),
        failed=dict(Counter(failed.kind for _, failed in campaign.failures)),
        best=None if best is None else found(best),
        best_said="" if best is None else praise(campaign, best),
        closed=campaign.closed,
        since=entries[0][0],
        last=entries[-1][0],
    )


def lines(standing: Standing) -> list[str]:
    """The standing for people."""
    budget = "" if standing.budget is None else f" of {standing.budget}"
    failed = ", ".join(f"{count} {kind}" for kind, count in standing.failed.items())
    now = f"{standing.waiting} waiting for an answer, {standing.running} in flight"
    return [
        f"{standing.name}: {standing.goal}",
        f"{standing.answered}{budget} evaluations" + (f" ({failed})" if failed else ""),
        f"Ended: {standing.closed}" if standing.closed else f"Goes on: {now}",
        f"Best: {standing.best_said}" if standing.best_said else "No answer keeps every bound yet.",
    ]


def ended_badly(campaign: Campaign) -> bool:
    """Whether the campaign was closed for a reason that a person has to remove."""
    return (campaign.closed or "").startswith(("failures:", "invalid input:"))


def praise(campaign: Campaign, best: Result) -> str:
    """A result in one line, the leading target first."""
    lead = campaign.problem.objective.lead.name
    names = [lead, *(name for name in best.values if name != lead)]
    values = ", ".join(quantity(campaign, name, best.values[name]) for name in names)
    return f"{values} at {written(best.point)} ({best.candidate.id})"


def found(result: Result) -> dict[str, Json]:
    """A result as plain values."""
    return {
        "candidate": result.candidate.id,
        "point": plain(result.point),
        "values": dict(result.values),
        "errors": dict(result.errors),
    }


def plain(point: Point) -> dict[str, Json]:
    """A point as JSON keeps it."""
    return {
        name: dict(value) if isinstance(value, Mapping) else value for name, value in point.items()
    }


def written(point: Point) -> str:
    """A point for people: `Ni0.53Pd0.06Pt0.41, T = 600`."""
    parts = []
    for name, value in point.items():
        if isinstance(value, Mapping):
            parts.append("".join(f"{each}{round(x, 3):g}" for each, x in value.items()))
        else:
            parts.append(f"{name} = {value if isinstance(value, str) else f'{value:.5g}'}")
    return ", ".join(parts)


def quantity(campaign: Campaign, name: str, value: float) -> str:
    """A value of a target for people: `bulk_modulus 216.3 GPa`."""
    return f"{name} {value:.5g} {campaign.problem.objective.units[name]}".rstrip()


def statuses(campaign: Campaign) -> dict[str, str]:
    """measured, failed, vetoed, retracted, running, partly measured or waiting, by candidate."""
    found = dict.fromkeys(campaign.candidates, "measured")
    for candidate in campaign.pending:
        found[candidate.id] = "partly measured" if campaign.latest(candidate.id) else "waiting"
    found |= dict.fromkeys(
        (each for each in campaign.running if found[each] == "waiting"), "running"
    )
    found |= {candidate.id: "failed" for candidate, _ in campaign.failures}
    found |= dict.fromkeys(campaign.retracted, "retracted")
    return found | dict.fromkeys(campaign.vetoed, "vetoed")


def observations(campaign: Campaign) -> list[dict[str, Cell]]:
    """A flat row per candidate, with units in the column names; the point as it was made."""
    results = {result.candidate.id: result for result in campaign.results}
    failures = {candidate.id: failed for candidate, failed in campaign.failures}
    status = statuses(campaign)
    table = []
    for candidate in campaign.candidates.values():
        result, failed = results.get(candidate.id), failures.get(candidate.id)
        made = candidate.point if result is None else result.point
        row: dict[str, Cell] = {"candidate": candidate.id, "status": status[candidate.id]}
        for parameter in campaign.problem.space.parameters:
            row |= _cells(parameter, made)
        row["as asked"] = "yes" if made == candidate.point else "no"
        for target in campaign.problem.objective.targets:
            unit = f" [{target.unit}]" if target.unit else ""
            row[f"{target.name}{unit}"] = result.values.get(target.name) if result else None
            error = result.errors.get(target.name) if result else None
            row[f"{target.name} standard error{unit}"] = error
        row["origin"] = candidate.why.origin
        row["failure"] = failed.kind if failed else None
        row["message"] = failed.message if failed else None
        table.append(row)
    return table


def rows(campaign: Campaign, entries: Entries) -> list[dict[str, Cell]]:
    """The observations, with the times at which each was asked and answered."""
    asked, answered = _times(entries)
    return [
        row
        | {
            "asked (UTC)": asked.get(str(row["candidate"])),
            "answered (UTC)": answered.get(str(row["candidate"])),
        }
        for row in observations(campaign)
    ]


def as_csv(campaign: Campaign, entries: Entries) -> str:
    """The rows as CSV, with a header even where there are none."""
    table = rows(campaign, entries)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table[0] if table else ["candidate"])
    writer.writerows(row.values() for row in table)
    return text.getvalue()


def as_json(campaign: Campaign, entries: Entries) -> dict[str, Json]:
    """Everything on record about every candidate, with why it was chosen and every answer."""
    asked, answered = _times(entries)
    status = statuses(campaign)
    problem = campaign.problem
    return {
        **asdict(standing(campaign, entries)),
        "targets": [asdict(target) for target in problem.objective.targets],
        "bounds": [asdict(bound) for bound in problem.objective.bounds],
        "parameters": [_parameter(parameter) for parameter in problem.space.parameters],
        "seed": problem.seed,
        "candidates": [
            {
                "candidate": each.id,
                "status": status[each.id],
                "asked": asked.get(each.id),
                "answered": answered.get(each.id),
                "point": plain(each.point),
                "why": asdict(each.why),
                "answers": [asdict(answer) for answer in campaign.observations.get(each.id, ())],
            }
            for each in campaign.candidates.values()
        ],
    }


def _parameter(parameter: Parameter) -> dict[str, Json]:
    return {"kind": type(parameter).__name__.lower(), **asdict(parameter)}


def _cells(parameter: Parameter, point: Point) -> Iterator[tuple[str, Cell]]:
    """Column and value of a parameter; a composition has a column per element."""
    value = point.get(parameter.name)
    match parameter:
        case Composition():
            fractions = value if isinstance(value, Mapping) else {}
            yield from (
                (f"{parameter.name}.{each}", fractions.get(each, 0.0))
                for each in parameter.elements
            )
        case _:
            unit = getattr(parameter, "unit", "")
            cell = None if isinstance(value, Mapping) else value
            yield f"{parameter.name} [{unit}]" if unit else parameter.name, cell


def _times(entries: Entries) -> tuple[dict[str, str], dict[str, str]]:
    """When each candidate was asked, and when its latest answer was written down."""
    asked: dict[str, str] = {}
    answered: dict[str, str] = {}
    for at, event in entries:
        match event:
            case Proposed():
                asked |= dict.fromkeys(_ids(event.candidates), at)
            case Attached():
                asked |= dict.fromkeys(_ids(event.candidates), at)
                answered |= {each.candidate: at for each in event.observations}
            case Observed():
                answered[event.observation.candidate] = at
            case Ingested():
                answered |= {each.candidate: at for each in event.receipt.observations}
            case _:
                pass
    return asked, answered


def _ids(candidates: Sequence[Candidate]) -> list[str]:
    return [candidate.id for candidate in candidates]
