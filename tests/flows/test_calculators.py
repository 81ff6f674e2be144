"""Calculators as campaign.toml states them: what is missing is told before anything is asked."""

from hashlib import sha256
from pathlib import Path
from shutil import which

import pytest

from flows.folder import known
from flows.rig import load
from loop.errors import LoopError
from loop.run import turn
from oracles.atoms import espresso, gpaw
from oracles.atoms.oracle import AtomsOracle

CAMPAIGN = """
name = "silicon"
[[parameter]]
name = "element"
kind = "categorical"
values = ["Si", "Ge"]
[[target]]
name = "lattice_constant"
unit = "angstrom"
goal = "min"
[oracle]
kind = "atoms"
structure = {{ kind = "element", element = "element" }}
{oracle}
[proposer]
kind = "design"
[stop]
evaluations = 2
"""
ESPRESSO = """
calculator = "ase.calculators.espresso:Espresso"
memory_mb = 2000
output_mb = 100
volume_change = 0.2
keep = true
[oracle.settings.profile]
class = "ase.calculators.espresso:EspressoProfile"
command = "athanor-no-such-pw.x"
pseudo_dir = "/nowhere"
[[oracle.retry]]
input_data.mixing_beta = 0.2
[[oracle.retry]]
input_data = { occupations = "smearing", degauss = 0.02 }
"""
CONFIGURED = """
calculator = "ase.calculators.espresso:Espresso"
config = "ase.ini"
"""


@pytest.mark.parametrize("oracle", [ESPRESSO, CONFIGURED], ids=["profile", "config"])
def test_check_names_a_missing_program(tmp_path, athanor, oracle):
    """A profile in campaign.toml, or in ASE's own file beside it: `check` names its program."""
    (tmp_path / "campaign.toml").write_text(CAMPAIGN.format(oracle=oracle), "utf-8")
    ini = "[espresso]\ncommand = athanor-no-such-pw.x\npseudo_dir = /nowhere\n"
    (tmp_path / "ase.ini").write_text(ini, "utf-8")
    said = athanor("check", tmp_path)
    assert said.code == 3
    assert "a program is not installed (athanor-no-such-pw.x" in said.out + said.err


def test_what_is_stated_reaches_the_oracle(tmp_path):
    """Limits, other settings and the rest are those of campaign.toml."""
    (tmp_path / "campaign.toml").write_text(CAMPAIGN.format(oracle=ESPRESSO), "utf-8")
    made = load(tmp_path).rig.oracle
    assert isinstance(made, AtomsOracle)
    assert (made.memory_mb, made.output_mb, made.volume_change, made.keep) == (2000, 100, 0.2, True)
    assert made.retry == [
        {"input_data": {"mixing_beta": 0.2}},
        {"input_data": {"occupations": "smearing", "degauss": 0.02}},
    ]
    assert made.declaration.wall_s == 3 * made.wall_s


OWN = """
from ase.calculators.emt import EMT
from beside import FACTOR

def make(energy):
    made = EMT()
    made.atoms_energy = FACTOR * energy
    return made
"""


def test_a_calculator_may_stand_in_the_campaign_folder(tmp_path):
    """A file, which may import its neighbours; what it holds is on record with each answer."""
    (tmp_path / "beside.py").write_text("FACTOR = 1.0\n", "utf-8")
    (tmp_path / "potential.py").write_text(OWN, "utf-8")
    text = CAMPAIGN.replace('["Si", "Ge"]', '["Cu", "Ag"]')
    own = 'calculator = "potential.py:make"\nsettings = {energy = 2.0}'
    (tmp_path / "campaign.toml").write_text(text.format(oracle=own), "utf-8")
    rig = load(tmp_path).rig
    turn(rig)
    (result,) = turn(rig).results
    (answer,) = known(tmp_path)[0].observations[result.candidate.id]
    digest = sha256((tmp_path / "potential.py").read_bytes()).hexdigest()
    assert digest.startswith(answer.source.versions["potential.py"])


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("potental.py:make", r"a file potental\.py in the campaign folder, got no such file"),
        ("potential.py:made", r"expected an importable .*has no attribute 'made'"),
        ("potential.py:make", r"expected an importable .*NameError: name 'sorry' is not defined"),
    ],
)
def test_a_file_that_holds_no_calculator_is_one_sentence(tmp_path, name, says):
    """That it is not there, lacks the name, or cannot be imported."""
    text = "sorry" if says.endswith("defined") else "def make():\n    pass\n"
    (tmp_path / "potential.py").write_text(text, "utf-8")
    (tmp_path / "campaign.toml").write_text(
        CAMPAIGN.format(oracle=f'calculator = "{name}"'), "utf-8"
    )
    with pytest.raises(LoopError, match=says):
        load(tmp_path)


TABLE = """
[oracle.espresso]
pseudo_dir = "pseudo"
pseudopotentials = { Si = "Si.UPF", Ge = "Ge.UPF" }
cutoff_ry = 12
k_density = 2.5
"""
GPAW = """
relax = "cell"
[oracle.gpaw]
python = "own/python"
cutoff_ev = 300
k_grid = [2, 2, 2]
spin = { Si = 0.5 }
"""


def written(folder, oracle):
    """The folder of a campaign with this [oracle]."""
    (folder / "campaign.toml").write_text(CAMPAIGN.format(oracle=oracle), "utf-8")
    return folder


def test_espresso_has_a_table_of_its_own(tmp_path):
    """It becomes our calculator; paths are the folder's, and the volume is found by energies."""
    made = load(written(tmp_path, TABLE)).rig.oracle
    assert isinstance(made, AtomsOracle)
    assert (made.calculator, made.relax) == (espresso.PATH, "volume")
    assert made.settings["pseudo_dir"] == str(tmp_path / "pseudo")
    assert made.settings["cutoff_ry"] == 12
    assert espresso.Input(**{k: v for k, v in made.settings.items() if k in KEYS}).k_density == 2.5


KEYS = ("cutoff_ry", "k_density", "smearing", "width_ry")


def test_gpaw_has_a_table_of_its_own(tmp_path):
    """With the other Python by its path, and what is to be free as it is stated."""
    made = load(written(tmp_path, GPAW)).rig.oracle
    assert isinstance(made, AtomsOracle)
    assert (made.calculator, made.relax) == (gpaw.PATH, "cell")
    assert made.settings["python"] == str(tmp_path / "own" / "python")
    assert made.settings["spin"] == {"Si": 0.5}


def test_a_parameter_may_be_a_cut_off(tmp_path):
    """Each candidate then brings its own, and the parameter is one that the oracle takes."""
    text = TABLE.replace("= 12", '= "E"')
    folder = written(tmp_path, text)
    energy = '[[parameter]]\nname = "E"\nkind = "continuous"\nlow = 8\nhigh = 20\n'
    file = folder / "campaign.toml"
    file.write_text(file.read_text().replace("[[target]]", energy + "[[target]]"))
    made = load(folder).rig.oracle
    assert isinstance(made, AtomsOracle)
    assert made.varied == {"cutoff_ry": "E"}
    assert "cutoff_ry" not in made.settings
    assert made.declaration.takes == frozenset({"element", "E"})


@pytest.mark.parametrize(
    ("oracle", "says"),
    [
        (TABLE.replace("Ge =", "C ="), "pseudopotentials: .* got none for Ge.*of pseudo for Ge"),
        (TABLE + "k_grid = [2, 2, 2]\n", "oracle.espresso: expected k_density or k_grid, got both"),
        (TABLE.replace("k_density = 2.5", ""), "expected k_density or k_grid, got neither"),
        (TABLE.replace("= 12", "= 0"), "cutoff_ry: expected a number above 0"),
        (TABLE.replace("= 12", '= "E"'), r"a parameter with numbers \(none\), got 'E'"),
        (TABLE.replace("cutoff_ry", "cutof_ry"), "Did you mean 'cutoff_ry'"),
        (TABLE + GPAW.partition("[oracle.gpaw]")[2].join(["[oracle.gpaw]", ""]), "one calculator"),
        ('calculator = "ase.calculators.emt:EMT"' + TABLE, "got calculator and espresso"),
        ("settings = {a = 1}" + TABLE, r"none beside \[oracle.espresso\]"),
        (TABLE + 'smearing = "warm"\n', "smearing: expected one of 'cold'"),
        (
            TABLE + "spin = {Sj = 0.3}\n",
            "spin: expected elements that have .* 'Sj'. Did you mean 'Si'",
        ),
        (TABLE + "spin = {Si = 3}\n", "spin.Si: .*less than or equal to 1"),
        (GPAW.replace("Si = 0.5", "Sj = 0.5"), "spin: expected chemical elements, got 'Sj'"),
        (GPAW.replace("[2, 2, 2]", "[2, 0, 2]"), "greater than or equal to 1, got 0"),
        ("properties = {a = 'lattice_constant'}" + TABLE, "a target among lattice_constant, got"),
    ],
)
def test_a_table_that_cannot_be_is_refused(tmp_path, oracle, says):
    """One sentence, before anything runs."""
    with pytest.raises(LoopError, match=says):
        load(written(tmp_path, oracle))


def test_cells_of_unlike_size_have_no_grid_in_common(tmp_path):
    """As many k-points in an alloy's large cell as in its elements' small ones: wrong in silence.

    By its density it is the same precision in both.
    """
    target = ('"lattice_constant"\nunit = "angstrom"', '"formation_energy"\nunit = "eV/atom"')
    file = written(tmp_path, TABLE.replace("k_density = 2.5", "k_grid = [2, 2, 2]"))
    file = file / "campaign.toml"
    file.write_text(file.read_text().replace(*target))
    with pytest.raises(LoopError, match="k_grid: expected a density of k-points, for formation"):
        load(tmp_path)
    file.write_text(file.read_text().replace("k_grid = [2, 2, 2]", "k_density = 2.5"))
    assert isinstance(load(tmp_path).rig.oracle, AtomsOracle)


@pytest.mark.parametrize(
    ("oracle", "says"),
    [
        (TABLE.replace("[oracle.espresso]", '[oracle.espresso]\ncommand = "no-pw.x"'), "no-pw.x"),
        (TABLE.replace("[oracle.espresso]", '[oracle.espresso]\ncommand = "sh"'), "Si.UPF in "),
        (GPAW, "own/python, a Python that has GPAW; Debian has it in the package gpaw"),
    ],
)
def test_check_names_what_is_missing(tmp_path, athanor, oracle, says):
    """The program, the pseudopotential, the interpreter: one error, before a candidate is asked."""
    said = athanor("check", written(tmp_path, oracle))
    assert said.code == 3
    assert says in said.out + said.err
    assert (said.out + said.err).count("expected a calculator") == 1


SILICON = """
name = "silicon"
[[parameter]]
name = "cutoff"
kind = "ordinal"
levels = [0.5, 12, 13, 14, 15, 16]
[[target]]
name = "total_energy"
unit = "eV/atom"
goal = "min"
[oracle]
kind = "atoms"
structure = { kind = "prototype", prototype = "B3", sites = { A = "Si", B = "Si" } }
relax = "positions"
fmax = 0.05
[oracle.espresso]
pseudopotentials = { Si = "Si.pz-vbc.UPF" }
cutoff_ry = "cutoff"
k_grid = [2, 2, 2]
[stop]
evaluations = 6
[run]
workers = 2
"""


@pytest.mark.dft
@pytest.mark.slow
@pytest.mark.skipif(
    which("pw.x") is None or not (Path(espresso.DEBIAN) / "Si.pz-vbc.UPF").is_file(),
    reason="needs Debian's quantum-espresso and quantum-espresso-data",
)
def test_a_campaign_on_real_dft(tmp_path, athanor):
    """Silicon at six cut-offs, two at once: one cannot be, and more plane waves are never worse."""
    (tmp_path / "campaign.toml").write_text(SILICON, "utf-8")
    assert athanor("run", tmp_path, "--no-prefect").code == 0
    campaign, _ = known(tmp_path)
    ((impossible, failed),) = campaign.failures
    assert (impossible.point["cutoff"], failed.kind) == (0.5, "infeasible")
    assert "more bands than PWs" in failed.message
    found = {float(str(r.point["cutoff"])): r.values["total_energy"] for r in campaign.results}
    assert [found[each] for each in sorted(found)] == sorted(found.values(), reverse=True)
    assert len(found) == 5
