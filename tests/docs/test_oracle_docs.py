"""docs/oracles.md: every example runs, every error reads as shown, and no option is left out."""

import json
import re
import shlex
import socket
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest

from flows.cli import main
from flows.folder import FILE
from flows.rig import load
from flows.settings import schema
from loop.errors import LoopError
from loop.objective import Objective, Target
from loop.records import Failed, Json, Kind, Measured, Source
from loop.run import turn
from oracles.answers import read
from oracles.testing import candidates

PAGE = (Path(__file__).parents[2] / "docs" / "oracles.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"(?ms)^```(\w+)(?: (\S+))?\n(.*?)^```$(?:\n+```text\n(.*?)^```$)?")
PORT = "8000"
TURNS = 4
TABLES = ("FunctionTable", "TableTable", "CommandTable", "ServiceTable", "OwnTable", "MeterTable")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of the page, what is said beside its kind, and what will come out of it."""

    line: int
    kind: str
    note: str
    body: str
    said: str


BLOCKS = tuple(
    Block(PAGE[: found.start()].count("\n") + 1, *(part or "" for part in found.groups()))
    for found in BLOCK.finditer(PAGE)
)
TOML = tuple(block for block in BLOCKS if block.kind == "toml")
FILES = {b.note: b.body for b in BLOCKS if b.kind in {"python", "csv"}}
BASE = tomllib.loads(TOML[0].body)


def at_line(block: Block) -> str:
    """The name of a block in a test report."""
    return f"line {block.line}"


@pytest.fixture
def campaign(tmp_path: Path) -> Callable[[str], Path]:
    """Makes the folder of a campaign with this [oracle], and all the files of the page."""

    def campaign(tables: str) -> Path:
        base = TOML[0].body.partition("[oracle]")[0] + "[stop]\nevaluations = 40\n"
        whole = TOML[0].body if tables == TOML[0].body else base + tables
        (tmp_path / FILE).write_text(whole + "[proposer]\ninitial = 2\n", encoding="utf-8")
        for name, body in FILES.items():
            (tmp_path / name).write_text(body, encoding="utf-8")
        (tmp_path / "token.txt").write_text("secret")
        return tmp_path

    return campaign


@pytest.fixture
def port(tmp_path: Path) -> Iterator[str]:
    """Where the server of the page runs, for the time of a test."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        free = str(probe.getsockname()[1])
    script = FILES["server.py"].replace(PORT, free)
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-c", script], stderr=log)
        yield free
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    "block", [b for b in TOML if not b.note and '"http"' not in b.body], ids=at_line
)
def test_an_example_answers(block, campaign):
    """What is shown can be copied: it runs, and values come of it."""
    assert answered(campaign(block.body)) >= TURNS - 2


def test_the_server_answers(campaign, port):
    """The server of the page and the table that asks it go together, even as it starts."""
    (block,) = (b for b in TOML if '"http"' in b.body)
    assert answered(campaign(block.body.replace(PORT, port))) >= TURNS - 2


def answered(folder: Path) -> int:
    """How many values come of some turns; whatever fails is refused by the example itself."""
    rig = load(folder).rig
    for _ in range(TURNS):
        after = turn(rig)
    assert {failed.kind for _, failed in after.failures} <= {"infeasible"}
    return len(after.results)


def test_what_is_around_an_oracle_leaves_its_files(campaign):
    """The example of all wrappers: values are kept, and their costs."""
    (block,) = (b for b in TOML if "costs.db" in b.body)
    folder = campaign(block.body)
    answered(folder)
    assert (folder / "cache.db").is_file()
    assert (folder / "costs.db").is_file()


@pytest.mark.parametrize("block", [b for b in TOML if b.note == "wrong"], ids=at_line)
def test_a_wrong_example_is_refused_as_shown(block, campaign):
    """One sentence, to the letter, before anything has started."""
    folder = campaign(block.body)
    with pytest.raises(LoopError) as refused:
        load(folder)
    assert str(refused.value).replace(f"{folder}/", "") == block.said.strip()


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.note == "answer"], ids=at_line)
def test_an_answer_is_taken_as_shown(block):
    """Every form that the page shows is an answer."""
    (asked,) = candidates({"T": 900.0, "alloy": {"Cu": 1.0}})
    objective = Objective(targets=(Target(name="strength", unit="MPa"),))
    answer = read(block.body.encode(), asked, objective, Source(oracle="here"))
    assert isinstance(answer, Failed if "failed" in block.body else Measured)
    assert "invalid_output" not in str(answer)


def test_the_question_is_as_shown(campaign):
    """What a program finds in candidate.json has the keys of the example."""
    (shown,) = (json.loads(b.body) for b in BLOCKS if b.kind == "json" and not b.note)
    (block,) = (b for b in TOML if '"command"' in b.body and not b.note)
    folder = campaign(block.body)
    (folder / "simulate.py").write_text("raise SystemExit(9)")
    rig = load(folder).rig
    for _ in range(2):
        turn(rig)
    kept = json.loads(next(folder.glob("attempts/failed-*/candidate.json")).read_text())
    assert list(kept) == list(shown)
    assert list(kept["point"]) == list(shown["point"])
    assert kept["targets"] == shown["targets"]


def test_the_commands_do_what_is_shown(tmp_path, monkeypatch, capsys):
    """In their order; the campaign that init writes is the one that the page shows."""
    monkeypatch.chdir(tmp_path)
    for block in (b for b in BLOCKS if b.kind == "sh"):
        with pytest.raises(SystemExit) as ended:
            main(shlex.split(block.body)[1:])
        out = capsys.readouterr().out
        assert ended.value.code == 0
        assert out.startswith(block.said.strip())
        assert ("one evaluation: strength" in out) == (block.body == "athanor check my-lab\n")
    (block,) = (b for b in TOML if b.note == "own")
    said = tomllib.loads((tmp_path / "my-lab" / FILE).read_text())
    assert said["oracle"] == tomllib.loads(block.body)["oracle"]


def keys(table: str) -> Iterator[str]:
    """The keys of a table of the JSON Schema."""
    properties: dict[str, Json] = schema()["$defs"][table]["properties"]
    yield from properties


@pytest.mark.parametrize("table", TABLES)
def test_every_key_has_an_example(table):
    """Whatever [oracle] may say in these tables, its place among others apart, has an example."""
    others = set(keys("FolderTable")) & set(keys("FunctionTable"))
    said = {key for b in TOML if b.note != "wrong" for key in re.findall(r"\w+", b.body)}
    assert set(keys(table)) - others <= said


def test_every_kind_of_failure_is_explained():
    """Each has its row."""
    assert [kind for kind in get_args(Kind) if f"`{kind}`" not in PAGE] == []
