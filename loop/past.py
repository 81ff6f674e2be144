"""Past data comes in, as candidates with their answers: it trains the model and costs nothing.

A row has no id, so that it is known by what it says: the same point with the same values, said once
more, is a duplicate, whichever file says it. A true repeat with the very same value needs a column
`replicate`.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace

from loop.campaign import Campaign, is_past
from loop.claims import keys, said
from loop.decisions import Decision
from loop.people import Consequences
from loop.records import (
    Attached,
    Candidate,
    Event,
    Measured,
    Observation,
    Receipt,
    Rejection,
    Why,
)
from loop.space.composition import Composition
from loop.space.parameters import Categorical, Continuous, Discrete, Ordinal
from loop.space.pool import Pool
from loop.space.space import SearchSpace
from loop.space.values import Point, require_inside, require_number


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A row of past data: where it was measured, and what."""

    point: Point
    answer: Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A table of past data: every row a measurement or a rejection."""

    file: str
    sha256: str
    rows: Sequence[Past | Rejection]

    @property
    def rejected(self) -> tuple[Rejection, ...]:
        """The rows that cannot be used, each with its reason; 0 is the whole table."""
        return tuple(each for each in self.rows if isinstance(each, Rejection))


def attaching(batches: Sequence[Batch], reason: str = "", by: str = "") -> Decision:
    """Attach past data, each row once; of a table that has been read, only what it has more."""

    def decide(campaign: Campaign) -> list[Event]:
        if not batches:
            return []
        seen = set(_known(campaign))
        read = {(each.file, each.sha256) for each in campaign.attachments}
        events: list[Event] = []
        count = 0
        for batch in batches:
            event = _attached(campaign, batch, seen, count)
            count += len(event.candidates)
            is_new = (batch.file, batch.sha256) not in read
            if event.candidates or (is_new and (event.duplicates or event.rejected)):
                events.append(replace(event, reason=reason, by=by))
        return events

    return decide


def unasked(answers: Sequence[Observation | Receipt]) -> list[Batch]:
    """The rows of a laboratory's files that name no candidate, but the point where they were."""
    return [
        Batch(file=receipt.file, sha256=receipt.sha256, rows=rows)
        for receipt in answers
        if isinstance(receipt, Receipt) and (rows := list(_unasked(receipt)))
    ]


def _unasked(receipt: Receipt) -> Iterator[Past]:
    for answer in receipt.observations:
        if isinstance(answer, Measured) and not answer.candidate and answer.executed is not None:
            yield Past(point=answer.executed, answer=replace(answer, executed=None))


def attached(campaign: Campaign, events: Sequence[Event]) -> Consequences:
    """What these events change, of a campaign in which they have not happened yet."""
    after = campaign.extended(events)
    return Consequences(
        candidate="past data", before=campaign.leaders, after=after.leaders, led_to=()
    )


def known_already(campaign: Campaign, batches: Sequence[Batch]) -> int:
    """How many rows say what past data, or a row before them, has said."""
    taken = sum(len(e.candidates) for e in attaching(batches)(campaign) if isinstance(e, Attached))
    return sum(isinstance(row, Past) for batch in batches for row in batch.rows) - taken


def placed(space: SearchSpace, point: Point) -> None:
    """Raise SpaceError for a point outside the bounds, or of a name that is none.

    Steps, constraints and the number of components do not matter: what was measured is a fact.
    """
    for parameter in space.parameters:
        value = point[parameter.name]
        match parameter:
            case Discrete(name=name, low=low, high=high, unit=unit):
                require_inside(name, require_number(name, value), low, high, unit)
            case Ordinal(name=name, unit=unit, is_named=False):
                require_inside(name, require_number(name, value), *parameter.ends, unit)
            case Composition():
                replace(parameter, step=None, at_most=None).check(value)
            case Continuous() | Categorical() | Ordinal() | Pool():
                parameter.check(value)


def _attached(campaign: Campaign, batch: Batch, seen: set[Hashable], count: int) -> Attached:
    """The rows of a table that are new, as candidates after `count` others."""
    space = campaign.problem.space
    fresh: list[Past] = []
    for row in batch.rows:
        mark = _mark(space, row.point, row.answer) if isinstance(row, Past) else None
        if isinstance(row, Past) and mark not in seen:
            seen.add(mark)
            fresh.append(row)
    ids = campaign.ids(count + len(fresh))[count:]
    return Attached(
        candidates=tuple(
            Candidate(id=name, point=row.point, why=_why(row))
            for name, row in zip(ids, fresh, strict=True)
        ),
        observations=tuple(
            replace(row.answer, candidate=name) for name, row in zip(ids, fresh, strict=True)
        ),
        file=batch.file,
        sha256=batch.sha256,
        rows=sum(not isinstance(row, Rejection) or row.row > 0 for row in batch.rows),
        duplicates=sum(isinstance(row, Past) for row in batch.rows) - len(fresh),
        rejected=batch.rejected,
    )


def _why(row: Past) -> Why:
    return Why(origin="attached", cause=f"{row.answer.source.file} row {row.answer.source.row}")


def _known(campaign: Campaign) -> Iterator[Hashable]:
    """What past data has said so far."""
    space = campaign.problem.space
    for candidate in filter(is_past, campaign.candidates.values()):
        for answer in campaign.observations.get(candidate.id, ())[:1]:
            yield _mark(space, candidate.point, answer)


def _mark(space: SearchSpace, point: Point, answer: Observation) -> Hashable:
    """What makes a row of past data the row it is."""
    where = str(point[space.pool.name]) if space.pool else space.keys(space.encode([point]))[0]
    return where, tuple((key, said(answer, key)) for key in sorted(keys(answer)))
