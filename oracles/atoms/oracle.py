"""Atoms as an oracle: a structure from the point, an ASE calculator, properties once relaxed."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from oracles.atoms.bounds import Bounds
from oracles.atoms.builders import Builder
from oracles.atoms.calculators import load, require_honest, require_own_folder, versions
from oracles.atoms.evaluation import Found, Refused, Request
from oracles.atoms.failures import Refusal
from oracles.atoms.properties import REFERRED, UNITS, UNLIKE, Options
from oracles.atoms.relaxation import Free, Limits
from oracles.atoms.retries import ladder, merged
from oracles.atoms.structures import Built, element

NAME = "atoms"
# So many k-points along each vector, by our name and by ASE's, and their density instead.
GRIDS = {"k_grid": "k_density = 3", "kpts": "kpts = {density = 3}"}
PROBE = "check"  # the attempt that only looks whether the calculator can be made


@dataclass(frozen=True, slots=True, kw_only=True)
class AtomsOracle:
    """Evaluates a crystal per candidate, each in a fresh process with a fresh calculator.

    `folder` is the campaign folder. `structure` makes atoms of a point. `properties` is target ->
    property, one of `properties.UNITS`; `units` is target -> unit, where the property's own is not
    wanted. `calculator` is `package.module:Class`, `settings` its keywords (paths absolute: it runs
    in its attempt folder, on one thread). A relaxation ends when no force exceeds `fmax`
    (eV/angstrom) and fails after `steps`, or when the volume leaves its start by more than the
    fraction `volume_change`. An evaluation, with all that it starts, is killed after `wall_s`
    seconds, above `memory_mb` of memory, or above `output_mb` in its folder (10^6 bytes). Where the
    self-consistent cycle does not converge, at most two other settings are tried, each in an
    attempt of its own: `retry`, or those of `retries` for the calculator. `config` is a
    configuration file of ASE's. `keep` keeps the folders of all attempts, not of the failed only.
    `options` says what some properties are of: the facet, the phases of the hull. `relax` is what
    is free in a relaxation. `varied` is setting -> parameter, where candidates bring their own:
    settings that the calculator then refuses are infeasible, not wrong for every one. Energies
    refer to elements, atoms, molecules and phases that the same calculator has relaxed with the
    same settings, and that are kept in structures.db.
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
    memory_mb: float | None = None
    output_mb: float = 1000.0
    volume_change: float = 0.3
    retry: Sequence[Mapping[str, Any]] | None = None
    config: Path | None = None
    keep: bool = False
    options: Options = field(default_factory=Options)
    relax: Free = "cell"
    varied: Mapping[str, str] = field(default_factory=dict)

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
        for each in self._ladder:
            settings = merged(self.settings, each)
            try:
                json.dumps(settings, allow_nan=False)
            except (TypeError, ValueError) as error:
                expected = "finite numbers, text, lists and tables"
                raise OracleError("oracle.settings", expected, str(error)) from error
            require_own_folder(settings)
            require_honest(settings)
            self._require_density(settings)
        if self.config is not None and not self.config.is_file():
            raise OracleError("oracle.config", "a configuration file of ASE's", str(self.config))
        limits = {"fmax": self.fmax, "steps": self.steps, "volume_change": self.volume_change}
        for name, limit in limits.items():
            if not (isfinite(limit) and limit > 0):
                raise OracleError(f"oracle.{name}", "a number above 0", f"{limit:g}")
        self._bounds  # noqa: B018  (raises)

    @property
    def declaration(self) -> Declaration:
        """Its targets with their units, the parameter it takes; repeating is harmless."""
        return Declaration(
            name=NAME,
            measures={target: self._unit(target) for target in self.properties},
            takes=self.structure.takes | frozenset(self.varied.values()),
            wall_s=self.wall_s * len(self._ladder),
        )

    def require(self) -> None:
        """Raise OracleError where the calculator, a program or a file that it needs is missing."""
        built = Built(crystal=element("Cu"), executed=None)
        some = {**self.settings, **dict.fromkeys(self.varied, 1.0)}  # what candidates will bring
        request = replace(self._request(built, some), probe=True)
        result, _ = attempt(self.folder, PROBE, request, self._bounds)
        if isinstance(result, Refused):
            expected = f"a calculator {self.calculator} that can run"
            raise OracleError("oracle.calculator", expected, result.message)

    def submit(self, candidates: Sequence[Candidate]) -> None:
        """Nothing: `collect` evaluates."""

    def collect(self, pending: Sequence[Candidate]) -> Sequence[Observation]:
        """An answer for each, one after the other; threads may collect different ones at once."""
        return [self._answer(candidate) for candidate in pending]

    def _require_density(self, settings: Mapping[str, Any]) -> None:
        """Raise OracleError where cells of unlike size would have as many k-points each."""
        unlike = sorted(UNLIKE.intersection(self.properties.values()))
        for key, instead in GRIDS.items():
            if unlike and isinstance(settings.get(key), list | tuple):
                expected = f"a density of k-points, for {unlike[0]} compares cells of unlike size"
                remedy = f"{instead} is a fair start."
                got = repr(list(settings[key]))
                raise OracleError(f"oracle.settings, {key}", expected, got, remedy)

    def _answer(self, candidate: Candidate) -> Observation:
        start = time.monotonic()
        try:
            built = self.structure.build(candidate)
        except Refusal as refusal:
            refused = Refused(kind=refusal.kind, message=str(refusal))
            return self._failed(candidate, refused, "", 0.0)
        tried = self._tried(candidate, built)
        last = tried[-1]
        if isinstance(last.result, Refused):
            refused = replace(last.result, message=last.result.message + _vain(tried))
            if self.varied and refused.cause == "bad_input":
                refused = replace(refused, kind="infeasible")
            return self._failed(candidate, refused, last.path, time.monotonic() - start)
        self._keep(candidate, last.result, last)
        source = self._source(last.path, time.monotonic() - start)
        return self._measured(candidate, built, last.result, source, _changed(tried))

    def _tried(self, candidate: Candidate, built: Built) -> list["Tried"]:
        """The attempts: one, or more with other settings where the cycle does not converge."""
        tried = []
        own = {key: candidate.point.get(name) for key, name in self.varied.items()}
        for changes in self._ladder:
            settings = merged({**self.settings, **own}, changes)
            request = self._request(built, settings)
            result, path = attempt(self.folder, candidate.id, request, self._bounds, keep=self.keep)
            tried.append(Tried(result=result, path=path, changes=changes, settings=settings))
            if result.references:
                database.save_references(self.folder, self._recipe(settings), result.references)
            if not (isinstance(result, Refused) and result.cause == "scf"):
                break
        return tried

    def _keep(self, candidate: Candidate, found: Found, last: "Tried") -> None:
        provenance = {
            "point": candidate.point,
            "calculator": self.calculator,
            "settings": last.settings,
            "versions": versions(self.calculator, last.settings),
            "attempt": last.path,
        }
        found.atoms.calc.name = self.calculator.rpartition(":")[2].lower()
        database.save(self.folder, candidate.id, found.atoms, found.values, provenance)

    def _request(self, built: Built, settings: Mapping[str, Any]) -> Request:
        wanted = frozenset(self.properties.values())
        referred = wanted & REFERRED
        known = database.references(self.folder, self._recipe(settings)) if referred else {}
        return Request(
            crystal=built.crystal,
            properties=wanted,
            calculator=self.calculator,
            settings=settings,
            limits=Limits(
                fmax=self.fmax,
                steps=self.steps,
                volume_change=self.volume_change,
                relax=self.relax,
            ),
            references=known,
            options=self.options,
            config=self._config,
        )

    def _measured(
        self,
        candidate: Candidate,
        built: Built,
        found: Found,
        source: Source,
        notes: Mapping[str, str],
    ) -> Measured:
        values = {
            target: convert(found.values[name], UNITS[name], self._unit(target), f"oracle.{target}")
            for target, name in self.properties.items()
        }
        return Measured(
            candidate=candidate.id,
            values=values,
            source=source,
            executed=built.executed,
            notes=notes,
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
            oracle=NAME,
            versions=versions(self.calculator, self.settings),
            attempt=path,
            seconds=seconds,
        )

    def _unit(self, target: str) -> str:
        return self.units.get(target, UNITS[self.properties[target]])

    @property
    def _bounds(self) -> Bounds:
        return Bounds(wall_s=self.wall_s, memory_mb=self.memory_mb, output_mb=self.output_mb)

    @property
    def _ladder(self) -> Sequence[Mapping[str, Any]]:
        """The changes to the settings that are tried, in order; none at first."""
        return ({}, *ladder(self.calculator, self.retry))

    @property
    def _config(self) -> str:
        return "" if self.config is None else self.config.read_text(encoding="utf-8")

    def _recipe(self, settings: Mapping[str, Any]) -> str:
        """Names the calculator with all that its energies depend on."""
        parts = [self.calculator, settings, self.fmax, versions(self.calculator, settings)]
        if self.relax != "cell":
            parts.append(self.relax)
        if self.config is not None:
            parts.append(self._config)
        digest = blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=8).hexdigest()
        return f"recipe-{digest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One attempt: what it gave, its folder, and what its settings had changed."""

    result: Found | Refused
    path: str
    changes: Mapping[str, Any]
    settings: Mapping[str, Any]


def _changed(tried: Sequence[Tried]) -> dict[str, str]:
    """Notes that tell that a value comes of other settings than were asked for."""
    if len(tried) == 1:
        return {}
    before = ", ".join(each.path for each in tried[:-1])
    return {"settings": json.dumps(tried[-1].changes), "not converged": before}


def _vain(tried: Sequence[Tried]) -> str:
    """What was tried before the last attempt, for its message."""
    if len(tried) == 1:
        return ""
    before = ", ".join(each.path for each in tried[:-1])
    return f"; with {json.dumps(tried[-1].changes)}, after {before}"


def _require_known(where: str, name: str, known: Mapping[str, Any]) -> None:
    if name not in known:
        near = get_close_matches(name, known, n=1)
        remedy = f"Did you mean {near[0]!r}?" if near else ""
        raise OracleError(where, f"one of {', '.join(known)}", repr(name), remedy)
