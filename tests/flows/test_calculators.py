"""Calculators as campaign.toml states them: what is missing is told before anything is asked."""

import pytest

from flows.rig import load
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
