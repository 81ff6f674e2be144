"""Slabs with adsorbates: a host, a facet, and a molecule on one of its sites."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from ase import Atoms
from ase.build import (
    add_adsorbate,
    bcc100,
    bcc110,
    bcc111,
    fcc100,
    fcc110,
    fcc111,
    hcp0001,
    molecule,
)
from ase.collections import g2
from ase.constraints import FixAtoms
from ase.data import atomic_numbers, covalent_radii

from loop.errors import OracleError
from loop.records import Candidate, derive_seed
from oracles.atoms.failures import Refusal
from oracles.atoms.structures import (
    IDEAL_C_OVER_A,
    Built,
    BulkElement,
    Crystal,
    RandomAlloy,
    Slab,
    counts,
    require_supercell,
)

FACETS: Mapping[str, Callable[..., Atoms]] = {
    "fcc111": fcc111,
    "fcc100": fcc100,
    "fcc110": fcc110,
    "bcc110": bcc110,
    "bcc100": bcc100,
    "bcc111": bcc111,
    "hcp0001": hcp0001,
}
VACUUM = 8.0  # angstrom above and below
LOWEST = 0.5  # of the sum of the radii: how high at least an adsorbate starts above a hollow


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """A slab of `size` (across, across, layers), its lower half held, with an adsorbate.

    `host` builds the crystal that the slab is cut from, on the lattice of the facet; an alloy's
    composition is then spread over the slab's own sites, by `seed` and the candidate's id.
    `adsorbate` is a molecule that `ase.build.molecule` knows, an atom, or the name of a Categorical
    parameter of such; `site` is one of ASE's for the facet (ontop, bridge, hollow, fcc, hcp ...).
    It starts upright at the sum of the covalent radii from the nearest atom, and relaxes.
    """

    host: RandomAlloy | BulkElement
    facet: str
    adsorbate: str
    site: str = "ontop"
    size: tuple[int, int, int] = (2, 2, 4)
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise OracleError for a facet, a site or a host that do not fit."""
        require_supercell(self.size)
        if self.facet not in FACETS:
            expected = f"one of {', '.join(FACETS)}"
            raise OracleError("oracle.structure.facet", expected, repr(self.facet))
        if self.host.lattice != self._lattice:
            expected = f"a host on the lattice of {self.facet}"
            raise OracleError("oracle.structure.host", expected, repr(self.host.lattice))
        known = self._cut("Cu", 3.6).info["adsorbate_info"]["sites"]
        if self.site not in known:
            expected = f"a site of {self.facet} ({', '.join(known)})"
            raise OracleError("oracle.structure.site", expected, repr(self.site))

    @property
    def takes(self) -> frozenset[str]:
        """The host's parameter, and the adsorbate's where it has one."""
        return self.host.takes | (frozenset() if is_known(self.adsorbate) else {self.adsorbate})

    def build(self, candidate: Candidate) -> Built:
        """The host with its slab; Refusal for an adsorbate that nobody knows."""
        built = self.host.build(candidate)
        slab = self._cut(str(built.crystal.atoms.symbols[0]), built.crystal.lattice_constant)
        self._spread(slab, candidate, built.crystal)
        name = self._name(candidate)
        _adsorb(slab, name, self.site)
        lower = slab.get_tags() > (self.size[2] + 1) // 2  # ASE's first layer is the uppermost
        slab.set_constraint(FixAtoms(mask=lower))
        crystal = replace(built.crystal, slab=Slab(atoms=slab, adsorbate=name))
        return Built(crystal=crystal, executed=built.executed)

    @property
    def _lattice(self) -> str:
        return self.facet[:3]

    def _cut(self, symbol: str, a: float) -> Atoms:
        cell = {"a": a, "c": a * IDEAL_C_OVER_A} if self._lattice == "hcp" else {"a": a}
        slab = FACETS[self.facet](symbol, size=self.size, vacuum=VACUUM, **cell)
        slab.pbc = True
        return slab

    def _spread(self, slab: Atoms, candidate: Candidate, host: Crystal) -> None:
        """Put the host's elements on the slab, at random and as often as its sites allow."""
        held = Counter(host.atoms.get_chemical_symbols())
        made = counts({each: n / len(host.atoms) for each, n in held.items()}, len(slab))
        rng = np.random.default_rng(derive_seed(self.seed, "slab", candidate.id))
        slab.symbols[:] = rng.permutation(np.repeat(list(made), list(made.values())))

    def _name(self, candidate: Candidate) -> str:
        if is_known(self.adsorbate):
            return self.adsorbate
        name = candidate.point.get(self.adsorbate)
        if not isinstance(name, str) or not is_known(name):
            raise Refusal("invalid_input", f"{name!r} is no atom, and no molecule of ase.build")
        return name


def is_known(adsorbate: str) -> bool:
    """Whether it is an atom or a molecule that ASE can build."""
    return adsorbate in atomic_numbers or adsorbate in g2.names


def adsorbed(name: str) -> Atoms:
    """The adsorbate alone: an atom, or a molecule as ASE builds it."""
    return Atoms(name) if name in atomic_numbers else molecule(name)


def _adsorb(slab: Atoms, name: str, site: str) -> None:
    """Put the adsorbate on the site, its lowest atom down."""
    guest = adsorbed(name)
    lowest = int(np.argmin(guest.positions[:, 2]))
    add_adsorbate(slab, guest, 0.0, site, mol_index=lowest)
    atoms = np.arange(len(slab)) >= len(slab) - len(guest)
    foot = len(slab) - len(guest) + lowest
    top = np.flatnonzero(slab.get_tags() == 1)
    across = slab.get_distances(foot, top, mic=True)
    nearest = int(np.argmin(across))
    bond = covalent_radii[slab.numbers[top[nearest]]] + covalent_radii[slab.numbers[foot]]
    slab.positions[atoms, 2] += np.sqrt(max(bond**2 - across[nearest] ** 2, (LOWEST * bond) ** 2))
