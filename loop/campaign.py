"""A campaign is a fact: the fold of its events, and nothing else is ever state.

    campaign = Campaign.replay(problem, ledger.events())

Everything here derives from the events in the order of their sequence numbers; no clock, no file.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from math import sqrt
from statistics import fmean, stdev
from typing import assert_never

from loop.errors import CampaignError
from loop.parameters import Point
from loop.records import (
    TRANSIENT,
    Amended,
    Attached,
    Candidate,
    Closed,
    Event,
    Failed,
    Ingested,
    Json,
    Measured,
    Observation,
    Observed,
    Opened,
    Problem,
    Proposed,
    Reopened,
    Retracted,
    Started,
    Vetoed,
)

ATTEMPTS = 3  # a crashed or timed-out evaluation is asked again at most twice
CODE_LETTERS = "bcdfghjkmnpqrstvwxyz"  # nothing misread on a vial, no word, no month


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What is known of one candidate: replicates averaged, the point as it was executed.

    `errors` are standard errors of the means, absent where nothing tells them.
    """

    candidate: Candidate
    point: Point
    values: Mapping[str, float]
    errors: Mapping[str, float]
    repeats: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """The state after `seq` events. Mappings are in the order in which things happened."""

    problem: Problem
    seq: int = 0
    opened: Opened | None = None
    settings: Mapping[str, Json] = field(default_factory=dict)
    candidates: Mapping[str, Candidate] = field(default_factory=dict)
    observations: Mapping[str, Sequence[Observation]] = field(default_factory=dict)
    running: Mapping[str, Started] = field(default_factory=dict)
    attempts: Mapping[str, int] = field(default_factory=dict)
    vetoed: Mapping[str, str] = field(default_factory=dict)
    retracted: Mapping[str, str] = field(default_factory=dict)
    pardoned: Mapping[str, int] = field(default_factory=dict)
    ingested: Sequence[Ingested] = ()
    turn: int = 0
    closed: str | None = None

    @classmethod
    def replay(cls, problem: Problem, events: Iterable[Event]) -> "Campaign":
        """The state after these events, oldest first; CampaignError where they contradict."""
        fold = _Fold()
        for event in events:
            fold.take(event)
        return cls(problem=problem, **vars(fold))

    @property
    def pending(self) -> tuple[Candidate, ...]:
        """Candidates that wait for an answer, or for the rest of one."""
        return tuple(
            candidate for candidate in self.candidates.values() if self._waits(candidate.id)
        )

    @property
    def results(self) -> tuple[Result, ...]:
        """What has been measured, in the order in which it was asked."""
        found = (self._result(candidate) for candidate in self.candidates.values())
        return tuple(result for result in found if result is not None)

    @property
    def failures(self) -> tuple[tuple[Candidate, Failed], ...]:
        """Candidates whose answer is no, with their last Failed."""
        return tuple(
            (candidate, self._failures(candidate.id)[-1])
            for candidate in self.candidates.values()
            if self._refused(candidate.id) and not self._measured(candidate.id)
        )

    @property
    def answered(self) -> int:
        """How many candidates have their whole answer, measured or failed: the budget spent."""
        return sum(not self._waits(each) and each not in self.vetoed for each in self.candidates)

    @property
    def asked(self) -> int:
        """How many candidates count toward the budget: all but the vetoed."""
        return len(self.candidates) - len(self.vetoed)

    @property
    def best(self) -> Result | None:
        """The best result that is known to keep every bound, by the leading target."""
        return max(self.contenders, key=self._score, default=None)

    @property
    def contenders(self) -> tuple[Result, ...]:
        """Results that have the leading target and keep every bound."""
        objective = self.problem.objective
        return tuple(
            r for r in self.results if objective.lead.name in r.values and objective.met(r.values)
        )

    @property
    def trace(self) -> tuple[tuple[Candidate, float | None], ...]:
        """The best leading value so far after each answered candidate; None before the first."""
        contenders = {result.candidate.id: result for result in self.contenders}
        best: Result | None = None
        steps: list[tuple[Candidate, float | None]] = []
        for candidate in self.candidates.values():
            if self._waits(candidate.id) or candidate.id in self.vetoed:
                continue
            now = contenders.get(candidate.id)
            if now is not None and (best is None or self._score(now) > self._score(best)):
                best = now
            steps.append(
                (candidate, None if best is None else best.values[self.problem.objective.lead.name])
            )
        return tuple(steps)

    def ids(self, count: int) -> tuple[str, ...]:
        """Ids for the next `count` candidates: a number, and a code that betrays a typing error."""
        first = len(self.candidates) + 1
        return tuple(candidate_id(self.problem, number) for number in range(first, first + count))

    def holding(self, candidate: str) -> tuple[Observation, ...]:
        """The answers that hold: a file's revision may turn a value into a failure, or back."""
        held: list[Observation] = []
        for each in self.observations.get(candidate, ())[self.pardoned.get(candidate, 0) :]:
            held = [old for old in held if not _turns(old, each)]
            held.append(each)
        return tuple(held)

    def measurements(self, candidate: str) -> tuple[Measured, ...]:
        """Every measured answer to a candidate, superseded ones too, oldest first."""
        return tuple(
            each for each in self.observations.get(candidate, ()) if isinstance(each, Measured)
        )

    def latest(self, candidate: str) -> dict[tuple[str, str], Measured]:
        """The answer that holds for each (target, replicate) of a candidate: the newest."""
        return {
            (target, each.replicate): each
            for each in self.holding(candidate)
            if isinstance(each, Measured)
            for target in each.values
        }

    def _failures(self, candidate: str) -> list[Failed]:
        return [each for each in self.holding(candidate) if isinstance(each, Failed)]

    def _refused(self, candidate: str) -> bool:
        failures = self._failures(candidate)
        final = any(each.kind not in TRANSIENT for each in failures)
        return candidate not in self.retracted and (final or len(failures) >= ATTEMPTS)

    def _measured(self, candidate: str) -> bool:
        targets = {target for target, _ in self.latest(candidate)}
        return targets >= set(self.problem.objective.names)

    def _waits(self, candidate: str) -> bool:
        gone = candidate in self.vetoed or candidate in self.retracted
        return not gone and not self._refused(candidate) and not self._measured(candidate)

    def _result(self, candidate: Candidate) -> Result | None:
        latest = self.latest(candidate.id)
        if not latest or candidate.id in self.retracted:
            return None
        per_target: dict[str, list[Measured]] = {}
        for (target, _), measured in latest.items():
            per_target.setdefault(target, []).append(measured)
        errors = {target: _standard_error(target, rows) for target, rows in per_target.items()}
        executed = next(
            (m.executed for m in reversed(latest.values()) if m.executed is not None), None
        )
        return Result(
            candidate=candidate,
            point=candidate.point if executed is None else executed,
            values={t: fmean(m.values[t] for m in rows) for t, rows in per_target.items()},
            errors={target: error for target, error in errors.items() if error is not None},
            repeats={target: sum(m.repeats for m in rows) for target, rows in per_target.items()},
        )

    def _score(self, result: Result) -> float:
        lead = self.problem.objective.lead
        return lead.sign * result.values[lead.name]


def candidate_id(problem: Problem, number: int) -> str:
    """The id of a campaign's n-th candidate, such as `0007-kzf`."""
    digest = blake2b(f"{problem.name}|{problem.seed}|{number}".encode(), digest_size=3).digest()
    return f"{number:04d}-" + "".join(CODE_LETTERS[byte % len(CODE_LETTERS)] for byte in digest)


class _Fold:
    """The fields of a Campaign while events are taken in; `vars` of it are the Campaign's."""

    def __init__(self) -> None:
        self.seq = 0
        self.opened: Opened | None = None
        self.settings: Mapping[str, Json] = {}
        self.candidates: dict[str, Candidate] = {}
        self.observations: dict[str, list[Observation]] = {}
        self.running: dict[str, Started] = {}
        self.attempts: dict[str, int] = {}
        self.vetoed: dict[str, str] = {}
        self.retracted: dict[str, str] = {}
        self.pardoned: dict[str, int] = {}
        self.ingested: list[Ingested] = []
        self.turn = 0
        self.closed: str | None = None

    def take(self, event: Event) -> None:  # noqa: C901, PLR0912 - one case per event
        self.seq += 1
        if (self.opened is None) != isinstance(event, Opened):
            raise CampaignError(
                f"event {self.seq}",
                "Opened first, and once",
                type(event).__name__,
                "The ledger is damaged.",
            )
        match event:
            case Opened():
                self.opened, self.settings = event, event.settings
            case Amended():
                self.settings = event.settings
            case Attached():
                self._ask(event.candidates)
                self._answer(event.observations)
            case Proposed():
                self._ask(event.candidates)
                self.turn += 1
            case Vetoed():
                self._known(event.candidate)
                self.vetoed[event.candidate] = event.reason
            case Started():
                self._known(event.candidate)
                self.running[event.candidate] = event
                self.attempts[event.candidate] = event.attempt
            case Observed():
                self._answer((event.observation,))
            case Ingested():
                self.ingested.append(event)
                self._answer(event.receipt.observations)
            case Retracted():
                self._known(event.candidate)
                self.retracted[event.candidate] = event.reason
            case Closed():
                self.closed = event.reason
            case Reopened():
                self.closed = None
                self._pardon()
            case _:
                assert_never(event)

    def _pardon(self) -> None:
        """Ask again what failed for settings that have been put right since."""
        for candidate, observations in self.observations.items():
            last = observations[-1]
            if isinstance(last, Failed) and last.kind == "invalid_input":
                self.pardoned[candidate] = len(observations)

    def _ask(self, candidates: Sequence[Candidate]) -> None:
        for candidate in candidates:
            if candidate.id in self.candidates:
                raise CampaignError(
                    f"event {self.seq}", "a new candidate id", f"{candidate.id} again"
                )
            self.candidates[candidate.id] = candidate

    def _answer(self, observations: Sequence[Observation]) -> None:
        for observation in observations:
            self._known(observation.candidate)
            self.running.pop(observation.candidate, None)
            self.observations.setdefault(observation.candidate, []).append(observation)

    def _known(self, candidate: str) -> None:
        if candidate not in self.candidates:
            raise CampaignError(
                f"event {self.seq}", "the id of a proposed candidate", repr(candidate)
            )


def _turns(old: Observation, new: Observation) -> bool:
    """Whether a newer revision of the same file has turned a value into a failure, or back."""
    is_revised = bool(new.source.file) and old.source.file == new.source.file
    return is_revised and old.source.sha256 != new.source.sha256 and type(old) is not type(new)


def _standard_error(target: str, rows: Sequence[Measured]) -> float | None:
    """Standard error of the mean over replicates: from given errors, else from their spread."""
    given = [m.errors.get(target) for m in rows]
    known = [error for error in given if error is not None]
    if len(known) == len(rows):
        return sqrt(sum(error**2 for error in known)) / len(rows)
    if len(rows) < 2:
        return None
    return stdev(m.values[target] for m in rows) / sqrt(len(rows))
