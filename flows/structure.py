"""The builder of atoms that the table [oracle.structure] asks for, its names checked first."""

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import assert_never

from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols

from flows.refusal import nearest
from flows.tables.oracle import AtomsTable
from flows.tables.structure import (
    BulkElementTable,
    PoolStructureTable,
    PrototypeTable,
    RandomAlloyTable,
    SlabTable,
    SubstitutionTable,
)
from loop.errors import SettingsError
from loop.records import Problem
from loop.space.composition import Composition
from loop.space.parameters import Categorical
from loop.space.pool import Pool
from oracles.atoms.builders import Builder, Neutral, Plain
from oracles.atoms.collection import is_library, structures
from oracles.atoms.failures import Refusal
from oracles.atoms.properties import Options
from oracles.atoms.prototypes import PROTOTYPES, Prototype, Substitution
from oracles.atoms.slabs import Surface, is_known
from oracles.atoms.structures import (
    BulkElement,
    PoolStructure,
    RandomAlloy,
    atomic_volume,
    start_volume,
)

LIBRARY = 20_000  # structures of a pool that are held in memory


def builder(table: AtomsTable, problem: Problem, folder: Path) -> Builder:
    """The builder; SettingsError or OracleError for names that mean nothing."""
    plain = _plain(table.structure, problem, folder)
    return Neutral(builder=plain) if table.neutral else plain


def options(table: AtomsTable, folder: Path) -> Options:
    """Of surfaces the facet, of a hull the phases, read from their file."""
    h, k, l = table.miller  # noqa: E741  (as crystallographers write them)
    if not any(table.miller):
        raise SettingsError("oracle.miller", "indices of a plane", "0, 0, 0", "Correct them.")
    if table.phases is None:
        return Options(miller=(h, k, l))
    found = structures(folder / table.phases)
    for each in found:
        if each.atoms.cell.rank < 3:
            where = f"oracle.phases: structure {each.id!r}"
            raise SettingsError(where, "a cell", "none", "A phase is a crystal: give it one.")
    return Options(miller=(h, k, l), phases={each.id: each.atoms for each in found})


def _plain(
    table: RandomAlloyTable
    | BulkElementTable
    | PoolStructureTable
    | PrototypeTable
    | SubstitutionTable
    | SlabTable,
    problem: Problem,
    folder: Path,
) -> Plain:
    match table:
        case RandomAlloyTable():
            return _alloy(table, problem)
        case BulkElementTable():
            return _element(table.element, table.lattice, problem)
        case PoolStructureTable():
            pools = {p.name: p for p in problem.space.parameters if isinstance(p, Pool)}
            _require_parameter("pool", table.pool, pools)
            atoms = _library(pools[table.pool], folder)
            _require_elements(table.pool, {s for each in atoms.values() for s in each.symbols})
            return PoolStructure(pool=table.pool, atoms=atoms)
        case PrototypeTable():
            return _prototype(table, problem)
        case SubstitutionTable():
            _require_fillings(table.sites, problem)
            (parent, *others) = structures(folder / table.file)
            if others:
                got = f"{1 + len(others)} of them"
                raise SettingsError("oracle.structure.file", "one structure", got, "Keep one.")
            a, b, c = table.supercell
            return Substitution(
                parent=parent.atoms,
                sites=table.sites,
                supercell=(a, b, c),
                seed=problem.seed,
                ordering=table.ordering,
            )
        case SlabTable():
            return _slab(table, problem)
        case _:
            assert_never(table)


def _alloy(table: RandomAlloyTable, problem: Problem) -> RandomAlloy:
    compositions = _compositions(problem)
    _require_parameter("composition", table.composition, compositions)
    _require_volumes(table.composition, compositions[table.composition].elements, start_volume)
    a, b, c = table.supercell
    return RandomAlloy(
        composition=table.composition,
        lattice=table.lattice,
        supercell=(a, b, c),
        seed=problem.seed,
        start=table.start,
        ordering=table.ordering,
    )


def _element(name: str, lattice: str | None, problem: Problem) -> BulkElement:
    categories = _categories(problem)
    _require_parameter("element", name, categories)
    own = atomic_volume if lattice is None else start_volume
    _require_volumes(name, categories[name].values, own)
    return BulkElement(element=name, lattice=lattice)


def _prototype(table: PrototypeTable, problem: Problem) -> Prototype:
    categories = _categories(problem)
    if table.prototype not in PROTOTYPES:
        known = {*PROTOTYPES, *categories}
        expected = f"one of {', '.join(PROTOTYPES)}, or a categorical parameter of such"
        remedy = nearest(table.prototype, known) or "Correct it."
        where, named = "oracle.structure.prototype", categories.get(table.prototype)
        if named is None:
            raise SettingsError(where, expected, repr(table.prototype), remedy)
        for value in named.values:
            if value not in PROTOTYPES:
                remedy = nearest(value, PROTOTYPES) or "Remove it."
                raise SettingsError(f"parameter.{named.name}", expected, repr(value), remedy)
    _require_fillings(table.sites, problem)
    a, b, c = table.supercell
    return Prototype(
        prototype=table.prototype,
        sites=table.sites,
        supercell=(a, b, c),
        seed=problem.seed,
        start=table.start,
        ordering=table.ordering,
    )


def _slab(table: SlabTable, problem: Problem) -> Surface:
    if (table.element is None) == (table.composition is None):
        got = "neither" if table.element is None else "both"
        raise SettingsError("oracle.structure", "element or composition", got, "Name its host.")
    lattice = table.facet[:3]
    host: BulkElement | RandomAlloy
    if table.element is not None:
        host = _element(table.element, lattice, problem)
    else:
        alloy = RandomAlloyTable(
            kind="random-alloy", composition=str(table.composition), lattice=lattice
        )
        host = _alloy(alloy, problem)
    if not is_known(table.adsorbate):
        categories = _categories(problem)
        _require_parameter("adsorbate", table.adsorbate, categories)
        for value in categories[table.adsorbate].values:
            if not is_known(value):
                expected = "atoms, or molecules that ase.build.molecule knows"
                where = f"parameter.{table.adsorbate}"
                raise SettingsError(where, expected, repr(value), "Correct or remove it.")
    a, b, layers = table.size
    return Surface(
        host=host,
        facet=table.facet,
        adsorbate=table.adsorbate,
        site=table.site,
        size=(a, b, layers),
        seed=problem.seed,
    )


def _compositions(problem: Problem) -> dict[str, Composition]:
    return {p.name: p for p in problem.space.parameters if isinstance(p, Composition)}


def _categories(problem: Problem) -> dict[str, Categorical]:
    return {p.name: p for p in problem.space.parameters if isinstance(p, Categorical)}


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


def _require_fillings(sites: Mapping[str, str], problem: Problem) -> None:
    """Raise SettingsError unless every site is filled by an element or a parameter of elements."""
    elements = {name: each.values for name, each in _categories(problem).items()}
    elements |= {name: each.elements for name, each in _compositions(problem).items()}
    for site, name in sites.items():
        if name in atomic_numbers:
            continue
        if name not in elements:
            expected = f"an element, or a parameter of elements ({', '.join(elements) or 'none'})"
            remedy = nearest(name, [*elements, *chemical_symbols]) or "Correct it."
            raise SettingsError(f"oracle.structure.sites.{site}", expected, repr(name), remedy)
        _require_elements(name, elements[name])


def _require_parameter(key: str, name: str, valid: Collection[str]) -> None:
    if name not in valid:
        kind = "categorical" if key in {"element", "adsorbate"} else key
        expected = f"the name of a {kind} parameter ({', '.join(valid) or 'there is none'})"
        remedy = nearest(name, valid) or f"Add a [[parameter]] of kind {kind}."
        raise SettingsError(f"oracle.structure.{key}", expected, repr(name), remedy)


def _require_elements(name: str, symbols: Iterable[str]) -> None:
    for symbol in symbols:
        if symbol not in atomic_numbers:
            remedy = nearest(symbol, chemical_symbols) or "Remove it."
            raise SettingsError(f"parameter.{name}", "chemical elements", repr(symbol), remedy)


def _require_volumes(name: str, symbols: Iterable[str], volume: Callable[[str], float]) -> None:
    for symbol in symbols:
        try:
            volume(symbol)
        except Refusal as refusal:
            expected = "chemical elements whose atomic volume is known"
            remedy = nearest(symbol, chemical_symbols) or "Remove it."
            raise SettingsError(f"parameter.{name}", expected, str(refusal), remedy) from refusal
