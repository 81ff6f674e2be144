"""Quantum ESPRESSO as people ask for it: cut-off, density of k-points, smearing, spin.

ASE's calculator takes what `pw.x` takes; this one takes what a campaign has to say, makes the input
of it, and reads with ASE what comes out. `input_data` reaches everything else.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from re import search
from shlex import split
from typing import Any

from ase import Atoms
from ase.calculators.espresso import EspressoProfile, EspressoTemplate
from ase.calculators.genericfileio import GenericFileIOCalculator
from ase.io.espresso_namelist.namelist import Namelist

from oracles.atoms.kpoints import Grids
from oracles.atoms.programs import said
from oracles.atoms.retries import merged

PATH = "oracles.atoms.espresso:Espresso"
DEBIAN = "/usr/share/espresso/pseudo"  # of the package quantum-espresso-data
# Our names of what `pw.x` calls by its authors.
SMEARINGS = {
    "cold": "marzari-vanderbilt",
    "fermi-dirac": "fermi-dirac",
    "gaussian": "gaussian",
    "methfessel-paxton": "methfessel-paxton",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """What is asked of `pw.x`, besides the pseudopotentials.

    `cutoff_ry` and `density_cutoff_ry` (four times that, if None) are of the wave functions and the
    density. The grid of k-points has its centre at 0 and is `k_grid`, or `k_density` points per
    1/angstrom along each reciprocal vector. `smearing` is one of SMEARINGS, of `width_ry`, or
    "none". `spin` are starting magnetisations (-1 to 1) by element; with any, or where the atoms
    have moments, the calculation is spin-polarised. `input_data` is of `pw.x`, and counts more.
    """

    cutoff_ry: float
    density_cutoff_ry: float | None = None
    k_density: float | None = None
    k_grid: Sequence[int] | None = None
    smearing: str = "cold"
    width_ry: float = 0.01
    spin: Mapping[str, float] = field(default_factory=dict)
    input_data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sections(self) -> dict[str, Any]:
        """All of it in the words of `pw.x`."""
        system: dict[str, Any] = {"ecutwfc": self.cutoff_ry}
        if self.density_cutoff_ry is not None:
            system["ecutrho"] = self.density_cutoff_ry
        if self.smearing != "none":
            system |= {"occupations": "smearing", "smearing": SMEARINGS[self.smearing]}
            system["degauss"] = self.width_ry
        control = {"tprnfor": True, "tstress": True, "disk_io": "none"}
        return merged({"control": control, "system": system}, _nested(self.input_data))


class Espresso(GenericFileIOCalculator):
    """`pw.x` in the folder where this process stands, by ASE; with the keywords of `Input`."""

    def __init__(
        self,
        *,
        pseudopotentials: Mapping[str, str],
        command: str = "pw.x",
        pseudo_dir: str = DEBIAN,
        directory: str = ".",
        **asked: Any,  # noqa: ANN401  (of Input)
    ) -> None:
        """Nothing is started or written yet."""
        super().__init__(  # type: ignore[no-untyped-call]
            template=Template(Input(**asked)),
            profile=EspressoProfile(command=command, pseudo_dir=pseudo_dir),
            directory=directory,
            parameters={"pseudopotentials": dict(pseudopotentials)},
        )


class Template(EspressoTemplate):
    """Writes the input of one cell after the other."""

    def __init__(self, asked: Input) -> None:
        """ValueError where the grid is not stated once, or a key is none of `pw.x`."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.asked = asked
        self.grids = Grids.stating(asked.k_density, asked.k_grid)
        self.sections = asked.sections

    def write_input(
        self,
        profile: EspressoProfile,
        directory: Path,
        atoms: Atoms,
        parameters: Mapping[str, Any],
        properties: Sequence[str],
    ) -> None:
        """Write the input of these atoms, with their grid and their moments."""
        spun, system = self._spun(atoms)
        written = {
            "pseudopotentials": parameters["pseudopotentials"],
            "input_data": merged({"system": system}, self.sections),
            "kpts": self.grids.of_atoms(atoms),
        }
        super().write_input(  # type: ignore[no-untyped-call]
            profile, directory, spun, written, properties
        )

    def _spun(self, atoms: Atoms) -> tuple[Atoms, dict[str, Any]]:
        """The atoms with starting magnetisations (-1 to 1), and what they need in &system.

        Free atoms bring their moment in Bohr magnetons: it is kept where nothing is smeared.
        """
        moments = atoms.get_initial_magnetic_moments()
        starts = [self.asked.spin.get(symbol, 0.0) for symbol in atoms.symbols]
        if moments.any():
            starts = [max(-1.0, min(1.0, float(each))) for each in moments]
        spun = atoms.copy()
        spun.set_initial_magnetic_moments(starts)
        if not any(starts):
            return spun, {}
        if self.asked.smearing != "none":
            return spun, {"nspin": 2}
        return spun, {"nspin": 2, "tot_magnetization": float(moments.sum())}


def _nested(data: Mapping[str, Any]) -> dict[str, Any]:
    """Keys in the sections that `pw.x` has them in; ValueError for those that it does not know.

    ASE leaves a key that it cannot place out, without a word.
    """
    nested = Namelist(merged({}, data))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        try:
            nested.to_nested("pw", warn=True)
        except UserWarning as error:
            raise ValueError(f"input_data: {error}, which pw.x does not know") from error
    return {section: dict(keys) for section, keys in nested.items() if keys}


@cache
def version(command: str) -> str:
    """What `pw.x` says of itself when it has nothing to do; empty where it says nothing."""
    found = search(r"Program PWSCF\s+v\.(\S+)", said(split(command)))
    return found[1] if found else ""
