"""What has been said of one candidate, and what of it holds, whatever the order it came in.

Every file says what its newest revision says, and what it said before is beaten: by whoever repeats
it, too, for a copy of a sheet is no second opinion. A higher `revision` supersedes all lower ones.
Of the rest, one value holds; where there are several, nobody can tell which is right, and none
does until a person decides. An oracle that computes has no file: its last word counts.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from loop.records import Failed, Measured, Observation

Key: TypeAlias = tuple[str, str]  # a target, or FAILURE; and a replicate
Said: TypeAlias = tuple[str, ...]
Torn: TypeAlias = Mapping[Key, tuple[Observation, ...]]
Fate: TypeAlias = Literal["used", "duplicate", "superseded", "conflict"]

FAILURE = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """That a file (none for an oracle) gave this answer; or, with None, that it took it back."""

    file: str
    answer: Observation | None


@dataclass(frozen=True, slots=True)
class Stance:
    """The answer that holds for a key, if any; or the answers that contradict one another."""

    holds: Observation | None = None
    torn: tuple[Observation, ...] = ()


def keys(answer: Observation) -> list[Key]:
    """What an answer speaks of."""
    replicate = meant(answer.replicate)
    match answer:
        case Measured():
            return [(target, replicate) for target in (*answer.values, *answer.censored)]
        case Failed():
            return [(FAILURE, replicate)]


def meant(replicate: str) -> str:
    """The replicate as it is counted: the first is the one that need not be named."""
    return "" if replicate == "1" else replicate


def said(answer: Observation, key: Key) -> Said:
    """What an answer says of a key; equal for two answers that say the same.

    Numbers count to twelve digits: 1530 mJ is 1.53 J, whatever the last bit says.
    """
    if isinstance(answer, Failed):
        return (answer.kind,)
    target = key[0]
    error = answer.errors.get(target)
    made = "" if answer.executed is None else repr(sorted(answer.executed.items()))
    value = answer.values.get(target)
    return (
        answer.censored.get(target, "") if value is None else f"{value:.12g}",
        "" if error is None else f"{error:.12g}",
        str(answer.repeats),
        made,
    )


def stated(answer: Observation, key: Key) -> Said:
    """What an answer says of a key, and in which revision."""
    return (*said(answer, key), str(answer.revision))


@dataclass(slots=True)
class Claims:
    """The claims on one candidate, oldest first, by what they speak of.

    `judged` is what a person has set aside, `kinds` which file has reported values or failures.
    """

    made: dict[Key, list[Claim]] = field(default_factory=dict)
    judged: dict[Key, frozenset[Said]] = field(default_factory=dict)
    kinds: set[tuple[str, type[Observation]]] = field(default_factory=set)

    def copy(self) -> "Claims":
        """Claims that can be added to without changing these."""
        made = {key: [*claims] for key, claims in self.made.items()}
        return Claims(made, {**self.judged}, {*self.kinds})

    def take(self, answer: Observation) -> None:
        """Add an answer; a new revision that turns a value into a failure takes the value back."""
        file = answer.source.file
        other = Failed if isinstance(answer, Measured) else Measured
        if file and (file, other) in self.kinds:
            self._take_back(answer)
        self.kinds.add((file, type(answer)))
        for key in keys(answer):
            self.made.setdefault(key, []).append(Claim(file, answer))

    def _take_back(self, answer: Observation) -> None:
        for claims in self.made.values():
            old = next((c.answer for c in reversed(claims) if c.file == answer.source.file), None)
            if (
                old is not None
                and type(old) is not type(answer)
                and old.source.sha256 != answer.source.sha256
                and (answer.replicate == "" or old.replicate in {"", answer.replicate})
            ):
                claims.append(Claim(answer.source.file, None))

    def keep(self, file: str, row: int | None) -> list[Key]:
        """Let a person's word end the conflicts in which a file has a part; which they were."""
        ended = []
        for key, claims in self.made.items():
            torn = self.stance(key).torn
            kept = [each for each in torn if _is_from(each, file, row)]
            if len({said(each, key) for each in kept}) != 1:
                continue
            now = _standing(claims)
            judged = {said(each, key) for answers in now.values() for each in answers}
            self.judged[key] = frozenset(judged - {said(kept[0], key)})
            self.made[key] = [
                Claim(name, each) for name, answers in now.items() for each in answers
            ]
            ended.append(key)
        return ended

    def stance(self, key: Key) -> Stance:
        """What holds for a key."""
        claims = self.made.get(key, ())
        if len(claims) == 1 and key not in self.judged:
            return Stance(holds=claims[0].answer)
        now = _standing(claims)
        current = [each for answers in now.values() for each in answers]
        beaten = self.judged.get(key, frozenset()) | _beaten(claims, now, key)
        left = [each for each in current if said(each, key) not in beaten]
        if len({said(each, key) for each in left}) == 1:
            return Stance(holds=left[0])
        if not left and not all(now.values()):
            return Stance()  # a file has taken back what others only repeat
        return Stance(torn=tuple(left or current))

    def now(self, file: str, key: Key) -> set[Said]:
        """What a file states at present; more than one thing where it contradicts itself."""
        current = _standing(self.made.get(key, ()), topmost=False).get(file, ())
        return {stated(each, key) for each in current}

    def ever(self, key: Key, *, but: str) -> set[Said]:
        """All that files other than this one ever said of a key."""
        claims = (claim for claim in self.made.get(key, ()) if claim.file != but)
        return {said(claim.answer, key) for claim in claims if claim.answer is not None}

    def holding(self) -> Iterator[tuple[Key, Observation]]:
        """The answers that hold, by what they speak of, in an order that no arrival changes."""
        for key in sorted(self.made):
            holds = self.stance(key).holds
            if holds is not None:
                yield key, holds

    def written(self, key: Key) -> str:
        """The replicate as it was written: of the first empty, where anyone has left it so."""
        told = (claim.answer for claim in self.made[key])
        return key[1] or min(each.replicate for each in told if each is not None)

    def torn(self) -> Torn:
        """The answers that contradict one another, by what they speak of."""
        found = {key: self.stance(key).torn for key in sorted(self.made)}
        return {key: torn for key, torn in found.items() if torn}

    def fate(self, answer: Observation) -> Fate:
        """What has become of an answer that was taken."""
        stances = {key: self.stance(key) for key in keys(answer)}
        if any(answer is each for stance in stances.values() for each in stance.torn):
            return "conflict"
        if any(answer is stance.holds for stance in stances.values()):
            return "used"
        if any(
            stance.holds is not None and said(stance.holds, key) == said(answer, key)
            for key, stance in stances.items()
        ):
            return "duplicate"
        return "superseded"


def _is_from(answer: Observation, file: str, row: int | None) -> bool:
    """Whether an answer comes from the file; a workbook's name alone means any of its sheets."""
    named = {answer.source.file, answer.source.file.partition("!")[0]}
    return file in named and row in {None, answer.source.row}


def _standing(
    claims: Sequence[Claim], *, topmost: bool = True
) -> dict[str, tuple[Observation, ...]]:
    """What each file says at present, of the highest revision; nothing where it was taken back."""
    top = _top(claims)
    found: dict[str, list[Observation]] = {}
    for claim in claims:
        if claim.answer is None:
            found[claim.file] = []
        elif claim.answer.revision == top or not topmost:
            before = found.setdefault(claim.file, [])
            if before and not (claim.file and _sha(before[-1]) == _sha(claim.answer)):
                before.clear()  # a newer revision
            before.append(claim.answer)
    return {file: tuple(answers) for file, answers in found.items()}


def _top(claims: Sequence[Claim]) -> int:
    """The highest revision that anyone has stated."""
    return max((c.answer.revision for c in claims if c.answer is not None), default=0)


def _sha(answer: Observation) -> str:
    return answer.source.sha256


def _beaten(
    claims: Sequence[Claim], now: dict[str, tuple[Observation, ...]], key: Key
) -> frozenset[Said]:
    """What a file said once and says no more; not what its own higher revision supersedes."""
    top = _top(claims)
    current = {file: {said(each, key) for each in answers} for file, answers in now.items()}
    return frozenset(
        what
        for claim in claims
        if claim.answer is not None and claim.answer.revision == top and claim.file in current
        for what in [said(claim.answer, key)]
        if what not in current[claim.file]
    )
