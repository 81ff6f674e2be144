"""Decisions: pure functions from a campaign to the events that are to be appended.

Each may be made twice, or be made again after somebody else has appended: made on a campaign in
which it has already happened, it decides nothing.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import TypeAlias

from loop.campaign import ATTEMPTS, Campaign
from loop.choices import PLACE
from loop.errors import CampaignError, SettingsError
from loop.intake import Intake
from loop.records import (
    Amended,
    Closed,
    Event,
    Failed,
    Json,
    Kind,
    Measured,
    Observation,
    Observed,
    Opened,
    Problem,
    Receipt,
    Released,
    Reopened,
    Source,
    Started,
)
from loop.space.pool import Pool

Decision: TypeAlias = Callable[[Campaign], Sequence[Event]]

SAFE = ("run", "stop")  # tables of campaign.toml that may change while the campaign runs
LABORATORY = "folder"  # how its files are read may change too: what is on record stays as it was


def opening(problem: Problem, settings: Mapping[str, Json], by: str = "") -> Decision:
    """Open the campaign; or, where it is open, note what changed in its settings, and by whom.

    CampaignError or SettingsError for a change that the data so far do not survive.
    """

    def decide(campaign: Campaign) -> list[Event]:
        if campaign.opened is None:
            return [Opened(problem=problem, settings=settings)]
        late, before = _late(campaign.settings, settings)
        old, new = _by_name(campaign.settings, before)
        changes = tuple(_changes(old, new))
        tables = _laboratories(old) & _laboratories(new)
        unsafe = [change for change in changes if not _is_safe(change, tables)]
        changes += tuple(f"parameter.{n}: added, {v!r} at every point before" for n, v in late)
        for name, value in late:
            if value is None:
                raise SettingsError(
                    f"campaign.toml: parameter.{name}.past",
                    "the value that all points had before this parameter was added",
                    "none",
                    "Add past = ... to the parameter, or start a new campaign in a new folder.",
                )
        if unsafe:
            raise SettingsError(
                "campaign.toml",
                f"changes only under {' and '.join(SAFE)} while the campaign has data",
                "; ".join(unsafe),
                "Undo the change, or start a new campaign in a new folder.",
            )
        _require_same_rows(campaign.opened.problem, problem)
        if not _is_same(campaign.opened.problem, problem):
            raise CampaignError(
                "problem",
                f"the problem that {problem.name!r} was opened with",
                "another space, objective or seed",
                "Use another name, or another ledger.",
            )
        if not changes:
            return []
        events: list[Event] = [Amended(settings=settings, changes=changes, by=by)]
        if campaign.closed is not None:
            events.append(Reopened(reason="; ".join(changes)))
        return events

    return decide


def _is_safe(change: str, laboratories: Collection[str]) -> bool:
    """Whether a change leaves what is on record true: how files are read may change."""
    key = change.partition(":")[0]
    said = (key.removeprefix(f"{each}.") for each in laboratories if key.startswith(f"{each}."))
    return key.partition(".")[0] in SAFE or any(
        each.partition(".")[0] not in PLACE for each in said
    )


def _laboratories(settings: Mapping[str, Json]) -> set[str]:
    """The tables that say how a laboratory's files are read: `oracle`, or `oracle.NAME`."""
    table = settings.get("oracle", {})
    if isinstance(table, list):
        return set()
    if table.get("kind") == LABORATORY:
        return {"oracle"}
    several = {name: each for name, each in table.items() if isinstance(each, Mapping)}
    return {f"oracle.{n}" for n, each in several.items() if each.get("kind") == LABORATORY}


def _by_name(old: Mapping[str, Json], new: Mapping[str, Json]) -> tuple[Mapping[str, Json], ...]:
    """Both settings, several oracles by name where they are the same: a change says of which."""
    lists = (old.get("oracle"), new.get("oracle"))
    names = [[t.get("name") for t in each] for each in lists if isinstance(each, list)]
    if len(names) < 2 or names[0] != names[1]:
        return old, new
    return tuple(
        {**each, "oracle": dict(zip(names[0], each["oracle"], strict=True))} for each in (old, new)
    )


def _late(
    old: Mapping[str, Json], new: Mapping[str, Json]
) -> tuple[list[tuple[str, Json]], Mapping[str, Json]]:
    """Name and past value of each parameter that is new, and the new settings without those."""
    known = {table.get("name") for table in old.get("parameter", [])}
    if not known:
        return [], new
    tables = new.get("parameter", [])
    late = [(table["name"], table.get("past")) for table in tables if table["name"] not in known]
    return late, {**new, "parameter": [table for table in tables if table["name"] in known]}


def _is_same(opened: Problem, problem: Problem) -> bool:
    """Whether nothing but parameters with a past has been added to the problem."""
    known = {parameter.name for parameter in opened.space.parameters}
    before = [p for p in problem.space.parameters if p.name in known or p.past is None]
    return (
        replace(opened, space=problem.space) == problem
        and before == list(opened.space.parameters)
        and opened.space.constraints == problem.space.constraints
        and opened.space.shared == problem.space.shared
    )


def _require_same_rows(opened: Problem, problem: Problem) -> None:
    """Raise CampaignError where a pool's file says something else than when it was opened."""
    pools = {each.name: each for each in opened.space.parameters if isinstance(each, Pool)}
    for new in problem.space.parameters:
        old = pools.get(new.name)
        if isinstance(new, Pool) and old is not None and old.digest != new.digest:
            raise CampaignError(
                f"space.{new.name}",
                f"the {old.count} rows of {old.file or 'the pool'} that the campaign was opened"
                f" with, sha256 {old.digest[:12]}",
                f"{new.count} rows, sha256 {new.digest[:12]}",
                "Put the file back as it was; or begin a campaign on the new one in a new folder.",
            )


def claiming(
    candidate: str, worker: str, alive: Callable[[Started], bool], *, repeatable: bool
) -> Decision:
    """Start an attempt, unless somebody alive is at it or the answer is there.

    An attempt whose worker is gone is started again where the oracle is repeatable, until ATTEMPTS
    workers are gone. Where it is not repeatable the candidate is given up at once: no one may ask
    the world twice without a person's consent.
    """

    def decide(campaign: Campaign) -> list[Event]:
        waits = candidate in {each.id for each in campaign.pending}
        if campaign.closed is not None or campaign.paused is not None or not waits:
            return []
        running = campaign.running.get(candidate)
        if running is not None and running.worker != worker and alive(running):
            return []
        if running is not None and not repeatable:
            said = f"attempt {running.attempt} was cut off, and this oracle must not be asked twice"
            return [_given_up(candidate, "cancelled", said)]
        lost = 0 if running is None else 1 + campaign.cut_off.get(candidate, 0)
        if lost >= ATTEMPTS:
            failed = sum(isinstance(each, Failed) for each in campaign.holding(candidate))
            said = (
                f"attempt {campaign.attempts[candidate]}: {lost} ended with their worker's process"
                " and without an answer, as if the evaluation took it along (its attempt folder may"
                f" tell; to ask once more: athanor ask DIR --replicate {candidate})"
            )
            return [_given_up(candidate, "crashed", said)] * (ATTEMPTS - failed)
        return [
            Started(
                candidate=candidate, attempt=campaign.attempts.get(candidate, 0) + 1, worker=worker
            )
        ]

    return decide


def releasing(worker: str) -> Decision:
    """Give up, in good order, what a worker is at: that it was stopped says nothing of a point."""

    def decide(campaign: Campaign) -> list[Event]:
        return [
            Released(candidate=candidate, attempt=running.attempt, worker=worker)
            for candidate, running in campaign.running.items()
            if running.worker == worker
        ]

    return decide


def _given_up(candidate: str, kind: Kind, said: str) -> Observed:
    source = Source(oracle="")
    return Observed(observation=Failed(candidate=candidate, kind=kind, message=said, source=source))


def settling(
    answers: Sequence[Observation | Receipt],
    *,
    evaluated: bool = False,
    expected: Mapping[str, AbstractSet[str]] | None = None,
) -> Decision:
    """Record answers: each once, whoever brings it and however often.

    With `evaluated`, nothing more is to come for a candidate: what its answer lacks is a Failed.
    It should have the targets `expected` at its fidelity; all of them, where that says nothing.
    """

    def decide(campaign: Campaign) -> list[Event]:
        known = Intake(campaign)
        events: list[Event] = []
        for answer in answers:
            match answer:
                case Receipt():
                    events += known.ingest(answer)
                case Measured() | Failed():
                    events += known.observe(answer)
        for answer in answers if evaluated else ():  # after all answers: several make one
            if isinstance(answer, Measured):
                events += known.observe_lack(answer, expected or {})
        return events

    return decide


def reopening(reason: str) -> Decision:
    """Go on with a closed campaign; what failed for its settings is asked again."""

    def decide(campaign: Campaign) -> list[Event]:
        return [] if campaign.closed is None else [Reopened(reason=reason)]

    return decide


def closing(reason: str) -> Decision:
    """Close the campaign, once."""

    def decide(campaign: Campaign) -> list[Event]:
        return [] if campaign.closed is not None else [Closed(reason=reason)]

    return decide


def _changes(old: Mapping[str, Json], new: Mapping[str, Json], path: str = "") -> Iterator[str]:
    """Each differing key, as `table.key: old -> new`."""
    for key in sorted(set(old) | set(new)):
        before, after = old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from _changes(before, after, f"{path}{key}.")
        elif before != after:
            yield f"{path}{key}: {before!r} -> {after!r}"
