"""What is shown of a campaign: its standing in a few words.

Everything here is computed from the campaign and its ledger; nothing is kept.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from flows.waiting import why
from loop.agreement import agreements
from loop.campaign import Campaign
from loop.objective import Objective, Target
from loop.people import because
from loop.ranking import Result
from loop.records import Event, Health, Json
from loop.space.values import Point, written
from loop.spending import spent

Entries: TypeAlias = Sequence[tuple[str, Event]]

SHOWN = 10  # results of a front that a terminal lists


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a campaign stands. `budget` is None where the settings on record state none.

    `waits` says why it does not move.
    `front` are the results that no other beats, where several goals drive the choice; `best` is
    None where these goals have no single best. `merits` say both for people. `health` is what the
    newest model said of itself, by target.
    """

    name: str
    goal: str
    answered: int
    budget: int | None
    spent: float
    money: float | None
    stand_ins: Mapping[str, int]
    correlated: Sequence[str]
    waiting: int
    running: int
    failed: Mapping[str, int]
    vetoed: Mapping[str, str]
    retracted: Mapping[str, str]
    best: Mapping[str, Json] | None
    best_said: str
    front: Sequence[Mapping[str, Json]]
    merits: Sequence[str]
    health: Mapping[str, Health]
    closed: str | None
    waits: str
    since: str
    last: str


def standing(campaign: Campaign, entries: Entries, folder: Path | None = None) -> Standing:
    """Where the campaign stands after these events; with its folder, why it does not move."""
    best = campaign.best
    return Standing(
        name=campaign.problem.name,
        goal=wish(campaign.problem.objective),
        answered=campaign.answered,
        budget=campaign.settings.get("stop", {}).get("evaluations"),
        spent=spent(campaign),
        money=campaign.settings.get("stop", {}).get("cost"),
        stand_ins={f.name: len(campaign.at(f.name).results) for f in campaign.problem.stand_ins},
        correlated=[each.text for each in agreements(campaign)],
        waiting=len(campaign.pending),
        running=len(campaign.running),
        failed=dict(Counter(failed.kind for _, failed in campaign.all_failures)),
        vetoed={name: because(event) for name, event in campaign.vetoed.items()},
        retracted={name: because(event) for name, event in campaign.retracted.items()},
        best=None if best is None else found(best),
        best_said="" if best is None else praise(campaign, best),
        front=[found(result) for result in _front(campaign)],
        merits=merits(campaign),
        health=campaign.health,
        closed=campaign.closed,
        waits="" if folder is None else why(campaign, entries, folder),
        since=entries[0][0],
        last=entries[-1][0],
    )


def lines(standing: Standing) -> list[str]:
    """The standing for people."""
    budget = "" if standing.budget is None else f" of {standing.budget}"
    failed = ", ".join(f"{count} {kind}" for kind, count in standing.failed.items())
    now = f"{standing.waiting} waiting for an answer, {standing.running} in flight"
    aside = [f"Vetoed: {name}: {reason}" for name, reason in standing.vetoed.items()]
    aside += [f"Retracted: {name}: {reason}" for name, reason in standing.retracted.items()]
    return [
        f"{standing.name}: {standing.goal}",
        f"{standing.answered}{budget} evaluations" + (f" ({failed})" if failed else ""),
        f"Ended: {standing.closed}" if standing.closed else f"Goes on: {now}",
        *([f"Now: {standing.waits}"] if standing.waits and not standing.closed else []),
        *_costs(standing),
        *standing.merits,
        *standing.correlated,
        *(verdict(known) for known in standing.health.values()),
        *aside,
    ]


def _costs(standing: Standing) -> list[str]:
    """What was spent, where costs are counted, and how often stand-ins answered."""
    if standing.money is None and not standing.stand_ins:
        return []
    of = "" if standing.money is None else f" of {standing.money:g}"
    asked = ", ".join(f"{count} results of {name}" for name, count in standing.stand_ins.items())
    return [f"Cost: {standing.spent:.4g}{of}" + (f"; {asked}" if asked else "")]


def verdict(known: Health) -> str:
    """What a model says of itself in one line, with what to look at."""
    said = known.says
    if known.outliers:
        said += f" It would not have believed {', '.join(known.outliers)}."
    said += "".join(f" {each}" for each in known.stand_ins)
    if known.at_bounds:
        said += f" At the end of its range: {', '.join(known.at_bounds)}."
    return said


def merits(campaign: Campaign) -> list[str]:
    """What has been found, for people: the best, and the front where there are several goals."""
    if not campaign.problem.objective.lead.is_wish:
        return ["Every answer teaches the model; none is better than another."]
    best, front = campaign.best, _front(campaign)
    said = [] if best is None else [f"Best: {praise(campaign, best)}"]
    if front:
        results = "1 result" if len(front) == 1 else f"{len(front)} results"
        said.append(f"Front: {results} that no other beats in every goal")
        said += [f"  {praise(campaign, each)}" for each in front[:SHOWN]]
    if len(front) > SHOWN:
        said.append(f"  and {len(front) - SHOWN} more, in the report and the export")
    if campaign.results and campaign.problem.objective.bounds:
        return said or ["No answer keeps every bound yet."]
    return said or ["Nothing has been measured yet."]


def _front(campaign: Campaign) -> tuple[Result, ...]:
    """The front, where there are several goals."""
    return campaign.front if len(campaign.problem.objective.wanted) > 1 else ()


def wish(objective: Objective) -> str:
    """What drives the choice, in a few words: `max strength [MPa], min cost; by pareto`."""
    said = ", ".join(map(_wish, objective.wanted))
    return said if objective.way in {"single", "learn", "level"} else f"{said}; by {objective.way}"


def _wish(target: Target) -> str:
    unit = f" [{target.unit}]" if target.unit else ""
    match target.goal:
        case "match" | "level":
            return f"{target.goal} {target.name} {target.value:g}{unit}"
        case "window":
            return f"window {target.name} {target.low:g} to {target.high:g}{unit}"
        case "max" | "min" | "learn" | "observe":
            return f"{target.goal} {target.name}{unit}"


def ended_badly(campaign: Campaign) -> bool:
    """Whether the campaign was closed for a reason that a person has to remove."""
    return (campaign.closed or "").startswith(("failures:", "invalid input:"))


def praise(campaign: Campaign, best: Result) -> str:
    """A result in one line, what is wanted first."""
    wanted = [target.name for target in campaign.problem.objective.wanted]
    names = [*wanted, *(name for name in best.values if name not in wanted)]
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


def quantity(campaign: Campaign, name: str, value: float) -> str:
    """A value of a target for people: `bulk_modulus 216.3 GPa`."""
    return f"{name} {value:.5g} {campaign.problem.objective.units[name]}".rstrip()
