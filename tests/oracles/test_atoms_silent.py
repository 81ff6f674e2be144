"""What calculators answer wrongly without a word, each with the guard that makes it a failure."""

from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.optimize import BFGS

from loop.records import Candidate, Failed, Why
from oracles.atoms.failures import Refusal
from oracles.atoms.oracle import AtomsOracle
from oracles.atoms.relaxation import Limits, relax
from oracles.atoms.structures import Crystal, PoolStructure
from tests.oracles.test_atoms_bounds import answer, oracle

METALS = ("Al", "Cu", "Ag", "Au", "Ni", "Pd", "Pt", "Cu")


@pytest.fixture(autouse=True)
def _calculators_beside_the_tests(monkeypatch):
    """`bad_calculators` is importable, as a user's module beside a campaign would be."""
    monkeypatch.syspath_prepend(Path(__file__).parent)


def coincident():
    """Four atoms of copper, of which two are in one place, in a cell of the right size."""
    atoms = bulk("Cu", cubic=True)
    atoms.positions[1] = atoms.positions[0]
    return atoms


def spread():
    """Copper in a cell so large that no atom feels another."""
    return bulk("Cu", a=9.0, cubic=True)


def stretched():
    """Copper from which a relaxation has a long way to go."""
    atoms = bulk("Cu", a=3.75, cubic=True)
    atoms.positions[0] += 0.3
    return atoms


@pytest.mark.parametrize(
    ("atoms", "steps", "kind", "says"),
    [
        (coincident(), 300, "infeasible", "two atoms are only 0.00 angstrom apart"),
        (spread(), 300, "infeasible", "the volume is 15.50 times"),
        (stretched(), 1, "not_converged", "a force is still above"),
    ],
)
def test_nonsense_is_a_failure(tmp_path, atoms, steps, kind, says):
    """EMT relaxes each of these without complaint; here each is a Failed that says why."""
    structure = PoolStructure(pool="x", atoms={"one": atoms})
    asked = AtomsOracle(
        folder=tmp_path, structure=structure, properties={"d": "density"}, steps=steps
    )
    candidate = Candidate(id="0001-abc", point={"x": "one"}, why=Why(origin="manual"))
    (found,) = asked.collect([candidate])
    assert isinstance(found, Failed)
    assert (found.kind, says in found.message) == (kind, True), found


@pytest.mark.parametrize("atoms", [coincident(), spread()])
def test_the_optimiser_itself_finds_nothing_wrong_with_nonsense(atoms):
    """Why the guards are there: ASE says that it has converged, and gives four lone atoms."""
    atoms.calc = EMT()
    with np.errstate(all="ignore"):
        assert bool(BFGS(atoms, logfile=None).run(fmax=0.01, steps=300)) is True
    assert atoms.get_potential_energy() == pytest.approx(4 * 3.51, abs=0.01)


def test_the_optimiser_itself_stops_at_its_last_step_without_a_word():
    """Why its answer is asked for: no exception, and a NumPy bool, which JSON does not know."""
    atoms = stretched()
    atoms.calc = EMT()
    said = BFGS(atoms, logfile=None).run(fmax=0.01, steps=1)
    assert not said
    assert np.abs(atoms.get_forces()).max() > 0.1


def test_threads_that_share_a_calculator_are_wrong_without_a_word():
    """Why every evaluation has a process: most energies are those of other atoms, or it trips."""
    bad = import_module("bad_calculators")
    shared = bad.InOneMemory()
    cells = [bulk(each, cubic=True) for each in METALS[1:]]

    def energy(atoms):
        return shared.get_potential_energy(atoms)

    alone = [energy(atoms) for atoms in cells]
    with ThreadPoolExecutor(len(cells)) as pool:
        asked = [pool.submit(energy, atoms) for atoms in cells]
    found = [each.exception() or each.result() for each in asked]
    assert found != alone


def test_programs_in_one_folder_are_wrong_without_a_word(tmp_path, monkeypatch):
    """Why every attempt has a folder: most energies are those of other atoms, and nothing is said.

    Each has a calculator of its own, so that the folder is all that they share.
    """
    monkeypatch.chdir(tmp_path)
    cells = [bulk(each, cubic=True) for each in METALS[1:]]
    one_in_a_file = import_module("bad_calculators").InOneFile

    def energy(atoms):
        return one_in_a_file().get_potential_energy(atoms)

    alone = [energy(atoms) for atoms in cells]
    with ThreadPoolExecutor(len(cells)) as pool:
        found = list(pool.map(energy, cells))
    assert sum(a != b for a, b in zip(alone, found, strict=True)) >= 2


def test_atoms_out_of_reach_are_refused_where_the_volume_says_nothing(tmp_path):
    """Oxygen's own volume is not tabulated: then an atom without a neighbour is what tells."""
    atoms = bulk("MgO", "rocksalt", a=9.0, cubic=True)
    structure = PoolStructure(pool="x", atoms={"one": atoms})
    asked = AtomsOracle(folder=tmp_path, structure=structure, properties={"d": "density"})
    candidate = Candidate(id="0001-abc", point={"x": "one"}, why=Why(origin="manual"))
    (found,) = asked.collect([candidate])
    assert isinstance(found, Failed)
    assert (found.kind, "has no neighbour" in found.message) == ("infeasible", True), found


@pytest.mark.parametrize(("within", "passes"), [(0.3, True), (0.02, False)])
def test_a_relaxation_that_runs_away_is_refused(within, passes):
    """The volume must stay within the stated range of where it was at the start."""
    crystal = Crystal(atoms=stretched(), lattice="fcc", supercell=(1, 1, 1))
    limits = Limits(fmax=0.01, steps=300, volume_change=within)
    if passes:
        assert np.isfinite(relax(crystal, EMT(), limits).lattice_constant)
    else:
        with pytest.raises(Refusal, match=r"relaxation took the volume to 0\.8"):
            relax(crystal, EMT(), limits)


@pytest.mark.parametrize("calculator", ["InOneFile", "InOneMemory"])
def test_evaluations_at_once_are_those_one_after_the_other(tmp_path, calculator):
    """Calculators that pass their atoms through the folder, or the process, they stand in.

    Two in one folder, or two threads with one calculator, compute one another's atoms: silently.
    """
    asked = oracle(tmp_path, calculator)
    with ThreadPoolExecutor(len(METALS)) as pool:
        found = list(pool.map(lambda each: answer(asked, *each), enumerate(METALS)))
    alone = [answer(asked, 99, element) for element in METALS]
    assert [each.values for each in found] == [each.values for each in alone]
