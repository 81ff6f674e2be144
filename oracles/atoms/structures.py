"""Structures from points: a random alloy on a lattice, a bulk element, or one of a pool.

A builder names the parameter that it takes, and answers with a crystal. The atoms of an alloy sit
on ideal sites, at the mean of the elements' experimental atomic volumes (Zen's law); those of a
pool where its file has them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.data import atomic_numbers, reference_states
from pymatgen.core.periodic_table import Element

from loop.errors import OracleError
from loop.records import Candidate, derive_seed
from loop.space.values import Point, Value
from oracles.atoms.failures import Refusal
from oracles.atoms.murnaghan import EquationOfState
from oracles.atoms.orderings import Ordering, arranged

# Atoms in the cell that is repeated: conventional for the cubic lattices, primitive for hcp.
SITES: Mapping[str, int] = {"fcc": 4, "bcc": 2, "hcp": 2, "sc": 1, "diamond": 8}
ALLOY_LATTICES = ("fcc", "bcc", "hcp", "diamond")
HEXAGONAL = ("hcp", "A3")  # lattices and prototypes whose a is that of the basal plane
TETRAGONAL = ("L1_0",)
IDEAL_C_OVER_A = (8 / 3) ** 0.5  # of close-packed spheres
SUM_TOLERANCE = 1e-6  # the same as loop.space.parameters.Composition's
GASES = ("atom", "diatom")  # what ase.data calls elements that are no crystals
CM3_PER_MOL = 0.602214076  # of 1 angstrom^3 per atom


@dataclass(frozen=True, slots=True, kw_only=True)
class Slab:
    """A slab with the atoms of an adsorbate, tagged 0 as ASE has it, and the adsorbate's name."""

    atoms: Atoms
    adsorbate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Crystal:
    """Atoms on a known lattice, in `supercell` repeats of its cell.

    `slab` is what was cut from it, where an adsorbate is asked about; `equation` its equation of
    state, where its volume was found by one.
    """

    atoms: Atoms
    lattice: str
    supercell: tuple[int, int, int]
    slab: Slab | None = None
    equation: EquationOfState | None = None

    @property
    def lattice_constant(self) -> float:
        """In angstrom: of the cube with the volume per cell; else of the basal plane."""
        cells = float(np.prod(self.supercell))
        if self.lattice in {*HEXAGONAL, *TETRAGONAL}:
            a1, a2, _ = self.atoms.cell.array
            area = float(np.linalg.norm(np.cross(a1, a2))) / self.supercell[0] / self.supercell[1]
            return float(np.sqrt(2 / np.sqrt(3) * area if self.lattice in HEXAGONAL else area))
        return float((self.atoms.get_volume() / cells) ** (1 / 3))


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A crystal, and the point as it was really made where that differs from what was asked."""

    crystal: Crystal
    executed: Point | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomAlloy:
    """Elements at random on the sites of a lattice.

    `composition` names the Composition parameter. The ordering derives from `seed` and the
    candidate's id: the same candidate is always the same structure, and a replicate, which has an
    id of its own, is another ordering of the same composition. `start` is the lattice constant to
    start from in angstrom, where the elements' atomic volumes should not decide. `ordering` is
    "random", or "quasirandom" for a cell whose pairs are as frequent as in an endless random alloy.
    """

    composition: str
    lattice: str = "fcc"
    supercell: tuple[int, int, int] = (2, 2, 2)
    seed: int = 0
    start: float | None = None
    ordering: Ordering = "random"

    def __post_init__(self) -> None:
        """Raise OracleError for an unknown lattice, an empty supercell, or a senseless start."""
        _require_lattice(self.lattice, ALLOY_LATTICES)
        require_supercell(self.supercell)
        require_start(self.start)

    @property
    def takes(self) -> frozenset[str]:
        """The one parameter that it needs."""
        return frozenset({self.composition})

    def build(self, candidate: Candidate) -> Built:
        """The candidate's crystal; Refusal for elements that are gases, or none."""
        asked = fractions(self.composition, candidate.point.get(self.composition))
        sites = SITES[self.lattice] * int(np.prod(self.supercell))
        made = counts(asked, sites)
        volume = sum(n * start_volume(each) for each, n in made.items()) / sites
        cell = _cell(next(iter(made)), self.lattice, volume, self.start)
        atoms = cell.repeat(self.supercell)
        rng = np.random.default_rng(derive_seed(self.seed, "ordering", candidate.id))
        atoms.symbols[:] = arranged(atoms, made, self.ordering, rng)
        crystal = Crystal(atoms=atoms, lattice=self.lattice, supercell=self.supercell)
        if is_made(asked, made):
            return Built(crystal=crystal, executed=None)
        realised = {each: n / sites for each, n in made.items()}
        return Built(crystal=crystal, executed={**candidate.point, self.composition: realised})


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkElement:
    """One element on a lattice, its own by default. `element` names the Categorical parameter."""

    element: str
    lattice: str | None = None

    def __post_init__(self) -> None:
        """Raise OracleError for an unknown lattice."""
        if self.lattice is not None:
            _require_lattice(self.lattice, tuple(SITES))

    @property
    def takes(self) -> frozenset[str]:
        """The one parameter that it needs."""
        return frozenset({self.element})

    def build(self, candidate: Candidate) -> Built:
        """The candidate's crystal; Refusal for an element without a tabulated atomic volume."""
        symbol = candidate.point.get(self.element)
        if not isinstance(symbol, str):
            raise OracleError(
                f"candidate {candidate.id}, {self.element}",
                "an element, such as 'Cu'",
                repr(symbol),
            )
        return Built(crystal=element(symbol, self.lattice), executed=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStructure:
    """One of many structures, by id. `pool` names the Pool parameter, `atoms` holds all of it."""

    pool: str
    atoms: Mapping[str, Atoms]

    @property
    def takes(self) -> frozenset[str]:
        """The one parameter that it needs."""
        return frozenset({self.pool})

    def build(self, candidate: Candidate) -> Built:
        """The candidate's structure; Refusal where it is no crystal."""
        name = candidate.point.get(self.pool)
        if not isinstance(name, str) or name not in self.atoms:
            raise OracleError(
                f"candidate {candidate.id}, {self.pool}",
                f"the id of one of {len(self.atoms)} structures",
                repr(name),
            )
        atoms = self.atoms[name]
        if atoms.cell.rank < 3:
            raise Refusal("infeasible", f"structure {name!r} has no cell")
        bare = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
        return Built(crystal=Crystal(atoms=bare, lattice="", supercell=(1, 1, 1)), executed=None)


def element(symbol: str, lattice: str | None = None) -> Crystal:
    """A bulk element in one cell of a lattice, by default the one it has in nature."""
    volume = atomic_volume(symbol) if lattice is None else start_volume(symbol)
    state = reference_states[atomic_numbers[symbol]]
    own = str(state["symmetry"]) if lattice is None and state is not None else str(lattice)
    atoms = _cell(symbol, own, volume, None)
    return Crystal(atoms=atoms, lattice=own, supercell=(1, 1, 1))


def is_made(asked: Mapping[str, float], made: Mapping[str, int]) -> bool:
    """Whether the counts are the fractions that were asked for."""
    sites = sum(made.values())
    return all(abs(made.get(each, 0) / sites - x) < SUM_TOLERANCE for each, x in asked.items())


def counts(fractions: Mapping[str, float], sites: int) -> dict[str, int]:
    """Atoms per element that fill the sites, by largest remainder; absent elements are left out.

    Elements come in alphabetical order, which also settles ties, so that the answer does not depend
    on the order in which the fractions were written.
    """
    names = sorted(fractions)
    exact = {each: fractions[each] * sites for each in names}
    made = {each: int(exact[each] + SUM_TOLERANCE) for each in names}
    by_remainder = sorted(names, key=lambda each: made[each] - exact[each])
    for each in by_remainder[: sites - sum(made.values())]:
        made[each] += 1
    return {each: n for each, n in made.items() if n > 0}


def atomic_volume(symbol: str) -> float:
    """Experimental volume per atom in angstrom^3, from the lattice tabulated in `ase.data`."""
    if symbol not in atomic_numbers:
        raise Refusal("invalid_input", f"{symbol!r} is not a chemical element")
    state = reference_states[atomic_numbers[symbol]]
    if state is None or state["symmetry"] not in SITES:
        raise Refusal("invalid_input", f"no lattice constant is tabulated for {symbol}")
    cell = bulk(symbol)
    return float(cell.get_volume()) / len(cell)


def start_volume(symbol: str) -> float:
    """Volume per atom in angstrom^3 that a crystal may start from.

    `atomic_volume`, and that of a solid with a less simple lattice (Mn, Ga, Sn), from pymatgen.
    """
    state = reference_states[atomic_numbers[symbol]] if symbol in atomic_numbers else None
    if state is None or state["symmetry"] in (*SITES, *GASES):
        return atomic_volume(symbol)
    return float(Element(symbol).molar_volume) / CM3_PER_MOL


def _cell(symbol: str, lattice: str, volume: float, start: float | None) -> Atoms:
    """One cell of a lattice with `volume` angstrom^3 per atom, or the lattice constant `start`."""
    if lattice == "hcp":
        a = (volume * 4 / np.sqrt(3) / IDEAL_C_OVER_A) ** (1 / 3) if start is None else start
        return bulk(symbol, "hcp", a=a, c=a * IDEAL_C_OVER_A)
    a = (volume * SITES[lattice]) ** (1 / 3) if start is None else start
    return bulk(symbol, lattice, a=a, cubic=True)


def fractions(name: str, value: Value | None) -> Mapping[str, float]:
    """The fractions of a composition; OracleError for any other value."""
    if not isinstance(value, Mapping):
        raise OracleError(f"point.{name}", "fractions by element", repr(value))
    parts = value.values()
    if not (all(x >= 0 for x in parts) and abs(sum(parts) - 1) <= SUM_TOLERANCE):
        raise OracleError(f"point.{name}", "fractions of at least 0 that sum to 1", repr(value))
    return value


def require_supercell(supercell: Sequence[int]) -> None:
    """Raise OracleError for anything but three whole numbers of at least 1."""
    if len(supercell) != 3 or any(n != int(n) or n < 1 for n in supercell):
        raise OracleError(
            "oracle.structure.supercell",
            "three whole numbers of at least 1",
            repr(supercell),
            "For example [2, 2, 2].",
        )


def require_start(start: float | None) -> None:
    """Raise OracleError for a lattice constant that is none."""
    if start is not None and not (isfinite(start) and start > 0):
        raise OracleError("oracle.structure.start", "a length above 0 angstrom", f"{start:g}")


def _require_lattice(lattice: str, known: Sequence[str]) -> None:
    if lattice not in known:
        raise OracleError(
            "oracle.structure.lattice", f"one of {', '.join(known)}", repr(lattice), "Correct it."
        )
