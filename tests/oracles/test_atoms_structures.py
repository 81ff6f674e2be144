"""Structure builders of the atoms oracle, and what is checked of a structure."""

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk
from hypothesis import given
from hypothesis import strategies as st

from loop.errors import OracleError
from loop.records import Candidate, Why
from oracles.atoms.checks import geometry
from oracles.atoms.failures import Refusal
from oracles.atoms.structures import (
    BulkElement,
    RandomAlloy,
    atomic_volume,
    counts,
    element,
    start_volume,
)


def candidate(value, identifier="0001-abc"):
    """A candidate with one parameter."""
    return Candidate(id=identifier, point={"x": value}, why=Why(origin="manual"))


ALLOY = RandomAlloy(composition="x")
THREE = {"Cu": 0.25, "Pd": 0.25, "Pt": 0.5}


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=6).filter(any), st.integers(1, 256))
def test_counts_fill_the_sites_and_miss_no_fraction_by_an_atom(parts, sites):
    """Largest remainder: the counts sum to the sites, each less than one from its share."""
    fractions = {f"E{i}": part / sum(parts) for i, part in enumerate(parts)}
    made = counts(fractions, sites)
    assert sum(made.values()) == sites
    assert all(n > 0 for n in made.values())
    assert all(abs(made.get(each, 0) - x * sites) < 1 for each, x in fractions.items())


@pytest.mark.parametrize("lattice", ["fcc", "bcc", "hcp"])
def test_an_alloy_has_the_composition_and_the_volume_that_was_asked(lattice):
    """2x2x4 cells hold the fractions to the atom, at the mean of the elements' atomic volumes."""
    built = replace(ALLOY, lattice=lattice, supercell=(2, 2, 4)).build(candidate(THREE))
    atoms = built.crystal.atoms
    assert built.executed is None
    found = atoms.symbols.formula.count()
    assert {each: n / len(atoms) for each, n in found.items()} == THREE
    mean = sum(x * atomic_volume(each) for each, x in THREE.items())
    assert atoms.get_volume() / len(atoms) == pytest.approx(mean)


# ase.data's reference states: experimental lattice constants in angstrom (Kittel, 8th edition).
@pytest.mark.parametrize(
    ("symbol", "a", "lattice"),
    [("Pt", 3.92, "fcc"), ("W", 3.16, "bcc"), ("Mg", 3.21, "hcp"), ("Si", 5.43, "diamond")],
)
def test_a_bulk_element_has_its_own_lattice(symbol, a, lattice):
    """Without a lattice in the settings an element crystallises as it does in nature."""
    crystal = BulkElement(element="x").build(candidate(symbol)).crystal
    assert crystal.lattice == lattice
    assert crystal.lattice_constant == pytest.approx(a, rel=0.01)


def test_the_lattice_constant_of_a_supercell_is_that_of_its_cell():
    """Repeating the cell does not change it, cubic or hexagonal."""
    for lattice, a in (("fcc", 3.6), ("bcc", 2.9), ("hcp", 2.6)):
        alloy = replace(ALLOY, lattice=lattice, supercell=(3, 2, 1), start=a)
        assert alloy.build(candidate({"Cu": 1.0})).crystal.lattice_constant == pytest.approx(a)


def test_the_ordering_is_the_candidates_own():
    """Seed, id and fractions, in any order, decide the atoms; another id or seed, other atoms."""
    symbols = ALLOY.build(candidate(THREE)).crystal.atoms.get_chemical_symbols()
    turned = dict(reversed(THREE.items()))
    assert ALLOY.build(candidate(turned)).crystal.atoms.get_chemical_symbols() == symbols
    for other in (
        ALLOY.build(candidate(THREE, "0002-abc")),
        replace(ALLOY, seed=1).build(candidate(THREE)),
    ):
        assert other.crystal.atoms.get_chemical_symbols() != symbols
        assert sorted(other.crystal.atoms.symbols) == sorted(symbols)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"lattice": "fct"}, "one of fcc, bcc, hcp, diamond, got 'fct'"),
        ({"supercell": (2, 0, 2)}, "three whole numbers of at least 1"),
        ({"supercell": (2, 2)}, "three whole numbers of at least 1"),
        ({"start": -1.0}, "a length above 0 angstrom"),
    ],
)
def test_senseless_structures_are_refused(settings, says):
    """Settings of which no crystal can be built are an error where they are made."""
    with pytest.raises(OracleError, match=says):
        RandomAlloy(composition="x", **settings)
    with pytest.raises(OracleError, match=r"oracle\.structure\.lattice"):
        BulkElement(element="x", lattice="fct")


@pytest.mark.parametrize(
    "value",
    [None, 0.5, "Cu", {"Cu": 0.7, "Au": 0.7}, {"Cu": 1.5, "Au": -0.5}, {"Cu": float("nan")}],
)
def test_a_point_that_is_no_composition_is_an_error(value):
    """The search space should have refused it: a broken rule, not a failed evaluation."""
    with pytest.raises(OracleError, match="fractions"):
        ALLOY.build(candidate(value))


def test_an_alloy_may_have_elements_with_a_lattice_of_their_own():
    """Manganese, gallium and tin start at their own volumes: 12.2, 19.6 and 27.0 (Kittel)."""
    alloy = {"Co": 0.25, "Mn": 0.25, "Ga": 0.25, "Sn": 0.25}
    atoms = ALLOY.build(candidate(alloy)).crystal.atoms
    mean = (atomic_volume("Co") + 12.2 + 19.6 + 27.0) / 4
    assert atoms.get_volume() / len(atoms) == pytest.approx(mean, rel=0.01)
    assert BulkElement(element="x", lattice="fcc").build(candidate("Mn")).crystal.lattice == "fcc"
    assert start_volume("Cu") == atomic_volume("Cu")


@pytest.mark.parametrize("symbol", ["Xx", "He", "Og", "Mn"])
def test_an_element_without_a_lattice_is_refused(symbol):
    """Elements that are none, or have no tabulated crystal, are invalid_input."""
    with pytest.raises(Refusal, match=symbol) as refused:
        element(symbol)
    assert refused.value.kind == "invalid_input"


def test_a_salt_of_metals_is_physical():
    """CsAu has 61 % of the volume of its elements, a = 4.263 angstrom (measured); half is none."""
    geometry(bulk("CsAu", "cesiumchloride", a=4.263), "as measured")
    with pytest.raises(Refusal, match="half as large"):
        geometry(bulk("CsAu", "cesiumchloride", a=4.263 / 2 ** (1 / 3)), "half as large")


def platinum():
    """108 atoms of fcc platinum."""
    return element("Pt").atoms.repeat((3, 3, 3))


def coincident(atoms):
    """Two atoms in one place."""
    atoms.positions[1] = atoms.positions[0]


def burst(atoms):
    """Atoms beyond one another's reach: EMT finds no force, and no fault."""
    atoms.set_cell(3 * atoms.cell.array, scale_atoms=True)


def lonely(atoms):
    """One atom without its 12 neighbours, in a cell whose volume is none too large."""
    distances = atoms.get_distances(0, range(len(atoms)), mic=True)
    del atoms[np.flatnonzero((distances > 0) & (distances < 3))]


def not_a_number(atoms):
    """A position that is none."""
    atoms.positions[5, 1] = np.nan


@pytest.mark.parametrize(
    ("spoil", "kind", "says"),
    [
        (coincident, "infeasible", "0.00 angstrom apart"),
        (burst, "infeasible", "27.00 times"),
        (lonely, "infeasible", "no neighbour"),
        (not_a_number, "invalid_output", "not a finite number"),
    ],
)
def test_an_unphysical_structure_is_refused(spoil, kind, says):
    """What a potential answers for without a word is refused by its geometry."""
    atoms = platinum()
    geometry(atoms, "before")
    spoil(atoms)
    with pytest.raises(Refusal, match=says) as refused:
        geometry(atoms, "after")
    assert refused.value.kind == kind
