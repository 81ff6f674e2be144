"""Who answers a campaign: one oracle, or several that complement or approximate one another."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flows.oracle import oracle
from flows.refusal import nearest
from flows.settings import FolderTable, Oracles, Settings
from loop.errors import SettingsError
from loop.objective import Objective, Target
from loop.protocols import Oracle
from loop.records import REAL, Fidelity, Problem
from oracles.several import Part, Several


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """Who evaluates, or the laboratory alone; a laboratory beside it; what both can be asked of."""

    oracle: Oracle
    laboratory: Oracle | None
    fidelities: tuple[Fidelity, ...]


def answering(settings: Settings, problem: Problem, folder: Path) -> Answering:
    """All oracles of a campaign; SettingsError where together they do not answer the question."""
    tables = settings.oracles
    if len(tables) == 1:
        return _alone(tables[0], problem, folder)
    _require_named(tables)
    parts = [_part(table, problem, folder) for table in tables]
    _require_whole(parts, problem.objective)
    evaluate = tuple(part for part in parts if part.oracle.declaration.evaluates)
    wait = tuple(part for part in parts if not part.oracle.declaration.evaluates)
    asked = Several(parts=tuple(parts))  # which refuses two that answer the same
    return Answering(
        oracle=Several(parts=evaluate or wait) if evaluate and wait else asked,
        laboratory=Several(parts=wait) if evaluate and wait else None,
        fidelities=_fidelities(tables, parts, problem.objective),
    )


def parts(asked: Oracle | None, problem: Problem) -> Sequence[Part]:
    """Each oracle with its name and targets; one that is alone has no name."""
    match asked:
        case None:
            return ()
        case Several():
            return asked.parts
        case _:
            return [Part(name="", oracle=asked, targets=problem.objective.names)]


def _alone(table: Oracles, problem: Problem, folder: Path) -> Answering:
    """The one oracle, which is the real thing."""
    if table.approximates or table.promote is not None or table.evaluations is not None:
        key = "approximates" if table.approximates else "promote or evaluations"
        expected = f"{key} only where there are several oracles"
        raise SettingsError("oracle", expected, "one oracle", "Remove it, or add an [[oracle]].")
    names = problem.objective.names
    if table.measures is not None and set(table.measures) != set(names):
        got = ", ".join(table.measures)
        remedy = "Remove measures, or add the oracle that measures the rest as [[oracle]]."
        raise SettingsError("oracle.measures", f"all of {', '.join(names)}", got, remedy)
    made = oracle(table, problem, folder)
    cost, measured = _cost([table])
    real = Fidelity(name=REAL, targets=names, oracles=(table.name,), cost=cost, measured=measured)
    is_plain = real == Fidelity(name=REAL, targets=names, oracles=("",))
    return Answering(oracle=made, laboratory=None, fidelities=() if is_plain else (real,))


def _part(table: Oracles, problem: Problem, folder: Path) -> Part:
    """The oracle of one table, made for the targets that it measures."""
    names = problem.objective.names
    for name in table.measures or ():
        if name not in names:
            remedy = nearest(name, names) or "Add a [[target]] of that name."
            expected = f"targets among {', '.join(names)}"
            raise SettingsError(f"oracle.{table.name}.measures", expected, repr(name), remedy)
    asked = tuple(table.measures or names)
    units = problem.objective.units
    own = Objective(targets=tuple(Target(name=n, unit=units[n], goal="learn") for n in asked))
    made = oracle(table, replace(problem, objective=own), folder)
    fidelity = table.name if table.approximates else REAL
    return Part(name=table.name, oracle=made, targets=asked, fidelity=fidelity)


def _fidelities(
    tables: Sequence[Oracles], parts: Sequence[Part], objective: Objective
) -> tuple[Fidelity, ...]:
    """The real thing, and every stand-in in the order of the file."""
    real = [table for table in tables if not table.approximates]
    asked = [(REAL, objective.names, real)] + [
        (table.name, part.targets, [table])
        for table, part in zip(tables, parts, strict=True)
        if table.approximates
    ]
    found = []
    for name, targets, those in asked:
        cost, measured = _cost(those)
        oracles = tuple(table.name for table in those)
        found.append(
            Fidelity(name=name, targets=targets, oracles=oracles, cost=cost, measured=measured)
        )
    return tuple(found)


def _cost(tables: Sequence[Oracles]) -> tuple[float, bool]:
    """What asking these together costs, and whether hours are measured on top."""
    measured = [table.name for table in tables if table.cost == "measured"]
    for table in tables:
        is_timed = not isinstance(table, FolderTable)
        if table.cost == "measured" and not is_timed:
            raise SettingsError(
                f"oracle.{table.name}.cost".replace("..", "."),
                "a number, of a laboratory",
                "'measured'",
                "Nobody tells how long a sample took: state what it costs.",
            )
        if measured and table.cost != "measured" and is_timed:
            raise SettingsError(
                f"oracle.{table.name}.cost",
                f"'measured', as of {measured[0]}, which answers the same candidates",
                f"{table.cost:g}",
                "Measure the hours of both, or state the costs of both.",
            )
    stated = sum(float(table.cost) for table in tables if table.cost != "measured")
    return stated, bool(measured)


def _require_named(tables: Sequence[Oracles]) -> None:
    """Raise SettingsError for names that do not tell oracles apart, or none that is real."""
    names = [table.name for table in tables]
    for number, name in enumerate(names, start=1):
        if not name or names.count(name) > 1:
            got = "none" if not name else f"{name!r} {names.count(name)} times"
            expected = "a name used once, where there are several oracles"
            raise SettingsError(f"oracle[{number}].name", expected, got, 'Add name = "...".')
    if all(table.approximates for table in tables):
        raise SettingsError(
            "oracle",
            "at least one that is the real thing",
            f"approximates = true of {', '.join(names)}",
            "Remove approximates from the one whose values answer the question.",
        )
    if sum(isinstance(table, FolderTable) for table in tables) > 1:
        raise SettingsError(
            "oracle",
            "one laboratory at most",
            "several of kind 'folder'",
            "Let one folder bring all that laboratories measure.",
        )


def _require_whole(parts: Sequence[Part], objective: Objective) -> None:
    """Raise SettingsError unless the real oracles together measure every target."""
    known = {target for part in parts if part.fidelity == REAL for target in part.targets}
    for name in objective.names:
        if name not in known:
            real = ", ".join(part.name for part in parts if part.fidelity == REAL)
            expected = f"an oracle that measures it and does not approximate ({real})"
            remedy = f"Add {name!r} to the measures of one."
            raise SettingsError(f"target.{name}", expected, "none", remedy)
