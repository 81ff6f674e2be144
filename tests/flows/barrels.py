"""The crossed barrels of Gongora et al., Sci. Adv. 6, eaaz1708 (2020), as a laboratory makes them.

600 designs, each printed and crushed three times. A design that is not in the table is made as the
nearest one that is, and the file says so.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

PARAMETERS = ("n", "theta", "r", "t")
UNITS = ("", " [deg]", " [mm]", " [mm]")
CAMPAIGN = """
name = "crossed-barrel"
seed = {seed}
[[parameter]]
name = "n"
kind = "discrete"
low = 6
high = 12
step = 2
[[parameter]]
name = "theta"
kind = "discrete"
low = 0
high = 200
step = 25
unit = "deg"
[[parameter]]
name = "r"
kind = "discrete"
low = 1.5
high = 2.5
step = 0.1
unit = "mm"
[[parameter]]
name = "t"
kind = "discrete"
low = 0.7
high = 1.4
step = 0.35
unit = "mm"
[[target]]
name = "toughness"
unit = "J"
goal = "max"
[oracle]
kind = "folder"
repeats = 3
plausible = {{ toughness = [0, 100] }}
settle_s = {settle_s}
[stop]
evaluations = {evaluations}
[run]
batch = {batch}
"""


def campaign(*, seed: int, evaluations: int, batch: int, settle_s: float = 0.0) -> str:
    """The campaign file of a search for the toughest barrel."""
    return CAMPAIGN.format(seed=seed, evaluations=evaluations, batch=batch, settle_s=settle_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Barrel:
    """What was made for a candidate: the design, and the toughness of its three barrels in J."""

    candidate: str
    design: Sequence[float]
    toughness: Sequence[float]

    @property
    def rows(self) -> list[list[str]]:
        """Candidate, replicate, toughness and design: a row per barrel."""
        made = [*map(str, self.design)]
        found = enumerate(map(float, self.toughness), start=1)
        return [[self.candidate, str(k), f"{value!r}", *made] for k, value in found]


@dataclass(frozen=True, slots=True)
class Printer:
    """Makes the nearest design that is in the table."""

    designs: pd.Series

    def make(self, row: Mapping[Any, Any]) -> Barrel:
        """The barrels that a line of the worklist asks for, as near as they can be made."""
        grid = self.designs.index.to_frame().to_numpy(dtype=float)
        asked = [float(row[name + unit]) for name, unit in zip(PARAMETERS, UNITS, strict=True)]
        span = grid.max(axis=0) - grid.min(axis=0)
        nearest = int((((grid - asked) / span) ** 2).sum(axis=1).argmin())
        design, toughness = grid[nearest].tolist(), self.designs.iloc[nearest]
        return Barrel(candidate=str(row["candidate"]), design=design, toughness=toughness)

    @property
    def means(self) -> pd.Series:
        """The mean toughness of every design, J."""
        means: pd.Series = self.designs.apply(np.mean)
        return means


def printer(table: Path) -> Printer:
    """The printer that knows the designs of the published table."""
    return Printer(pd.read_csv(table).groupby(list(PARAMETERS)).toughness.apply(list))


def written(rows: Iterable[Sequence[str]], *, unit: str = "J", mark: str = ".") -> str:
    """A results file of such rows; with decimal commas its columns are parted by semicolons."""
    executed = [f"executed:{n}{u}" for n, u in zip(PARAMETERS, UNITS, strict=True)]
    header = ["candidate", "replicate", f"toughness [{unit}]", *executed]
    parted = ";" if mark == "," else ","
    lines = [parted.join(cell.replace(".", mark) for cell in row) for row in rows]
    return "\n".join([parted.join(header), *lines]) + "\n"
