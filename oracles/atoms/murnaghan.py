"""The equation of state as a fit: what energies at some volumes tell of their minimum.

Notation: E energy (eV), V volume (angstrom^3), B bulk modulus (GPa), B' = dB/dp at p = 0.
"""

from dataclasses import dataclass

import numpy as np
from ase.units import GPa
from numpy.typing import NDArray

from oracles.atoms.failures import Refusal

FIT_RESIDUAL = 0.01  # r.m.s. over the range of the energies; EMT: 0.0002, and 0.004 for Al


@dataclass(frozen=True, slots=True, kw_only=True)
class EquationOfState:
    """V (angstrom^3), B (GPa) and B' at the minimum, and the relative residual of the fit."""

    volume: float
    bulk_modulus: float
    derivative: float
    residual: float


def fitting(volumes: NDArray[np.float64], energies: NDArray[np.float64]) -> EquationOfState:
    """The fit; Refusal, as not_converged, where it leaves more than FIT_RESIDUAL."""
    fitted = birch_murnaghan(volumes, energies)
    if fitted.residual > FIT_RESIDUAL:
        said = f"residual {fitted.residual:.4f} of at most {FIT_RESIDUAL:g}"
        remedy = "plane waves want a higher cut-off, or more k-points"
        raise Refusal("not_converged", f"the equation of state does not fit: {said}; {remedy}")
    return fitted


def birch_murnaghan(volumes: NDArray[np.float64], energies: NDArray[np.float64]) -> EquationOfState:
    """The third-order Birch-Murnaghan fit to energies (n,) at volumes (n,), minimum bracketed.

    E is a cubic polynomial in x = V^(-2/3) (F. Birch, Phys. Rev. 71, 809 (1947); K. Lejaeghere et
    al., Crit. Rev. Solid State Mater. Sci. 39, 1 (2014), the Delta-value's fit): linear least
    squares, which needs no starting values and cannot stop half-way.
    """
    if not (np.isfinite(volumes).all() and np.isfinite(energies).all()):
        raise Refusal("invalid_output", "equation of state: not a finite number", "no_number")
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
