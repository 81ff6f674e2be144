"""docs/structures.md: every structure is built, and both lists are those of the code."""

import re
import tomllib
from pathlib import Path

import ase.io
import pytest
from ase.build import bulk

from flows.oracle import oracle
from flows.problem import stated
from flows.settings import schema
from loop.records import Candidate, Why
from loop.space.values import Point
from oracles.atoms.oracle import AtomsOracle
from oracles.atoms.properties import UNITS
from oracles.atoms.prototypes import PROTOTYPES

PAGE = (Path(__file__).parents[2] / "docs" / "structures.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"(?ms)^```toml\n(.*?)^```$", PAGE)
HEAD = 'name = "atoms"\n[stop]\nevaluations = 3\n'
PARAMETERS = {
    "mix": 'kind = "composition"\nelements = ["Cu", "Au"]\n',
    "metal": 'kind = "categorical"\nvalues = ["Cu", "Pt"]\n',
    "cell": 'kind = "pool"\nfile = "cells.extxyz"\n',
}
POINT: Point = {"mix": {"Cu": 0.5, "Au": 0.5}, "metal": "Pt", "cell": "row-1"}


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_a_structure_is_built(tmp_path, block):
    """From the parameters that it names; a slab answers what is asked of one."""
    names = [name for name in PARAMETERS if f'"{name}"' in block]
    text = HEAD + "".join(f'[[parameter]]\nname = "{n}"\n{PARAMETERS[n]}' for n in names)
    target = ("adsorption_energy", "eV") if '"slab"' in block else ("density", "g/cm^3")
    text += '[[target]]\nname = "{}"\nunit = "{}"\ngoal = "min"\n'.format(*target)
    ase.io.write(tmp_path / "parent.cif", bulk("MgO", "rocksalt", a=4.2, cubic=True))
    ase.io.write(tmp_path / "cells.extxyz", [bulk("Au"), bulk("Cu")], format="extxyz")
    text += f'[oracle]\nkind = "atoms"\n{block}'
    settings, problem = stated(tmp_path, tomllib.loads(text))
    made = oracle(settings.oracles[0], problem, tmp_path)
    assert isinstance(made, AtomsOracle)
    point = {name: POINT[name] for name in names}
    built = made.structure.build(Candidate(id="0001-abc", point=point, why=Why(origin="manual")))
    assert len(built.crystal.atoms) > 0


def test_every_property_is_listed_with_its_unit():
    """No more and no fewer than there are."""
    listed: dict[str, str] = {}
    for names, unit in re.findall(r"(?m)^\| (`.*?`) \|([^|]*)\|", PAGE):
        listed |= dict.fromkeys(re.findall(r"`(\w+)`", names), unit.strip())
    assert listed == UNITS


def test_every_kind_of_structure_and_every_prototype_is_named():
    """The schema's kinds have an example each."""
    tables = schema()["$defs"]
    refs = tables["AtomsTable"]["properties"]["structure"]["discriminator"]["mapping"]
    assert set(re.findall(r'structure = \{kind = "([\w-]+)"', PAGE)) == set(refs)
    assert set(PROTOTYPES) <= set(re.findall(r"\w+", PAGE))
