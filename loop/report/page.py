"""The page itself: `render` turns a campaign into one HTML text that needs nothing else.

The figures are SVG that the template draws from plain shapes, not Plotly (its script alone is 4 to
5 MB a page) and not matplotlib: the style sheet colours the shapes, so one page serves light, dark
and print, and a shape knows its row of the table, so that both light up together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from jinja2 import Template

from loop.agreement import agreements
from loop.campaign import Campaign
from loop.records import REAL, Event
from loop.report import account, question
from loop.report.course import course
from loop.report.figures import progress
from loop.report.history import history
from loop.report.marks import LEADING
from loop.report.pairs import against
from loop.report.quantities import moment, number, percent, quantity, stated, unit
from loop.report.rows import Row, rows
from loop.report.spaces import spaces
from loop.report.table import columns
from loop.report.templates import templates
from loop.report.trust import Trust, parity, trust
from loop.stopping import StopRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One number that matters, with what it is and a word on it."""

    name: str
    value: str
    word: str = ""


def render(
    campaign: Campaign, entries: Sequence[tuple[str, Event]], rules: StopRules | None = None
) -> str:
    """The report as HTML. `entries` are the campaign's events with their times, oldest first."""
    listed = rows(campaign, entries)
    objective = campaign.problem.objective
    real = tuple(row for row in listed if row.candidate.fidelity == REAL)  # never mixed
    known = [trust(target, real) for target in objective.targets]
    pairs, is_front = against(campaign, real), len(objective.wanted) > 1
    sheets = [
        progress(campaign, real, rules),
        *(pairs if is_front else []),
        *spaces(campaign, real),
        *map(parity, known),
        *(course(target, real) for target in objective.goals),
        *([] if is_front else pairs),
    ]
    return _template().render(
        campaign=campaign,
        problem=campaign.problem,
        lead=objective.lead,
        best=next((row for row in listed if row.state == "best"), None),
        front=_front(campaign, listed),
        state=_state(campaign, listed),
        tiles=_tiles(campaign, listed, known, rules),
        times=[moment(at) for at, _ in (*entries[:1], *entries[-1:])],
        goals=question.goals(objective),
        varied=[question.varied(parameter) for parameter in campaign.problem.space.parameters],
        stops=question.stops(campaign, rules),
        settings=question.settings(campaign),
        sheets=[sheet for sheet in sheets if sheet is not None],
        columns=columns(campaign, listed),
        rows=listed,
        waiting=[row for row in listed if row.waits],
        asked=account.asked(campaign),
        agreements=agreements(campaign),
        troubles=account.troubles(campaign),
        files=account.files(entries),
        history=history(entries),
        answered_by=account.answered_by(campaign),
        installed=account.installed(),
    )


@cache
def _template() -> Template:
    environment = templates()
    environment.filters |= {"moment": moment, "unit": unit, "cell": stated}
    environment.globals |= {"quantity": quantity, "wish": question.wish}
    return environment.get_template("page.html")


def _state(campaign: Campaign, listed: Sequence[Row]) -> str:
    """What the campaign is doing, in one line."""
    if campaign.opened is None:
        return "Not opened yet"
    if campaign.closed is not None:
        return f"Closed. {campaign.closed[:1].upper()}{campaign.closed[1:]}"
    waiting = sum(row.waits for row in listed)
    return f"Open, waiting for {waiting} answer{'s' * (waiting != 1)}" if waiting else "Open"


def _tiles(
    campaign: Campaign, listed: Sequence[Row], known: Sequence[Trust], rules: StopRules | None
) -> list[Tile]:
    """The numbers on top of the page."""
    lead, granted = campaign.problem.objective.lead, question.budget(campaign, rules)
    tiles = [_merit(campaign)]
    word = "" if granted is None else f"of {granted}"
    tiles.append(Tile(name="evaluations", value=str(campaign.answered), word=word))
    outside = sum(row.state == "outside" for row in listed)
    if campaign.problem.objective.bounds:
        tiles.append(Tile(name="break a bound", value=str(outside)))
    tiles.append(Tile(name="failed", value=str(sum(row.state == "failed" for row in listed))))
    tiles.append(Tile(name="waiting", value=str(sum(row.waits for row in listed))))
    told = next((each for each in known if each.target == lead), None)
    if told is not None and told.pairs:
        share = percent(told.inside / len(told.pairs))
        tiles.append(
            Tile(
                name="in the 95 % interval",
                value=share,
                word=f"{told.inside} of {len(told.pairs)}",
            )
        )
    return tiles


def _merit(campaign: Campaign) -> Tile:
    """What has been found, in one number."""
    objective, best, gains = campaign.problem.objective, campaign.best, campaign.gains
    lead, gain = objective.lead, gains[-1][1] if gains else None
    match objective.way:
        case "learn" | "level":
            return Tile(name="answers that teach the model", value=str(len(campaign.contenders)))
        case "single":
            if best is None:
                return Tile(name=f"best {lead.name}", value="none yet")
            value, error = best.values[lead.name], best.errors.get(lead.name)
            said = quantity(value, lead.unit, error)
            return Tile(name=f"best {lead.name}", value=said, word=best.candidate.id)
        case "pareto":
            share = "" if gain is None else f"{percent(gain)} of the box covered"
            return Tile(name="on the front", value=str(len(campaign.front)), word=share)
        case "scalar" | "desirability":
            name = "best balance" if objective.way == "scalar" else "best desirability"
            if best is None or gain is None:
                return Tile(name=name, value="none yet")
            return Tile(name=name, value=number(gain, 3), word=best.candidate.id)


def _front(campaign: Campaign, listed: Sequence[Row]) -> list[Row]:
    """The rows that no other beats, best first by the leading goal; of a single goal none."""
    lead = campaign.problem.objective.lead
    if len(campaign.problem.objective.wanted) < 2 or not lead.is_wish:
        return []
    front = [row for row in listed if row.state in LEADING]
    return sorted(front, key=lambda row: -lead.utility(row.value(lead.name) or 0.0))
