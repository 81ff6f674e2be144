"""Prototypes, substitutions, slabs, quasirandom orderings, and the screening of ions."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from loop.errors import OracleError
from loop.records import Candidate, Why
from oracles.atoms.builders import Neutral, require_neutral
from oracles.atoms.collection import structures
from oracles.atoms.failures import Refusal
from oracles.atoms.orderings import disorder, quasirandom, shells
from oracles.atoms.prototypes import PROTOTYPES, Prototype, Substitution
from oracles.atoms.slabs import FACETS, Surface
from oracles.atoms.structures import BulkElement, RandomAlloy

HALF = {"Cu": 0.5, "Au": 0.5}
ROCK_SALT = bulk("MgO", "rocksalt", a=4.212, cubic=True)
HOST = BulkElement(element="x", lattice="fcc")


def candidate(number=1, **point):
    """A candidate at a point."""
    return Candidate(id=f"{number:04d}-abc", point=point, why=Why(origin="manual"))


def slab_of(builder, **point):
    """The slab that is built."""
    slab = builder.build(candidate(**point)).crystal.slab
    assert slab is not None
    return slab


def symbols(builder, asked):
    """The chemical symbols of what is built."""
    return builder.build(asked).crystal.atoms.get_chemical_symbols()


def short_range(atoms):
    """How far pairs are from those of an endless random alloy."""
    elements = sorted(set(atoms.symbols))
    return disorder(shells(atoms), np.searchsorted(elements, atoms.get_chemical_symbols()))


# Space group, atoms per cell, and a measured lattice constant in angstrom (Villars; Kittel).
@pytest.mark.parametrize(
    ("name", "sites", "group", "formula", "a"),
    [
        ("A1", {"A": "Cu"}, 225, {"Cu": 4}, 3.61),
        ("A2", {"A": "W"}, 229, {"W": 2}, 3.16),
        ("A3", {"A": "Mg"}, 194, {"Mg": 2}, 3.21),
        ("B1", {"A": "Mg", "B": "O"}, 225, {"Mg": 4, "O": 4}, 4.21),
        ("B2", {"A": "Ni", "B": "Al"}, 221, {"Al": 1, "Ni": 1}, 2.89),
        ("B3", {"A": "Ga", "B": "As"}, 216, {"As": 4, "Ga": 4}, 5.65),
        ("D0_3", {"A": "Fe", "B": "Al"}, 225, {"Al": 4, "Fe": 12}, 5.79),
        ("L1_0", {"A": "Cu", "B": "Au"}, 123, {"Au": 2, "Cu": 2}, 3.96),
        ("L1_2", {"A": "Cu", "B": "Au"}, 221, {"Au": 1, "Cu": 3}, 3.74),
        ("perovskite", {"A": "Sr", "B": "Ti", "X": "O"}, 221, {"O": 3, "Sr": 1, "Ti": 1}, 3.905),
    ],
)
def test_a_prototype_has_its_symmetry_and_about_its_size(name, sites, group, formula, a):
    """The space group by spglib, the formula, and a lattice constant within 8 % to start from."""
    crystal = Prototype(prototype=name, sites=sites).build(candidate()).crystal
    structure = AseAtomsAdaptor.get_structure(crystal.atoms)
    assert SpacegroupAnalyzer(structure).get_space_group_number() == group
    assert crystal.atoms.symbols.formula.count() == formula
    assert crystal.lattice_constant == pytest.approx(a, rel=0.08)


@pytest.mark.parametrize("name", PROTOTYPES)
def test_a_start_is_the_lattice_constant(name):
    """In any supercell, hexagonal and tetragonal included."""
    sites = {kind: "Cu" for kind, _ in PROTOTYPES[name].sites}
    made = Prototype(prototype=name, sites=sites, start=4.0, supercell=(2, 3, 1))
    assert made.build(candidate()).crystal.lattice_constant == pytest.approx(4.0)


def test_parameters_fill_sites_and_name_the_prototype():
    """A categorical is on all A sites, a composition at random on B, and the prototype is asked."""
    sites = {"A": "big", "B": "small"}
    built = Prototype(prototype="kind", sites=sites, supercell=(2, 2, 2))
    assert built.takes == {"kind", "big", "small"}
    asked = candidate(kind="B2", big="Al", small={"Ni": 0.75, "Cu": 0.25})
    assert built.build(asked).crystal.atoms.symbols.formula.count() == {"Al": 8, "Cu": 2, "Ni": 6}
    assert symbols(built, asked) == symbols(built, asked)
    others = [symbols(built, candidate(n, **asked.point)) for n in range(2, 8)]
    assert any(other != symbols(built, asked) for other in others)


def test_what_does_not_fit_is_reported_as_made():
    """Half of one site cannot be: the point as it was made comes back, and the rest unchanged."""
    built = Prototype(prototype="B2", sites={"A": "Ni", "B": "x"}).build(candidate(x=HALF))
    assert built.executed in ({"x": {"Cu": 1.0}}, {"x": {"Au": 1.0}})


def test_a_mixed_perovskite_starts_between_its_ends():
    """(Ba, Sr)TiO3 is as large as the mean of BaTiO3 and SrTiO3."""
    sites = {"A": "x", "B": "Ti", "X": "O"}
    built = Prototype(prototype="perovskite", sites=sites, supercell=(2, 2, 2))
    ends = [{"Ba": 1.0}, {"Sr": 1.0}, {"Ba": 0.5, "Sr": 0.5}]
    ba, sr, half = (built.build(candidate(x=x)).crystal.atoms.get_volume() for x in ends)
    assert half == pytest.approx((ba + sr) / 2)


def test_a_substitution_changes_the_named_elements_alone():
    """Half of the magnesium of MgO becomes calcium; oxygen stays, and the cell grows for it."""
    built = Substitution(parent=ROCK_SALT, sites={"Mg": "x"}, supercell=(2, 1, 1))
    assert built.takes == {"x"}
    atoms = built.build(candidate(x={"Mg": 0.5, "Ca": 0.5})).crystal.atoms
    assert atoms.symbols.formula.count() == {"Ca": 4, "Mg": 4, "O": 8}
    assert 1.0 < atoms.get_volume() / (2 * ROCK_SALT.get_volume()) < 1.3
    same = built.build(candidate(x={"Mg": 1.0})).crystal.atoms
    assert same.get_volume() == pytest.approx(2 * ROCK_SALT.get_volume())


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Prototype(prototype="L1_2", sites={"A": "Cu"}), "what fills A, B of L1_2, got A"),
        (lambda: Prototype(prototype="A1", sites={"A": "Cu"}, start=-1.0), "a length above 0"),
        (lambda: Substitution(parent=ROCK_SALT, sites={"Ca": "x"}), "some of Mg, O, got Ca"),
        (lambda: Substitution(parent=Atoms("Cu"), sites={"Cu": "x"}), "a structure with a cell"),
        (lambda: Surface(host=HOST, facet="fcc112", adsorbate="O"), "one of fcc111"),
        (lambda: Surface(host=HOST, facet="fcc111", adsorbate="O", site="x"), "a site of fcc111"),
        (lambda: Surface(host=HOST, facet="bcc110", adsorbate="O"), "on the lattice of bcc110"),
    ],
)
def test_senseless_builders_are_refused(make, says):
    """When they are made, with what was expected."""
    with pytest.raises(OracleError, match=says):
        make()


@pytest.mark.parametrize("fractions", [HALF, {"Cu": 0.75, "Au": 0.25}])
@pytest.mark.parametrize("lattice", ["fcc", "bcc"])
def test_a_quasirandom_alloy_has_the_pairs_of_an_endless_one(fractions, lattice):
    """A third of what any of ten random cells has, at the same composition, by every seed."""
    size = (2, 2, 2) if lattice == "fcc" else (2, 2, 4)
    plain = RandomAlloy(composition="x", lattice=lattice, supercell=size)
    special = RandomAlloy(composition="x", lattice=lattice, supercell=size, ordering="quasirandom")
    asked = [candidate(n, x=fractions) for n in range(1, 11)]
    random = [short_range(plain.build(each).crystal.atoms) for each in asked]
    made = [special.build(each).crystal.atoms for each in asked[:3]]
    assert max(map(short_range, made)) < min(random) / 3
    for atoms in made:
        shares = atoms.symbols.formula.count()
        assert {each: n / len(atoms) for each, n in shares.items()} == fractions


def test_a_quasirandom_ordering_is_the_candidates_own():
    """Seed and id decide it; another id is another structure."""
    built = RandomAlloy(composition="x", ordering="quasirandom")
    assert symbols(built, candidate(x=HALF)) == symbols(built, candidate(x=HALF))
    assert symbols(built, candidate(x=HALF)) != symbols(built, candidate(2, x=HALF))


def test_pair_correlations_of_an_ordered_alloy():
    """B2 has unlike first and like second neighbours: 1 + 0.5 + 0.25 with the shells' weights."""
    atoms = Prototype(prototype="B2", sites={"A": "Cu", "B": "Au"}, supercell=(3, 3, 3))
    found = atoms.build(candidate()).crystal.atoms
    assert shells(found).sum(axis=2)[:, 0].tolist() == [8, 6, 12]
    assert short_range(found) == pytest.approx(1.75)


def test_annealing_keeps_the_composition():
    """Swaps move atoms and change none."""
    types = np.repeat([0, 1, 2], [20, 7, 5])
    found = quasirandom(shells(bulk("Cu", cubic=True) * (2, 2, 2)), types, np.random.default_rng(0))
    assert np.bincount(found).tolist() == [20, 7, 5]


@pytest.mark.parametrize("facet", FACETS)
def test_a_slab_has_its_adsorbate_above_and_its_lower_half_held(facet):
    """On any facet: one molecule, carbon down, clear of the slab, half of the layers fixed."""
    host = BulkElement(element="x", lattice=facet[:3])
    slab = slab_of(Surface(host=host, facet=facet, adsorbate="CO"), x="Cu")
    tags, heights = slab.atoms.get_tags(), slab.atoms.positions[:, 2]
    lowest = np.where(tags == 0, heights, np.inf).argmin()
    assert slab.adsorbate == "CO"
    assert slab.atoms.get_chemical_symbols()[lowest] == "C"
    assert heights[lowest] - heights[tags == 1].max() > 1.0
    (held,) = slab.atoms.constraints
    assert set(tags[held.index].tolist()) == {3, 4}


def test_a_slab_of_an_alloy_has_the_alloys_composition():
    """Spread over the sites of the slab, by the candidate's id."""
    built = Surface(host=RandomAlloy(composition="x"), facet="fcc111", adsorbate="gas")
    assert built.takes == {"x", "gas"}
    slab = slab_of(built, x=HALF, gas="N2").atoms
    assert slab.symbols.formula.count() == {"Au": 8, "Cu": 8, "N": 2}


@pytest.mark.parametrize("formula", ["MgO", "SrTiO3", "LiFePO4", "GaAs", "NaCl", "Fe3O4"])
def test_ions_that_balance_pass(formula):
    """Compounds that exist as ions or polar bonds; with sodium on top nothing balances."""
    atoms = Atoms(formula)
    require_neutral(atoms)
    with pytest.raises(Refusal, match=r"sum to zero|less electronegative"):
        require_neutral(Atoms(formula) + Atoms("Na40"))


@pytest.mark.parametrize("formula", ["NaTiO3", "NaCl2", "Cu3Au", "Cu"])
def test_ions_that_do_not_balance_are_infeasible(formula):
    """As are metals, which have no ions: the screening is for who asks for it."""
    with pytest.raises(Refusal, match=r"sum to zero|less electronegative") as refused:
        require_neutral(Atoms(formula))
    assert refused.value.kind == "infeasible"


def test_a_neutral_builder_refuses_before_anything_is_calculated():
    """SrTiO3 is built, NaTiO3 is refused, and the parameters are those of the builder."""
    sites = {"A": "x", "B": "Ti", "X": "O"}
    built = Neutral(builder=Prototype(prototype="perovskite", sites=sites))
    assert built.takes == {"x"}
    assert len(built.build(candidate(x="Sr")).crystal.atoms) == 5
    with pytest.raises(Refusal, match="NaTiO3"):
        built.build(candidate(x="Na"))


DISORDERED = """data_x
_cell_length_a 3.8
_cell_length_b 3.8
_cell_length_c 3.8
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Cu1 Cu 0 0 0 0.6
Au1 Au 0 0 0 0.4
Pd1 Pd 0.5 0.5 0.5 1.0
"""


def test_a_disordered_file_is_no_structure(tmp_path):
    """ASE reads 0.6 Cu and 0.4 Au on one site as copper, without a word."""
    (tmp_path / "x.cif").write_text(DISORDERED, encoding="utf-8")
    for path in (tmp_path, tmp_path / "x.cif"):
        with pytest.raises(OracleError, match=r"one element on every site, got 0\.6 Cu, 0\.4 Au"):
            structures(path)
