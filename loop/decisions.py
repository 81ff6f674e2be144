"""Decisions: pure functions from a campaign to the events that are to be appended.

Each may be made twice, or be made again after somebody else has appended: made on a campaign in
which it has already happened, it decides nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import isfinite
from typing import TypeAlias

from loop.campaign import ATTEMPTS, Campaign
from loop.errors import CampaignError, SettingsError, SpaceError
from loop.records import (
    Amended,
    Closed,
    Event,
    Failed,
    Ingested,
    Json,
    Kind,
    Measured,
    Observation,
    Observed,
    Opened,
    Problem,
    Receipt,
    Rejection,
    Released,
    Reopened,
    Source,
    Started,
)
from loop.space.pool import Pool

Decision: TypeAlias = Callable[[Campaign], Sequence[Event]]

SAFE = ("run", "stop")  # tables of campaign.toml that may change while the campaign runs


def opening(problem: Problem, settings: Mapping[str, Json], by: str = "") -> Decision:
    """Open the campaign; or, where it is open, note what changed in its settings, and by whom.

    CampaignError or SettingsError for a change that the data so far do not survive.
    """

    def decide(campaign: Campaign) -> list[Event]:
        if campaign.opened is None:
            return [Opened(problem=problem, settings=settings)]
        late, before = _late(campaign.settings, settings)
        changes = tuple(_changes(campaign.settings, before))
        unsafe = [change for change in changes if change.split(".")[0].split(":")[0] not in SAFE]
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
    candidate: str, worker: str, alive: Callable[[str], bool], *, repeatable: bool
) -> Decision:
    """Start an attempt, unless somebody alive is at it or the answer is there.

    An attempt whose worker is gone is started again where the oracle is repeatable, until ATTEMPTS
    workers are gone. Where it is not repeatable the candidate is given up at once: no one may ask
    the world twice without a person's consent.
    """

    def decide(campaign: Campaign) -> list[Event]:
        if campaign.closed is not None or candidate not in {each.id for each in campaign.pending}:
            return []
        running = campaign.running.get(candidate)
        if running is not None and running.worker != worker and alive(running.worker):
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


def settling(answers: Sequence[Observation | Receipt], *, evaluated: bool = False) -> Decision:
    """Record answers: each once, whoever brings it and however often.

    With `evaluated`, nothing more is to come for a candidate: what its answer lacks is a Failed.
    """

    def decide(campaign: Campaign) -> list[Event]:
        known = _Known(campaign)
        events: list[Event] = []
        for answer in answers:
            match answer:
                case Receipt():
                    events += known.ingest(answer)
                case Measured() | Failed():
                    events += known.observe(answer)
                    if evaluated:
                        events += known.observe_lack(answer)
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


class _Known:
    """Which answer holds for each (target, replicate) of a candidate, while rows are taken in."""

    def __init__(self, campaign: Campaign) -> None:
        self.campaign = campaign
        self.waiting = {candidate.id for candidate in campaign.pending}
        self.refused = {candidate.id for candidate, _ in campaign.failures}
        self.seen = {each.receipt.file: each.receipt.sha256 for each in campaign.ingested}
        self.held: dict[str, dict[tuple[str, str], Observation]] = {}

    def observe(self, answer: Observation) -> list[Event]:
        """The event of one answer; none where it says nothing new. A value may follow a failure."""
        if answer.candidate not in self.campaign.candidates:
            raise CampaignError("answer", "the id of a candidate", repr(answer.candidate))
        observation = _checked(self.campaign, answer)
        match observation:
            case Measured():
                wanted = answer.candidate in self.waiting | self.refused | set(self.campaign.vetoed)
                is_news = wanted and not self._holds(observation)
            case Failed():  # the same failure again is news: attempts are counted
                is_news = answer.candidate in self.waiting
        if not is_news:
            return []
        if _is_whole(self.campaign, observation):
            self.waiting.discard(answer.candidate)
            self.refused.discard(answer.candidate)
        elif answer.candidate in self.campaign.vetoed:
            self.waiting.add(answer.candidate)  # it was made all the same: the rest may follow
        self._keep(observation)
        return [Observed(observation=observation)]

    def observe_lack(self, answer: Observation) -> list[Event]:
        """The event that says which targets an answer has left out; none where it is whole."""
        names = self.campaign.problem.objective.names
        missing = [n for n in names if (n, "") not in self._answers(answer.candidate)]
        if isinstance(answer, Failed) or answer.candidate not in self.waiting or not missing:
            return []
        message = f"expected values of {', '.join(names)}, got none of {', '.join(missing)}"
        return self.observe(
            Failed(
                candidate=answer.candidate,
                kind="invalid_output",
                message=message,
                source=answer.source,
            )
        )

    def ingest(self, receipt: Receipt) -> list[Event]:
        """The one event of a file's revision; none where it is the one that was read last."""
        if self.seen.get(receipt.file) == receipt.sha256:
            return []
        self.seen[receipt.file] = receipt.sha256
        taken: list[Observation] = []
        rejected = list(receipt.rejected)
        corrected: list[str] = []
        duplicates = 0
        for row in map(self._completed, receipt.observations):
            reason = self._objection(row)
            if reason:
                rejected.append(Rejection(row=row.source.row or 0, reason=reason))
                continue
            if self._holds(row):
                duplicates += 1
                continue
            answers = self._answers(row.candidate)
            held = [answers[key] for key in _keys(row) if key in answers]
            if any(not _agree(row, each) for each in held) or self._turned(row):
                corrected.append(row.candidate)
            taken.append(row)
            self._keep(row)
        return [
            Ingested(
                receipt=Receipt(
                    file=receipt.file,
                    sha256=receipt.sha256,
                    rows=receipt.rows,
                    observations=tuple(taken),
                    rejected=tuple(sorted(rejected, key=lambda each: each.row)),
                ),
                duplicates=duplicates,
                corrected=tuple(dict.fromkeys(corrected)),
            )
        ]

    def _completed(self, observation: Observation) -> Observation:
        """The answer, its executed point filled up with what was asked where the row is silent."""
        asked = self.campaign.candidates.get(observation.candidate)
        if asked is None or isinstance(observation, Failed) or observation.executed is None:
            return observation
        return replace(observation, executed={**asked.point, **observation.executed})

    def _objection(self, observation: Observation) -> str:
        """Why a row cannot be taken; empty where it can."""
        if observation.candidate not in self.campaign.candidates:
            return f"no candidate of this campaign has the id {observation.candidate!r}"
        checked = _checked(self.campaign, observation)
        if isinstance(checked, Failed) and checked is not observation:
            return checked.message
        if observation.candidate in self.campaign.retracted and not self._holds(observation):
            reason = self.campaign.retracted[observation.candidate].reason
            return (
                f"the answers of {observation.candidate} were taken back ({reason}); to have it"
                f" measured again: athanor ask DIR --replicate {observation.candidate}"
            )
        for key in _keys(observation):
            held = self._answers(observation.candidate).get(key)
            if held is None or _agree(observation, held):
                continue
            if (
                held.source.file != observation.source.file
                or held.source.sha256 == observation.source.sha256
            ):
                origin = held.source.file or held.source.oracle
                return (
                    f"{key[0]} of {observation.candidate} is already known from {origin}"
                    f" row {held.source.row}, with another value; to correct it edit that file,"
                    " to report a repeated measurement add a column 'replicate'"
                )
        return ""

    def _holds(self, observation: Observation) -> bool:
        """Whether all that it says has been said before."""
        held = [self._answers(observation.candidate).get(key) for key in _keys(observation)]
        return all(each is not None and _agree(observation, each) for each in held)

    def _turned(self, row: Observation) -> bool:
        """Forget what the file said before, where the row turns a value into a failure or back."""
        answers = self._answers(row.candidate)
        turned = [
            key
            for key, held in answers.items()
            if type(held) is not type(row) and held.source.file == row.source.file
        ]
        for key in turned:
            del answers[key]
        return bool(turned)

    def _answers(self, candidate: str) -> dict[tuple[str, str], Observation]:
        """The answers to a candidate that hold so far, by (target, replicate)."""
        if candidate not in self.held:
            told = self.campaign.holding(candidate)
            self.held[candidate] = {key: each for each in told for key in _keys(each)}
        return self.held[candidate]

    def _keep(self, observation: Observation) -> None:
        self._answers(observation.candidate).update(dict.fromkeys(_keys(observation), observation))


def _keys(observation: Observation) -> list[tuple[str, str]]:
    match observation:
        case Measured():
            return [(target, observation.replicate) for target in observation.values]
        case Failed():
            return [("failure", "")]


def _agree(one: Observation, other: Observation) -> bool:
    """Whether two answers say the same, as far as they speak of the same targets."""
    if isinstance(one, Measured) and isinstance(other, Measured):
        shared = set(one.values) & set(other.values)
        return not shared or (
            (one.executed, one.repeats) == (other.executed, other.repeats)
            and all(
                one.values[t] == other.values[t] and one.errors.get(t) == other.errors.get(t)
                for t in shared
            )
        )
    return isinstance(one, Failed) and isinstance(other, Failed) and one.kind == other.kind


def _checked(campaign: Campaign, observation: Observation) -> Observation:
    """The answer; or, where a value cannot count, the Failed that says so."""
    if isinstance(observation, Failed):
        return observation
    names = campaign.problem.objective.names
    stray = sorted(set(observation.values) - set(names))
    broken = [name for name, value in observation.values.items() if not isfinite(value)]
    broken += [
        name for name, error in observation.errors.items() if not (isfinite(error) and error >= 0)
    ]
    misplaced = _misplaced(campaign, observation)
    if observation.values and not stray and not broken and not misplaced:
        return observation
    if misplaced:
        message = misplaced
    elif stray:
        message = f"expected values of {', '.join(names)}, got {', '.join(stray)}"
    elif broken:
        got = ", ".join(f"{name} = {observation.values.get(name)}" for name in broken)
        message = f"expected finite values, got {got}"
    else:
        message = f"expected a value of {', '.join(names)}, got none"
    return Failed(
        candidate=observation.candidate,
        kind="invalid_output",
        message=message,
        source=observation.source,
    )


def _misplaced(campaign: Campaign, observation: Measured) -> str:
    """Why the point as executed cannot be encoded, on which any model would stumble; or nothing."""
    made = [] if observation.executed is None else [observation.executed]
    try:
        campaign.problem.space.encode(made)
    except SpaceError as error:
        return f"executed: {error}"
    return ""


def _is_whole(campaign: Campaign, observation: Observation) -> bool:
    """Whether nothing more is to be taken for this candidate within the same decision."""
    return isinstance(observation, Failed) or set(observation.values) >= set(
        campaign.problem.objective.names
    )


def _changes(old: Mapping[str, Json], new: Mapping[str, Json], path: str = "") -> Iterator[str]:
    """Each differing key, as `table.key: old -> new`."""
    for key in sorted(set(old) | set(new)):
        before, after = old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from _changes(before, after, f"{path}{key}.")
        elif before != after:
            yield f"{path}{key}: {before!r} -> {after!r}"
