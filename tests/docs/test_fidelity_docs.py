"""The examples of docs/fidelities.md are campaigns, and the wrong one is told what it says."""

import re
from pathlib import Path

import pytest

from flows.rig import load
from loop.errors import SettingsError
from tests.flows.test_several import CAMPAIGN, MEASURE

PAGE = Path(__file__).parents[2] / "docs" / "fidelities.md"
BLOCKS = re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


def made(folder, block):
    """A campaign folder with the example's oracles, and its stop rules where it has some."""
    said = CAMPAIGN.format(oracles=block, targets="", stop="")
    if "[stop]" in block:
        said = said[: said.rindex("[stop]")]
    (folder / "campaign.toml").write_text(said.replace("evaluations = 20", "evaluations = 99"))
    (folder / "measure.py").write_text(MEASURE)
    return folder


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_examples_are_campaigns(tmp_path, block):
    """Each can be loaded, and has a stand-in."""
    assert load(made(tmp_path, block)).rig.problem.stand_ins


def test_the_wrong_one_is_told(tmp_path):
    """The sentence of the page is the sentence that is said."""
    with pytest.raises(SettingsError) as refused:
        load(made(tmp_path, BLOCKS[1].replace('from = "emt"', 'from = "emd"')))
    said = re.findall(r"`(oracle.dft.*?)`", PAGE.read_text("utf-8"), re.DOTALL)[0]
    assert said in str(refused.value)
