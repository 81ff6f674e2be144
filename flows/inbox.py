"""The account of what came in files: what became of every row, from the events alone."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from rich.table import Table

from flows.effects import effects
from loop.campaign import Campaign, is_past
from loop.intake import drifts
from loop.records import Failed, Json, Measured, Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What became of the rows of one file, all its revisions together.

    used        the campaign counts with them
    duplicate   they say what had been said before
    superseded  a correction has taken their place
    conflict    others disagree, and nobody has decided yet: none is used
    rejected    they came back in rejected/, each with its reason
    held        kept and not used: a person took the candidate's answers back
    """

    file: str
    rows: int = 0
    used: int = 0
    duplicate: int = 0
    superseded: int = 0
    conflict: int = 0
    rejected: int = 0
    held: int = 0

    @property
    def balances(self) -> bool:
        """Whether every row is in one place."""
        counts: dict[str, int] = {name: getattr(self, name) for name in COUNTS}
        return 2 * self.rows == sum(counts.values())


COUNTS = tuple(each.name for each in fields(Account))[1:]  # rows, and where they can be


def accounts(campaign: Campaign) -> tuple[Account, ...]:
    """An account per file, in the order in which they came."""
    found: dict[str, dict[str, int]] = {}
    for event in campaign.ingested:
        tally = found.setdefault(event.receipt.file, dict.fromkeys(COUNTS, 0))
        tally["rows"] += event.receipt.rows
        tally["duplicate"] += event.duplicates
        tally["rejected"] += sum(each.row > 0 for each in event.receipt.rejected)
    for past in (each for each in campaign.attachments if each.file):
        tally = found.setdefault(past.file, dict.fromkeys(COUNTS, 0))
        rejected = sum(each.row > 0 for each in past.rejected)
        tally["rows"] += past.duplicates + rejected  # those attached are counted below
        tally["duplicate"] += past.duplicates
        tally["rejected"] += rejected
    for candidate, answers in campaign.observations.items():
        for each in answers:
            if each.source.file in found:
                is_held = candidate in campaign.retracted
                fate = "held" if is_held else campaign.claims[candidate].fate(each)
                found[each.source.file][fate] += 1
                found[each.source.file]["rows"] += is_past(campaign.candidates[candidate])
    return tuple(Account(file=file, **tally) for file, tally in found.items())


def total(files: Sequence[Account]) -> Account:
    """All files together."""
    sums = {name: sum(getattr(each, name) for each in files) for name in COUNTS}
    return Account(file="total", **sums)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """What files say differently of one target of one candidate; none of it is used."""

    candidate: str
    target: str
    replicate: str
    claims: tuple[
        tuple[str, str], ...
    ]  # place, as `resolve --keep` takes it; and what stands there

    @property
    def said(self) -> str:
        """The dispute in a line, with how to end it."""
        which = f"{self.target} of {self.candidate}"
        which += f" replicate {self.replicate}" if self.replicate else ""
        against = ", ".join(f"{place} says {value}" for place, value in self.claims)
        return f"Conflict: {which}: {against}. Correct a file, or: athanor lab resolve"


def disputes(campaign: Campaign) -> list[Dispute]:
    """What is not used because files disagree."""
    return [
        Dispute(
            candidate=candidate,
            target=target or "status",
            replicate=replicate,
            claims=tuple((_place(each), _value(each, target)) for each in answers),
        )
        for candidate, torn in campaign.torn.items()
        for (target, replicate), answers in torn.items()
    ]


def _place(answer: Observation) -> str:
    return f"{answer.source.file}:{answer.source.row}"


def _value(answer: Observation, target: str) -> str:
    match answer:
        case Measured() if target in answer.values:
            return f"{answer.values[target]:.10g}"
        case Measured():
            return answer.censored[target]
        case Failed():
            return answer.kind


def strays(campaign: Campaign) -> list[str]:
    """What counts, though it was made further off than the campaign tolerates, in lines."""
    found = {
        f"{candidate}: {drift}"
        for candidate in campaign.candidates
        for answer in campaign.latest(candidate).values()
        for drift in drifts(answer)
    }
    return sorted(found)


def plainly(campaign: Campaign) -> dict[str, Json]:
    """The inbox for programs."""
    files = accounts(campaign)
    return {
        "files": [asdict(each) for each in files],
        "total": asdict(total(files)),
        "conflicts": [asdict(each) for each in disputes(campaign)],
        "drifts": strays(campaign),
        "effects": [asdict(each) for each in effects(campaign)],
    }


def table(files: Sequence[Account]) -> Table:
    """The accounts for people, with their sum."""
    shown = Table(box=None, pad_edge=False)
    shown.add_column("file")
    for name in COUNTS:
        shown.add_column(name, justify="right")
    for each in [*files, total(files)]:
        shown.add_row(each.file, *(str(getattr(each, name)) for name in COUNTS))
    return shown
