"""A table of known answers as an oracle: a campaign on past data, before the first sample is spent.

Each row is one measurement; rows at the same point are replicates. Columns are found by name, with
or without a unit: `yield`, `yield [%]`; a column without one is in the campaign's unit. Rows that
name a category or lie on a scale that the space does not have are never asked for.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from io import BytesIO
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from loop.errors import OracleError
from loop.objective import Objective
from loop.protocols import Declaration
from loop.records import Candidate, Failed, Measured, Observation, Source, derive_seed
from loop.space.composition import Composition
from loop.space.parameters import Categorical, Continuous, Ordinal, Parameter, is_named
from loop.space.pool import Pool
from loop.space.simplex import PRESENT
from loop.space.space import SearchSpace
from loop.space.values import Array, Point, Value
from loop.units import convert

NAME = "table"
HEADER = re.compile(r"(?P<name>.*?)\s*(?:\[\s*(?P<unit>[^\[\]]*?)\s*\])?")
SAME = 1e-6  # on encoded columns: what separates two points that are meant to be the same


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The table in the campaign's units: a point and its values per row, X (n, d) encoded.

    `names` (n,) are the ids that the rows take from pools: two of them may share their columns.
    """

    points: tuple[Point, ...]
    names: NDArray[np.str_]
    values: tuple[Mapping[str, float], ...]
    rows: tuple[int, ...]
    X: Array
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """Looks candidates up in a CSV or Parquet file.

    `columns` names the columns of targets, parameters and fractions (`alloy.Cu`) that the file
    calls otherwise. Of replicates, `mean` gives the mean with its standard error, `draw` one of
    them by the candidate's id and `seed`. A candidate that is not in the table is infeasible with
    `match = "exact"`; with `nearest` the nearest row answers, and says that it was executed.
    """

    path: Path
    space: SearchSpace
    objective: Objective
    columns: Mapping[str, str] = field(default_factory=dict)
    replicates: Literal["mean", "draw"] = "mean"
    match: Literal["exact", "nearest"] = "exact"
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise OracleError where file, columns or cells cannot be used."""
        names = {*self._labels, *self.objective.names}
        for name in self.columns:
            if name not in names:
                raise OracleError("oracle.columns", f"names among {', '.join(names)}", repr(name))
        _ = self.known

    @property
    def declaration(self) -> Declaration:
        """It measures what the objective names."""
        return Declaration(name=NAME, measures=self.objective.units)

    def submit(self, candidates: Sequence[Candidate]) -> None:
        """Do nothing: the answers are there."""

    def collect(self, pending: Sequence[Candidate]) -> tuple[Observation, ...]:
        """Look every candidate up."""
        return tuple(self._answer(candidate) for candidate in pending)

    @cached_property
    def known(self) -> Known:
        """The rows that the space can ask for; OracleError where the file cannot be used."""
        frame, digest = _read(self.path)
        cells = {label: self._cells(frame, label) for label in self._labels}
        values = {name: self._cells(frame, name) for name in self.objective.names}
        points = {
            row: point
            for row in range(len(frame))
            if (point := _point(self.space, {label: cells[label][row] for label in cells}))
        }
        if not points:
            got = f"none among {len(frame)}"
            raise OracleError(str(self.path), "rows that lie in the search space", got)
        return Known(
            points=tuple(points.values()),
            names=np.array([_name(self.space, point) for point in points.values()]),
            values=tuple({name: float(values[name][row]) for name in values} for row in points),
            rows=tuple(row + 1 for row in points),
            X=self.space.encode(points.values()),
            sha256=digest,
        )

    @property
    def _labels(self) -> tuple[str, ...]:
        """The columns that make up a point: one per parameter, or one per element."""
        return tuple(name for p in self.space.parameters for name in _fields(p))

    def _cells(self, frame: pd.DataFrame, label: str) -> list[Any]:
        """A column's cells: numbers in the campaign's unit, or names."""
        names = {p.name for p in self.space.parameters if is_named(p)}
        header, unit = _header(frame, self.columns.get(label, label), str(self.path))
        column = frame[header]
        if label in names:
            return [str(cell).strip() for cell in column]
        numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
        broken = np.flatnonzero(~np.isfinite(numbers))
        if len(broken):
            row = int(broken[0])
            raise OracleError(
                f"{self.path}, row {row + 1}, column {header!r}",
                "a finite number",
                repr(column.iloc[row]),
                "Correct the cell, or remove the row.",
            )
        wanted = self._units[label]
        where = f"{self.path}, column {header!r}"
        return [
            convert(x, wanted if unit is None else unit, wanted, where) for x in numbers.tolist()
        ]

    @property
    def _units(self) -> dict[str, str]:
        """The campaign's unit of every numeric column."""
        units = {label: _unit(p) for p in self.space.parameters for label in _fields(p)}
        return units | self.objective.units

    def _answer(self, candidate: Candidate) -> Observation:
        known = self.known
        x = self.space.encode([candidate.point])[0]
        distances = np.linalg.norm(known.X - x, axis=1)
        own = known.names == _name(self.space, candidate.point)
        nearest = int(np.argmin(np.where(own, distances, np.inf) if own.any() else distances))
        alike = np.abs(known.X - known.X[nearest]).max(axis=1) <= SAME
        here = np.flatnonzero(alike & (known.names == known.names[nearest]))
        if self.replicates == "draw":
            here = here[[derive_seed(self.seed, NAME, candidate.id) % len(here)]]
        row = known.rows[int(here[0])]
        source = Source(oracle=NAME, file=self.path.name, sha256=known.sha256, row=row)
        is_there = bool(own[nearest] and np.abs(known.X[nearest] - x).max() <= SAME)
        if not is_there and self.match == "exact":
            message = (
                f"the table has no such point; the nearest, {distances[nearest]:.3g} away on"
                f" encoded columns, is row {row}: {known.points[nearest]}"
            )
            return Failed(candidate=candidate.id, kind="infeasible", message=message, source=source)
        values, errors = _mean([known.values[int(each)] for each in here])
        return Measured(
            candidate=candidate.id,
            values=values,
            errors=errors,
            repeats=len(here),
            executed=None if is_there else known.points[nearest],
            source=source,
        )


def _read(path: Path) -> tuple[pd.DataFrame, str]:
    """The file, all text if it is CSV, and its sha256; OracleError where it is no table."""
    try:
        content = path.read_bytes()
        if path.suffix.casefold() == ".parquet":
            frame = pd.read_parquet(BytesIO(content))
        else:  # without pandas' own header, which renames doubled columns silently
            text = pd.read_csv(BytesIO(content), header=None, dtype=str, keep_default_na=False)
            frame = text.iloc[1:].set_axis(text.iloc[0].str.strip(), axis="columns")
    except (OSError, ValueError) as error:
        raise OracleError(str(path), "a CSV or Parquet file", str(error)) from error
    if frame.empty:
        raise OracleError(str(path), "at least one row", "none")
    return frame, sha256(content).hexdigest()


def _header(frame: pd.DataFrame, name: str, where: str) -> tuple[str, str | None]:
    """The one header that is `name` or `name [unit]`, and the unit if it states one."""
    split = [(header, HEADER.fullmatch(header)) for header in map(str, frame.columns)]
    found = [
        (header, parts["unit"])
        for header, parts in split
        if parts and name in {header, parts["name"]}
    ]
    if len(found) != 1:
        headers = ", ".join(map(repr, frame.columns))
        raise OracleError(
            where,
            f"one column {name!r}, with or without a unit",
            f"{len(found)} among {headers}",
            "Name the right one under columns.",
        )
    return found[0]


def _fields(parameter: Parameter) -> tuple[str, ...]:
    """The columns of a parameter: one, or one per element."""
    return parameter.labels if isinstance(parameter, Composition) else (parameter.name,)


def _unit(parameter: Parameter) -> str:
    return "" if isinstance(parameter, Composition | Categorical | Pool) else parameter.unit


def _point(space: SearchSpace, cells: Mapping[str, Any]) -> Point | None:
    """The point of a row; None where the space has no place for it."""
    point: dict[str, Value] = {}
    for parameter in space.parameters:
        match parameter:
            case Composition(name=name, elements=elements):
                fractions = {element: cells[f"{name}.{element}"] for element in elements}
                point[name] = {e: x for e, x in fractions.items() if x > PRESENT}
            case Categorical(values=values) if cells[parameter.name] not in values:
                return None
            case Pool() if cells[parameter.name] not in parameter:
                return None
            case Ordinal(is_named=True, levels=levels) if cells[parameter.name] not in levels:
                return None
            case Continuous(log=True) | Ordinal(log=True) if cells[parameter.name] <= 0:
                return None
            case _:
                point[parameter.name] = cells[parameter.name]
    return point


def _name(space: SearchSpace, point: Point) -> str:
    """The ids that a point takes from pools; empty where the space has none."""
    return "\0".join(str(point[p.name]) for p in space.parameters if isinstance(p, Pool))


def _mean(
    replicates: Sequence[Mapping[str, float]],
) -> tuple[dict[str, float], dict[str, float]]:
    """Mean and standard error per target; no error of a single value."""
    values = {name: fmean(each[name] for each in replicates) for name in replicates[0]}
    if len(replicates) < 2:
        return values, {}
    root = sqrt(len(replicates))
    return values, {name: stdev(each[name] for each in replicates) / root for name in values}
