"""What must hold before a number counts.

Potentials answer nonsense without a word: coincident atoms have NaN forces, which an optimiser
turns into NaN positions and then into "converged"; atoms beyond the cutoff have no forces at all
and "converge" at once. Every check here raises a Refusal.
"""

from functools import cache

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list

from oracles.atoms.failures import Refusal, refuse
from oracles.atoms.structures import atomic_volume

CLOSEST = 0.6  # of the sum of the covalent radii: no bond in a solid is as short
FARTHEST = 1.3  # of the close-packed distance: beyond it an atom has no neighbour left
# Of the sum of the elements' atomic volumes: salts of metals are small (CsAu: 0.61).
SMALLEST, LARGEST = 0.5, 1.3


def finite(what: str, *numbers: object) -> None:
    """Refuse NaN, infinity, and what is no number at all, as invalid_output."""
    for each in numbers:
        try:
            array = np.asarray(each, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise refuse("no_number", f"{what}: {type(each).__name__}, not numbers") from error
        if not np.all(np.isfinite(array)):
            raise Refusal("invalid_output", f"{what}: not a finite number", "no_number")


def settled(calculator: object) -> None:
    """Refuse what a calculator gives although its cycle did not converge, and says so.

    ASE's Vasp does: its energy is that of the last iteration, its `converged` is False.
    """
    if getattr(calculator, "converged", None) is False:
        raise refuse("scf", "the calculator's own `converged` is False")


def scalar(what: str, number: object) -> float:
    """One finite number as a float; Refusal (invalid_output) for anything else."""
    finite(what, number)
    array = np.asarray(number, dtype=np.float64)
    if array.shape != ():
        raise refuse("no_number", f"{what}: an array of shape {array.shape}, not one number")
    return float(array)


def geometry(atoms: Atoms, when: str) -> None:
    """Refuse as infeasible: atoms on top of one another or alone, a collapsed or burst cell.

    The cell's volume is held against the elements' own where all of them are tabulated.
    """
    finite(f"positions and cell {when}", atoms.positions, atoms.cell.array)
    volumes = [_tabulated(symbol) for symbol in atoms.symbols]
    known = [volume for volume in volumes if volume is not None]
    if len(known) == len(volumes):
        ratio = float(atoms.get_volume()) / sum(known)
        if not SMALLEST <= ratio <= LARGEST:
            within = f"{SMALLEST:g} to {LARGEST:g}"
            said = f"the volume is {ratio:.2f} times that of the elements ({within})"
            raise Refusal("infeasible", f"{when} {said}")
    distances(atoms, when)


def distances(atoms: Atoms, when: str) -> None:
    """Refuse as infeasible: atoms on top of one another, and atoms without a neighbour."""
    radii = covalent_radii[atoms.numbers]
    # Spheres of the same volume, close-packed: d^3 = sqrt(2) V.
    own = [(2**0.5 * (_tabulated(each) or 0.0)) ** (1 / 3) / 2 for each in atoms.symbols]
    reach = np.maximum(radii, own)
    i, j, distance = neighbor_list("ijd", atoms, FARTHEST * np.full(len(atoms), reach.max()))
    short = distance < CLOSEST * (radii[i] + radii[j])
    if short.any():
        worst = float(distance[short].min())
        raise Refusal("infeasible", f"{when} two atoms are only {worst:.2f} angstrom apart")
    alone = sorted(set(range(len(atoms))) - set(i.tolist()))
    if alone:
        raise Refusal("infeasible", f"{when} atom {alone[0]} has no neighbour")


def volume(atoms: Atoms, start: Atoms, within: float) -> None:
    """Refuse as infeasible a cell that has left its start by more than the fraction `within`."""
    ratio = float(atoms.get_volume()) / float(start.get_volume())
    if not abs(ratio - 1) <= within:
        said = f"relaxation took the volume to {ratio:.2f} times the start's (1 within {within:g})"
        raise Refusal("infeasible", said)


@cache
def _tabulated(symbol: str) -> float | None:
    """The element's volume per atom in angstrom^3, where it is a simple crystal."""
    try:
        return atomic_volume(symbol)
    except Refusal:
        return None
