"""Relaxation, equation of state, and the properties that come of them.

Notation: E energy (eV), V volume (angstrom^3), B bulk modulus (GPa), f strain of a length.
"""

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS
from ase.units import GPa, kg
from numpy.typing import NDArray

from oracles.atoms.checks import finite, geometry
from oracles.atoms.failures import Refusal
from oracles.atoms.structures import Crystal

UNITS = {
    "bulk_modulus": "GPa",
    "density": "g/cm^3",
    "formation_energy": "eV/atom",
    "lattice_constant": "angstrom",
}
# Curvature the optimiser starts with, eV/angstrom^2: that of a site in a close-packed metal. ASE's
# default of 70 suits stiff bonds (32-atom alloys of EMT: 6 steps with 20, 8 already with 40).
START_CURVATURE = 20.0
STRAINS = np.linspace(-0.03, 0.03, 7)  # of the lengths; +-9 % of the volume, minimum inside
FIT_RESIDUAL = 0.01  # r.m.s. over the range of the energies; EMT: 0.0002, and 0.004 for Al
FIT_OFFSET = 0.01  # relative distance of the fitted volume from the relaxed one; EMT: 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a relaxation is done (largest force in eV/angstrom) and when it gives up (steps)."""

    fmax: float
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EquationOfState:
    """Volume (angstrom^3) and bulk modulus (GPa) at the minimum, and the quality of the fit."""

    volume: float
    bulk_modulus: float
    residual: float


def relax(crystal: Crystal, calculator: BaseCalculator, limits: Limits) -> Crystal:
    """The crystal with cell and positions relaxed, its calculator attached; Refusal otherwise."""
    atoms = crystal.atoms.copy()
    atoms.calc = calculator
    geometry(atoms, "before relaxation")
    # The cell's curvature grows with the volume, the filter divides it by factor^2: sqrt(N) makes
    # it that of a site. With ASE's default, N, relaxing 32 atoms takes twice the steps and the cell
    # stops up to 0.1 % short, because fmax bounds dE/dstrain / factor.
    cell = FrechetCellFilter(atoms, exp_cell_factor=len(atoms) ** 0.5)
    _minimise(atoms, cell, limits)
    geometry(atoms, "after relaxation")
    return Crystal(atoms=atoms, lattice=crystal.lattice, supercell=crystal.supercell)


def equation_of_state(relaxed: Crystal, limits: Limits) -> EquationOfState:
    """The fit to energies around the relaxed volume, cell shape fixed, positions relaxed.

    Positions follow at every volume because sites of unlike size share a compression unequally:
    with positions only scaled, B of random AgAuPt comes out 3 to 5 % too large.
    """
    volumes, energies = [], []
    for strain in STRAINS:
        atoms = relaxed.atoms.copy()
        atoms.calc = relaxed.atoms.calc
        atoms.set_cell(relaxed.atoms.cell * (1 + strain), scale_atoms=True)
        _minimise(atoms, atoms, limits)
        volumes.append(atoms.get_volume())
        energies.append(atoms.get_potential_energy())
    fitted = birch_murnaghan(np.array(volumes), np.array(energies))
    offset = abs(fitted.volume / relaxed.atoms.get_volume() - 1)
    if fitted.residual > FIT_RESIDUAL or offset > FIT_OFFSET:
        raise Refusal(
            "not_converged",
            f"the equation of state does not fit: residual {fitted.residual:.4f} of at most "
            f"{FIT_RESIDUAL:g}, volume off by {offset:.4f} of at most {FIT_OFFSET:g}",
        )
    return fitted


def birch_murnaghan(volumes: NDArray[np.float64], energies: NDArray[np.float64]) -> EquationOfState:
    """The third-order Birch-Murnaghan fit to energies (n,) at volumes (n,), minimum bracketed.

    E is a cubic polynomial in x = V^(-2/3) (F. Birch, Phys. Rev. 71, 809 (1947); K. Lejaeghere et
    al., Crit. Rev. Solid State Mater. Sci. 39, 1 (2014), the Delta-value's fit): linear least
    squares, which needs no starting values and cannot stop half-way.
    """
    finite("equation of state", volumes, energies)
    lowest = int(np.argmin(energies))
    if lowest in {0, len(energies) - 1}:
        raise Refusal("not_converged", "no minimum of the energy between the volumes")
    scale = float(volumes.mean())
    x = (volumes / scale) ** (-2 / 3)
    polynomial = np.polynomial.Polynomial.fit(x, energies, 3)
    slope, curvature = polynomial.deriv(1), polynomial.deriv(2)
    minima = [
        float(root.real)
        for root in slope.roots()
        if abs(root.imag) < 1e-9 and x.min() < root.real < x.max() and curvature(root.real) > 0
    ]
    if len(minima) != 1:
        raise Refusal("not_converged", "the fitted energies have no minimum between the volumes")
    volume = scale * minima[0] ** -1.5
    # At the minimum dE/dx = 0, so d2E/dV2 = d2E/dx2 (dx/dV)^2 with dx/dV = -2/3 x/V; B = V d2E/dV2.
    modulus = volume * float(curvature(minima[0])) * (2 / 3 * minima[0] / volume) ** 2 / GPa
    residual = float(np.sqrt(np.mean((polynomial(x) - energies) ** 2)) / np.ptp(energies))
    return EquationOfState(volume=volume, bulk_modulus=modulus, residual=residual)


def density(atoms: Atoms) -> float:
    """In g/cm^3: ASE's masses are in u and its lengths in angstrom."""
    return float(atoms.get_masses().sum()) / kg * 1000 / (float(atoms.get_volume()) * 1e-24)


def _minimise(atoms: Atoms, variables: Atoms | FrechetCellFilter, limits: Limits) -> None:
    """Move until the largest force is below fmax; Refusal for NaN at any step or for no end."""

    def check() -> None:
        # At every step: NaN forces become NaN positions and then zero forces, and "converge".
        finite("forces", atoms.get_forces())
        finite("positions", atoms.positions)
        finite("energy", atoms.get_potential_energy())

    check()
    # ASE annotates Atoms only, and takes any filter of them.
    optimiser = BFGS(variables, logfile="-", alpha=START_CURVATURE)  # type: ignore[arg-type]
    optimiser.attach(check)
    converged = bool(optimiser.run(fmax=limits.fmax, steps=limits.steps))
    check()
    if not converged:
        raise Refusal(
            "not_converged",
            f"a force is still above {limits.fmax:g} eV/angstrom after {limits.steps} steps",
        )
