"""docs/cluster.md: every setting it shows is one, and a wrong one is refused in one sentence."""

import re
from pathlib import Path

import pytest

from flows.rig import load
from flows.settings import schema
from loop.errors import SettingsError

PAGE = (Path(__file__).parents[2] / "docs" / "cluster.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"(?ms)^```toml\n(.*?)^```$", PAGE)
REST = """
name = "shared"
[[parameter]]
name = "x"
kind = "continuous"
low = 0
high = 1
[[target]]
name = "y"
goal = "max"
[oracle]
kind = "function"
function = "measure.py:measure"
[stop]
evaluations = 4
"""


def folder(tmp_path, run):
    """A campaign folder with this [run]."""
    (tmp_path / "measure.py").write_text("def measure(x):\n    return x\n")
    (tmp_path / "campaign.toml").write_text(REST + run)
    return tmp_path


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.split("\n")[-2])
def test_every_example_is_a_campaign(tmp_path, example):
    """But for its database, which is nowhere."""
    run = re.sub(r"(?m)^ledger = .*$", "", example)
    setup = load(folder(tmp_path, run))
    assert setup.is_shared or "ledger" in example


@pytest.mark.parametrize("key", ["pool", "dask", "places", "ledger"])
def test_no_option_is_left_out(key):
    """Each has an example."""
    assert key in schema()["$defs"]["RunTable"]["properties"]
    assert any(re.search(f"(?m)^{key} = ", example) for example in EXAMPLES)


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ("pool = 'a'\ndask = true", "run: expected pool or dask, got both. Dask workers are"),
        ("pool = 'a/b'", "run.pool: "),
        ("dask = 'head:8786'", "run.dask"),
        ("places = { vasp = 0 }", "run.places.vasp: "),
        ("poool = 'a'", "run.poool: .*pool"),
    ],
)
def test_a_wrong_one_is_one_sentence(tmp_path, run, said):
    """It names the key."""
    with pytest.raises(SettingsError, match=said):
        load(folder(tmp_path, f"[run]\n{run}\n"))


def test_a_laboratory_cannot_be_handed_out(tmp_path):
    """Nobody evaluates there."""
    text = (
        REST.replace('"function"\nfunction = "measure.py:measure"', '"folder"')
        + "[run]\npool = 'a'\n"
    )
    (tmp_path / "campaign.toml").write_text(text)
    with pytest.raises(SettingsError, match=r"run\.pool: expected an oracle that computes"):
        load(tmp_path)
