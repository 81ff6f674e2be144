"""Structures in campaign.toml, and the structures of answers as files."""

import tomllib

import ase.io
import numpy as np
import pytest
from ase.build import bulk

from flows.folder import known
from flows.oracle import oracle
from flows.problem import stated
from loop.errors import LoopError
from loop.records import Candidate, Why

HEAD = 'name = "atoms"\n[stop]\nevaluations = 3\n[proposer]\nkind = "design"\n'
SMALL = '[[parameter]]\nname = "small"\nkind = "categorical"\nvalues = ["Cu", "Ni", "Pd"]\n'
MIX = '[[parameter]]\nname = "mix"\nkind = "composition"\nelements = ["Mg", "Ca"]\n'
GAS = '[[parameter]]\nname = "gas"\nkind = "categorical"\nvalues = ["O", "CO"]\n'
KIND = '[[parameter]]\nname = "kind"\nkind = "categorical"\nvalues = ["B2", "L1_0"]\n'
DENSE = '[[target]]\nname = "density"\nunit = "g/cm^3"\ngoal = "max"\n'
BINDS = '[[target]]\nname = "adsorption_energy"\nunit = "eV"\ngoal = "min"\n'
HULL = '[[target]]\nname = "hull_distance"\nunit = "eV/atom"\ngoal = "min"\n'
ORACLE = '[oracle]\nkind = "atoms"\n'
L1_2 = 'kind = "prototype"\nprototype = "L1_2"\nsites = {A = "small", B = "Au"}\n'
ANY = 'kind = "prototype"\nprototype = "kind"\nsites = {A = "small", B = "Au"}\n'
OXIDE = 'kind = "substitution"\nfile = "parent.cif"\nsites = {Mg = "mix"}\n'
SLAB = 'kind = "slab"\nelement = "small"\nadsorbate = "gas"\nsite = "fcc"\n'
FOUND = HEAD + SMALL + DENSE + ORACLE + "[oracle.structure]\n" + L1_2


@pytest.fixture
def campaign(tmp_path):
    """Makes a campaign folder of a text, with a parent and phases beside it."""

    def campaign(text):
        folder = tmp_path / "campaign"
        folder.mkdir()
        (folder / "campaign.toml").write_text(text, encoding="utf-8")
        ase.io.write(folder / "parent.cif", bulk("MgO", "rocksalt", a=4.2, cubic=True))
        ase.io.write(folder / "phases.extxyz", [bulk("Au"), bulk("Cu")], format="extxyz")
        return folder

    return campaign


def asked(folder, **point):
    """The folder's oracle, and a candidate at a point."""
    settings, problem = stated(folder, tomllib.loads((folder / "campaign.toml").read_text()))
    candidate = Candidate(id="0001-abc", point=point, why=Why(origin="manual"))
    return oracle(settings.oracles[0], problem, folder), candidate


def structure(folder, **point):
    """What is built for a point."""
    made, candidate = asked(folder, **point)
    return made.structure.build(candidate).crystal


def with_structure(text, parameters, target=DENSE, more=""):
    """A campaign with this [oracle.structure]."""
    return HEAD + parameters + target + ORACLE + more + "[oracle.structure]\n" + text


@pytest.mark.parametrize(
    ("text", "parameters", "point", "formula"),
    [
        (L1_2, SMALL, {"small": "Ni"}, {"Au": 1, "Ni": 3}),
        (ANY, SMALL + KIND, {"small": "Cu", "kind": "L1_0"}, {"Au": 2, "Cu": 2}),
        (OXIDE, MIX, {"mix": {"Mg": 0.5, "Ca": 0.5}}, {"Ca": 2, "Mg": 2, "O": 4}),
    ],
)
def test_a_structure_is_built_as_campaign_toml_says(campaign, text, parameters, point, formula):
    """A prototype, a parameter of prototypes, a parent from a file."""
    folder = campaign(with_structure(text, parameters))
    assert structure(folder, **point).atoms.symbols.formula.count() == formula


def test_a_slab_is_built_as_campaign_toml_says(campaign):
    """Nickel with CO above it, on the facet's fcc site."""
    folder = campaign(with_structure(SLAB, SMALL + GAS, BINDS))
    slab = structure(folder, small="Ni", gas="CO").slab
    assert slab.atoms.symbols.formula.count() == {"C": 1, "Ni": 16, "O": 1}


def test_neutrality_and_phases_are_asked_for_in_the_oracles_table(campaign):
    """A metal is infeasible where ions are wanted; phases come from their file, by row."""
    more = 'neutral = true\nphases = "phases.extxyz"\nmiller = [1, 0, 0]\n'
    made, candidate = asked(campaign(with_structure(L1_2, SMALL, HULL, more)), small="Cu")
    (answer,) = made.collect([candidate])
    assert (answer.kind, "sum to zero" in answer.message) == ("infeasible", True)
    assert list(made.options.phases) == ["row-1", "row-2"]
    assert made.options.miller == (1, 0, 0)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"L1_2"', '"L1_3"', r"oracle\.structure\.prototype.*Did you mean 'L1_2'"),
        ('A = "small"', 'A = "smal"', r"oracle\.structure\.sites\.A.*Did you mean 'small'"),
        (', B = "Au"', "", "what fills A, B of L1_2, got A"),
        ('"Pd"]', '"Pt", "Px"]', r"parameter\.small: expected chemical elements, got 'Px'"),
        (DENSE, BINDS, r"oracle\.structure\.kind.*of kind 'slab'"),
        (ORACLE, ORACLE + "miller = [0, 0, 0]\n", r"oracle\.miller"),
        (L1_2, SLAB.replace('element = "small"\n', ""), "element or composition, got neither"),
        (L1_2, SLAB.replace('"gas"', '"gaz"'), r"oracle\.structure\.adsorbate"),
    ],
)
def test_structures_that_mean_nothing_are_refused(campaign, old, new, says):
    """Before anything has started, with the key and what is near."""
    folder = campaign(FOUND.replace(old, new))
    with pytest.raises(LoopError, match=says):
        asked(folder)


def test_structures_of_answers_are_exported(campaign, athanor, tmp_path):
    """As extended XYZ and CIF, with candidate, values, units and calculator; ASE reads both."""
    folder = campaign(FOUND)
    assert athanor("run", folder, "--no-prefect").code == 0
    assert athanor("export", folder, "--structures", tmp_path / "all.extxyz").code == 0
    frames = list(ase.io.iread(tmp_path / "all.extxyz"))
    results = {each.candidate.id: each.values for each in known(folder)[0].results}
    assert len(frames) == len(results) == 3
    for atoms in frames:
        name = atoms.info["candidate"]
        assert atoms.info["density [g/cm^3]"] == pytest.approx(results[name]["density"])
        assert atoms.info["calculator"] == "ase.calculators.emt:EMT"
        assert np.isfinite(atoms.get_potential_energy())
    assert athanor("export", folder, "--structures", tmp_path / "cifs").code == 0
    cif = tmp_path / "cifs" / f"{frames[0].info['candidate']}.cif"
    assert f"# candidate: {cif.stem}\n" in cif.read_text(encoding="utf-8")
    (again,) = ase.io.iread(cif)
    assert again.get_volume() == pytest.approx(frames[0].get_volume(), rel=1e-5)


def test_where_there_are_no_structures_it_is_said(make, athanor, tmp_path):
    """A campaign without atoms, and one option too many."""
    folder = make()
    athanor("run", folder, "--no-prefect")
    refused = athanor("export", folder, "--structures", tmp_path / "x.xyz")
    assert (refused.code, "structures of answers" in refused.err) == (2, True)
    assert athanor("export", folder, "--structures", tmp_path / "x.xyz", "--json").code == 2
