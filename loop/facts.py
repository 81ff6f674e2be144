"""What the events of a campaign say, one after another, before anything is worked out of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, assert_never

from loop.claims import Claims
from loop.errors import CampaignError
from loop.records import (
    TRANSIENT,
    Amended,
    Attached,
    Candidate,
    Closed,
    Corrected,
    Edited,
    Event,
    Failed,
    Ingested,
    Json,
    Measured,
    Observation,
    Observed,
    Opened,
    Paused,
    Problem,
    Proposed,
    Released,
    Reopened,
    Resolved,
    Resumed,
    Retracted,
    Started,
    Vetoed,
)
from loop.space.values import written


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The state after `seq` events. Mappings are in the order in which things happened.

    `vetoed` are the candidates that were refused and not made all the same; `informing` says of
    each answer how many candidates had been asked when it was recorded, and when retracted;
    `cut_off` counts the attempts of which nothing was heard before the next one began; `given_up`
    are the failures that no oracle has reported; `claims` are all that was said of a candidate,
    repetitions too, which tell what of it holds.
    """

    problem: Problem
    seq: int = 0
    opened: Opened | None = None
    settings: Mapping[str, Json] = field(default_factory=dict)
    candidates: Mapping[str, Candidate] = field(default_factory=dict)
    observations: Mapping[str, tuple[Observation, ...]] = field(default_factory=dict)
    running: Mapping[str, Started] = field(default_factory=dict)
    attempts: Mapping[str, int] = field(default_factory=dict)
    cut_off: Mapping[str, int] = field(default_factory=dict)
    given_up: Sequence[Failed] = ()
    vetoed: Mapping[str, Vetoed] = field(default_factory=dict)
    edited: Mapping[str, Edited] = field(default_factory=dict)
    retracted: Mapping[str, Retracted] = field(default_factory=dict)
    informing: Mapping[str, tuple[int, int | None]] = field(default_factory=dict)
    claims: Mapping[str, Claims] = field(default_factory=dict)
    resolved: Sequence[Resolved] = ()
    ingested: Sequence[Ingested] = ()
    attachments: Sequence[Attached] = ()
    turn: int = 0
    closed: str | None = None
    paused: Paused | None = None


def folded(before: Facts, events: Iterable[Event]) -> tuple[dict[str, Any], Iterable[str]]:
    """The fields of the Facts after these events too, and the candidates that they concern.

    What no event changes is shared with `before`, which stays as it is. CampaignError where the
    events contradict one another.
    """
    fold = _Fold(before)
    for event in events:
        fold.take(event)
    return fold.state, fold.touched


class _Fold:
    """The fields of the Facts while events are taken in; `touched` are the candidates concerned.

    A point that lacks a parameter is given its past value: it was added after the point was asked.
    """

    def __init__(self, before: Facts) -> None:
        self.problem, self.space = before.problem, before.problem.space
        self.touched: dict[str, None] = {}
        self.own: set[str] = set()  # candidates whose claims are no longer those of `before`
        self.copied: set[str] = set()  # fields that are no longer those of `before`
        self.seq = before.seq
        self.opened, self.settings = before.opened, before.settings
        self.candidates = before.candidates
        self.observations = before.observations
        self.running = before.running
        self.attempts = before.attempts
        self.cut_off, self.given_up = before.cut_off, before.given_up
        self.vetoed = before.vetoed
        self.edited = before.edited
        self.retracted = before.retracted
        self.informing = before.informing
        self.claims = before.claims
        self.resolved = before.resolved
        self.ingested = before.ingested
        self.attachments = before.attachments
        self.turn, self.closed, self.paused = before.turn, before.closed, before.paused

    def of(self, name: str) -> dict[str, Any]:
        """A field to be written in: the campaign before keeps its own."""
        if name not in self.copied:
            self.copied.add(name)
            setattr(self, name, dict(getattr(self, name)))
        field: dict[str, Any] = getattr(self, name)
        return field

    @property
    def state(self) -> dict[str, Any]:
        """The fields after the events."""
        return {each.name: getattr(self, each.name) for each in fields(Facts)}

    def take(self, event: Event) -> None:  # noqa: C901, PLR0912 - one case per event
        self.seq += 1
        self._require_order(event)
        match event:
            case Opened():
                self.opened, self.settings = event, event.settings
            case Amended():
                self.settings = event.settings
            case Attached():
                self.attachments = (*self.attachments, event)
                self._ask(event.candidates)
                self._answer(event.observations)
            case Proposed():
                self._ask(event.candidates)
                self.turn += 1
            case Vetoed():
                self._known(event.candidate)
                self.of("vetoed")[event.candidate] = event
                self.of("running").pop(event.candidate, None)
            case Edited():
                self._edit(event)
            case Started():
                self._start(event)
            case Released():
                self._known(event.candidate)
                self.of("running").pop(event.candidate, None)
            case Observed():
                self._answer((event.observation,))
            case Ingested():
                self.ingested = (*self.ingested, event)
                for candidate in event.corrected:
                    self.of("informing").pop(candidate, None)
                self._ingest(event)
            case Resolved():
                self._known(event.candidate)
                self._resolve(event)
            case Corrected(observation=answer):
                self.of("informing").pop(answer.candidate, None)
                self._answer((answer,))
            case Retracted():
                self._retract(event)
            case Paused() | Resumed():
                self.paused = event if isinstance(event, Paused) else None
            case Closed():
                self.closed = event.reason
            case Reopened():
                self.closed = None
                self._pardon()
            case _:
                assert_never(event)

    def _require_order(self, event: Event) -> None:
        """Raise CampaignError unless the first event, and no other, opens the campaign."""
        if (self.opened is None) != isinstance(event, Opened):
            raise CampaignError(
                f"event {self.seq}",
                "Opened first, and once",
                type(event).__name__,
                "The ledger is damaged.",
            )

    def _retract(self, event: Retracted) -> None:
        self._known(event.candidate)
        self.of("retracted")[event.candidate] = event
        self.of("running").pop(event.candidate, None)
        known, _ = self.informing.get(event.candidate, (len(self.candidates), None))
        self.of("informing")[event.candidate] = (known, len(self.candidates))

    def _ingest(self, event: Ingested) -> None:
        """Row by row, as they stand in the file: what holds must not depend on what is an echo."""
        echoes = {id(answer) for answer in event.repeated}
        rows = (*event.receipt.observations, *event.repeated)
        for answer in sorted(rows, key=lambda each: each.source.row or 0):
            if id(answer) in echoes:
                self._known(answer.candidate)
                self._claim(self._whole(answer))
            else:
                self._answer((answer,))

    def _resolve(self, event: Resolved) -> None:
        """What is kept counts as said only now, for whatever it has led to."""
        self.resolved = (*self.resolved, event)
        self._claims(event.candidate).keep(event.file, event.row)
        if event.candidate not in self.retracted:
            self.of("informing")[event.candidate] = (len(self.candidates), None)

    def _start(self, event: Started) -> None:
        self._known(event.candidate)
        if event.candidate in self.running:
            self.of("cut_off")[event.candidate] = self.cut_off.get(event.candidate, 0) + 1
        self.of("running")[event.candidate] = event
        self.of("attempts")[event.candidate] = event.attempt

    def _edit(self, event: Edited) -> None:
        """The candidate asks for another point; what was predicted of the old one is void."""
        self._known(event.candidate)
        asked = self.candidates[event.candidate]
        point = self.space.complete(event.point)
        before = {n: x for n, x in asked.point.items() if x != point.get(n)}
        editor = f"edited by {event.by}" if event.by else "edited"
        said = f"{editor}: {event.reason}; it was {written(before)}"
        cause = "; ".join(filter(None, [asked.why.cause, said]))
        why = replace(asked.why, cause=cause, value=None, predicted={}, nearest="", distance=None)
        self.of("candidates")[event.candidate] = replace(asked, point=point, why=why)
        self.of("edited")[event.candidate] = event

    def _pardon(self) -> None:
        """Ask again what failed for settings that have been put right since."""
        for candidate, observations in self.observations.items():
            last = observations[-1]
            if isinstance(last, Failed) and last.kind == "invalid_input":
                self.of("claims").pop(candidate, None)
                self.touched[candidate] = None

    def _ask(self, candidates: Sequence[Candidate]) -> None:
        for candidate in candidates:
            if candidate.id in self.candidates:
                raise CampaignError(
                    f"event {self.seq}", "a new candidate id", f"{candidate.id} again"
                )
            point = self.space.complete(candidate.point)
            is_whole = point is candidate.point
            self.of("candidates")[candidate.id] = (
                candidate if is_whole else replace(candidate, point=point)
            )
            self.touched[candidate.id] = None

    def _answer(self, observations: Sequence[Observation]) -> None:
        for observation in observations:
            self._known(observation.candidate)
            if not observation.source.file:  # a row in a file ends no evaluation by another oracle
                self.of("running").pop(observation.candidate, None)
            self._keep(observation)
            if isinstance(observation, Measured):  # it was made all the same: that is a fact
                self.of("vetoed").pop(observation.candidate, None)
            elif observation.kind in TRANSIENT:
                continue  # nothing is learnt from it
            if observation.candidate not in self.retracted:
                self.of("informing").setdefault(observation.candidate, (len(self.candidates), None))

    def _keep(self, observation: Observation) -> None:
        observation = self._whole(observation)
        before = self.observations.get(observation.candidate, ())
        self.of("observations")[observation.candidate] = (*before, observation)
        if isinstance(observation, Failed) and not observation.source.oracle:
            self.given_up = (*self.given_up, observation)
        self._claim(observation)

    def _whole(self, observation: Observation) -> Observation:
        """The answer, its point as executed completed by past values."""
        if isinstance(observation, Failed) or observation.executed is None:
            return observation
        made = self.space.complete(observation.executed)
        return observation if made is observation.executed else replace(observation, executed=made)

    def _claim(self, observation: Observation) -> None:
        self._claims(observation.candidate).take(observation)

    def _claims(self, candidate: str) -> Claims:
        """The claims on a candidate, to be added to: the campaign before keeps its own."""
        if candidate not in self.own:
            self.own.add(candidate)
            before = self.claims.get(candidate)
            self.of("claims")[candidate] = before.copy() if before else Claims()
        return self.claims[candidate]

    def _known(self, candidate: str) -> None:
        self.touched[candidate] = None
        if candidate not in self.candidates:
            raise CampaignError(
                f"event {self.seq}", "the id of a proposed candidate", repr(candidate)
            )
