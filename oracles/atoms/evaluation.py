"""One evaluation, inside the process that was made for it: request.json in, answer.json out.

Files, not pipes, so that an attempt folder tells everything: what was asked, the log, the answer.
"""

import json
import sys
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from os import SEEK_END
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io.jsonio import decode, encode

from loop.records import Kind
from oracles.atoms.calculators import CONFIG, make
from oracles.atoms.checks import scalar
from oracles.atoms.defects import adsorbing
from oracles.atoms.failures import Cause, refusal, refuse
from oracles.atoms.properties import Case, Options, measure
from oracles.atoms.references import References
from oracles.atoms.relaxation import Limits, relax
from oracles.atoms.structures import Crystal, Slab

REQUEST, ANSWER = "request.json", "answer.json"
REFERENCES = "references.json"  # energies that others are measured from, as soon as they are known
WORDS = 4000  # characters of the end of what a program writes, which is where it says why it ends
OUTPUTS = ("*.out", "*.pwo", "*.err", "CRASH", "*.log", "*.txt")  # where programs write it


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to evaluate. `references` are energies (eV) known so far, by `references`' labels.

    `config` is the text of an ASE configuration file. With `probe` nothing is evaluated: the
    calculator is made, and what it needs is looked for.
    """

    crystal: Crystal
    properties: frozenset[str]
    calculator: str
    settings: Mapping[str, Any]
    limits: Limits
    references: Mapping[str, float]
    options: Options = field(default_factory=Options)
    config: str = ""
    probe: bool = False

    def write(self, folder: Path) -> None:
        """Write request.json, and ASE's configuration if there is one, into the attempt folder."""
        if self.config:
            (folder / CONFIG).write_text(self.config, encoding="utf-8")
        body = {
            **_crystal_written(self.crystal),
            "properties": sorted(self.properties),
            "calculator": self.calculator,
            "settings": self.settings,
            "limits": asdict(self.limits),
            "references": self.references,
            "miller": self.options.miller,
            "phases": {name: encode(phase) for name, phase in self.options.phases.items()},
            "probe": self.probe,
        }
        (folder / REQUEST).write_text(json.dumps(body, indent=1), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Request":
        """The request in the attempt folder."""
        body = json.loads((folder / REQUEST).read_text(encoding="utf-8"))
        config = folder / CONFIG
        return cls(
            crystal=_crystal_read(body),
            properties=frozenset(body["properties"]),
            calculator=body["calculator"],
            settings=body["settings"],
            limits=Limits(**body["limits"]),
            references=body["references"],
            options=Options(
                miller=tuple(body["miller"]),
                phases={name: decode(phase) for name, phase in body["phases"].items()},
            ),
            config=config.read_text(encoding="utf-8") if config.is_file() else "",
            probe=body["probe"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Values in `properties.UNITS`, the relaxed atoms, the references that were not known (eV)."""

    values: Mapping[str, float]
    atoms: Atoms
    references: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """No value, why, the tail of the log, and the references that were found before."""

    kind: Kind
    message: str
    cause: Cause = ""
    log: str = ""
    references: Mapping[str, float] = field(default_factory=dict)


def read_answer(folder: Path) -> Found | Refused:
    """The answer in an attempt folder; `crashed` where the process ended without one."""
    try:
        body = json.loads((folder / ANSWER).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Refused(kind="crashed", message="the process ended without an answer")
    if "kind" in body:
        return Refused(**body)
    atoms = decode(body["atoms"])
    atoms.calc = SinglePointCalculator(atoms, energy=body["energy"])
    return Found(values=body["values"], atoms=atoms)


def read_references(folder: Path) -> Mapping[str, float]:
    """The references found in an attempt folder, however the attempt ended."""
    file = folder / REFERENCES
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def answer(folder: Path) -> None:
    """Evaluate the request in the folder and write the answer beside it."""
    request = Request.read(folder)
    try:
        written = _written(_evaluate(request, folder))
    except (Exception, SystemExit) as error:  # noqa: BLE001  (calculators raise anything)
        meant = refusal(error, request.calculator, _words(folder))
        if meant is not error:
            traceback.print_exc(file=sys.stderr)
        body = {"kind": meant.kind, "message": str(meant), "cause": meant.cause}
        written = json.dumps(body)
    _place(folder / ANSWER, written)


def _place(file: Path, text: str) -> None:
    """Write a file that is there whole, or not at all."""
    part = file.with_name(f"{file.name}.part")
    part.write_text(text, encoding="utf-8")
    part.rename(file)


def _tell(folder: Path, references: Mapping[str, float]) -> None:
    _place(folder / REFERENCES, json.dumps(references))


def _written(body: Mapping[str, Any]) -> str:
    """The answer as JSON; Refusal for what a calculator has left in it that JSON does not know."""
    try:
        return json.dumps({**body, "atoms": encode(body["atoms"])}, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise refuse("no_number", f"the answer cannot be written: {error}") from error


def _words(folder: Path) -> str:
    """The end of everything that programs have written into the folder, oldest file first."""
    files = {file for pattern in OUTPUTS for file in folder.glob(pattern) if file.is_file()}
    return "\n".join(tail(file, WORDS) for file in sorted(files, key=lambda f: f.stat().st_mtime))


def tail(file: Path, characters: int) -> str:
    """The end of a text file, however long it is; empty where there is none."""
    try:
        with file.open("rb") as lines:
            size = lines.seek(0, SEEK_END)
            lines.seek(max(0, size - 4 * characters))  # UTF-8 has at most four bytes for one
            return lines.read().decode("utf-8", errors="replace")[-characters:]
    except FileNotFoundError:
        return ""


def _evaluate(request: Request, folder: Path) -> dict[str, Any]:
    calculator = make(request.calculator, request.settings, folder)
    if request.probe:
        return {"values": {}, "atoms": request.crystal.atoms, "energy": 0.0}
    relaxed = relax(request.crystal, calculator, request.limits)
    slab = adsorbing(relaxed, request.limits) if relaxed.slab else None
    kept = relaxed.atoms if slab is None else slab
    energy = scalar("energy", kept.get_potential_energy())
    forgotten = kept.copy()
    references = References(
        make=lambda: make(request.calculator, request.settings, folder),
        limits=request.limits,
        known=request.references,
        tell=partial(_tell, folder),
    )
    case = Case(
        relaxed=relaxed,
        slab=slab,
        wanted=request.properties,
        references=references,
        limits=request.limits,
        options=request.options,
    )
    return {
        "values": {name: scalar(name, value) for name, value in measure(case).items()},
        "atoms": forgotten,
        "energy": energy,
    }


def _crystal_written(crystal: Crystal) -> dict[str, Any]:
    body = {
        "atoms": encode(crystal.atoms),
        "lattice": crystal.lattice,
        "supercell": crystal.supercell,
    }
    if crystal.slab is None:
        return body
    return body | {"slab": encode(crystal.slab.atoms), "adsorbate": crystal.slab.adsorbate}


def _crystal_read(body: Mapping[str, Any]) -> Crystal:
    slab = Slab(atoms=decode(body["slab"]), adsorbate=body["adsorbate"]) if "slab" in body else None
    return Crystal(
        atoms=decode(body["atoms"]),
        lattice=body["lattice"],
        supercell=tuple(body["supercell"]),
        slab=slab,
    )
