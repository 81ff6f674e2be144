"""GPAW in a Python of its own: an ASE calculator here, `gpaw_worker` there.

Its environment is another (Debian's has ASE 3.22 and NumPy 1.24), so a process of that Python
calculates, one cell after the other; it is a child of the evaluation, and ends with it.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from shutil import which
from subprocess import PIPE, CalledProcessError, Popen
from typing import Any
from weakref import finalize

from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.io import read, write

from loop.records import Json
from oracles.atoms.failures import named, refuse
from oracles.atoms.kpoints import Grids
from oracles.atoms.programs import said
from oracles.atoms.retries import merged

PATH = "oracles.atoms.gpaw:Gpaw"
WORKER = Path(__file__).with_name("gpaw_worker.py")
PYTHON = "/usr/bin/python3"  # Debian's, which its package gpaw is for
REMEDY = "Debian has it in the package gpaw, with gpaw-data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """What is asked of GPAW.

    `cutoff_ev` is of the plane waves, `xc` the functional as GPAW names it. The grid of k-points
    has its centre at 0 and is `k_grid`, or `k_density` points per 1/angstrom along each reciprocal
    vector. Occupations are smeared as Fermi and Dirac have it, with `width_ev`. `spin` are moments
    by element to start from (Bohr magnetons); with any, or where the atoms have moments, the
    calculation is spin-polarised. `keywords` are GPAW's, and count more.
    """

    cutoff_ev: float
    xc: str = "PBE"
    k_density: float | None = None
    k_grid: Sequence[int] | None = None
    width_ev: float = 0.1
    spin: Mapping[str, float] = field(default_factory=dict)
    keywords: Mapping[str, Any] = field(default_factory=dict)

    @property
    def all_keywords(self) -> dict[str, Any]:
        """All but the k-points, in the words of GPAW."""
        occupations = {"name": "fermi-dirac", "width": self.width_ev}
        mode = {"name": "pw", "ecut": self.cutoff_ev}
        return merged({"mode": mode, "xc": self.xc, "occupations": occupations}, self.keywords)


class Gpaw(Calculator):
    """GPAW with plane waves, in the folder where this process stands; the keywords of `Input`.

    `python` is an interpreter that has GPAW.
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012  (ASE's)

    def __init__(self, *, python: str = PYTHON, **asked: Any) -> None:  # noqa: ANN401  (of Input)
        """Start the other Python; Refusal where it is not there, or has no GPAW."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.asked = Input(**asked)
        self.grids = Grids.stating(self.asked.k_density, self.asked.k_grid)
        self.numbers = count(1)
        self.process = _started(python)
        finalize(self, _end, self.process)
        hello = self._heard()
        if "error" in hello:
            said = f"{python} has no GPAW ({hello['error']}: {hello['message']}); {REMEDY}"
            _end(self.process)
            raise refuse("missing_program", said)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Everything that GPAW finds of these atoms, as `results`."""
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
        bare = self._bare()
        number = next(self.numbers)
        asked = {"atoms": f"gpaw-{number}.extxyz", "answer": f"gpaw-{number}-answer.extxyz"}
        write(asked["atoms"], bare)
        grid = self.grids.of_atoms(bare)
        answer = self._ask({**asked, "grid": grid, "keywords": self.asked.all_keywords})
        if "error" in answer:
            raise refuse(named(answer["error"], PATH), f"{answer['error']}: {answer['message']}")
        found = _read(asked["answer"]).calc.results
        self.results = {n: found[n] for n in ("energy", "forces", "stress") if n in found}
        self.results["free_energy"] = answer["free_energy"]
        for file in asked.values():
            Path(file).unlink()

    def _bare(self) -> Atoms:
        """The atoms with the moments that GPAW starts from, and no calculator."""
        if self.atoms is None:
            raise ValueError("there are no atoms to calculate")
        bare: Atoms = self.atoms.copy()
        spin = self.asked.spin
        if spin and not bare.get_initial_magnetic_moments().any():
            bare.set_initial_magnetic_moments([spin.get(each, 0.0) for each in bare.symbols])
        return bare

    def _ask(self, asked: Mapping[str, Any]) -> Json:
        assert self.process.stdin is not None  # noqa: S101  (Popen was given pipes)
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return self._heard()

    def _heard(self) -> Json:
        """The next line of the other process; CalledProcessError where it has ended."""
        assert self.process.stdout is not None  # noqa: S101
        line = self.process.stdout.readline()
        if not line:
            raise CalledProcessError(self.process.wait(), "gpaw_worker.py")
        return json.loads(line)


def _end(process: "Popen[str]") -> None:
    """Close the pipes, at which it ends."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(BrokenPipeError):
                pipe.close()
    process.wait()


def _started(python: str) -> "Popen[str]":
    if which(python) is None:
        raise refuse("missing_program", f"{python}, a Python that has GPAW; {REMEDY}")
    return Popen([python, str(WORKER)], stdin=PIPE, stdout=PIPE, text=True)


def _read(file: str) -> Atoms:
    (atoms,) = read(file, index=":")
    return atoms


@cache
def version(python: str) -> str:
    """The version of GPAW that a Python has, by its metadata; empty where it has none."""
    code = "from importlib.metadata import version; print(version('gpaw'))"
    return said([python, "-c", code]).strip()
