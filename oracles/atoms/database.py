"""structures.db: the ASE database of every structure that was answered for, and of the references.

One row per candidate (key `candidate`) and calculator (ASE's own column), with the properties in
`properties.UNITS` as keys and its provenance as data: the point, the calculator with its settings
and versions, the attempt. One row per reference and recipe (keys `reference`, `recipe`). Writing
again replaces the row.

Writers are kept apart by SQLite's own lock, which dies with its holder; ASE's lock file does not,
and after a kill -9 everybody would wait for it forever.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers
from ase.db import connect

NAME = "structures.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A candidate's relaxed atoms with their energy, its properties, where they come from."""

    candidate: str
    atoms: Atoms
    values: Mapping[str, float]
    provenance: Mapping[str, Any]


def save(
    folder: Path,
    candidate: str,
    atoms: Atoms,
    values: Mapping[str, float],
    provenance: Mapping[str, Any],
) -> None:
    """Write the candidate's row, or replace it."""
    with _writing(folder) as database:
        _put(database, atoms, {"candidate": candidate}, values, provenance)


def kept(folder: Path) -> list[Kept]:
    """The candidates' rows, in the order of their ids; none where there is no database."""
    if not (folder / NAME).is_file():
        return []
    with _writing(folder) as database:
        rows = sorted(database.select("candidate"), key=lambda row: str(row.candidate))
        return [
            Kept(
                candidate=row.candidate,
                atoms=row.toatoms(),
                values={k: x for k, x in row.key_value_pairs.items() if k != "candidate"},
                provenance=row.data,
            )
            for row in rows
        ]


def references(folder: Path, recipe: str) -> dict[str, float]:
    """Energies (eV), by label, of what is known for a recipe (calculator and settings)."""
    with _writing(folder) as database:
        rows = database.select(recipe=recipe)
        return {row.reference: row.energy for row in rows}


def save_references(folder: Path, recipe: str, energies: Mapping[str, float]) -> None:
    """Write energies (eV) by label, as `references` has them, each with an atom as stand-in."""
    with _writing(folder) as database:
        for label, energy in energies.items():
            atoms = Atoms(label if label in atomic_numbers else "X")
            atoms.calc = SinglePointCalculator(atoms, energy=energy)
            _put(database, atoms, {"reference": label, "recipe": recipe}, {}, {})


@contextmanager
def _writing(folder: Path) -> Iterator[Any]:
    """The database, in one transaction that nobody else writes in."""
    with connect(folder / NAME, use_lock_file=False) as database:
        database.connection.execute("BEGIN IMMEDIATE")
        database.count()  # creates the tables of a new file, and commits
        if not database.connection.in_transaction:
            database.connection.execute("BEGIN IMMEDIATE")
        yield database


def _put(
    database: Any,  # noqa: ANN401
    atoms: Atoms,
    keys: Mapping[str, str],
    values: Mapping[str, float],
    provenance: Mapping[str, Any],
) -> None:
    row = next(database.select(calculator=atoms.calc.name, **keys), None)
    known = None if row is None else row.id
    database.write(atoms, key_value_pairs={**keys, **values}, data=dict(provenance), id=known)
