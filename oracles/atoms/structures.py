"""Structures from points: a random alloy on a lattice, a bulk element, or one of a pool.

A builder names the parameter that it takes, and answers with a crystal. The atoms of an alloy sit
on ideal sites, at the mean of the elements' experimental atomic volumes (Zen's law); those of a
pool where its file has them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TypeAlias

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.data import atomic_numbers, reference_states

from loop.errors import OracleError
from loop.records import Candidate, derive_seed
from loop.space.parameters import Point, Value
from oracles.atoms.failures import Refusal

# Atoms in the cell that is repeated: conventional for the cubic lattices, primitive for hcp.
SITES: Mapping[str, int] = {"fcc": 4, "bcc": 2, "hcp": 2, "sc": 1, "diamond": 8}
ALLOY_LATTICES = ("fcc", "bcc", "hcp")
IDEAL_C_OVER_A = (8 / 3) ** 0.5  # of close-packed spheres
SUM_TOLERANCE = 1e-6  # the same as loop.space.parameters.Composition's


@dataclass(frozen=True, slots=True, kw_only=True)
class Crystal:
    """Atoms on a known lattice, in `supercell` repeats of its cell."""

    atoms: Atoms
    lattice: str
    supercell: tuple[int, int, int]

    @property
    def lattice_constant(self) -> float:
        """In angstrom: of the cube with the volume per cell; for hcp of the basal plane."""
        cells = float(np.prod(self.supercell))
        if self.lattice == "hcp":
            a1, a2, _ = self.atoms.cell.array
            area = float(np.linalg.norm(np.cross(a1, a2)))
            return float(np.sqrt(2 / np.sqrt(3) * area / (self.supercell[0] * self.supercell[1])))
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
    start from in angstrom, where the elements' atomic volumes should not decide.
    """

    composition: str
    lattice: str = "fcc"
    supercell: tuple[int, int, int] = (2, 2, 2)
    seed: int = 0
    start: float | None = None

    def __post_init__(self) -> None:
        """Raise OracleError for an unknown lattice, an empty supercell, or a senseless start."""
        _require_lattice(self.lattice, ALLOY_LATTICES)
        if len(self.supercell) != 3 or any(n != int(n) or n < 1 for n in self.supercell):
            raise OracleError(
                "oracle.structure.supercell",
                "three whole numbers of at least 1",
                repr(self.supercell),
                "For example [2, 2, 2].",
            )
        if self.start is not None and not (isfinite(self.start) and self.start > 0):
            raise OracleError(
                "oracle.structure.start", "a length above 0 angstrom", f"{self.start:g}"
            )

    @property
    def takes(self) -> frozenset[str]:
        """The one parameter that it needs."""
        return frozenset({self.composition})

    def build(self, candidate: Candidate) -> Built:
        """The candidate's crystal; Refusal for elements without a tabulated atomic volume."""
        asked = _fractions(self.composition, candidate.point.get(self.composition))
        sites = SITES[self.lattice] * int(np.prod(self.supercell))
        made = counts(asked, sites)
        volume = sum(n * atomic_volume(each) for each, n in made.items()) / sites
        cell = _cell(next(iter(made)), self.lattice, volume, self.start)
        atoms = cell.repeat(self.supercell)
        symbols = np.repeat(list(made), list(made.values()))
        seed = derive_seed(self.seed, "ordering", candidate.id)
        atoms.symbols[:] = np.random.default_rng(seed).permutation(symbols)
        crystal = Crystal(atoms=atoms, lattice=self.lattice, supercell=self.supercell)
        realised = {each: n / sites for each, n in made.items()}
        if all(abs(realised.get(each, 0.0) - x) < SUM_TOLERANCE for each, x in asked.items()):
            return Built(crystal=crystal, executed=None)
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


Builder: TypeAlias = RandomAlloy | BulkElement | PoolStructure


def element(symbol: str, lattice: str | None = None) -> Crystal:
    """A bulk element in one cell of a lattice, by default the one it has in nature."""
    volume = atomic_volume(symbol)
    state = reference_states[atomic_numbers[symbol]]
    own = str(state["symmetry"]) if lattice is None and state is not None else str(lattice)
    atoms = _cell(symbol, own, volume, None)
    return Crystal(atoms=atoms, lattice=own, supercell=(1, 1, 1))


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


def _cell(symbol: str, lattice: str, volume: float, start: float | None) -> Atoms:
    """One cell of a lattice with `volume` angstrom^3 per atom, or the lattice constant `start`."""
    if lattice == "hcp":
        a = (volume * 4 / np.sqrt(3) / IDEAL_C_OVER_A) ** (1 / 3) if start is None else start
        return bulk(symbol, "hcp", a=a, c=a * IDEAL_C_OVER_A)
    a = (volume * SITES[lattice]) ** (1 / 3) if start is None else start
    return bulk(symbol, lattice, a=a, cubic=True)


def _fractions(name: str, value: Value | None) -> Mapping[str, float]:
    if not isinstance(value, Mapping):
        raise OracleError(f"point.{name}", "fractions by element", repr(value))
    fractions = value.values()
    if not (all(x >= 0 for x in fractions) and abs(sum(fractions) - 1) <= SUM_TOLERANCE):
        raise OracleError(f"point.{name}", "fractions of at least 0 that sum to 1", repr(value))
    return value


def _require_lattice(lattice: str, known: Sequence[str]) -> None:
    if lattice not in known:
        raise OracleError(
            "oracle.structure.lattice", f"one of {', '.join(known)}", repr(lattice), "Correct it."
        )
