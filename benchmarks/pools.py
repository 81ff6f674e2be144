"""Measured pools to choose from, as every method of a benchmark sees them.

A table has N rows, each a design once: X (N, d) holds its features, numbers scaled by the range of
the pool and categories one-hot; y (N,) is what is to be maximised, the mean where a design was
measured several times. Rows are shuffled by seed, for some methods break ties by row.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]

TOP = 0.05  # the share of the pool that is looked for, after Liang et al. 2021
HALF, MOST = 0.5, 0.8  # the shares of the top that the acceleration is read at


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file of the data folder: the target, whether more of it is better, columns left out."""

    target: str
    sign: int
    ignored: tuple[str, ...] = ()


SETS = {
    "crossed_barrel": Source(target="toughness", sign=1),
    "direct_arylation_yield_cost": Source(target="yield", sign=1, ignored=("new_index", "cost")),
    "photo_wf3": Source(target="degradation", sign=-1),
    "photo_pce10": Source(target="degradation", sign=-1),
    "oer_plate_3496": Source(target="overpotential", sign=-1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A pool: `frame` (N, c) as it was published, `X` (N, d) in [0, 1], `y` (N,) to maximise."""

    name: str
    frame: pd.DataFrame
    X: Array
    y: Array

    def shuffled(self, seed: int) -> "Table":
        """The same rows in the order of this seed."""
        order = np.random.default_rng(seed).permutation(len(self.y))
        return Table(
            name=self.name,
            frame=self.frame.iloc[order].reset_index(drop=True),
            X=self.X[order],
            y=self.y[order],
        )

    @property
    def top(self) -> NDArray[np.bool_]:
        """Which rows are of the best 5 % (N,); rows equal to the last of them count too."""
        wanted = round(TOP * len(self.y))
        best: NDArray[np.bool_] = self.y >= np.sort(self.y)[-wanted]
        return best


def load(folder: Path, name: str) -> Table:
    """The table `name` of SETS, duplicated designs averaged to one row."""
    source = SETS[name]
    raw = pd.read_csv(folder / f"{name}.csv").drop(columns=list(source.ignored))
    designs = [column for column in raw.columns if column != source.target]
    mean = raw.groupby(designs, sort=False)[[source.target]].mean().reset_index()
    frame = mean[designs]
    return Table(
        name=name,
        frame=frame,
        X=features(frame),
        y=source.sign * mean[source.target].to_numpy(float),
    )


def features(frame: pd.DataFrame) -> Array:
    """Numbers scaled by their range in the pool, categories one-hot (N, d)."""
    columns: list[Array] = []
    for name in frame.columns:
        values = frame[name]
        if pd.api.types.is_numeric_dtype(values):
            low, high = values.min(), values.max()
            columns.append(((values - low) / (high - low)).to_numpy(float)[:, None])
        else:
            columns.append(pd.get_dummies(values).to_numpy(float))
    return np.hstack(columns)
