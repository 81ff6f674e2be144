"""A row per candidate: the table that is shown, and what is exported as CSV and as JSON.

Everything here is computed from the campaign and its ledger; nothing is kept.
"""

import csv
import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TypeAlias

from flows.views import Entries, plain, standing
from loop.campaign import Campaign
from loop.people import because
from loop.records import (
    Attached,
    Candidate,
    Corrected,
    Edited,
    Ingested,
    Json,
    Observed,
    Proposed,
    Retracted,
    Vetoed,
)
from loop.space.composition import Composition
from loop.space.parameters import Parameter
from loop.space.values import Point
from loop.spending import charge

Cell: TypeAlias = str | float | int | None


def statuses(campaign: Campaign) -> dict[str, str]:
    """measured, failed, vetoed, retracted, running, partly measured or waiting, by candidate."""
    found = dict.fromkeys(campaign.candidates, "measured")
    for candidate in campaign.pending:
        found[candidate.id] = "partly measured" if campaign.latest(candidate.id) else "waiting"
    found |= dict.fromkeys(
        (each for each in campaign.running if found[each] == "waiting"), "running"
    )
    found |= {candidate.id: "failed" for candidate, _ in campaign.all_failures}
    found |= dict.fromkeys(campaign.retracted, "retracted")
    return found | dict.fromkeys(campaign.vetoed, "vetoed")


def observations(campaign: Campaign, only: Collection[str] | None = None) -> list[dict[str, Cell]]:
    """A flat row per candidate, with units in the column names; the point as it was made.

    Of the candidates in `only`, where it is given, in its order.
    """
    known = campaign.candidates
    shown = known.values() if only is None else [known[each] for each in only]
    results = campaign.all_results
    failures = {candidate.id: failed for candidate, failed in campaign.all_failures}
    status = statuses(campaign)
    table = []
    for candidate in shown:
        result, failed = results.get(candidate.id), failures.get(candidate.id)
        made = candidate.point if result is None else result.point
        row: dict[str, Cell] = {"candidate": candidate.id, "status": status[candidate.id]}
        if campaign.problem.stand_ins:
            row["asked of"] = campaign.problem.fidelity(candidate.fidelity).called
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
        decided = campaign.vetoed.get(candidate.id) or campaign.retracted.get(candidate.id)
        row["set aside"] = because(decided) if decided else None
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
        **asdict(standing(campaign, entries), dict_factory=_plainly),
        "targets": [asdict(target) for target in problem.objective.targets],
        "bounds": [asdict(bound) for bound in problem.objective.bounds],
        "combine": problem.objective.way,
        "reference": dict(problem.objective.reference),
        "parameters": [_parameter(parameter) for parameter in problem.space.parameters],
        "seed": problem.seed,
        "candidates": [
            {
                "candidate": each.id,
                "status": status[each.id],
                "fidelity": each.fidelity,
                "cost": charge(campaign, each),
                "asked": asked.get(each.id),
                "answered": answered.get(each.id),
                "point": plain(each.point),
                "why": asdict(each.why, dict_factory=_plainly),
                "vetoed": _decision(campaign.vetoed.get(each.id)),
                "edited": _decision(campaign.edited.get(each.id)),
                "retracted": _decision(campaign.retracted.get(each.id)),
                "answers": [asdict(answer) for answer in campaign.observations.get(each.id, ())],
            }
            for each in campaign.candidates.values()
        ],
    }


def _plainly(fields: Iterable[tuple[str, Json]]) -> dict[str, Json]:
    """The fields of a record as JSON gives them back: lists for tuples."""
    return {name: list(x) if isinstance(x, tuple) else x for name, x in fields}


def _decision(event: Vetoed | Edited | Retracted | None) -> dict[str, Json] | None:
    return None if event is None else {"reason": event.reason, "by": event.by}


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
            case Corrected():
                answered[event.observation.candidate] = at
            case Ingested():
                answered |= {each.candidate: at for each in event.receipt.observations}
            case _:
                pass
    return asked, answered


def _ids(candidates: Sequence[Candidate]) -> list[str]:
    return [candidate.id for candidate in candidates]
