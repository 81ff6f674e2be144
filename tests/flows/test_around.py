"""What [oracle] lays around its oracle: in which order, and what a kept value depends on."""

from typing import Any

import pytest
from ase.build import bulk
from ase.io import write

from flows.rig import load
from loop.run import turn
from oracles.function import Function
from oracles.wrappers import Cache, Delay, Meter, Noise, Retry


def written(folder, more):
    """The campaign with more in its table [oracle]."""
    file = folder / "campaign.toml"
    function = 'function = "measure.py:measure"\n'
    file.write_text(file.read_text().replace(function, function + more))
    return folder


def test_the_order_is_fixed(make):
    """Noise outside: what is kept has none; the meter inside: what is kept costs nothing."""
    all_of_it = "noise = {y = 1.0}\ncache = true\nmeter = {}\nattempts = 2\ndelay_s = 0.0\n"
    oracle: Any = load(written(make(), all_of_it)).rig.oracle
    kinds = []
    while not isinstance(oracle, Function):
        kinds.append(type(oracle))
        oracle = oracle.oracle
    assert kinds == [Noise, Cache, Meter, Retry, Delay]


@pytest.mark.parametrize(
    ("file", "more", "calls"),
    [
        ("measure.py", "", 1),
        ("campaign.toml", "[oracle.noise]\ny = 1.0\n", 1),
        ("measure.py", "# changed\n", 2),
    ],
    ids=["nothing", "noise", "code"],
)
def test_a_value_is_kept_until_what_decides_it_changes(make, file, more, calls):
    """Another campaign in the folder asks for the same point; changed code is asked anew."""
    folder = written(make(), "cache = true\n")
    for _ in range(2):
        rig = load(folder).rig
        for _ in range(2):
            after = turn(rig)
        assert len(after.results) == 1
        (folder / "ledger.db").unlink()
        (folder / file).write_text((folder / file).read_text() + more)
    assert (folder / "calls.txt").read_text().count("begin") == calls


ATOMS = """
name = "atoms"
[[parameter]]
name = "cell"
kind = "pool"
file = "cells.extxyz"
[[target]]
name = "total_energy"
unit = "eV/atom"
goal = "min"
[oracle]
kind = "atoms"
structure = {kind = "pool", pool = "cell"}
cache = true
[oracle.espresso]
pseudo_dir = "pseudo"
pseudopotentials = {Si = "Si.UPF"}
cutoff_ry = 12
k_density = 2
[stop]
evaluations = 2
"""


def test_a_kept_value_depends_on_files_in_named_folders_and_on_pools(tmp_path):
    """Another pseudopotential of the same name, or other atoms of the same id, are asked anew."""
    (tmp_path / "pseudo").mkdir()
    (tmp_path / "campaign.toml").write_text(ATOMS)
    contents = []
    for potential, lattice in (("a", 5.4), ("a", 5.4), ("b", 5.4), ("b", 5.5)):
        (tmp_path / "pseudo" / "Si.UPF").write_text(potential)
        cells = [bulk("Si", a=lattice), bulk("Si", a=5.6)]
        write(tmp_path / "cells.extxyz", cells, format="extxyz")
        made: Any = load(tmp_path).rig.oracle
        contents.append(made.content)
    assert contents[0] == contents[1]
    assert len(set(contents)) == 3
