"""Structures from files, by id: extended XYZ, an ASE database, a folder of CIF, what ASE reads.

What is known of a structure's kind alone, its composition and how densely it is packed, describes
it where the file gives no numbers of its own.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.db import connect
from ase.io import iread
from numpy.typing import NDArray

from loop.errors import OracleError

SUFFIXES = (".xyz", ".extxyz", ".db")
NAMES = ("id", "name")  # what a structure may be called by, in this order
UNREADABLE = (  # what ASE's readers raise on files that are not theirs
    OSError,
    ValueError,
    KeyError,
    IndexError,
    AssertionError,
    RuntimeError,
    sqlite3.Error,
)
GRAMS_PER_CM3 = units._amu * 1e3 / 1e-24  # noqa: SLF001 - of 1 atomic mass unit per angstrom^3


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """Atoms with their id and whatever else the file says of them."""

    id: str
    atoms: Atoms
    said: Mapping[str, Any]


def is_library(path: Path) -> bool:
    """Whether the path is of a kind that holds structures."""
    return path.is_dir() or path.suffix.casefold() in SUFFIXES


def structures(path: Path, key: str | None = None) -> list[Structure]:
    """All structures of a file or folder, in its order; OracleError where it cannot be read.

    The id is what `key` names, else `id` or `name` where the structures have one, else the name of
    the CIF file or the number of the row, `row-1`.
    """
    try:
        found = list(_read(path))
    except OracleError:
        raise
    except UNREADABLE as error:
        raise OracleError(
            str(path), "structures that ASE can read", str(error) or type(error).__name__
        ) from error
    if not found:
        raise OracleError(str(path), "structures", "none", "Name another file.")
    key = key or next((k for k in NAMES if any(k in each.said for each in found)), None)
    if key is None:
        return found
    for number, each in enumerate(found, start=1):
        if not str(each.said.get(key, "")).strip():
            raise OracleError(
                f"{path}, structure {number}", f"a value of {key!r}, its id", "none", "Give it one."
            )
    return [
        Structure(id=str(each.said[key]).strip(), atoms=each.atoms, said=each.said)
        for each in found
    ]


def numeric(library: Iterable[Structure]) -> tuple[str, ...]:
    """The keys that are a number in at least one structure, in order of appearance."""
    keys = (key for each in library for key, value in each.said.items() if _is_number(value))
    return tuple(dict.fromkeys(key for key in keys if key not in NAMES))


def description(library: Sequence[Structure]) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Names and values (N, d) of what the atoms alone tell.

    The fraction of every element that occurs and the mean atomic number; for crystals also the
    volume per atom in cubic angstrom and the density in g/cm^3.
    """
    elements = sorted({symbol for each in library for symbol in each.atoms.symbols})
    numbers = [each.atoms.numbers for each in library]
    columns = {
        element: [float(np.mean(each.atoms.symbols == element)) for each in library]
        for element in elements
    }
    columns["mean atomic number"] = [float(n.mean()) for n in numbers]
    crystals = [each.atoms.cell.rank == 3 for each in library]
    if any(crystals) and not all(crystals):
        raise OracleError(
            f"structure {library[crystals.index(False)].id!r}",
            "a cell, as the other structures have",
            "none",
            "Give it one, or name the columns that are to describe the structures in features.",
        )
    if all(crystals):
        volumes = np.array([each.atoms.get_volume() for each in library])
        masses = np.array([each.atoms.get_masses().sum() for each in library])
        columns["volume per atom [angstrom^3]"] = (volumes / list(map(len, numbers))).tolist()
        columns["density [g/cm^3]"] = (masses / volumes * GRAMS_PER_CM3).tolist()
    return tuple(columns), np.array(list(columns.values())).T


def content(library: Iterable[Structure]) -> str:
    """The sha256 of all atoms: elements, positions, cells."""
    digest = sha256()
    for each in library:
        for part in (each.atoms.numbers, each.atoms.positions, each.atoms.cell.array):
            digest.update(np.ascontiguousarray(part).data)
        digest.update(bytes(each.atoms.pbc))
    return digest.hexdigest()


def _read(path: Path) -> Iterator[Structure]:
    if path.is_dir():
        for file in sorted(path.glob("*.cif")):
            yield Structure(id=file.stem, atoms=_ordered(next(iread(file)), file), said={})
    elif path.suffix.casefold() not in SUFFIXES:
        for number, atoms in enumerate(iread(path, index=":"), start=1):
            yield Structure(id=f"row-{number}", atoms=_ordered(atoms, path), said={})
    elif path.suffix.casefold() == ".db":
        if not path.is_file():
            raise FileNotFoundError("no such file")
        for row in connect(path).select():
            yield Structure(id=f"row-{row.id}", atoms=row.toatoms(), said=row.key_value_pairs)
    else:
        for number, atoms in enumerate(iread(path, index=":", format="extxyz"), start=1):
            yield Structure(id=f"row-{number}", atoms=atoms, said=atoms.info)


def _ordered(atoms: Atoms, file: Path) -> Atoms:
    """The atoms; OracleError for sites occupied in part, of which ASE takes one element."""
    for site, shares in atoms.info.get("occupancy", {}).items():
        if list(shares.values()) != [1.0]:
            raise OracleError(
                f"{file}, site {site}",
                "one element on every site",
                ", ".join(f"{share:g} {element}" for element, share in shares.items()),
                "Order the structure, or let a substitution fill the site.",
            )
    return atoms


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
