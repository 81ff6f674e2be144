"""Elastic constants from stresses: a strain, either way, and the difference of the stresses.

Notation: C stiffness (6, 6) in GPa, Voigt order xx, yy, zz, yz, xz, xy, engineering shear strains;
K and G bulk and shear modulus of a polycrystal by Hill's average.
"""

from collections.abc import Mapping

import numpy as np
from ase import Atoms
from ase.stress import voigt_6_to_full_3x3_strain
from ase.units import GPa
from numpy.typing import NDArray
from pymatgen.analysis.elasticity.elastic import ElasticTensor
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from oracles.atoms.checks import finite
from oracles.atoms.failures import Refusal
from oracles.atoms.prototypes import CUBIC
from oracles.atoms.relaxation import Limits, minimise
from oracles.atoms.structures import Crystal

STRAIN = 0.005  # EMT: C moves by less than 1 % to 0.01; with pymatgen's defaults C44 is 9 % off
ASYMMETRY = 0.05  # of the largest constant: C is symmetric where stresses belong to energies
SYMMETRY = 0.01  # angstrom, within which atoms are equivalent


def stiffness(relaxed: Crystal, limits: Limits) -> NDArray[np.float64]:
    """C (6, 6) by central differences, positions relaxed; Refusal where it is not one."""
    C = np.empty((6, 6))
    for component in range(6):
        strain = np.zeros(6)
        strain[component] = STRAIN
        ahead, back = (_stress(relaxed.atoms, sign * strain, limits) for sign in (1, -1))
        C[:, component] = (ahead - back) / (2 * STRAIN) / GPa
    finite("elastic constants", C)
    off = float(np.abs(C - C.T).max() / np.abs(C).max())
    if off > ASYMMETRY:
        said = f"the elastic constants differ by {off:.0%} of the largest from their transpose"
        raise Refusal("not_converged", said)
    C = (C + C.T) / 2
    lowest = float(np.linalg.eigvalsh(C)[0])
    if lowest <= 0:
        said = f"not stable against a strain: the lowest eigenvalue of C is {lowest:.3g} GPa"
        raise Refusal("infeasible", said)
    return C


def cubic(relaxed: Crystal, C: NDArray[np.float64]) -> Mapping[str, float]:
    """C11, C12 and C44 of a cubic crystal in GPa; Refusal for any other crystal.

    They are means over the axes, which differ in a random alloy because its cell is small. Axes of
    prototypes and alloys are those of the cube; others are turned to be (IEEE 176, by pymatgen).
    """
    if relaxed.lattice not in CUBIC:
        structure = AseAtomsAdaptor.get_structure(_bare(relaxed.atoms))
        system = SpacegroupAnalyzer(structure, symprec=SYMMETRY).get_crystal_system()
        if system != "cubic":
            raise Refusal("infeasible", f"C11, C12, C44 are of cubic crystals, not {system} ones")
        turned = ElasticTensor.from_voigt(C).convert_to_ieee(structure, initial_fit=False)
        C = np.asarray(turned.voigt)
    return {
        "c11": float(np.diag(C)[:3].mean()),
        "c12": float(np.mean([C[0, 1], C[0, 2], C[1, 2]])),
        "c44": float(np.diag(C)[3:].mean()),
    }


def averages(C: NDArray[np.float64]) -> Mapping[str, float]:
    """K, G, E (GPa), Poisson's ratio, K/G: R. Hill, Proc. Phys. Soc. A 65, 349 (1952).

    K/G above 1.75 is called ductile (S. F. Pugh, Philos. Mag. 45, 823 (1954)).
    """
    tensor = ElasticTensor.from_voigt(C)
    K, G = float(tensor.k_vrh), float(tensor.g_vrh)
    return {
        "hill_bulk_modulus": K,
        "shear_modulus": G,
        "youngs_modulus": 9 * K * G / (3 * K + G),
        "poisson_ratio": float(tensor.homogeneous_poisson),
        "pugh_ratio": K / G,
    }


def _stress(relaxed: Atoms, strain: NDArray[np.float64], limits: Limits) -> NDArray[np.float64]:
    """Stress (6,) in eV/angstrom^3 at a strain (6,), positions relaxed."""
    atoms = relaxed.copy()
    atoms.calc = relaxed.calc
    deformation = voigt_6_to_full_3x3_strain(strain)  # ASE's has the identity in it
    atoms.set_cell(relaxed.cell.array @ deformation, scale_atoms=True)
    minimise(atoms, atoms, limits)
    stress: NDArray[np.float64] = np.asarray(atoms.get_stress(), dtype=np.float64)
    return stress


def _bare(atoms: Atoms) -> Atoms:
    """Without its calculator, of which pymatgen's adaptor would ask everything."""
    return Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
