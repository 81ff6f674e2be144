"""docs/laboratory.md to the letter: commands, tables and files as they stand there."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from flows.cli import main
from flows.folder import FILE
from flows.oracle import oracle
from flows.problem import problem
from flows.settings import FolderTable, parse
from flows.tables.oracle import FunctionTable
from loop.errors import LoopError
from oracles.folder.oracle import Folder
from oracles.folder.rows import FAILED

PAGE = (Path(__file__).parents[2] / "docs" / "laboratory.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"(?ms)^```(\w+)(?: (\S+))?\n(.*?)^```$")
BLOCKS = [found.groups() for found in BLOCK.finditer(PAGE)]
BASE = tomllib.loads(BLOCKS[0][2])
ANY = set(FunctionTable.model_fields)  # what every oracle may say
ON_PATH = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
OUT = {"kind", "resolution", "repeats", "weigh"}  # stand in docs/worklist.md

pytestmark = pytest.mark.xdist_group("furnace")  # one folder for all


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


@pytest.fixture(scope="module")
def furnace(tmp_path_factory):
    """A new user's folder, by the page: its campaign file, and its commands as they stand there."""
    place = tmp_path_factory.mktemp("user")
    (place / "furnace").mkdir()
    (place / "furnace" / FILE).write_text(BLOCKS[0][2])
    for kind, note, body in BLOCKS:
        if kind == "sh":
            subprocess.run(["/bin/bash", "-e", "-c", body], cwd=place, check=True, env=ON_PATH)
        if kind == "python":
            (place / "furnace" / note).write_text(body)
    return place / "furnace"


def put(folder, table):
    """Put the table of an example in place of the one of the page's first."""
    text = BLOCKS[0][2].replace('[oracle]\nkind = "folder"\n', table)
    assert tomllib.loads(text) == BASE | tomllib.loads(table)
    (folder / FILE).write_text(text)


def drop(folder, name, content, encoding="utf-8"):
    """Put a file alone into results/; renamed there, so that nobody waits whether it grows."""
    for path in (folder / "results").iterdir():
        path.unlink()
    path = folder / "results" / name
    path.write_text(content, encoding=encoding)
    os.utime(path, (0, 0))


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.name)
def test_every_file_is_read_as_shown(furnace, capsys, example):
    """By the command, row by row, with the reasons."""
    put(furnace, example.table)
    encoding = tomllib.loads(example.table)["oracle"].get("encoding", "utf-8")
    drop(furnace, example.name, example.content, encoding)
    assert said(capsys, "check", furnace, "--no-evaluate")
    verdicts = json.loads(said(capsys, "lab", "ingest", furnace, "--dry-run", "--json"))
    verdicts.sort(key=lambda each: each["row"])
    for verdict, line in zip(verdicts, example.said.splitlines(), strict=True):
        row_and_what, _, reason = line.partition(": ")
        assert f"{verdict['row'] or 'all'} {verdict['what']}" == row_and_what
        assert reason in verdict["reason"]


def said(capsys, *arguments):
    """What a command prints that ends well."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert ended.value.code == 0, err
    return out


def test_a_conflict_is_ended_as_the_page_says(furnace, tmp_path, capsys):
    """The command of the page, with its words in capitals filled in."""
    folder = tmp_path / "furnace"
    shutil.copytree(furnace, folder)
    put(folder, '[oracle]\nkind = "folder"\n')
    (example,) = (each for each in examples() if each.name == "contradiction.csv")
    drop(folder, example.name, example.content)
    said(capsys, "lab", "ingest", folder)
    assert "0001-vpr" in (folder / "rejected" / "conflicts.csv").read_text()
    (command,) = re.findall(r"`athanor (lab resolve DIR .*?)`", PAGE)
    for word, meant in {"DIR": folder, "ID": "0001-vpr", "WHY": "typed"}.items():
        command = command.replace(word, str(meant))
    said(capsys, *command.replace("FILE[:ROW]", "contradiction.csv:2").split())
    total = json.loads(said(capsys, "lab", "inbox", folder, "--json"))["total"]
    assert (total["rows"], total["used"], total["conflict"]) == (4, 2, 0)


def made(folder, table):
    """The laboratory of the page with this table, its scripts beside it."""
    for kind, note, script in BLOCKS:
        if kind == "python":
            (folder / note).write_text(script)
    settings = parse(BASE | tomllib.loads(table), FILE)
    lab = oracle(settings.oracles[0], problem(settings, folder), folder)
    assert isinstance(lab, Folder)
    return lab


TABLES = [body for kind, note, body in BLOCKS if kind == "toml" and note != "wrong"]


@pytest.mark.parametrize("body", TABLES)
def test_every_table_is_in_force(tmp_path, body):
    """What an example declares is what files are read by."""
    reading = json.loads(json.dumps(asdict(made(tmp_path, body).reading)))
    declared = tomllib.loads(body)["oracle"]
    assert {key: reading[key] for key in declared if key != "kind"} == {
        key: value for key, value in declared.items() if key != "kind"
    }


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
    assert any(option in tomllib.loads(body)["oracle"] for body in TABLES)


@pytest.mark.parametrize("word", sorted(FAILED))
def test_every_status_is_told(word):
    """What is understood in the column `status` stands in its table."""
    assert f"`{word.replace('_', ' ')}`" in PAGE
