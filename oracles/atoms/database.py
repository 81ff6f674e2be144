"""structures.db: the ASE database of every structure that was answered for, and of the references.

One row per candidate (key `candidate`), with the properties in `properties.UNITS`; one row per bulk
element and recipe (keys `reference`, `recipe`). Writing again replaces the row.

Writers are kept apart by SQLite's own lock, which dies with its holder; ASE's lock file does not,
and after a kill -9 everybody would wait for it forever.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect

from oracles.atoms.structures import element

NAME = "structures.db"


def save(folder: Path, candidate: str, atoms: Atoms, values: Mapping[str, float]) -> None:
    """Write the candidate's row, or replace it."""
    with _writing(folder) as database:
        _put(database, atoms, {"candidate": candidate}, values)


def references(folder: Path, recipe: str) -> dict[str, float]:
    """Energies per atom (eV) of the bulk elements known for a recipe (calculator and settings)."""
    with _writing(folder) as database:
        rows = database.select(recipe=recipe)
        return {row.reference: row.energy for row in rows}


def save_references(folder: Path, recipe: str, energies: Mapping[str, float]) -> None:
    """Write the energies per atom (eV) of bulk elements, each with a one-atom stand-in."""
    with _writing(folder) as database:
        for symbol, energy in energies.items():
            atoms = element(symbol).atoms[:1]
            atoms.calc = SinglePointCalculator(atoms, energy=energy)
            _put(database, atoms, {"reference": symbol, "recipe": recipe}, {})


@contextmanager
def _writing(folder: Path) -> Iterator[Any]:
    """The database, in one transaction that nobody else writes in."""
    with connect(folder / NAME, use_lock_file=False) as database:
        database.connection.execute("BEGIN IMMEDIATE")
        database.count()  # creates the tables of a new file, and commits
        if not database.connection.in_transaction:
            database.connection.execute("BEGIN IMMEDIATE")
        yield database


def _put(database: Any, atoms: Atoms, keys: Mapping[str, str], values: Mapping[str, float]) -> None:  # noqa: ANN401
    row = next(database.select(**keys), None)
    known = None if row is None else row.id
    database.write(atoms, key_value_pairs={**keys, **values}, id=known)
