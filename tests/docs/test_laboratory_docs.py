"""docs/laboratory.md: every file is read as the page says, and no option is left out."""

import re
import tomllib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from flows.folder import FILE
from flows.oracle import oracle
from flows.problem import problem
from flows.settings import FolderTable, parse
from flows.tables.oracle import FunctionTable
from loop.campaign import Campaign
from loop.errors import LoopError
from loop.ids import nth_id
from loop.intake import Intake
from loop.records import Candidate, Opened, Proposed, Why
from oracles.folder.oracle import Folder
from oracles.folder.rows import FAILED

PAGE = (Path(__file__).parents[2] / "docs" / "laboratory.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"(?ms)^```(\w+)(?: (\S+))?\n(.*?)^```$")
BLOCKS = [found.groups() for found in BLOCK.finditer(PAGE)]
BASE = tomllib.loads(BLOCKS[0][2])
ANY = set(FunctionTable.model_fields)  # what every oracle may say
OUT = {"kind", "resolution", "repeats", "weigh"}  # stand in docs/worklist.md


@dataclass(frozen=True)
class Example:
    """A file, the table in force, the scripts of the page, and what is said of each row."""

    name: str
    content: str
    table: str
    said: str


def examples():
    """Every file of the page."""
    table, found = "", []
    for (kind, note, body), (after, _, said) in pairwise(BLOCKS):
        if kind == "toml" and note != "wrong":
            table = body
        if kind == "csv" and after == "text":
            found.append(Example(note, body, table, said))
    return found


def made(folder, table):
    """The campaign and the laboratory of the page with this table."""
    tables = tomllib.loads(table)
    settings = parse(BASE | tables, FILE)
    asked = problem(settings, folder)
    lab = oracle(settings.oracles[0], asked, folder)
    assert isinstance(lab, Folder)
    why = Why(origin="manual")
    chosen = tuple(
        Candidate(id=nth_id(asked.name, asked.seed, n), point={"T": 600.0}, why=why)
        for n in range(1, 5)
    )
    return Campaign.replay(asked, [Opened(problem=asked), Proposed(candidates=chosen)]), lab


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.name)
def test_every_file_is_read_as_shown(tmp_path, example):
    """Row by row, with the reasons."""
    (tmp_path / "results").mkdir()
    encoding = tomllib.loads(example.table)["oracle"].get("encoding", "utf-8")
    (tmp_path / "results" / example.name).write_text(example.content, encoding=encoding)
    for kind, note, body in BLOCKS:
        if kind == "python":
            (tmp_path / note).write_text(body)
    campaign, lab = made(tmp_path, example.table)
    lab.recall(campaign)
    intake = Intake(campaign)
    for receipt in lab.collect(campaign.pending):
        intake.ingest(receipt)
    verdicts = sorted(intake.verdicts, key=lambda each: each.row)
    for verdict, line in zip(verdicts, example.said.splitlines(), strict=True):
        row_and_what, _, reason = line.partition(": ")
        assert f"{verdict.row or 'all'} {verdict.what}" == row_and_what
        assert reason in verdict.reason


@pytest.mark.parametrize("body", [b for k, n, b in BLOCKS if k == "toml" and n != "wrong"])
def test_every_table_is_a_campaign(tmp_path, body):
    """As it stands, beside the page's first."""
    made(tmp_path, body)


WRONG = [
    (body, said.strip())
    for (kind, note, body), (_, _, said) in pairwise(BLOCKS)
    if kind == "toml" and note == "wrong"
]


@pytest.mark.parametrize(("body", "said"), WRONG)
def test_every_mistake_is_refused_as_shown(tmp_path, body, said):
    """In the very words of the page."""
    with pytest.raises(LoopError) as refused:
        made(tmp_path, body)
    assert str(refused.value) == said


@pytest.mark.parametrize("option", sorted(set(FolderTable.model_fields) - ANY - OUT))
def test_no_option_is_left_out(option):
    """Every option of what comes in stands in an example."""
    tables = [body for kind, note, body in BLOCKS if kind == "toml" and note != "wrong"]
    assert any(option in tomllib.loads(body)["oracle"] for body in tables)


@pytest.mark.parametrize("word", sorted(FAILED))
def test_every_status_is_told(word):
    """What is understood in the column `status` stands in its table."""
    assert f"`{word.replace('_', ' ')}`" in PAGE
