"""The oracle of a campaign folder, from the table [oracle], and whether it answers the question."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import assert_never

from flows.around import around
from flows.own import instance
from flows.refusal import nearest
from flows.settings import FolderTable, Oracles, WeighTable
from flows.tables.oracle import (
    AtomsTable,
    CommandTable,
    FunctionTable,
    OwnTable,
    ServiceTable,
    TableTable,
)
from loop.choices import PLACE
from loop.errors import SettingsError
from loop.protocols import Declaration, Oracle
from loop.records import Kind, Problem
from loop.space.composition import Composition
from loop.space.parameters import is_named
from loop.space.pool import Pool
from loop.units import convert
from oracles.command import Command
from oracles.folder.columns import fields, read_columns, vocabulary
from oracles.folder.making import Making
from oracles.folder.oracle import Folder
from oracles.folder.reading import Reading
from oracles.folder.weighing import Weighing
from oracles.function import Function
from oracles.service import Service


def oracle(table: Oracles, problem: Problem, folder: Path) -> Oracle:
    """The oracle; LoopError where it cannot be made or does not fit the problem."""
    made = around(_make(table, problem, folder), table, folder, problem)
    _require_measures(made.declaration, problem)
    _require_takes(made.declaration, problem)
    return made


def _make(table: Oracles, problem: Problem, folder: Path) -> Oracle:
    made: Oracle
    match table:
        case FunctionTable():
            made = Function(
                function=table.function,
                folder=folder,
                wall_s=table.wall_s,
                space=problem.space,
                objective=problem.objective,
            )
        case TableTable():
            from oracles.table import Table  # noqa: PLC0415 - pandas, where it is wanted

            made = Table(
                path=folder / table.file,
                space=problem.space,
                objective=problem.objective,
                columns=_ids(table, problem) | table.columns,
                replicates=table.replicates,
                match=table.match,
                seed=problem.seed,
            )
        case AtomsTable():
            from flows.atoms import atoms  # noqa: PLC0415 - ASE and pymatgen, where they are wanted

            made = atoms(table, problem, folder)
        case CommandTable():
            made = _command(table, problem, folder)
        case ServiceTable():
            made = _service(table, problem, folder)
        case OwnTable():
            made = instance(table, folder)
        case FolderTable():
            made = Folder(
                folder=folder,
                space=problem.space,
                objective=problem.objective,
                making=_making(table, problem),
                reading=_reading(table, problem, folder),
            )
        case _:
            assert_never(table)
    return made


def _making(table: FolderTable, problem: Problem) -> Making:
    """How the laboratory makes samples; SettingsError where it cannot be so."""
    return Making(
        resolution=table.resolution,
        repeats=table.repeats,
        weighing=None if table.weigh is None else _weighing(table.weigh, problem),
    )


def _reading(table: FolderTable, problem: Problem, folder: Path) -> Reading:
    """How its files are read; SettingsError for what is not in the campaign."""
    targets = problem.objective.names
    numbers = [each for each in problem.space.parameters if not is_named(each)]
    labels = [label for each in numbers for label in (each.name, *fields(each))]
    known = {
        "plausible": targets,
        "detection": targets,
        "tolerance": labels,
        "limit": labels,
    }
    for key, names in known.items():
        for name in getattr(table, key):
            if name not in names:
                raise SettingsError(
                    f"oracle.{key}.{name}",
                    f"one of {', '.join(dict.fromkeys(names))}",
                    repr(name),
                    nearest(name, names) or "Correct it.",
                )
    if table.reader is not None:
        _require_reader(table.reader, folder)
    _require_columns(table.columns, problem)
    for name, (low, high) in table.plausible.items():
        if not low < high:
            got = f"[{low:g}, {high:g}]"
            raise SettingsError(f"oracle.plausible.{name}", "lowest, then highest value", got)
    return Reading(
        **table.model_dump(
            exclude={"kind", "plausible", "resolution", "repeats", "weigh", "id_in_name"} | PLACE
        ),
        plausible={name: (low, high) for name, (low, high) in table.plausible.items()},
        id_in_name=_pattern(table.id_in_name),
    )


def _require_columns(columns: Mapping[str, str], problem: Problem) -> None:
    """Raise SettingsError for a header that none of the campaign's columns can have."""
    for source, name in columns.items():
        for column in read_columns([name], vocabulary(problem.space, problem.objective)):
            if column.trouble:
                remedy = column.trouble[0].upper() + column.trouble[1:]
                expected = "a header that can be read"
                raise SettingsError(f"oracle.columns.{source}", expected, repr(name), remedy)


def _require_reader(reader: str, folder: Path) -> None:
    """Raise SettingsError unless a function of a script in the folder is named."""
    script, _, function = reader.partition(":")
    if not function or not (folder / script).is_file():
        expected = f"'file.py:function', of a file in {folder}"
        raise SettingsError("oracle.reader", expected, repr(reader), "Correct it.")


def _pattern(text: str | None) -> str | None:
    """A regular expression with the group `id`; SettingsError where it is none."""
    try:
        is_one = text is None or "id" in re.compile(text).groupindex
    except re.error as error:
        raise SettingsError("oracle.id_in_name", "a regular expression", f"{error}") from error
    if not is_one:
        expected = "a regular expression with a group called id, such as '(?P<id>\\d{4}-[a-z]{3})'"
        raise SettingsError("oracle.id_in_name", expected, repr(text))
    return text


def _weighing(table: WeighTable, problem: Problem) -> Weighing:
    known = {p.name: p for p in problem.space.parameters if isinstance(p, Composition)}
    name = next(iter(known)) if table.mixture is None and len(known) == 1 else table.mixture
    if name is None or name not in known:
        raise SettingsError(
            "oracle.weigh.mixture",
            f"the composition that is weighed, one of {', '.join(known) or 'none'}",
            repr(table.mixture),
            "Name it." if known else "Remove [oracle.weigh]: only a composition is weighed in.",
        )
    return Weighing(mixture=known[name], **table.model_dump(exclude={"mixture"}))


def _command(table: CommandTable, problem: Problem, folder: Path) -> Command:
    return Command(
        command=tuple(table.command),
        objective=problem.objective,
        folder=folder,
        exits=_statuses(table.exits, "oracle.exits"),
        **table.model_dump(include={"wall_s", "environment", "inherit", "repeatable"}),
    )


def _service(table: ServiceTable, problem: Problem, folder: Path) -> Service:
    return Service(
        objective=problem.objective,
        folder=folder,
        statuses=_statuses(table.statuses, "oracle.statuses"),
        **table.model_dump(include={"url", "wall_s", "poll_s", "request_s", "patience_s", "token"}),
    )


def _statuses(said: Mapping[str, Kind], where: str) -> dict[int, Kind]:
    """The kinds by number: keys of a TOML file are always text."""
    for status in said:
        if not status.isdecimal():
            raise SettingsError(where, "statuses as keys, such as 3", repr(status), "Correct it.")
    return {int(status): kind for status, kind in said.items()}


def _ids(table: TableTable, problem: Problem) -> dict[str, str]:
    """Where the answers stand in the pool's own file: the column of its ids, by its name."""
    pools = (p for p in problem.space.parameters if isinstance(p, Pool))
    return {pool.name: pool.key for pool in pools if pool.file == table.file and pool.key}


def _require_measures(declaration: Declaration, problem: Problem) -> None:
    """Raise SettingsError unless every target is measured, in the unit that is asked for."""
    if not declaration.measures:
        return
    for target in problem.objective.targets:
        if target.name not in declaration.measures:
            raise SettingsError(
                f"target.{target.name}",
                f"what the oracle measures ({', '.join(declaration.measures)})",
                repr(target.name),
                nearest(target.name, declaration.measures)
                or "Remove the target, or choose another oracle.",
            )
        unit = declaration.measures[target.name]
        where = f"target.{target.name}.unit"
        if convert(1.0, unit, target.unit, where) != 1.0:
            raise SettingsError(
                where, f"the oracle's unit {unit!r}", repr(target.unit), f"Write unit = {unit!r}."
            )


def _require_takes(declaration: Declaration, problem: Problem) -> None:
    """Raise SettingsError unless the oracle takes the parameters, all of them."""
    if declaration.takes is None:
        return
    names = {parameter.name for parameter in problem.space.parameters}
    for name in sorted(declaration.takes - names):
        raise SettingsError(
            "parameter",
            f"every parameter that the oracle takes ({', '.join(sorted(declaration.takes))})",
            f"none called {name!r}",
            nearest(name, names) or "Add a [[parameter]] of that name.",
        )
    for name in sorted(names - declaration.takes):
        raise SettingsError(
            f"parameter.{name}",
            f"a parameter that the oracle takes ({', '.join(sorted(declaration.takes))})",
            f"{name!r}, which would change nothing",
            nearest(name, declaration.takes) or "Remove it.",
        )
