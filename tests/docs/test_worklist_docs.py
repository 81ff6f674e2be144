"""docs/worklist.md: every example is a campaign, and every wrong one is refused as shown."""

import re
import tomllib
from pathlib import Path

import pytest

from flows.folder import FILE
from flows.oracle import oracle
from flows.problem import problem
from flows.settings import FolderTable, WeighTable, parse
from loop.errors import LoopError
from oracles.folder.oracle import Folder

PAGE = (Path(__file__).parents[2] / "docs" / "worklist.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"(?ms)^```toml( wrong)?\n(.*?)^```$(?:\n+```text\n(.*?)^```$)?", PAGE)
BASE = tomllib.loads(BLOCKS[0][1])
RIGHT = [body for wrong, body, _ in BLOCKS if not wrong]
WRONG = [(body, said.strip()) for wrong, body, said in BLOCKS if wrong]
ELSEWHERE = {"kind", "encoding", "decimal"}


def made(folder, body):
    """The laboratory of the page's campaign with these tables."""
    settings = parse(BASE | tomllib.loads(body), FILE)
    return oracle(settings.oracles[0], problem(settings, folder), folder)


@pytest.mark.parametrize("body", RIGHT)
def test_every_example_is_a_campaign(tmp_path, body):
    """As it stands, beside the page's first."""
    assert isinstance(made(tmp_path, body), Folder)


@pytest.mark.parametrize(("body", "said"), WRONG)
def test_every_mistake_is_refused_as_shown(tmp_path, body, said):
    """In the very words of the page."""
    with pytest.raises(LoopError) as refused:
        made(tmp_path, body)
    assert str(refused.value) == said


@pytest.mark.parametrize("option", sorted({"resolution", "repeats"} | set(WeighTable.model_fields)))
def test_no_option_is_left_out(option):
    """Every option of what goes out stands in an example."""
    assert option in FolderTable.model_fields.keys() | WeighTable.model_fields.keys()
    assert any(re.search(rf"(?m)^{option} =", body) for body in RIGHT)
