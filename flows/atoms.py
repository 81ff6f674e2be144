"""The oracle of an atomistic calculation, from the table [oracle] of kind 'atoms'."""

from pathlib import Path

from flows.dft import asked
from flows.refusal import nearest
from flows.structure import builder, options
from flows.tables.oracle import AtomsTable
from flows.tables.structure import PoolStructureTable, SlabTable, SubstitutionTable
from loop.errors import SettingsError
from loop.records import Problem
from loop.units import convert
from oracles.atoms.oracle import AtomsOracle
from oracles.atoms.properties import UNITS


def atoms(table: AtomsTable, problem: Problem, folder: Path) -> AtomsOracle:
    """The oracle; SettingsError for a target that is no property, or none of such structures."""
    units = problem.objective.units
    properties = table.properties or {name: name for name in units}
    for target, own in properties.items():
        if target not in units:
            remedy = nearest(target, units) or "Add a [[target]] of that name."
            where = f"oracle.properties.{target}"
            raise SettingsError(where, f"a target among {', '.join(units)}", repr(target), remedy)
        if own not in UNITS:
            where = f"oracle.properties.{target}" if table.properties else f"target.{target}"
            remedy = nearest(own, UNITS) or "State its property in [oracle.properties]."
            raise SettingsError(where, f"a property among {', '.join(UNITS)}", repr(own), remedy)
        _require_fit(target, own, table)
        convert(1.0, UNITS[own], units[target], f"target.{target}.unit")
    code = asked(table, problem, folder)
    return AtomsOracle(
        folder=folder,
        structure=builder(table, problem, folder),
        properties=properties,
        units={target: units[target] for target in properties},
        calculator=code.calculator,
        settings=code.settings,
        relax=code.relax,
        varied=code.varied,
        fmax=table.fmax,
        steps=table.steps,
        wall_s=table.wall_s,
        memory_mb=table.memory_mb,
        output_mb=table.output_mb,
        volume_change=table.volume_change,
        retry=table.retry,
        config=folder / table.config if table.config else None,
        keep=table.keep,
        options=options(table, folder),
    )


def _require_fit(target: str, own: str, table: AtomsTable) -> None:
    """Raise SettingsError for a property that the structures do not have."""
    remedy = f"Choose another of {', '.join(UNITS)}."
    cells = PoolStructureTable | SubstitutionTable
    if own == "lattice_constant" and isinstance(table.structure, cells):
        raise SettingsError(f"target.{target}", "what any cell has", repr(own), remedy)
    if own == "adsorption_energy" and not isinstance(table.structure, SlabTable):
        expected = "a structure of kind 'slab', with an adsorbate"
        got = repr(table.structure.kind)
        raise SettingsError("oracle.structure.kind", expected, got, remedy)
