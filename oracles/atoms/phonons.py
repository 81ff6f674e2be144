"""Whether a crystal is at a minimum against every displacement that its supercell can show."""

from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.phonons import Phonons
from numpy.typing import NDArray
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from oracles.atoms.checks import finite
from oracles.atoms.structures import Crystal

REACH = 10.0  # angstrom, the least edge of the supercell: forces beyond half of it are not seen
DELTA = 0.02  # angstrom, the displacement
SOFT = 1.0  # meV, the imaginary energy that finite displacements may leave at the origin
SYMMETRY = 0.01  # angstrom, within which the primitive cell is looked for


def stable(relaxed: Crystal) -> bool:
    """Whether no phonon that fits the supercell has an imaginary frequency beyond SOFT."""
    return bool(energies(relaxed.atoms, relaxed.atoms.calc).min() > -SOFT)


def energies(atoms: Atoms, calculator: BaseCalculator) -> NDArray[np.float64]:
    """Phonon energies (q, 3 n) in meV, at the wave vectors of the supercell; imaginary ones < 0.

    By finite displacements of the primitive cell's atoms (ASE), the supercell at least REACH wide.
    """
    primitive = _primitive(atoms)
    shape = [ceil(REACH / length) for length in np.linalg.norm(primitive.cell.array, axis=1)]
    with TemporaryDirectory(dir=Path.cwd(), prefix="phonons-") as folder:
        name = str(Path(folder) / "displaced")
        phonons = Phonons(primitive, calculator, supercell=shape, name=name, delta=DELTA)
        phonons.run()
        phonons.read(acoustic=True)
    grid = np.indices(shape).reshape(3, -1).T / shape
    found = 1000 * np.asarray(phonons.band_structure(grid, verbose=False), dtype=np.float64)
    finite("phonon energies", found)
    return found


def _primitive(atoms: Atoms) -> Atoms:
    bare = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
    structure = AseAtomsAdaptor.get_structure(bare)
    found = SpacegroupAnalyzer(structure, symprec=SYMMETRY).find_primitive()
    if found is None or len(found) == len(atoms):
        return bare
    atoms = AseAtomsAdaptor.get_atoms(found)
    return Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
