"""What [oracle] lays around its oracle: in which order, and what a kept value depends on."""

from typing import Any

import pytest

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
