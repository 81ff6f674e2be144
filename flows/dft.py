"""The calculator of [oracle]: by name, or Quantum ESPRESSO and GPAW by tables of their own.

What can be known before anything runs is checked here: that one calculator is asked for, that every
element has its pseudopotential, that a parameter which stands for a number is one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ase.data import atomic_numbers

from flows.refusal import nearest
from flows.tables.dft import EspressoTable, GpawTable
from flows.tables.oracle import AtomsTable
from flows.tables.structure import PrototypeTable, SubstitutionTable
from loop.errors import SettingsError
from loop.records import Problem
from loop.space.composition import Composition
from loop.space.parameters import Categorical, Continuous, Discrete, Ordinal, Parameter
from oracles.atoms import espresso, gpaw
from oracles.atoms.relaxation import Free

VARIED = ("cutoff_ry", "cutoff_ev", "k_density")  # settings that a parameter may stand for
CODES = ("espresso", "gpaw")
Sites = PrototypeTable | SubstitutionTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """`package.module:Class`, its keywords, those that parameters bring, and what it relaxes."""

    calculator: str
    settings: Mapping[str, Any]
    relax: Free
    varied: Mapping[str, str] = field(default_factory=dict)


def asked(table: AtomsTable, problem: Problem, folder: Path) -> Asked:
    """What the table asks for; SettingsError where it asks for two things, or for none."""
    said = [name for name in ("calculator", *CODES) if name in table.model_fields_set]
    if len(said) > 1:
        got = " and ".join(said)
        raise SettingsError("oracle", "one calculator", got, f"Remove all but {said[-1]}.")
    code = table.espresso or table.gpaw
    if code is None:
        own = _located(table.calculator, folder)
        return Asked(calculator=own, settings=table.settings, relax=table.relax or "cell")
    if "settings" in table.model_fields_set:
        remedy = f"Move them to [oracle.{said[0]}]."
        raise SettingsError("oracle.settings", f"none beside [oracle.{said[0]}]", "some", remedy)
    where = f"oracle.{said[0]}"
    if (code.k_density is None) == (code.k_grid is None):
        got = "neither" if code.k_density is None else "both"
        raise SettingsError(where, "k_density or k_grid", got, "k_density = 3 is a fair start.")
    _require_spins(code, where)
    return Asked(
        calculator=espresso.PATH if table.espresso else gpaw.PATH,
        settings=_settings(code, table, problem, folder),
        relax=table.relax or "volume",
        varied=_varied(code, problem, where),
    )


def _located(calculator: str, folder: Path) -> str:
    """A calculator of a file in the campaign folder by the file's full path; others as they are."""
    is_here = calculator.partition(":")[0].endswith(".py")
    return str(folder.absolute() / calculator) if is_here else calculator


def _settings(
    code: EspressoTable | GpawTable, table: AtomsTable, problem: Problem, folder: Path
) -> dict[str, Any]:
    """Keywords of our calculator; paths absolute, for it runs in its attempt folder."""
    said = {key: value for key, value in code.model_dump().items() if value not in (None, {})}
    said = {key: each for key, each in said.items() if not (key in VARIED and _is_name(each))}
    match code:
        case EspressoTable():
            _require_pseudopotentials(code, table, problem)
            return {**said, "pseudo_dir": str(folder.absolute() / code.pseudo_dir)}
        case GpawTable():
            # A command of the PATH has no slash in it.
            own = str(folder.absolute() / code.python) if "/" in code.python else code.python
            return {**said, "python": own}


def _require_spins(code: EspressoTable | GpawTable, where: str) -> None:
    """Raise SettingsError for a starting moment of what is no element here: it would have none."""
    match code:
        case EspressoTable():
            known, expected = set(code.pseudopotentials), "elements that have a pseudopotential"
        case GpawTable():
            known, expected = set(atomic_numbers), "chemical elements"
    for symbol in code.spin:
        if symbol not in known:
            remedy = nearest(symbol, known) or "Correct it."
            raise SettingsError(f"{where}.spin", expected, repr(symbol), remedy)


def _is_name(value: object) -> bool:
    return isinstance(value, str)


def _varied(code: EspressoTable | GpawTable, problem: Problem, where: str) -> dict[str, str]:
    """The parameter of each setting that has one; SettingsError for what is no number above 0."""
    known = [p.name for p in problem.space.parameters if _is_numeric(p)]
    found = {}
    for key in VARIED:
        value = getattr(code, key, None)
        expected = f"a number above 0, or a parameter with numbers ({', '.join(known) or 'none'})"
        match value:
            case str() if value in known:
                found[key] = value
            case str():
                remedy = nearest(value, known) or "Correct it."
                raise SettingsError(f"{where}.{key}", expected, repr(value), remedy)
            case float() | int() if value <= 0:
                raise SettingsError(f"{where}.{key}", expected, f"{value:g}")
    return found


def _is_numeric(parameter: Parameter) -> bool:
    match parameter:
        case Continuous() | Discrete():
            return True
        case Ordinal(levels=levels):
            return not any(_is_name(level) for level in levels)
        case _:
            return False


def _require_pseudopotentials(code: EspressoTable, table: AtomsTable, problem: Problem) -> None:
    fixed = table.structure.sites.values() if isinstance(table.structure, Sites) else ()
    for symbol in sorted(
        {*_elements(problem), *(each for each in fixed if each in atomic_numbers)}
    ):
        if symbol not in code.pseudopotentials:
            expected = f"a file for every element ({', '.join(code.pseudopotentials)} have one)"
            remedy = f"Name a file of {code.pseudo_dir} for {symbol}."
            where = "oracle.espresso.pseudopotentials"
            raise SettingsError(where, expected, f"none for {symbol}", remedy)


def _elements(problem: Problem) -> Iterable[str]:
    """The elements that parameters may bring; those of files are met when they are built."""
    for parameter in problem.space.parameters:
        match parameter:
            case Categorical(values=names) | Composition(elements=names):
                yield from (each for each in names if each in atomic_numbers)
            case _:
                pass
