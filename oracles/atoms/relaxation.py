"""Relaxation: cells and positions where no force is left, or a Refusal."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS

from oracles.atoms.checks import finite, geometry, scalar, settled, volume
from oracles.atoms.failures import Refusal
from oracles.atoms.murnaghan import fitting
from oracles.atoms.structures import Crystal, Slab

Free: TypeAlias = Literal["cell", "volume", "positions"]  # what moves, the positions always

# Curvature the optimiser starts with, eV/angstrom^2: that of a site in a close-packed metal. ASE's
# default of 70 suits stiff bonds (32-atom alloys of EMT: 6 steps with 20, 8 already with 40).
START_CURVATURE = 20.0
STRAIN = 0.01  # of the lengths, on either side of a relaxed cell
# Of the lengths, from one volume of a search to the next: the more plane waves there are at a
# cut-off, the lower the energy, in jumps, above which the curve must rise (silicon, 18 Ry: 0.5 %).
STEP = 0.015
AROUND = 3  # volumes on either side of the lowest energy
FARTHEST = 6  # volumes from the start, where the search is given up: 30 % of the volume
AGREE = 0.01  # relative distance of the energy's minimum from the relaxed volume; EMT: 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a relaxation is done (largest force in eV/angstrom) and when it gives up.

    That is after `steps`, or where the volume is further from its start than a fraction of it.
    `relax` is what is free: the whole cell, by its stress; its volume alone, by energies; nothing
    but the positions. Energies are what plane waves have right with a cut-off that is not
    converged: silicon at 12 Ry is 6 % too dense by its stress.
    """

    fmax: float
    steps: int
    volume_change: float = 0.3
    relax: Free = "cell"


def relax(crystal: Crystal, calculator: BaseCalculator, limits: Limits) -> Crystal:
    """The crystal with cell and positions relaxed, its calculator attached; Refusal otherwise."""
    atoms = crystal.atoms.copy()
    atoms.calc = calculator
    geometry(atoms, "before relaxation")
    match limits.relax:
        case "cell":
            _relax_cell(atoms, limits)
        case "volume":
            atoms, crystal = _relax_volume(atoms, crystal, limits)
        case "positions":
            minimise(atoms, atoms, limits)
    volume(atoms, crystal.atoms, limits.volume_change)
    geometry(atoms, "after relaxation")
    return replace(crystal, atoms=atoms, slab=_following(crystal, atoms))


def squeezed(atoms: Atoms, strain: float, limits: Limits) -> tuple[Atoms, float]:
    """The atoms with their lengths strained and positions relaxed, and their energy (eV)."""
    made = atoms.copy()
    made.calc = atoms.calc
    made.set_cell(atoms.cell * (1 + strain), scale_atoms=True)
    minimise(made, made, limits)
    return made, float(made.get_potential_energy())


def _relax_cell(atoms: Atoms, limits: Limits) -> None:
    # The cell's curvature grows with the volume, the filter divides it by factor^2: sqrt(N) makes
    # it that of a site. With ASE's default, N, relaxing 32 atoms takes twice the steps and the cell
    # stops up to 0.1 % short, because fmax bounds dE/dstrain / factor.
    cell = FrechetCellFilter(atoms, exp_cell_factor=len(atoms) ** 0.5)
    minimise(atoms, cell, limits)
    _require_agreement(atoms)


def _require_agreement(atoms: Atoms) -> None:
    """Refuse a volume at which the stress is zero and the energy is not lowest.

    A parabola through three energies tells; what an unconverged set of plane waves gets wrong is
    the stress (P. G. Dacosta, O. H. Nielsen, K. Kunc, J. Phys. C 19, 3163 (1986)).
    """
    at = [_strained(atoms, strain) for strain in (-STRAIN, 0.0, STRAIN)]
    (v1, e1), (v2, e2), (v3, e3) = ((float(a.get_volume()), float(e)) for a, e in at)
    slope = (e3 - e1) / (v3 - v1)
    curvature = ((e3 - e2) / (v3 - v2) - (e2 - e1) / (v2 - v1)) / ((v3 - v1) / 2)
    finite("the energies around the relaxed volume", slope, curvature)
    if abs(slope) > AGREE * v2 * curvature:
        off = f"{abs(slope) / (curvature * v2):.1%} away" if curvature > 0 else "nowhere near"
        raise Refusal(
            "not_converged",
            f"no minimum of the energy where the stress is zero: it is {off} in volume (at most "
            f"{AGREE:.0%}); with plane waves raise the cut-off, or let relax = 'volume'",
        )


def _strained(atoms: Atoms, strain: float) -> tuple[Atoms, float]:
    made = atoms.copy()
    made.calc = atoms.calc
    made.set_cell(atoms.cell * (1 + strain), scale_atoms=True)
    energy = scalar("energy", made.get_potential_energy())
    settled(made.calc)
    return made, energy


def _relax_volume(atoms: Atoms, crystal: Crystal, limits: Limits) -> tuple[Atoms, Crystal]:
    """The atoms at the volume where a fit to energies is lowest, and the crystal with that fit."""
    found: dict[int, tuple[Atoms, float]] = {}
    lowest, wanted = 0, _window(0)
    while missing := [n for n in wanted if n not in found]:
        found |= {n: squeezed(atoms, n * STEP, limits) for n in missing}
        lowest = min(found, key=lambda n: found[n][1])
        if abs(lowest) > FARTHEST:
            said = f"no minimum of the energy within {FARTHEST * STEP:.0%} of the start's lengths"
            raise Refusal("infeasible", said)
        wanted = _window(lowest)
    cells = [found[n] for n in wanted]
    volumes = np.array([each.get_volume() for each, _ in cells])
    fitted = fitting(volumes, np.array([energy for _, energy in cells]))
    ratio = fitted.volume / float(found[lowest][0].get_volume())
    made, _ = squeezed(found[lowest][0], ratio ** (1 / 3) - 1, limits)
    return made, replace(crystal, equation=fitted)


def _window(middle: int) -> Sequence[int]:
    return range(middle - AROUND, middle + AROUND + 1)


def _following(crystal: Crystal, relaxed: Atoms) -> Slab | None:
    """The slab with the lengths of the crystal that it is cut from, as relaxed."""
    if crystal.slab is None:
        return None
    slab = crystal.slab.atoms.copy()
    ratio = relaxed.get_volume() / crystal.atoms.get_volume()
    slab.set_cell(slab.cell.array * ratio ** (1 / 3), scale_atoms=True)
    return replace(crystal.slab, atoms=slab)


def minimise(atoms: Atoms, variables: Atoms | FrechetCellFilter, limits: Limits) -> None:
    """Move until the largest force is below fmax; Refusal for NaN at any step or for no end."""

    def check() -> None:
        # At every step: NaN forces become NaN positions and then zero forces, and "converge".
        finite("forces", atoms.get_forces())
        finite("positions", atoms.positions)
        scalar("energy", atoms.get_potential_energy())
        settled(atoms.calc)

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
