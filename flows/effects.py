"""Who and what measured: how far results are off what was expected, by instrument, operator, batch.

Expected is what the model predicted when the candidate was chosen; where no model chose it, there
is nothing to compare with. A mean that is many standard errors away from zero is worth a look.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

from loop.campaign import Campaign

COLUMNS = ("instrument", "operator", "batch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Mean of measured minus expected under one value of a column, in the target's unit.

    `error` is the standard error of the mean; None for a single measurement.
    """

    column: str
    value: str
    target: str
    n: int
    mean: float
    error: float | None

    @property
    def said(self) -> str:
        """The effect in a line."""
        spread = "" if self.error is None else f" ± {self.error:.2g}"
        return f"{self.column} {self.value}: {self.target} {self.mean:+.3g}{spread} (n = {self.n})"


def effects(campaign: Campaign) -> list[Effect]:
    """The effects that can be told, column by column."""
    residuals: dict[tuple[str, str, str], list[float]] = {}
    for candidate in campaign.candidates.values():
        for (target, _), measured in campaign.latest(candidate.id).items():
            expected = candidate.why.predicted.get(target)
            if expected is None:
                continue
            for column, value in _noted(measured.notes):
                off = measured.values[target] - expected.mean
                residuals.setdefault((column, value, target), []).append(off)
    return [
        Effect(
            column=column,
            value=value,
            target=target,
            n=len(off),
            mean=fmean(off),
            error=stdev(off) / sqrt(len(off)) if len(off) > 1 else None,
        )
        for (column, value, target), off in sorted(residuals.items())
    ]


def _noted(notes: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Who and what measured, as far as the row says."""
    for header, value in notes.items():
        column = header.casefold().removesuffix("_id").removesuffix(" id")
        if column in COLUMNS:
            yield column, value
