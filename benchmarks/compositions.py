"""More pools, kept back from every decision on the five: materials by what they are made of.

A row is a composition: X holds mean and average deviation, over the atoms, of ten elemental
properties (Ward et al., npj Comput. Mater. 2, 16028 (2016), take these and more), scaled by their
range in the pool. Large tables are thinned to ROWS rows, the same for everyone.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

import pools
from pools import Array, Table, features

ROWS = 1200
PROPERTIES = (
    "MendeleevNumber",
    "AtomicWeight",
    "MeltingT",
    "Column",
    "Row",
    "CovalentRadius",
    "Electronegativity",
    "NValence",
    "NUnfilled",
    "GSvolume_pa",
)
SYMBOL = re.compile(r"([A-Z][a-z]?)\s*([0-9.]*)")
GROUP = re.compile(r"\(([^()]*)\)\s*([0-9.]*)")


def _as_is(y: Array) -> Array:
    return y


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A file of the data folder: its columns, and what of the target is to be large."""

    file: str
    formula: str
    target: str
    worth: Callable[[Array], Array] = _as_is
    beside: tuple[str, ...] = ()  # numbers that are features of their own


SETS = {
    "mp_bulk": Made(file="mp_bulk_modulus_splits", formula="formula", target="target"),
    "aflow_bulk": Made(
        file="aflow__ael_bulk_modulus_vrh_splits", formula="formula", target="target"
    ),
    "expt_gap": Made(
        file="matbench_expt_gap",
        formula="composition",
        target="gap expt",
        worth=lambda gap: -np.abs(gap - 1.34),  # eV: the best of one junction in sunlight
    ),
    "light_metal": Made(
        file="light_metal_dft_reference",
        formula="composition",
        target="e_form_eV_per_atom",
        worth=np.negative,
    ),
    "mpea_hardness": Made(file="mpea_given", formula="FORMULA", target="PROPERTY: HV"),
    "mpea_strength": Made(
        file="mpea_given",
        formula="FORMULA",
        target="PROPERTY: YS (MPa)",
        beside=("PROPERTY: Test temperature ($^\\circ$C)",),
    ),
}


def table(folder: Path, name: str) -> Table:
    """The pool of this name, one of these or of `pools.py`."""
    return (load if name in SETS else pools.load)(folder, name)


def load(folder: Path, name: str) -> Table:
    """The table `name` of SETS; rows whose features are alike are averaged to one."""
    made = SETS[name]
    raw = pd.read_csv(folder / f"{made.file}.csv").dropna(
        subset=[made.formula, made.target, *made.beside]
    )
    described = np.array([describe(folder, formula) for formula in raw[made.formula]])
    frame = pd.DataFrame(described, columns=[f"x{i}" for i in range(described.shape[1])]).round(9)
    for column in made.beside:
        frame[column] = raw[column].to_numpy(float)
    frame = varying(frame)
    designs = list(frame.columns)
    frame["y"] = made.worth(raw[made.target].to_numpy(float))
    mean = frame.dropna().groupby(designs, sort=True)[["y"]].mean().reset_index()
    mean = mean.sample(min(ROWS, len(mean)), random_state=0).reset_index(drop=True)
    y = mean.pop("y").to_numpy(float)
    mean = varying(mean)
    return Table(name=name, frame=mean, X=features(mean), y=y)


def varying(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns that are not the same in every row."""
    return frame.loc[:, (frame != frame.iloc[0]).any()]


def describe(folder: Path, formula: str) -> Array:
    """Mean and average deviation of the elemental properties of a formula (20,)."""
    parts = amounts(formula)
    values = _properties(folder).loc[list(parts), list(PROPERTIES)].to_numpy(float)
    shares = np.array(list(parts.values())) / sum(parts.values())
    mean = shares @ values
    return np.concatenate([mean, shares @ np.abs(values - mean)])


def amounts(formula: str) -> dict[str, float]:
    """How much of each element `Al0.25 Co1` or `Ag(AuS)2` holds."""
    while group := GROUP.search(formula):
        inner, times = amounts(group[1]), float(group[2] or 1)
        spelled = " ".join(f"{symbol}{times * n:.10f}" for symbol, n in inner.items())
        formula = f"{formula[: group.start()]} {spelled} {formula[group.end() :]}"
    parts: dict[str, float] = {}
    for symbol, n in SYMBOL.findall(formula):
        parts[symbol] = parts.get(symbol, 0.0) + float(n or 1)
    return parts


@cache
def _properties(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "element_properties_magpie.csv").set_index("element")
