"""What a program or a server says in JSON, read strictly: a value, an honest no, or invalid output.

It is asked, with every parameter by name, in its unit, a composition as a mapping of fractions:

    {"id": "0007-kzf", "point": {"T": 900.0, "alloy": {"Cu": 1.0}}, "targets": {"strength": "MPa"}}

It answers with a finite number for every target, in the target's unit, and with more if it likes:

    {"values": {"strength": 412.0}}
    {"values": {"strength": 412.0}, "errors": {"strength": 3.0}, "repeats": 4,
     "executed": {"T": 903.5}, "notes": {"furnace": "B"}}
    {"failed": "infeasible", "message": "it melts"}

`errors` are standard errors, `repeats` how many measurements a value averages, `executed` are the
parameters that turned out otherwise than asked, `failed` is a kind from `loop.records.Kind`.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from math import hypot
from typing import Annotated, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from loop.objective import Objective
from loop.records import Candidate, Failed, Json, Kind, Measured, Observation, Source, derive_seed
from loop.space.values import Point

MOST_BYTES = 1_000_000  # of one answer: a thousand times what any objective needs
SHOWN = 60  # characters of a wrong value that are repeated
Sd: TypeAlias = Annotated[float, Field(ge=0)]


class Said(BaseModel):
    """An answer as it was said; the module's docstring tells what the keys mean."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    values: dict[str, float] = {}
    errors: dict[str, Sd] = {}
    repeats: int = Field(default=1, ge=1)
    executed: dict[str, float | str | dict[str, float]] = {}
    notes: dict[str, str] = {}
    failed: Kind | None = None
    message: str = ""


def plain(point: Point) -> dict[str, Json]:
    """The point as JSON can hold it."""
    return {
        name: dict(value) if isinstance(value, Mapping) else value for name, value in point.items()
    }


def asked(candidate: Candidate, objective: Objective) -> str:
    """The candidate as JSON."""
    question = {
        "id": candidate.id,
        "point": plain(candidate.point),
        "targets": dict(objective.units),
    }
    return json.dumps(question, indent=1, allow_nan=False)


def read(text: bytes, candidate: Candidate, objective: Objective, source: Source) -> Observation:
    """The answer that the text holds; invalid_output where it holds none, or lacks a target."""
    try:
        said = Said.model_validate_json(text)
    except ValidationError as error:
        return invalid(candidate, _flaw(error), source)
    if said.failed is not None:
        message = said.message or "without a message"
        return Failed(candidate=candidate.id, kind=said.failed, message=message, source=source)
    flaw = _unmeasured(said, objective) or _unasked(said, candidate)
    if flaw:
        return invalid(candidate, flaw, source)
    return Measured(
        candidate=candidate.id,
        values=said.values,
        errors=said.errors,
        repeats=said.repeats,
        executed={**candidate.point, **said.executed} if said.executed else None,
        notes=said.notes,
        source=source,
    )


def invalid(candidate: Candidate, message: str, source: Source) -> Failed:
    """The failure of an answer that is no answer."""
    return Failed(candidate=candidate.id, kind="invalid_output", message=message, source=source)


def noisy(measured: Measured, sd: Mapping[str, float], seed: int) -> Measured:
    """The answer with Gaussian noise of standard deviation sd on each target that it names.

    The draw is decided by seed, candidate and target alone. A standard error that is stated grows
    by sd; one that is not stays unknown, as it is of any single measurement.
    """
    drawn = {
        target: np.random.default_rng(derive_seed(seed, "noise", measured.candidate, target))
        for target in measured.values
        if target in sd
    }
    values = {
        target: value + sd[target] * drawn[target].standard_normal() if target in drawn else value
        for target, value in measured.values.items()
    }
    errors = {target: hypot(e, sd.get(target, 0.0)) for target, e in measured.errors.items()}
    return replace(measured, values=values, errors=errors)


def _flaw(error: ValidationError) -> str:
    """What is wrong with the JSON, and where."""
    first = error.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        return f"expected an answer in JSON, got {_shown(first['input'])} ({first['msg']})"
    where = ".".join(map(str, first["loc"])) or "the answer"
    if first["type"] == "extra_forbidden":
        return f"expected the keys {', '.join(Said.model_fields)}, got {where!r}"
    wanted = first["msg"].removeprefix("Input should be ")
    return f"{where}: expected {wanted}, got {_shown(first['input'])}"


def _unmeasured(said: Said, objective: Objective) -> str:
    """Which targets have no value, or which values no target; empty where all is well."""
    for names in (said.values, said.errors):
        stray = sorted(set(names) - set(objective.names))
        if stray:
            return f"expected values of {', '.join(objective.names)}, got {', '.join(stray)}"
    missing = [name for name in objective.names if name not in said.values]
    if missing:
        return f"expected a number for every target, got none for {', '.join(missing)}"
    return ""


def _unasked(said: Said, candidate: Candidate) -> str:
    """Which executed parameter there is not; empty where all are parameters."""
    stray = sorted(set(said.executed) - set(candidate.point))
    if not stray:
        return ""
    return f"executed: expected names among {', '.join(candidate.point)}, got {', '.join(stray)}"


def _shown(value: object) -> str:
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}...")
