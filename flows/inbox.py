"""The account of the laboratory's files: what became of every row, from the events alone."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from rich.table import Table

from loop.campaign import Campaign


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
    held = {
        id(measured)
        for candidate in campaign.candidates
        for measured in campaign.holding(candidate)
    }
    for event in campaign.ingested:
        tally = found.setdefault(event.receipt.file, dict.fromkeys(COUNTS, 0))
        tally["rows"] += event.receipt.rows
        tally["duplicate"] += event.duplicates
        tally["rejected"] += sum(each.row > 0 for each in event.receipt.rejected)
        for each in event.receipt.observations:
            used = "used" if id(each) in held else "superseded"
            tally["held" if each.candidate in campaign.retracted else used] += 1
    return tuple(Account(file=file, **tally) for file, tally in found.items())


def total(files: Sequence[Account]) -> Account:
    """All files together."""
    sums = {name: sum(getattr(each, name) for each in files) for name in COUNTS}
    return Account(file="total", **sums)


def table(files: Sequence[Account]) -> Table:
    """The accounts for people, with their sum."""
    shown = Table(box=None, pad_edge=False)
    shown.add_column("file")
    for name in COUNTS:
        shown.add_column(name, justify="right")
    for each in [*files, total(files)]:
        shown.add_row(each.file, *(str(getattr(each, name)) for name in COUNTS))
    return shown
