"""Atoms as an oracle: a structure from the point, an ASE calculator, properties once relaxed."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from hashlib import blake2b
from math import isfinite
from pathlib import Path
from typing import Any

from loop.errors import OracleError
from loop.protocols import Declaration
from loop.records import Candidate, Failed, Measured, Observation, Source
from loop.units import convert
from oracles.atoms import database
from oracles.atoms.attempts import attempt
from oracles.atoms.calculators import load, versions
from oracles.atoms.evaluation import Found, Refused, Request
from oracles.atoms.failures import Refusal
from oracles.atoms.properties import UNITS, Limits
from oracles.atoms.structures import Builder, Built

NAME = "atoms"


@dataclass(frozen=True, slots=True, kw_only=True)
class AtomsOracle:
    """Evaluates a crystal per candidate, each in a fresh process with a fresh calculator.

    `folder` is the campaign folder. `structure` makes atoms of a point. `properties` is target ->
    property, one of `properties.UNITS`; `units` is target -> unit, where the property's own is not
    wanted. `calculator` is `package.module:Class`, `settings` its keywords (paths absolute: it runs
    in its attempt folder, on one thread). A relaxation ends when no force exceeds `fmax`
    (eV/angstrom) and fails after `steps`; an evaluation is killed after `wall_s` seconds. Formation
    energies refer to the bulk elements, relaxed by the same calculator with the same settings, and
    kept in structures.db.
    """

    folder: Path
    structure: Builder
    properties: Mapping[str, str]
    units: Mapping[str, str] = field(default_factory=dict)
    calculator: str = "ase.calculators.emt:EMT"
    settings: Mapping[str, Any] = field(default_factory=dict)
    fmax: float = 0.01
    steps: int = 300
    wall_s: float = 600.0
    cost: float = 1.0

    def __post_init__(self) -> None:
        """Raise OracleError or UnitError for settings that no candidate could be evaluated with."""
        if not self.properties:
            raise OracleError("oracle.properties", f"some of {', '.join(UNITS)}", "none")
        for target, name in self.properties.items():
            _require_known(f"oracle.properties.{target}", name, UNITS)
        for target, unit in self.units.items():
            _require_known("oracle.units", target, self.properties)
            convert(1.0, UNITS[self.properties[target]], unit, f"oracle.units.{target}")
        load(self.calculator)
        try:
            json.dumps(self.settings, allow_nan=False)
        except (TypeError, ValueError) as error:
            expected = "finite numbers, text, lists and tables"
            raise OracleError("oracle.settings", expected, str(error)) from error
        for name, limit in (("fmax", self.fmax), ("steps", self.steps), ("wall_s", self.wall_s)):
            if not (isfinite(limit) and limit > 0):
                raise OracleError(f"oracle.{name}", "a number above 0", f"{limit:g}")

    @property
    def declaration(self) -> Declaration:
        """Its targets with their units, the parameter it takes; repeating is harmless."""
        return Declaration(
            name=NAME,
            measures={target: self._unit(target) for target in self.properties},
            takes=self.structure.takes,
            wall_s=self.wall_s,
            cost=self.cost,
        )

    def submit(self, candidates: Sequence[Candidate]) -> None:
        """Nothing: `collect` evaluates."""

    def collect(self, pending: Sequence[Candidate]) -> Sequence[Observation]:
        """An answer for each, one after the other; threads may collect different ones at once."""
        return [self._answer(candidate) for candidate in pending]

    def _answer(self, candidate: Candidate) -> Observation:
        start = time.monotonic()
        try:
            built = self.structure.build(candidate)
        except Refusal as refusal:
            refused = Refused(kind=refusal.kind, message=str(refusal))
            return self._failed(candidate, refused, "", 0.0)
        request = self._request(built)
        result, path = attempt(self.folder, candidate.id, request, self.wall_s)
        seconds = time.monotonic() - start
        if isinstance(result, Refused):
            return self._failed(candidate, result, path, seconds)
        database.save(self.folder, candidate.id, result.atoms, result.values)
        new = {each: e for each, e in result.references.items() if each not in request.references}
        if new:
            database.save_references(self.folder, self._recipe, new)
        return self._measured(candidate, built, result, self._source(path, seconds))

    def _request(self, built: Built) -> Request:
        wanted = frozenset(self.properties.values())
        referred = "formation_energy" in wanted
        known = database.references(self.folder, self._recipe) if referred else {}
        return Request(
            crystal=built.crystal,
            properties=wanted,
            calculator=self.calculator,
            settings=self.settings,
            limits=Limits(fmax=self.fmax, steps=self.steps),
            references=known,
        )

    def _measured(
        self, candidate: Candidate, built: Built, found: Found, source: Source
    ) -> Measured:
        values = {
            target: convert(found.values[name], UNITS[name], self._unit(target), f"oracle.{target}")
            for target, name in self.properties.items()
        }
        return Measured(
            candidate=candidate.id, values=values, source=source, executed=built.executed
        )

    def _failed(self, candidate: Candidate, why: Refused, path: str, seconds: float) -> Failed:
        return Failed(
            candidate=candidate.id,
            kind=why.kind,
            message=why.message,
            source=self._source(path, seconds),
            log=why.log,
        )

    def _source(self, path: str, seconds: float) -> Source:
        return Source(
            oracle=NAME, versions=versions(self.calculator), attempt=path, seconds=seconds
        )

    def _unit(self, target: str) -> str:
        return self.units.get(target, UNITS[self.properties[target]])

    @property
    def _recipe(self) -> str:
        """Names the calculator with all that its energies depend on."""
        parts = (self.calculator, self.settings, self.fmax, versions(self.calculator))
        digest = blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=8).hexdigest()
        return f"recipe-{digest}"


def _require_known(where: str, name: str, known: Mapping[str, Any]) -> None:
    if name not in known:
        near = get_close_matches(name, known, n=1)
        remedy = f"Did you mean {near[0]!r}?" if near else ""
        raise OracleError(where, f"one of {', '.join(known)}", repr(name), remedy)
