"""One evaluation, inside the process that was made for it: request.json in, answer.json out.

Files, not pipes, so that an attempt folder tells everything: what was asked, the log, the answer.
"""

import json
import sys
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io.jsonio import decode, encode

from loop.records import Kind
from oracles.atoms.calculators import make
from oracles.atoms.checks import finite
from oracles.atoms.failures import Refusal, refusal
from oracles.atoms.properties import Limits, density, equation_of_state, relax
from oracles.atoms.structures import Crystal, element

REQUEST, ANSWER = "request.json", "answer.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to evaluate. `references` are energies per atom (eV) of bulk elements known so far."""

    crystal: Crystal
    properties: frozenset[str]
    calculator: str
    settings: Mapping[str, Any]
    limits: Limits
    references: Mapping[str, float]

    def write(self, folder: Path) -> None:
        """Write request.json into the attempt folder."""
        body = {
            "atoms": encode(self.crystal.atoms),
            "lattice": self.crystal.lattice,
            "supercell": self.crystal.supercell,
            "properties": sorted(self.properties),
            "calculator": self.calculator,
            "settings": self.settings,
            "limits": asdict(self.limits),
            "references": self.references,
        }
        (folder / REQUEST).write_text(json.dumps(body, indent=1), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Request":
        """The request in the attempt folder."""
        body = json.loads((folder / REQUEST).read_text(encoding="utf-8"))
        crystal = Crystal(
            atoms=decode(body["atoms"]), lattice=body["lattice"], supercell=tuple(body["supercell"])
        )
        return cls(
            crystal=crystal,
            properties=frozenset(body["properties"]),
            calculator=body["calculator"],
            settings=body["settings"],
            limits=Limits(**body["limits"]),
            references=body["references"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Values in `properties.UNITS`, the relaxed atoms, the references used (eV/atom)."""

    values: Mapping[str, float]
    atoms: Atoms
    references: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """No value, why, and the tail of the log."""

    kind: Kind
    message: str
    log: str = ""


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
    return Found(values=body["values"], atoms=atoms, references=body["references"])


def answer(folder: Path) -> None:
    """Evaluate the request in the folder and write the answer beside it."""
    try:
        body = _evaluate(Request.read(folder))
    except Refusal as refused:
        body = {"kind": refused.kind, "message": str(refused)}
    except Exception as error:  # noqa: BLE001  (calculators raise anything: see failures.py)
        traceback.print_exc(file=sys.stderr)
        meant = refusal(error)
        body = {"kind": meant.kind, "message": str(meant)}
    partial = folder / f"{ANSWER}.part"
    partial.write_text(json.dumps(body, allow_nan=False), encoding="utf-8")
    partial.rename(folder / ANSWER)


def _evaluate(request: Request) -> dict[str, Any]:
    calculator = make(request.calculator, request.settings)
    relaxed = relax(request.crystal, calculator, request.limits)
    energy = float(relaxed.atoms.get_potential_energy())
    forgotten = relaxed.atoms.copy()
    values: dict[str, float] = {}
    references: dict[str, float] = {}
    for name in sorted(request.properties):
        match name:
            case "bulk_modulus":
                values[name] = equation_of_state(relaxed, request.limits).bulk_modulus
            case "density":
                values[name] = density(relaxed.atoms)
            case "formation_energy":
                references = _references(request, relaxed.atoms.symbols)
                apart = sum(references[each] for each in relaxed.atoms.symbols)
                values[name] = (energy - apart) / len(relaxed.atoms)
            case "lattice_constant":
                values[name] = relaxed.lattice_constant
        finite(name, values[name])
    return {
        "values": values,
        "atoms": encode(forgotten),
        "energy": energy,
        "references": references,
    }


def _references(request: Request, symbols: Iterable[str]) -> dict[str, float]:
    """Energies per atom (eV) of the bulk elements, each relaxed on the lattice it has in nature."""
    energies = {}
    for symbol in sorted(set(symbols)):
        if symbol in request.references:
            energies[symbol] = request.references[symbol]
            continue
        calculator = make(request.calculator, request.settings)
        try:
            bulk = relax(element(symbol), calculator, request.limits).atoms
        except Refusal as refused:
            message = f"the reference, bulk {symbol}: {refused}"
            raise Refusal(refused.kind, message) from refused
        energies[symbol] = float(bulk.get_potential_energy()) / len(bulk)
    return energies
