"""The equation of state: energies around the relaxed volume, and what their curve tells.

Notation: E energy (eV), V volume (angstrom^3), B bulk modulus (GPa), B' = dB/dp at p = 0.
"""

import numpy as np

from oracles.atoms.failures import Refusal
from oracles.atoms.murnaghan import EquationOfState, fitting
from oracles.atoms.relaxation import Limits, squeezed
from oracles.atoms.structures import Crystal

STRAINS = np.linspace(-0.03, 0.03, 7)  # of the lengths; +-9 % of the volume, minimum inside
FIT_OFFSET = 0.01  # relative distance of the fitted volume from the relaxed one; EMT: 0.001


def equation_of_state(relaxed: Crystal, limits: Limits) -> EquationOfState:
    """The fit to energies around the relaxed volume, cell shape fixed, positions relaxed.

    Positions follow at every volume because sites of unlike size share a compression unequally:
    with positions only scaled, B of random AgAuPt comes out 3 to 5 % too large. A crystal whose
    volume was found by such a fit brings it.
    """
    if relaxed.equation is not None:
        return relaxed.equation
    cells = [squeezed(relaxed.atoms, strain, limits) for strain in STRAINS]
    volumes = np.array([atoms.get_volume() for atoms, _ in cells])
    fitted = fitting(volumes, np.array([energy for _, energy in cells]))
    offset = abs(fitted.volume / relaxed.atoms.get_volume() - 1)
    if offset > FIT_OFFSET:
        said = f"volume off by {offset:.4f} of at most {FIT_OFFSET:g}"
        raise Refusal("not_converged", f"the equation of state does not fit: {said}")
    return fitted
