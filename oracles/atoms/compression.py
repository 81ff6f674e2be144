"""The equation of state: energies around the relaxed volume, and what their curve tells.

Notation: E energy (eV), V volume (angstrom^3), B bulk modulus (GPa), B' = dB/dp at p = 0.
"""

from dataclasses import dataclass

import numpy as np
from ase.units import GPa
from numpy.typing import NDArray

from oracles.atoms.checks import finite
from oracles.atoms.failures import Refusal
from oracles.atoms.relaxation import Limits, minimise
from oracles.atoms.structures import Crystal

STRAINS = np.linspace(-0.03, 0.03, 7)  # of the lengths; +-9 % of the volume, minimum inside
FIT_RESIDUAL = 0.01  # r.m.s. over the range of the energies; EMT: 0.0002, and 0.004 for Al
FIT_OFFSET = 0.01  # relative distance of the fitted volume from the relaxed one; EMT: 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class EquationOfState:
    """V (angstrom^3), B (GPa) and B' at the minimum, and the relative residual of the fit."""

    volume: float
    bulk_modulus: float
    derivative: float
    residual: float


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
        minimise(atoms, atoms, limits)
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
    slope, curvature, third = (polynomial.deriv(order) for order in (1, 2, 3))
    minima = [
        float(root.real)
        for root in slope.roots()
        if abs(root.imag) < 1e-9 and x.min() < root.real < x.max() and curvature(root.real) > 0
    ]
    if len(minima) != 1:
        raise Refusal("not_converged", "the fitted energies have no minimum between the volumes")
    (at,) = minima
    volume = scale * at**-1.5
    # At the minimum dE/dx = 0, so d2E/dV2 = d2E/dx2 (dx/dV)^2 with dx/dV = -2/3 x/V; B = V d2E/dV2.
    modulus = volume * float(curvature(at)) * (2 / 3 * at / volume) ** 2 / GPa
    # B' = -1 - V (d3E/dV3) / (d2E/dV2), where d2x/dV2 = 10/9 x/V^2.
    derivative = 4 + 2 / 3 * at * float(third(at)) / float(curvature(at))
    residual = float(np.sqrt(np.mean((polynomial(x) - energies) ** 2)) / np.ptp(energies))
    return EquationOfState(
        volume=volume, bulk_modulus=modulus, derivative=derivative, residual=residual
    )
