"""The oracle of a campaign folder, from the table [oracle], and whether it answers the question."""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import assert_never

from ase import Atoms
from ase.data import chemical_symbols

from flows.refusal import nearest
from flows.settings import (
    AtomsTable,
    BulkElementTable,
    FolderTable,
    FunctionTable,
    Oracles,
    PoolStructureTable,
    RandomAlloyTable,
    TableTable,
)
from loop.errors import SettingsError
from loop.protocols import Declaration, Oracle
from loop.records import Problem
from loop.space.parameters import Categorical, Composition
from loop.space.pool import Pool
from loop.units import convert
from oracles.atoms.failures import Refusal
from oracles.atoms.library import is_library, structures
from oracles.atoms.oracle import AtomsOracle
from oracles.atoms.properties import UNITS
from oracles.atoms.structures import (
    Builder,
    BulkElement,
    PoolStructure,
    RandomAlloy,
    atomic_volume,
)
from oracles.folder.oracle import Folder
from oracles.function import Function
from oracles.table import Table

LIBRARY = 20_000  # structures of a pool that are held in memory


def oracle(table: Oracles, problem: Problem, folder: Path) -> Oracle:
    """The oracle; LoopError where it cannot be made or does not fit the problem."""
    made = _make(table, problem, folder)
    _require_measures(made.declaration, problem)
    _require_takes(made.declaration, problem)
    return made


def _make(table: Oracles, problem: Problem, folder: Path) -> Oracle:
    match table:
        case FunctionTable():
            return Function(
                function=table.function,
                folder=folder,
                wall_s=table.wall_s,
                space=problem.space,
                objective=problem.objective,
            )
        case TableTable():
            return Table(
                path=folder / table.file,
                space=problem.space,
                objective=problem.objective,
                columns=_ids(table, problem) | table.columns,
                replicates=table.replicates,
                match=table.match,
                seed=problem.seed,
            )
        case AtomsTable():
            return _atoms(table, problem, folder)
        case FolderTable():
            return Folder(
                folder=folder,
                space=problem.space,
                objective=problem.objective,
                encoding=table.encoding,
                decimal=table.decimal,
            )
        case _:
            assert_never(table)


def _ids(table: TableTable, problem: Problem) -> dict[str, str]:
    """Where the answers stand in the pool's own file: the column of its ids, by its name."""
    pools = (p for p in problem.space.parameters if isinstance(p, Pool))
    return {pool.name: pool.key for pool in pools if pool.file == table.file and pool.key}


def _atoms(table: AtomsTable, problem: Problem, folder: Path) -> AtomsOracle:
    units = problem.objective.units
    properties = table.properties or {name: name for name in units}
    for target, own in properties.items():
        if own not in UNITS:
            where = f"oracle.properties.{target}" if table.properties else f"target.{target}"
            remedy = nearest(own, UNITS) or "State its property in [oracle.properties]."
            raise SettingsError(where, f"a property among {', '.join(UNITS)}", repr(own), remedy)
        if own == "lattice_constant" and isinstance(table.structure, PoolStructureTable):
            remedy = f"Choose another of {', '.join(UNITS)}."
            raise SettingsError(f"target.{target}", "what any cell has", repr(own), remedy)
        if target in units:
            convert(1.0, UNITS[own], units[target], f"target.{target}.unit")
    return AtomsOracle(
        folder=folder,
        structure=_structure(table.structure, problem, folder),
        properties=properties,
        units={target: units[target] for target in properties if target in units},
        calculator=table.calculator,
        settings=table.settings,
        fmax=table.fmax,
        steps=table.steps,
        wall_s=table.wall_s,
    )


def _structure(
    table: RandomAlloyTable | BulkElementTable | PoolStructureTable, problem: Problem, folder: Path
) -> Builder:
    """The structure builder, for a parameter of its kind whose elements exist."""
    match table:
        case RandomAlloyTable():
            compositions = {
                p.name: p for p in problem.space.parameters if isinstance(p, Composition)
            }
            _require_parameter("composition", table.composition, compositions)
            _require_elements(table.composition, compositions[table.composition].elements)
            a, b, c = table.supercell
            return RandomAlloy(
                composition=table.composition,
                lattice=table.lattice,
                supercell=(a, b, c),
                seed=problem.seed,
                start=table.start,
            )
        case BulkElementTable():
            categories = {p.name: p for p in problem.space.parameters if isinstance(p, Categorical)}
            _require_parameter("element", table.element, categories)
            _require_elements(table.element, categories[table.element].values)
            return BulkElement(element=table.element, lattice=table.lattice)
        case PoolStructureTable():
            pools = {p.name: p for p in problem.space.parameters if isinstance(p, Pool)}
            _require_parameter("pool", table.pool, pools)
            atoms = _library(pools[table.pool], folder)
            _require_elements(table.pool, {s for each in atoms.values() for s in each.symbols})
            return PoolStructure(pool=table.pool, atoms=atoms)
        case _:
            assert_never(table)


def _library(pool: Pool, folder: Path) -> dict[str, Atoms]:
    """The structures of a pool by id; SettingsError where it has none, or more than fit."""
    where = "oracle.structure.pool"
    if not is_library(folder / pool.file):
        remedy = "Let the pool be of structures: an extended XYZ file, a database, CIF files."
        raise SettingsError(where, "a pool of structures", f"the table {pool.file}", remedy)
    if pool.count > LIBRARY:
        remedy = "Shorten the file to what is worth a calculation."
        raise SettingsError(where, f"at most {LIBRARY} structures", str(pool.count), remedy)
    return {each.id: each.atoms for each in structures(folder / pool.file, pool.key or None)}


def _require_parameter(key: str, name: str, valid: Collection[str]) -> None:
    if name not in valid:
        kind = "categorical" if key == "element" else key
        expected = f"the name of a {kind} parameter ({', '.join(valid) or 'there is none'})"
        remedy = nearest(name, valid) or f"Add a [[parameter]] of kind {kind}."
        raise SettingsError(f"oracle.structure.{key}", expected, repr(name), remedy)


def _require_elements(name: str, symbols: Iterable[str]) -> None:
    for symbol in symbols:
        try:
            atomic_volume(symbol)
        except Refusal as refusal:
            expected = "chemical elements whose atomic volume is known"
            remedy = nearest(symbol, chemical_symbols) or "Remove it."
            raise SettingsError(f"parameter.{name}", expected, str(refusal), remedy) from refusal


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
