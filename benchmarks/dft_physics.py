"""The part of the physics page that real DFT finds, where the codes are installed."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import Any

from ase.build import bulk
from ase.data import atomic_masses, atomic_numbers
from ase.units import kg

from loop.records import Candidate, Failed, Why
from oracles.atoms import espresso, gpaw
from oracles.atoms.oracle import AtomsOracle
from oracles.atoms.structures import PoolStructure

PSEUDOPOTENTIALS = {"Al": "Al.pz-vbc.UPF", "Si": "Si.pz-vbc.UPF"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An element in its primitive cell by one code; lattice constant (angstrom) and B (GPa).

    `by_hand` are of the same code and settings without this code; `measured` at room temperature.
    `within` is how far from the value by hand is too far: fits over other ranges differ.
    """

    symbol: str
    code: str
    settings: Mapping[str, Any]
    says: str
    by_hand: tuple[float, float]
    measured: tuple[float, float]
    within: tuple[float, float]

    @property
    def is_here(self) -> bool:
        """Whether the code is installed."""
        if self.code == gpaw.PATH:
            return gpaw.version(gpaw.PYTHON) != ""
        return which("pw.x") is not None


CASES = (
    Case(
        symbol="Si",
        code=espresso.PATH,
        settings={
            "pseudopotentials": PSEUDOPOTENTIALS,
            "cutoff_ry": 18.0,
            "k_grid": [4, 4, 4],
            "smearing": "none",
        },
        says="LDA, 18 Ry, 4×4×4",
        by_hand=(5.402, 96),
        measured=(5.431, 98),
        within=(0.02, 6),
    ),
    Case(
        symbol="Al",
        code=espresso.PATH,
        settings={
            "pseudopotentials": PSEUDOPOTENTIALS,
            "cutoff_ry": 15.0,
            "k_grid": [8, 8, 8],
            "smearing": "cold",
            "width_ry": 0.05,
        },
        says="LDA, 15 Ry, 8×8×8, cold smearing 0.05 Ry",
        by_hand=(3.954, 83),
        measured=(4.050, 76),
        within=(0.01, 4),
    ),
    Case(
        symbol="Si",
        code=gpaw.PATH,
        settings={"cutoff_ev": 300.0, "k_grid": [4, 4, 4]},
        says="PBE, 300 eV, 4×4×4",
        by_hand=(5.488, 89),
        measured=(5.431, 98),
        within=(0.02, 4),
    ),
)


def section(folder: Path, deviations: list[str]) -> Iterator[str]:
    """The lines of the page; what is too far from the value by hand goes into `deviations`."""
    yield (
        "\n## Silicon and aluminium by density functional theory\n\nPrimitive cells, the volume by "
        "energies, pseudopotentials and setups of Debian. In each cell: Athanor / the same "
        "code by hand with ASE, without this one, from five energies (measured). The seconds are "
        "those of the whole evaluation, eight cells, on one core of a shared machine.\n"
    )
    yield "| | code | settings | a [Å] | B [GPa] | seconds |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for case in CASES:
        yield _row(case, folder, deviations) if case.is_here else _absent(case)


def _row(case: Case, folder: Path, deviations: list[str]) -> str:
    oracle = AtomsOracle(
        folder=folder,
        structure=PoolStructure(pool="x", atoms={case.symbol: bulk(case.symbol)}),
        properties={"density": "density", "B": "bulk_modulus"},
        calculator=case.code,
        settings={"command": "pw.x", **case.settings}
        if case.code == espresso.PATH
        else {"python": gpaw.PYTHON, **case.settings},
        relax="volume",
        fmax=0.02,
        wall_s=1800.0,
    )
    why = Why(origin="manual")
    began = time.perf_counter()
    (answer,) = oracle.collect([Candidate(id="0001-dft", point={"x": case.symbol}, why=why)])
    seconds = time.perf_counter() - began
    if isinstance(answer, Failed):
        deviations.append(f"{case.symbol} by {case.code}: {answer.kind}: {answer.message}")
        return f"| {case.symbol} | {case.code} | {case.says} | {answer.kind} | | {seconds:.0f} |"
    found = (_lattice_constant(case.symbol, answer.values["density"]), answer.values["B"])
    for what, value, hand, within in zip("aB", found, case.by_hand, case.within, strict=True):
        if abs(value - hand) > within:
            deviations.append(f"{case.symbol} {what} by {case.code}: {value:.4g}, by hand {hand:g}")
    program = "pw.x" if case.code == espresso.PATH else "gpaw"
    code = {"pw.x": "Quantum ESPRESSO", "gpaw": "GPAW"}[program]
    named = f"{code} {answer.source.versions[program]}"
    a = f"{found[0]:.3f} / {case.by_hand[0]:.3f} ({case.measured[0]:.3f})"
    modulus = f"{found[1]:.0f} / {case.by_hand[1]:.0f} ({case.measured[1]:.0f})"
    return f"| {case.symbol} | {named} | {case.says} | {a} | {modulus} | {seconds:.0f} |"


def _absent(case: Case) -> str:
    return f"| {case.symbol} | {case.code} | {case.says} | not installed here | | |"


def _lattice_constant(symbol: str, density: float) -> float:
    """Of the cube, from g/cm^3: eight atoms of diamond, four of fcc."""
    atoms = {"Si": 8, "Al": 4}[symbol]
    grams = atoms * float(atomic_masses[atomic_numbers[symbol]]) / kg * 1000
    return float((grams / density * 1e24) ** (1 / 3))
