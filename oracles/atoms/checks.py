"""What must hold before a number counts.

Potentials answer nonsense without a word: coincident atoms have NaN forces, which an optimiser
turns into NaN positions and then into "converged"; atoms beyond the cutoff have no forces at all
and "converge" at once. Every check here raises a Refusal.
"""

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list

from oracles.atoms.failures import Refusal
from oracles.atoms.structures import atomic_volume

CLOSEST = 0.6  # of the sum of the covalent radii: no bond in a solid is as short
FARTHEST = 1.3  # of the close-packed distance: beyond it an atom has no neighbour left
VOLUME = 0.3  # relative deviation from the mean of the elements' atomic volumes


def finite(what: str, *numbers: object) -> None:
    """Refuse NaN and infinity as invalid_output."""
    if not all(np.all(np.isfinite(np.asarray(each, dtype=np.float64))) for each in numbers):
        raise Refusal("invalid_output", f"{what}: not a finite number")


def geometry(atoms: Atoms, when: str) -> None:
    """Refuse as infeasible: atoms on top of one another or alone, a collapsed or burst cell."""
    finite(f"positions and cell {when}", atoms.positions, atoms.cell.array)
    volumes = np.array([atomic_volume(symbol) for symbol in atoms.symbols])
    ratio = float(atoms.get_volume()) / float(volumes.sum())
    if abs(ratio - 1) > VOLUME:
        said = f"{when} the volume is {ratio:.2f} times that of the elements (1 within {VOLUME:g})"
        raise Refusal("infeasible", said)
    # Spheres of the same volume, close-packed: d^3 = sqrt(2) V.
    spacing = (np.sqrt(2) * volumes) ** (1 / 3)
    i, j, distance = neighbor_list("ijd", atoms, FARTHEST * float(spacing.max()))
    radii = covalent_radii[atoms.numbers]
    short = distance < CLOSEST * (radii[i] + radii[j])
    if short.any():
        worst = float(distance[short].min())
        raise Refusal("infeasible", f"{when} two atoms are only {worst:.2f} angstrom apart")
    alone = sorted(set(range(len(atoms))) - set(i.tolist()))
    if alone:
        raise Refusal("infeasible", f"{when} atom {alone[0]} has no neighbour")
