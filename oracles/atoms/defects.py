"""Energies of what is not the perfect crystal: vacancies, surfaces, adsorbates.

Notation: E energies (eV) of relaxed cells, N atoms, mu energy per atom of a bulk element.
"""

from collections import Counter
from math import ceil

import numpy as np
from ase import Atoms
from ase.build import surface
from ase.calculators.calculator import BaseCalculator
from ase.units import J, m

from oracles.atoms.checks import distances
from oracles.atoms.failures import Refusal
from oracles.atoms.references import References
from oracles.atoms.relaxation import Limits, minimise
from oracles.atoms.slabs import VACUUM
from oracles.atoms.structures import Crystal

APART = 10.0  # angstrom between a vacancy and its images: 107 atoms of an fcc metal
THICKNESS = 12.0  # angstrom of a slab: twice as thick, EMT has the same Cu(111) to 0.001 %
DESORBED = 3.0  # angstrom: an adsorbate farther from all atoms of the slab has left it


def vacancy_energy(relaxed: Crystal, references: References, limits: Limits) -> float:
    """E(N - 1) + mu - E(N) in eV, volume fixed, positions relaxed.

    In an alloy the mean over its elements, weighted by their fractions, of the vacancy at the first
    of each one's sites; mu is of the bulk element, so that for an element E(N) (N - 1) / N remains.
    """
    lengths = np.linalg.norm(relaxed.atoms.cell.array, axis=1)
    whole = relaxed.atoms.repeat([ceil(APART / length) for length in lengths])
    energy = len(whole) / len(relaxed.atoms) * float(relaxed.atoms.get_potential_energy())
    shares = Counter(whole.get_chemical_symbols())
    mean = 0.0
    for symbol, count in sorted(shares.items()):
        holed = whole.copy()
        del holed[holed.get_chemical_symbols().index(symbol)]
        mu = references.element(symbol) if len(shares) > 1 else energy / len(whole)
        found = _relaxed(holed, relaxed.atoms.calc, limits, "with a vacancy")
        mean += count / len(whole) * (found + mu - energy)
    return mean


def surface_energy(relaxed: Crystal, miller: tuple[int, int, int], limits: Limits) -> float:
    """(E(slab) - E(bulk)) / 2A in J/m^2, positions relaxed.

    The Miller indices are of the crystal's own cell, which for prototypes and cubic alloys is the
    conventional one. Where the two faces differ, it is their mean.
    """
    slab = cut(relaxed.atoms, miller)
    energy = len(slab) / len(relaxed.atoms) * float(relaxed.atoms.get_potential_energy())
    found = _relaxed(slab, relaxed.atoms.calc, limits, "of the slab")
    return (found - energy) / (2 * _area(slab)) / (J / m**2)


def cut(bulk: Atoms, miller: tuple[int, int, int]) -> Atoms:
    """A slab at least THICKNESS thick, cut where the gap between planes of atoms is widest.

    Without that, atoms on the boundary of ASE's cell go to one face or the other by rounding: of
    six planes of Cu(111) it makes seven with half an atom each at the ends, and a surface energy of
    1.56 instead of 1.04 J/m^2.
    """
    indices = np.array(miller) // np.gcd.reduce(miller)
    wave = indices @ bulk.cell.reciprocal().array  # along the normal, 1 / spacing long
    heights = np.sort((bulk.positions @ wave) % 1)
    gaps = np.diff(heights, append=heights[0] + 1)
    widest = int(np.argmax(gaps))
    centred = Atoms(bulk.numbers, positions=bulk.positions, cell=bulk.cell, pbc=True)
    centred.positions -= (heights[widest] + gaps[widest] / 2) * wave / (wave @ wave)
    repeats = ceil(THICKNESS * float(np.linalg.norm(wave)))
    slab: Atoms = surface(centred, tuple(indices.tolist()), repeats, vacuum=VACUUM, periodic=True)
    return slab


def adsorbing(relaxed: Crystal, limits: Limits) -> Atoms:
    """The slab with its adsorbate, positions relaxed, calculator attached; Refusal if it leaves."""
    atoms = _slab(relaxed)
    _relaxed(atoms, relaxed.atoms.calc, limits, "of the adsorbate")
    guest = atoms.get_tags() == 0
    apart = float(atoms.get_all_distances(mic=True)[np.ix_(guest, ~guest)].min())
    if apart > DESORBED:
        raise Refusal("infeasible", f"the adsorbate has left: it is {apart:.1f} angstrom away")
    return atoms


def adsorption_energy(
    with_adsorbate: float, relaxed: Crystal, references: References, limits: Limits
) -> float:
    """E(slab with adsorbate) - E(slab) - E(adsorbate) in eV; negative where it binds.

    E(adsorbate) is of the molecule alone; of H, N, O, F and Cl, of half of their molecule.
    """
    clean = _slab(relaxed)
    del clean[np.flatnonzero(clean.get_tags() == 0)]
    bare = _relaxed(clean, relaxed.atoms.calc, limits, "of the clean slab")
    alone = 0.0 if relaxed.slab is None else references.adsorbate(relaxed.slab.adsorbate)
    return with_adsorbate - bare - alone


def _slab(relaxed: Crystal) -> Atoms:
    if relaxed.slab is None:
        raise Refusal("invalid_input", "an adsorption energy is of a slab with an adsorbate")
    slab: Atoms = relaxed.slab.atoms.copy()
    return slab


def _area(slab: Atoms) -> float:
    """Of one face, angstrom^2."""
    a, b, _ = slab.cell.array
    return float(np.linalg.norm(np.cross(a, b)))


def _relaxed(atoms: Atoms, calculator: BaseCalculator, limits: Limits, what: str) -> float:
    """The energy (eV) once the positions are relaxed."""
    atoms.calc = calculator
    distances(atoms, f"before relaxation {what}")
    minimise(atoms, atoms, limits)
    distances(atoms, f"after relaxation {what}")
    return float(atoms.get_potential_energy())
