"""Relaxation: cells and positions where no force is left, or a Refusal."""

from dataclasses import dataclass, replace

from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS

from oracles.atoms.checks import finite, geometry, scalar, volume
from oracles.atoms.failures import Refusal
from oracles.atoms.structures import Crystal, Slab

# Curvature the optimiser starts with, eV/angstrom^2: that of a site in a close-packed metal. ASE's
# default of 70 suits stiff bonds (32-atom alloys of EMT: 6 steps with 20, 8 already with 40).
START_CURVATURE = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a relaxation is done (largest force in eV/angstrom) and when it gives up.

    That is after `steps`, or where the volume is further from its start than a fraction of it.
    """

    fmax: float
    steps: int
    volume_change: float = 0.3


def relax(crystal: Crystal, calculator: BaseCalculator, limits: Limits) -> Crystal:
    """The crystal with cell and positions relaxed, its calculator attached; Refusal otherwise."""
    atoms = crystal.atoms.copy()
    atoms.calc = calculator
    geometry(atoms, "before relaxation")
    # The cell's curvature grows with the volume, the filter divides it by factor^2: sqrt(N) makes
    # it that of a site. With ASE's default, N, relaxing 32 atoms takes twice the steps and the cell
    # stops up to 0.1 % short, because fmax bounds dE/dstrain / factor.
    cell = FrechetCellFilter(atoms, exp_cell_factor=len(atoms) ** 0.5)
    minimise(atoms, cell, limits)
    volume(atoms, crystal.atoms, limits.volume_change)
    geometry(atoms, "after relaxation")
    return replace(crystal, atoms=atoms, slab=_following(crystal, atoms))


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
