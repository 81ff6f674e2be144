"""What can be asked of atoms: every property with its unit, and how it is found.

A group is what one calculation brings; it is made only where one of its properties is wanted.
"""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from ase import Atoms
from ase.units import kg

from oracles.atoms.checks import scalar
from oracles.atoms.compression import equation_of_state
from oracles.atoms.defects import adsorption_energy, surface_energy, vacancy_energy
from oracles.atoms.elasticity import averages, cubic, stiffness
from oracles.atoms.failures import Refusal
from oracles.atoms.phonons import stable
from oracles.atoms.references import References
from oracles.atoms.relaxation import Limits
from oracles.atoms.stability import hull_distance
from oracles.atoms.structures import Crystal


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Of surfaces the Miller indices, of a hull the phases that span it, by name."""

    miller: tuple[int, int, int] = (1, 1, 1)
    phases: Mapping[str, Atoms] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A relaxed crystal with its calculator, the properties wanted, and what finding them takes.

    `slab` is the slab cut from it with its adsorbate, relaxed, where there is one.
    """

    relaxed: Crystal
    slab: Atoms | None
    wanted: AbstractSet[str]
    references: References
    limits: Limits
    options: Options = field(default_factory=Options)

    @property
    def atoms(self) -> Atoms:
        """Those of the relaxed crystal."""
        return self.relaxed.atoms

    @property
    def energy(self) -> float:
        """Of the relaxed crystal, in eV."""
        return scalar("energy", self.atoms.get_potential_energy())


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Properties with their units, and the function that finds them."""

    units: Mapping[str, str]
    find: Callable[[Case], Mapping[str, float]]


def measure(case: Case) -> dict[str, float]:
    """The wanted properties in UNITS, each a finite number; Refusal where one is not to be had."""
    values: dict[str, float] = {}
    for group in GROUPS:
        if case.wanted & group.units.keys():
            values |= group.find(case)
    return {name: scalar(name, values[name]) for name in sorted(case.wanted)}


def density(atoms: Atoms) -> float:
    """In g/cm^3: ASE's masses are in u and its lengths in angstrom."""
    return float(atoms.get_masses().sum()) / kg * 1000 / (float(atoms.get_volume()) * 1e-24)


def _lattice(case: Case) -> Mapping[str, float]:
    return {"density": density(case.atoms), "lattice_constant": case.relaxed.lattice_constant}


def _total(case: Case) -> Mapping[str, float]:
    return {"total_energy": case.energy / len(case.atoms)}


def _formation(case: Case) -> Mapping[str, float]:
    """From the elements as they are in nature."""
    apart = sum(case.references.element(each) for each in case.atoms.symbols)
    return {"formation_energy": (case.energy - apart) / len(case.atoms)}


def _cohesion(case: Case) -> Mapping[str, float]:
    """What free atoms gain: positive where the crystal holds together."""
    apart = sum(case.references.free_atom(each) for each in case.atoms.symbols)
    return {"cohesive_energy": (apart - case.energy) / len(case.atoms)}


def _compression(case: Case) -> Mapping[str, float]:
    fitted = equation_of_state(case.relaxed, case.limits)
    return {"bulk_modulus": fitted.bulk_modulus, "bulk_modulus_derivative": fitted.derivative}


def _elasticity(case: Case) -> Mapping[str, float]:
    C = stiffness(case.relaxed, case.limits)
    is_cubic = case.wanted & {"c11", "c12", "c44"}
    return {**averages(C), **(cubic(case.relaxed, C) if is_cubic else {})}


def _vacancy(case: Case) -> Mapping[str, float]:
    return {"vacancy_energy": vacancy_energy(case.relaxed, case.references, case.limits)}


def _surface(case: Case) -> Mapping[str, float]:
    return {"surface_energy": surface_energy(case.relaxed, case.options.miller, case.limits)}


def _adsorption(case: Case) -> Mapping[str, float]:
    if case.slab is None:
        raise Refusal("invalid_input", "an adsorption energy is of a slab with an adsorbate")
    energy = scalar("energy of the slab", case.slab.get_potential_energy())
    found = adsorption_energy(energy, case.relaxed, case.references, case.limits)
    return {"adsorption_energy": found}


def _phonons(case: Case) -> Mapping[str, float]:
    return {"phonon_stable": float(stable(case.relaxed))}


def _hull(case: Case) -> Mapping[str, float]:
    found = hull_distance(case.atoms, case.energy, case.options.phases, case.references)
    return {"hull_distance": found}


GROUPS = (
    Group(units={"density": "g/cm^3", "lattice_constant": "angstrom"}, find=_lattice),
    Group(units={"total_energy": "eV/atom"}, find=_total),
    Group(units={"formation_energy": "eV/atom"}, find=_formation),
    Group(units={"cohesive_energy": "eV/atom"}, find=_cohesion),
    Group(units={"hull_distance": "eV/atom"}, find=_hull),
    Group(units={"bulk_modulus": "GPa", "bulk_modulus_derivative": ""}, find=_compression),
    Group(
        units={
            "c11": "GPa",
            "c12": "GPa",
            "c44": "GPa",
            "hill_bulk_modulus": "GPa",
            "shear_modulus": "GPa",
            "youngs_modulus": "GPa",
            "poisson_ratio": "",
            "pugh_ratio": "",
        },
        find=_elasticity,
    ),
    Group(units={"vacancy_energy": "eV"}, find=_vacancy),
    Group(units={"surface_energy": "J/m^2"}, find=_surface),
    Group(units={"adsorption_energy": "eV"}, find=_adsorption),
    Group(units={"phonon_stable": ""}, find=_phonons),
)
# What is measured from energies of something else.
REFERRED = frozenset(
    {
        "adsorption_energy",
        "cohesive_energy",
        "formation_energy",
        "hull_distance",
        "vacancy_energy",
    }
)
# What is the difference of two cells of unlike size, which one and the same grid does not suit.
UNLIKE = frozenset({"formation_energy", "hull_distance", "surface_energy", "vacancy_energy"})
UNITS: Mapping[str, str] = dict(
    sorted((name, unit) for group in GROUPS for name, unit in group.units.items())
)
