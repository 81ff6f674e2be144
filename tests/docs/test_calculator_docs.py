"""docs/calculators.md: every example loads or runs, every error reads as shown."""

import re
from pathlib import Path

import pytest

from flows.doctor import examine
from flows.folder import FILE
from flows.rig import load
from flows.settings import schema
from loop.errors import LoopError
from loop.run import turn
from oracles.atoms.failures import CAUSES
from oracles.atoms.oracle import AtomsOracle

PAGE = (Path(__file__).parents[2] / "docs" / "calculators.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"(?ms)^```toml(?: (wrong))?\n(.*?)^```$(?:\n+```text\n(.*?)^```$)?")
BLOCKS = [found.groups() for found in BLOCK.finditer(PAGE)]
WHOLE = BLOCKS[0][1]
RIGHT = [body for note, body, _ in BLOCKS[1:] if not note]
WRONG = [(body, said.strip()) for note, body, said in BLOCKS if note]


def written(folder, tables):
    """The folder of the page's campaign, with another [oracle]."""
    before, _, after = WHOLE.partition("[oracle]")
    stop = after[after.index("[stop]") :]
    energy = before[before.index('[[parameter]]\nname = "E"') : before.index("[[target]]")]
    if '"E"' not in tables:  # then nothing takes it
        before = before.replace(energy, "")
    (folder / FILE).write_text(before + tables + stop, encoding="utf-8")
    return folder


@pytest.mark.parametrize("tables", RIGHT)
def test_an_example_loads_and_runs(tmp_path, tables):
    """Those that need no other program answer; the others are calculators with those settings."""
    rig = load(written(tmp_path, tables)).rig
    assert isinstance(rig.oracle, AtomsOracle)
    if "emt" in rig.oracle.calculator:
        turn(rig)
        assert len(turn(rig).results) == 1


def test_the_whole_campaign_loads(tmp_path):
    """As it stands."""
    (tmp_path / FILE).write_text(WHOLE, encoding="utf-8")
    assert load(tmp_path).rig.oracle.declaration.takes == frozenset({"alloy", "E"})


@pytest.mark.parametrize(("tables", "said"), WRONG)
def test_a_wrong_example_is_refused_as_shown(tmp_path, tables, said):
    """By `athanor check`, to the letter."""
    folder = written(tmp_path, tables)
    with pytest.raises(LoopError) as refused:
        examine(folder, evaluate=False)
    assert str(refused.value).replace(f"{folder}/", "") == said


@pytest.mark.parametrize("table", ["EspressoTable", "GpawTable", "AtomsTable"])
def test_every_key_has_an_example(table):
    """But for those of other pages: structures, properties, and what is laid around any oracle."""
    tables = schema()["$defs"]
    elsewhere = {
        "miller",
        "neutral",
        "phases",
        "properties",
        *tables["FunctionTable"]["properties"],
    }
    said = set(re.findall(r"\w+", PAGE))
    assert set(tables[table]["properties"]) - elsewhere <= said


@pytest.mark.parametrize("cause", [each for each in CAUSES if each])
def test_every_cause_has_its_kind(cause):
    """The table of the page says what the table of the code says."""
    kind, meaning = CAUSES[cause]
    words = {"output": "more output than allowed"}.get(cause, meaning)
    rows = [row for row in PAGE.splitlines() if row.startswith("| ") and words in row]
    assert [f"`{kind}`" in row for row in rows] == [True]
