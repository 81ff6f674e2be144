"""Moments that people care about, of a campaign as it is now; each is told once.

A moment is what is true now, and since when; nothing is kept of what has been told. Its number is
made of what it is about, so that a replay finds the same moment again and the server knows it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from uuid import UUID, uuid5

from flows.views import Entries, praise, verdict
from flows.waiting import rejected
from loop.campaign import Campaign
from loop.health import is_bad
from loop.records import (
    Candidate,
    Closed,
    Corrected,
    Event,
    Failed,
    Ingested,
    Observed,
    Opened,
    Proposed,
    Resolved,
)
from loop.run import Rig, waiting
from loop.stopping import FEW

BEST, PEOPLE, FAILING, MODEL, FINISHED = KINDS = (
    "athanor.new-best",
    "athanor.waiting-for-people",
    "athanor.failure-rate-high",
    "athanor.model-bad",
    "athanor.finished",
)
OURS = UUID("6d1f6f0e-4c1b-4c1e-9a51-0a7a90a5c0de")  # the space of our numbers, drawn once


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Something that has become true at a time (ISO 8601, UTC); its number is always the same."""

    number: UUID
    kind: str
    at: str
    said: str


def moments(rig: Rig, campaign: Campaign, entries: Entries) -> list[Moment]:
    """What is true now that people should be told, if they have not been."""
    return [
        *_best(campaign, entries),
        *_people(rig, campaign, entries),
        *_failing(rig, campaign, entries),
        *_model(campaign, entries),
        *_finished(campaign, entries),
    ]


def _best(campaign: Campaign, entries: Entries) -> Iterator[Moment]:
    """The best that there is or, of a front, the newest on it; not what was there beforehand."""
    leaders = [each for each in campaign.leaders if each.candidate.why.origin != "attached"]
    if leaders:
        best = leaders[-1]
        at = _when(entries, lambda event: best.candidate.id in _answered(event))
        about = f"{best.candidate.id} {sorted(best.values.items())}"
        yield _moment(entries, BEST, about, at, f"New best: {praise(campaign, best)}")


def _people(rig: Rig, campaign: Campaign, entries: Entries) -> Iterator[Moment]:
    """A worklist that waits for a laboratory, and rows that only people can put right."""
    if campaign.closed is not None or rig.awaited is None:
        return
    asked = waiting(rig.awaited, campaign)
    if asked:
        at = _when(entries, lambda event: isinstance(event, Proposed))
        said = f"Turn {campaign.turn} waits for {len(asked)} results of people"
        yield _moment(entries, PEOPLE, f"turn {campaign.turn}", at, said)
    bad, torn = rejected(campaign), campaign.torn
    if bad or torn:
        at = _when(entries, lambda event: isinstance(event, Ingested | Resolved))
        said = f"{bad} rows are rejected, and files disagree about {len(torn)} candidates"
        yield _moment(entries, PEOPLE, f"{bad} rejected, {sorted(torn)} torn", at, said)


def _failing(rig: Rig, campaign: Campaign, entries: Entries) -> Iterator[Moment]:
    """Half of the failures at which the campaign is closed, and all of them; each once."""
    failures, answered = len(campaign.all_failures), campaign.answered
    share = failures / answered if answered >= FEW else 0.0
    crossed = [part for part in (0.5, 1.0) if share > part * rig.rules.failures]
    if crossed:
        at = _when(entries, lambda event: bool(_failed(event)))
        said = f"{failures} of {answered} answers are failures"
        yield _moment(entries, FAILING, f"above {crossed[-1]}", at, said)


def _model(campaign: Campaign, entries: Entries) -> Iterator[Moment]:
    """A model that predicts nothing or is over-confident, since the first candidate of those."""
    for target, known in campaign.health.items():
        if not is_bad(known):
            continue
        first = ""
        for each in reversed(campaign.own):
            told = each.why.health.get(target)
            if told is not None and not is_bad(told):
                break
            first = each.id if told is not None else first
        at = _when(entries, partial(_asks, first))
        yield _moment(entries, MODEL, f"{target} since {first}", at, verdict(known))


def _finished(campaign: Campaign, entries: Entries) -> Iterator[Moment]:
    if campaign.closed is not None:
        at = _when(entries, lambda event: isinstance(event, Closed))
        yield _moment(entries, FINISHED, at, at, f"Ended: {campaign.closed}")


def _moment(entries: Entries, kind: str, about: str, at: str, said: str) -> Moment:
    (opened_at, opened), *_ = entries
    name = opened.problem.name if isinstance(opened, Opened) else ""
    return Moment(
        number=uuid5(OURS, f"{name}|{opened_at}|{kind}|{about}"), kind=kind, at=at, said=said
    )


def _when(entries: Entries, is_it: Callable[[Event], bool]) -> str:
    """When the newest event of a sort was written down."""
    return next((at for at, event in reversed(entries) if is_it(event)), entries[-1][0])


def _answered(event: Event) -> set[str]:
    match event:
        case Observed(observation=answer) | Corrected(observation=answer):
            return {answer.candidate}
        case Ingested(receipt=receipt):
            return {each.candidate for each in receipt.observations}
        case _:
            return set()


def _failed(event: Event) -> bool:
    match event:
        case Observed(observation=Failed()):
            return True
        case Ingested(receipt=receipt):
            return any(isinstance(each, Failed) for each in receipt.observations)
        case _:
            return False


def _asks(candidate: str, event: Event) -> bool:
    found: tuple[Candidate, ...] = event.candidates if isinstance(event, Proposed) else ()
    return any(each.id == candidate for each in found)
