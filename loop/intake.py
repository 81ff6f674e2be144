"""Answers and files as they come in: each row is new, known already, contradicted or refused.

What is decided here does not depend on which file comes first: `loop.claims` says what holds.
"""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from math import isfinite
from typing import Literal, TypeAlias

from loop.campaign import Campaign
from loop.claims import Claims, Key, Said, Torn, keys, said, stated
from loop.errors import CampaignError, SpaceError
from loop.ids import Register
from loop.records import (
    DRIFT,
    Event,
    Failed,
    Ingested,
    Measured,
    Observation,
    Observed,
    Receipt,
    Rejection,
)

What: TypeAlias = Literal[
    "new",
    "partial",  # a target is still missing
    "late",  # nobody waited for it any more
    "correction",
    "duplicate",
    "superseded",
    "conflict",
    "failed",
    "censored",
    "ad hoc",  # of no candidate: attached as an observation of its own
    "rejected",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is made of one row of a file, and why, where a person should know."""

    file: str
    row: int
    candidate: str
    what: What
    reason: str = ""


class Intake:
    """Takes answers in, on top of a campaign that stays as it is; `verdicts` say how."""

    def __init__(self, campaign: Campaign) -> None:
        """Nothing has come in yet."""
        self.campaign = campaign
        self.verdicts: list[Verdict] = []
        self.waiting = {candidate.id for candidate in campaign.pending}
        self.refused = {candidate.id for candidate, _ in campaign.all_failures}
        self.seen = {each.receipt.file: each.receipt for each in campaign.ingested}
        self._ids = Register(campaign.candidates)
        self._claims: dict[str, Claims] = {}

    def observe(self, answer: Observation) -> list[Event]:
        """The event of one answer; none where it says nothing new. A value may follow a failure."""
        if answer.candidate not in self.campaign.candidates:
            raise CampaignError("answer", "the id of a candidate", repr(answer.candidate))
        observation = checked(self.campaign, answer)
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
        self._of(answer.candidate).take(observation)
        return [Observed(observation=observation)]

    def observe_lack(
        self, answer: Measured, expected: Mapping[str, AbstractSet[str]]
    ) -> list[Event]:
        """The event that says which targets an answer has left out; none where it is whole.

        It should have those `expected` at its fidelity: all, where that says nothing.
        """
        asked = _asked(self.campaign, answer)
        fidelity = self.campaign.candidates[answer.candidate].fidelity
        names = [name for name in asked if name in expected.get(fidelity, asked)]
        there = {key for key, _ in self._of(answer.candidate).holding()}
        missing = [name for name in names if (name, "") not in there]
        if answer.candidate not in self.waiting or not missing:
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
        last = self.seen.get(receipt.file)
        if last is not None and is_known(receipt, last):
            return []
        self.seen[receipt.file] = receipt
        receipt = self._asked_for(receipt)
        rejected = list(receipt.rejected)
        rows: dict[str, list[Observation]] = {}
        for row in map(self._completed, receipt.observations):
            reason = self._objection(row)
            if reason:
                rejected.append(Rejection(row=row.source.row or 0, reason=reason))
            else:
                rows.setdefault(row.candidate, []).append(row)
        taken = [self._take(candidate, said_now) for candidate, said_now in rows.items()]
        self.verdicts += [
            Verdict(
                file=receipt.file, row=each.row, candidate="", what="rejected", reason=why(each)
            )
            for each in rejected
        ]
        fresh = [row for each in taken for row in each.taken]
        return [
            Ingested(
                receipt=replace(
                    receipt,
                    observations=tuple(sorted(fresh, key=_position)),
                    rejected=tuple(sorted(rejected, key=lambda each: each.row)),
                ),
                duplicates=sum(len(each.repeated) + each.known for each in taken),
                corrected=tuple(each.candidate for each in taken if each.corrects),
                repeated=tuple(row for each in taken for row in each.repeated),
            )
        ]

    def _asked_for(self, receipt: Receipt) -> Receipt:
        """The receipt without its rows of no candidate: they are attached (`loop.past`)."""
        asked = tuple(each for each in receipt.observations if each.candidate)
        unasked = [each for each in receipt.observations if not each.candidate]
        self.verdicts += [_verdict(row, "ad hoc") for row in unasked]
        return replace(receipt, observations=asked, rows=receipt.rows - len(unasked))

    def _take(self, candidate: str, rows: Sequence[Observation]) -> "_Taken":
        """What of a file's rows about one candidate is news to the campaign, or for this file."""
        claims, file = self._of(candidate), rows[0].source.file
        before = {key: said(answer, key) for key, answer in claims.holding()}
        elsewhere = {key: claims.ever(key, but=file) for row in rows for key in keys(row)}
        news = _news(claims, rows)
        taken = [r for r in news if any(said(r, key) not in elsewhere[key] for key in keys(r))]
        for row in news:
            claims.take(row)
        after = {key: said(answer, key) for key, answer in claims.holding()}
        torn = claims.torn()
        corrected = {key for key in before if after.get(key) != before[key] and key not in torn}
        is_taken = {id(row) for row in taken}
        missing = self._missing(candidate)
        self.verdicts += [
            self._verdict(row, torn, corrected, missing)
            if id(row) in is_taken
            else _verdict(row, "duplicate")
            for row in rows
        ]
        return _Taken(
            candidate=candidate,
            taken=taken,
            repeated=[row for row in news if id(row) not in is_taken],
            known=len(rows) - len(news),
            corrects=bool(corrected),
        )

    def _verdict(
        self, row: Observation, torn: Torn, corrected: Collection[Key], missing: Sequence[str]
    ) -> Verdict:
        """What is made of a row that says something new."""
        claims = self._of(row.candidate)
        against = [each for key in keys(row) for each in torn.get(key, ()) if each is not row]
        is_late = self.campaign.closed is not None or row.candidate in self.campaign.vetoed
        failed = f"{row.kind}: {row.message}" if isinstance(row, Failed) else ""
        limits = "" if isinstance(row, Failed) else ", ".join(map(" ".join, row.censored.items()))
        found: list[tuple[bool, What, str]] = [
            (bool(against), "conflict", f"not what {_place(against[0])} says" if against else ""),
            (not set(corrected).isdisjoint(keys(row)), "correction", ""),
            (claims.fate(row) == "superseded", "superseded", "a correction of it is known already"),
            (is_late, "late", self.campaign.closed or "the candidate was vetoed"),
            (bool(failed), "failed", failed),
            (bool(limits), "censored", limits),
            (bool(missing), "partial", f"still to come: {', '.join(missing)}"),
        ]
        true = [(what, reason) for holds, what, reason in found if holds]
        what, reason = (*true, ("new", ""))[0]
        return _verdict(row, what, "; ".join(filter(None, (reason, *drifts(row)))))

    def _missing(self, candidate: str) -> list[str]:
        """The targets of which a candidate has no value yet."""
        asked = self.campaign.problem.fidelity(self.campaign.candidates[candidate].fidelity).targets
        return sorted(set(asked) - {target for (target, _), _ in self._of(candidate).holding()})

    def _of(self, candidate: str) -> Claims:
        """The claims on a candidate so far, in a copy."""
        if candidate not in self._claims:
            known = self.campaign.claims.get(candidate)
            self._claims[candidate] = Claims() if known is None else known.copy()
        return self._claims[candidate]

    def _completed(self, row: Observation) -> Observation:
        """The row under the id that was meant, its executed point filled up with what was asked."""
        meant = self._ids.find(row.candidate)
        if meant is None:
            return row
        if meant != row.candidate:
            row = replace(row, candidate=meant)
        if isinstance(row, Failed) or row.executed is None:
            return row
        return replace(row, executed={**self.campaign.candidates[meant].point, **row.executed})

    def _objection(self, row: Observation) -> str:
        """Why a row cannot be taken; empty where it can."""
        if row.candidate not in self.campaign.candidates:
            return self._ids.complaint(row.candidate)
        sound = checked(self.campaign, row)
        if isinstance(sound, Failed) and sound is not row:
            return sound.message
        if row.candidate in self.campaign.retracted and not self._holds(row):
            reason = self.campaign.retracted[row.candidate].reason
            return (
                f"the answers of {row.candidate} were taken back ({reason}); to have it"
                f" measured again: athanor ask DIR --replicate {row.candidate}"
            )
        return ""

    def _holds(self, answer: Observation) -> bool:
        """Whether all that it says holds already."""
        stances = {key: self._of(answer.candidate).stance(key).holds for key in keys(answer)}
        return all(
            holds is not None and said(holds, key) == said(answer, key)
            for key, holds in stances.items()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """Of a file's rows about one candidate: those that are new, echoes of other files, the rest."""

    candidate: str
    taken: Sequence[Observation]
    repeated: Sequence[Observation]
    known: int
    corrects: bool


def drifts(answer: Observation) -> list[str]:
    """What was made further off than is tolerated: `T made at 610 K, asked at 600`."""
    notes = answer.notes if isinstance(answer, Measured) else {}
    found = [
        (head.removeprefix(DRIFT), said) for head, said in notes.items() if head.startswith(DRIFT)
    ]
    return [f"{parameter} {said}" for parameter, said in found]


def why(rejection: Rejection) -> str:
    """Column and reason of a rejection, in one line."""
    return f"{rejection.column}: {rejection.reason}" if rejection.column else rejection.reason


def is_known(receipt: Receipt, last: Receipt) -> bool:
    """Whether a file says what it said when it was read last, and would be read the same way."""
    if not receipt.sha256:
        return not last.sha256 and receipt.rejected == last.rejected
    is_read_alike = receipt.reading == last.reading or not last.rejected
    return receipt.sha256 == last.sha256 and is_read_alike


def _news(claims: Claims, rows: Sequence[Observation]) -> list[Observation]:
    """The rows that change what their file says, each thing once."""
    file = rows[0].source.file
    says: dict[Key, set[Said]] = {}
    for row in rows:
        for key in keys(row):
            says.setdefault(key, set()).add(stated(row, key))
    changed = {key for key, now in says.items() if now != claims.now(file, key)}
    if changed and len({type(row) for row in rows}) > 1:
        changed = set(says)  # or a failure that is new would take back a value that still stands
    while more := {k for r in rows for k in _drawn_in(r, changed) if len(says[k]) > 1} - changed:
        changed |= more  # or a row that is said anew would hide what contradicts it
    seen: set[tuple[Key, Said]] = set()
    news = []
    for row in rows:
        fresh = {(key, stated(row, key)) for key in keys(row) if key in changed} - seen
        seen |= fresh
        news += [row] if fresh else []
    return news


def _drawn_in(row: Observation, changed: set[Key]) -> list[Key]:
    """What a row that is said anew for some of its values says anew as well."""
    return [] if changed.isdisjoint(keys(row)) else keys(row)


def _verdict(row: Observation, what: What, reason: str = "") -> Verdict:
    source = row.source
    return Verdict(
        file=source.file, row=source.row or 0, candidate=row.candidate, what=what, reason=reason
    )


def _place(answer: Observation) -> str:
    source = answer.source
    return f"{source.file or source.oracle} row {source.row}"


def _position(row: Observation) -> int:
    return row.source.row or 0


def checked(campaign: Campaign, observation: Observation) -> Observation:
    """The answer; or, where a value cannot count, the Failed that says so."""
    if isinstance(observation, Failed):
        return observation
    names = _asked(campaign, observation)
    stray = sorted({*observation.values, *observation.censored} - set(names))
    broken = [name for name, value in observation.values.items() if not isfinite(value)]
    broken += [
        name for name, error in observation.errors.items() if not (isfinite(error) and error >= 0)
    ]
    misplaced = _misplaced(campaign, observation)
    is_answer = observation.values or observation.censored
    if is_answer and not stray and not broken and not misplaced:
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
    if observation.executed is None:
        return ""
    try:
        campaign.problem.space.encode([observation.executed])
    except SpaceError as error:
        return f"executed: {error}"
    return ""


def _is_whole(campaign: Campaign, observation: Observation) -> bool:
    """Whether nothing more is to be taken for this candidate within the same decision."""
    return isinstance(observation, Failed) or set(observation.values) >= set(
        _asked(campaign, observation)
    )


def _asked(campaign: Campaign, answer: Observation) -> tuple[str, ...]:
    """The targets that make an answer whole, at the fidelity of its candidate."""
    return campaign.problem.fidelity(campaign.candidates[answer.candidate].fidelity).targets
