"""Parent structures whose sites are filled by parameters: prototypes by name, or one from a file.

    L1_2 with sites A = "majority", B = "Au"     something for every kind of site
    MgO from a file with sites Mg = "cations"    something for some of its elements

What fills a site is an element, or else the name of a parameter: of a Categorical, one element on
all such sites, or of a Composition, its elements on them at random.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from math import sqrt
from typing import TypeAlias

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii
from ase.spacegroup import crystal
from numpy.typing import NDArray
from pymatgen.analysis.structure_prediction.volume_predictor import DLSVolumePredictor
from pymatgen.io.ase import AseAtomsAdaptor

from loop.errors import OracleError
from loop.records import Candidate, derive_seed
from loop.space.values import Value
from oracles.atoms.failures import Refusal
from oracles.atoms.orderings import Ordering, arranged
from oracles.atoms.structures import (
    Built,
    Crystal,
    atomic_volume,
    counts,
    fractions,
    is_made,
    require_start,
    require_supercell,
    start_volume,
)

Position: TypeAlias = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Space group, c/a, and the kind of each site of the asymmetric unit with its position."""

    spacegroup: int
    sites: tuple[tuple[str, Position], ...]
    c_over_a: float = 1.0
    metallic: bool = True


# Strukturbericht designations (M. J. Mehl et al., Comput. Mater. Sci. 136, S1 (2017)). A is the
# majority of D0_3 and L1_2; L1_0 has the cell of four atoms, nearly cubic, that its a refers to.
PROTOTYPES: Mapping[str, Recipe] = {
    "A1": Recipe(spacegroup=225, sites=(("A", (0, 0, 0)),)),
    "A2": Recipe(spacegroup=229, sites=(("A", (0, 0, 0)),)),
    "A3": Recipe(spacegroup=194, sites=(("A", (1 / 3, 2 / 3, 1 / 4)),), c_over_a=sqrt(8 / 3)),
    "B1": Recipe(spacegroup=225, sites=(("A", (0, 0, 0)), ("B", (0.5, 0.5, 0.5))), metallic=False),
    "B2": Recipe(spacegroup=221, sites=(("A", (0, 0, 0)), ("B", (0.5, 0.5, 0.5)))),
    "B3": Recipe(
        spacegroup=216, sites=(("A", (0, 0, 0)), ("B", (0.25, 0.25, 0.25))), metallic=False
    ),
    "D0_3": Recipe(
        spacegroup=225,
        sites=(("A", (0.25, 0.25, 0.25)), ("A", (0.5, 0.5, 0.5)), ("B", (0, 0, 0))),
    ),
    "L1_0": Recipe(
        spacegroup=123, sites=(("A", (0, 0, 0)), ("A", (0.5, 0.5, 0)), ("B", (0, 0.5, 0.5)))
    ),
    "L1_2": Recipe(spacegroup=221, sites=(("A", (0, 0.5, 0.5)), ("B", (0, 0, 0)))),
    "perovskite": Recipe(
        spacegroup=221,
        sites=(("A", (0, 0, 0)), ("B", (0.5, 0.5, 0.5)), ("X", (0, 0.5, 0.5))),
        metallic=False,
    ),
}
HEXAGONAL = 194  # the one space group among them with 120 degrees
# Lattices and prototypes whose cell is a cube with its edges along x, y and z.
CUBIC = frozenset({"fcc", "bcc", "sc", "diamond", *PROTOTYPES} - {"A3", "L1_0"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Prototype:
    """A prototype of PROTOTYPES, or of the Categorical parameter that `prototype` names.

    `sites` says what fills A, B and X; orderings derive from `seed` and the candidate's id. `start`
    is the lattice constant (angstrom) to start from; else metals' prototypes have the mean of the
    elements' atomic volumes, and B1, B3 and perovskite the bond lengths that pymatgen has learnt
    from measured structures (DLSVolumePredictor: within 8 %).
    """

    prototype: str
    sites: Mapping[str, str]
    supercell: tuple[int, int, int] = (1, 1, 1)
    seed: int = 0
    start: float | None = None
    ordering: Ordering = "random"

    def __post_init__(self) -> None:
        """Raise OracleError for sites that the prototype lacks, or has and are not filled."""
        require_supercell(self.supercell)
        require_start(self.start)
        if self.prototype in PROTOTYPES:
            self._require_sites(self.prototype)

    @property
    def takes(self) -> frozenset[str]:
        """The parameters that fill sites, and the one that names the prototype."""
        named = set() if self.prototype in PROTOTYPES else {self.prototype}
        return frozenset(named | _parameters(self.sites))

    def build(self, candidate: Candidate) -> Built:
        """The candidate's crystal; Refusal for elements whose volume nobody knows."""
        name = self._name(candidate)
        recipe = PROTOTYPES[name]
        unit = _unit_cell(recipe)
        atoms = unit.repeat(self.supercell)
        kinds = np.array([kind for kind, _ in recipe.sites])[atoms.arrays.pop("spacegroup_kinds")]
        executed = _fill(atoms, kinds, self.sites, candidate, self.seed, self.ordering)
        if self.start is None:
            cells = int(np.prod(self.supercell))
            volume = _metallic(atoms) if recipe.metallic else cells * _mixed(unit, atoms, kinds)
            atoms.set_cell(atoms.cell * (volume / atoms.get_volume()) ** (1 / 3), scale_atoms=True)
        else:
            atoms.set_cell(atoms.cell * self.start, scale_atoms=True)
        made = Crystal(atoms=atoms, lattice=name, supercell=self.supercell)
        return Built(crystal=made, executed=executed)

    def _name(self, candidate: Candidate) -> str:
        if self.prototype in PROTOTYPES:
            return self.prototype
        name = candidate.point.get(self.prototype)
        if not isinstance(name, str) or name not in PROTOTYPES:
            where = f"candidate {candidate.id}, {self.prototype}"
            raise OracleError(where, f"one of {', '.join(PROTOTYPES)}", repr(name))
        self._require_sites(name)
        return name

    def _require_sites(self, name: str) -> None:
        kinds = {kind for kind, _ in PROTOTYPES[name].sites}
        if kinds != set(self.sites):
            raise OracleError(
                "oracle.structure.sites",
                f"what fills {', '.join(sorted(kinds))} of {name}",
                ", ".join(sorted(self.sites)) or "nothing",
                'For example {A = "Cu", B = "guest"}.',
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Substitution:
    """Given atoms with some of their elements replaced by what `sites` says.

    The lengths of `parent` grow with the elements' atomic volumes, where all are tabulated, else
    with the mean of the covalent radii (MgO to CaO: 2 % too long). The ordering derives from
    `seed` and the candidate's id.
    """

    parent: Atoms
    sites: Mapping[str, str]
    supercell: tuple[int, int, int] = (1, 1, 1)
    seed: int = 0
    ordering: Ordering = "random"

    def __post_init__(self) -> None:
        """Raise OracleError for a parent without a cell, or sites that it lacks."""
        require_supercell(self.supercell)
        if self.parent.cell.rank < 3:
            raise OracleError("oracle.structure.file", "a structure with a cell", "one without")
        own = sorted(set(self.parent.symbols))
        if not self.sites or set(self.sites) - set(own):
            raise OracleError(
                "oracle.structure.sites",
                f"what replaces some of {', '.join(own)}",
                ", ".join(sorted(self.sites)) or "nothing",
                "Name elements of the parent structure.",
            )

    @property
    def takes(self) -> frozenset[str]:
        """The parameters that fill sites."""
        return _parameters(self.sites)

    def build(self, candidate: Candidate) -> Built:
        """The candidate's crystal."""
        own = self.parent
        atoms = Atoms(own.numbers, positions=own.positions, cell=own.cell, pbc=True)
        atoms = atoms.repeat(self.supercell)
        before = atoms.copy()
        kinds = np.array(atoms.get_chemical_symbols())
        sites = {each: each for each in set(kinds.tolist())} | dict(self.sites)
        executed = _fill(atoms, kinds, sites, candidate, self.seed, self.ordering)
        atoms.set_cell(atoms.cell * _growth(before, atoms), scale_atoms=True)
        made = Crystal(atoms=atoms, lattice="", supercell=self.supercell)
        return Built(crystal=made, executed=executed)


def _unit_cell(recipe: Recipe) -> Atoms:
    """The conventional cell with a = 1 angstrom, of hydrogen."""
    unit = crystal(
        ["H"] * len(recipe.sites),
        basis=[position for _, position in recipe.sites],
        spacegroup=recipe.spacegroup,
        cellpar=[1, 1, recipe.c_over_a, 90, 90, 120 if recipe.spacegroup == HEXAGONAL else 90],
    )
    unit.info.clear()
    return unit


def _fill(
    atoms: Atoms,
    kinds: NDArray[np.str_],
    sites: Mapping[str, str],
    candidate: Candidate,
    seed: int,
    ordering: Ordering,
) -> dict[str, Value] | None:
    """Put elements on the sites (n,); the point as it was made where it is not as it was asked."""
    symbols = np.empty(len(atoms), dtype="U2")
    made: dict[str, Value] = {}
    for kind, name in sorted(sites.items()):
        chosen = kinds == kind
        value = name if name in atomic_numbers else candidate.point.get(name)
        if isinstance(value, str):
            if value not in atomic_numbers:
                raise Refusal("invalid_input", f"{value!r} is not a chemical element")
            symbols[chosen] = value
            continue
        asked = fractions(name, value)
        count = counts(asked, int(chosen.sum()))
        rng = np.random.default_rng(derive_seed(seed, f"ordering {kind}", candidate.id))
        symbols[chosen] = arranged(atoms[chosen], count, ordering, rng)
        if not is_made(asked, count):
            made[name] = {each: n / int(chosen.sum()) for each, n in count.items()}
    atoms.symbols[:] = symbols
    return {**candidate.point, **made} if made else None


def _metallic(atoms: Atoms) -> float:
    """The sum of the elements' atomic volumes, angstrom^3 (Zen's law)."""
    return float(sum(map(start_volume, atoms.symbols)))


def _mixed(unit: Atoms, atoms: Atoms, kinds: NDArray[np.str_]) -> float:
    """Volume of the unit cell, angstrom^3: the mean over what may be on its kinds of site.

    Weighted by how often it is, and not of the cell as it is filled: the predictor takes the bond
    that is the tightest of all, and misses by half in a mixture.
    """
    names = sorted(set(kinds.tolist()))
    held = [Counter(atoms[kinds == name].get_chemical_symbols()) for name in names]
    total = 0.0
    for chosen in product(*held):
        filled = unit.copy()
        filled.symbols[:] = np.array(chosen)[np.searchsorted(names, kinds[: len(unit)])]
        share = [n[each] / n.total() for n, each in zip(held, chosen, strict=True)]
        total += float(np.prod(share)) * _bonded(filled)
    return total


def _growth(before: Atoms, after: Atoms) -> float:
    """By how much lengths grow when elements replace others on the same sites."""
    try:
        own, grown = (sum(map(atomic_volume, each.symbols)) for each in (before, after))
        return float((grown / own) ** (1 / 3))
    except Refusal:  # an element without a tabulated crystal, such as oxygen
        radii = [float(covalent_radii[each.numbers].mean()) for each in (before, after)]
        return radii[1] / radii[0]


def _bonded(atoms: Atoms) -> float:
    """The volume, in angstrom^3, at which bonds have the lengths that they have elsewhere."""
    near = atoms.copy()  # pymatgen looks for bonds up to 4 angstrom: bring it to where they are
    distances = near.repeat(2).get_all_distances(mic=True)
    radii = np.tile(covalent_radii[atoms.numbers], 8)
    np.fill_diagonal(distances, np.inf)
    near.set_cell(near.cell / (distances / (radii[:, None] + radii)).min(), scale_atoms=True)
    return float(DLSVolumePredictor().predict(AseAtomsAdaptor.get_structure(near)))


def _parameters(sites: Mapping[str, str]) -> frozenset[str]:
    return frozenset(name for name in sites.values() if name not in atomic_numbers)
