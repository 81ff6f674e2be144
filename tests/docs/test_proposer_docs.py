"""docs/proposer.md: every example runs, every error reads as shown, and no option is left out."""

import json
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeAlias, get_args

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase.build import bulk

from flows.cli import main
from flows.folder import FILE
from flows.rig import load
from flows.settings import parse, schema
from loop.bayes import Bayes
from loop.campaign import Campaign
from loop.errors import LoopError, SettingsError
from loop.records import Health, Json, Origin, Why
from loop.run import turn

PAGE = (Path(__file__).parents[2] / "docs" / "proposer.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"(?ms)^```(\w+)( wrong)?\n(.*?)^```$(?:\n+```text\n(.*?)^```$)?")
TURNS = 4
Way: TypeAlias = tuple[int | str, ...]
KINDS = {  # the table of the JSON Schema for each kind of parameter
    "continuous": "ContinuousTable",
    "discrete": "DiscreteTable",
    "integer": "IntegerTable",
    "ordinal": "OrdinalTable",
    "categorical": "CategoricalTable",
    "composition": "CompositionTable",
    "pool": "PoolTable",
}
TABLES = (  # what decides which candidates are proposed
    *KINDS.values(),
    "ConstraintTable",
    "SpanTable",
    "DependentTable",
    "TargetTable",
    "ObjectiveTable",
    "ProposerTable",
)
# It answers any parameters and targets: something smooth in the numbers, something for each name.
MEASURE = """
import math, tomllib, zlib
from pathlib import Path

SAID = tomllib.loads(Path(__file__).with_name("campaign.toml").read_text(encoding="utf-8"))

def size(value):
    match value:
        case str():
            return zlib.crc32(value.encode()) % 7
        case dict():
            return sum(n * x for n, x in enumerate(value.values(), start=1))
        case _:
            return math.log1p(abs(value))

def measure(**point):
    total = sum(map(size, point.values()))
    names = [target["name"] for target in SAID["target"]]
    return {name: 5 + math.sin(total + n) for n, name in enumerate(names)}
"""

LEARN = {"name": "y", "goal": "learn"}
LEVEL = {"name": "y", "goal": "level", "value": 5.0}
TWO = {"target": [{"name": "y", "goal": "max"}, {"name": "z", "goal": "min"}]}
FOR: dict[str, dict[str, Json]] = {
    "ucb": {},
    "logei": {},
    "logehvi": TWO,
    "variance": {},
    "straddle": {"target": [LEVEL]},
    "qlogei": {},
    "qlognei": {},
    "qlognehvi": TWO,
    "qlogparego": TWO,
}


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of the page, its line, and the text that it says will come out of it."""

    line: int
    kind: str
    is_wrong: bool
    body: str
    said: str | None

    @property
    def tables(self) -> dict[str, Json]:
        """What a TOML block says."""
        return tomllib.loads(self.body)


def _blocks() -> Iterator[Block]:
    for found in BLOCK.finditer(PAGE):
        kind, wrong, body, said = found.groups()
        yield Block(PAGE[: found.start()].count("\n") + 1, kind, bool(wrong), body, said)


BLOCKS = tuple(_blocks())
TOML = tuple(block for block in BLOCKS if block.kind == "toml")
SHELL = tuple(block for block in BLOCKS if block.kind == "sh")
BASE = TOML[0].tables


def _paths(tables: dict[str, Json]) -> Iterator[Way]:
    """The way to every key of these tables."""
    for section, said in tables.items():
        match said:
            case [dict(), *_]:
                for number, table in enumerate(said):
                    yield from ((section, number, key) for key in table)
            case dict():
                yield from ((section, key) for key in said)
            case _:
                yield (section,)


def _named(tables: dict[str, Json], path: Way) -> str:
    """What a key is called in a test report: `parameter continuous low`."""
    match tables, path:
        case {"parameter": parameters}, ("parameter", int(number), key):
            return f"parameter {parameters[number]['kind']} {key}"
        case _:
            return " ".join(each for each in path if isinstance(each, str))


KEYS = {
    _named(block.tables, path): (block.tables, path)
    for block in TOML
    if not block.is_wrong
    for path in _paths(block.tables)
}


def words(node: Json) -> Iterator[str]:
    """The words among which a part of the JSON Schema lets choose."""
    match node:
        case {"enum": choices}:
            yield from choices
        case dict():
            for each in node.values():
                yield from words(each)
        case list():
            for each in node:
                yield from words(each)


PROPOSER = schema()["$defs"]["ProposerTable"]["properties"]


def changed(node: Json, path: Way, value: Json) -> Json:
    """The tables with another value at the end of the path."""
    match path, node:
        case (), _:
            return value
        case (first, *rest), dict():
            return {**node, first: changed(node.get(first), tuple(rest), value)}
        case (first, *rest), list():
            return [changed(x, tuple(rest), value) if n == first else x for n, x in enumerate(node)]
        case _:
            raise AssertionError(path)


def at_line(block: Block) -> str:
    """The name of a block in a test report."""
    return f"line {block.line}"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the examples speak of."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "measure.py").write_text(MEASURE, encoding="utf-8")
    rng = np.random.default_rng(0)
    ids = [f"m-{n}" for n in range(1, 31)]
    table = {"id": ids, "a [angstrom]": rng.uniform(3, 6, 30), "chi": rng.uniform(size=30)}
    more = {"strength [MPa]": 5.0, "price [EUR]": rng.uniform(1, 100, 30)}
    pd.DataFrame(table | more).to_csv(folder / "materials.csv", index=False)
    pd.DataFrame(table).to_parquet(folder / "materials.parquet")
    metals = [bulk(element) for element in ("Cu", "Ni", "Ag", "Au", "Pd", "Pt", "Al", "Pb")]
    ase.io.write(folder / "structures.extxyz", metals)
    (folder / "cifs").mkdir()
    for metal in metals:
        ase.io.write(folder / "cifs" / f"{metal.symbols}.cif", metal)
    return folder


@pytest.fixture
def campaign(tmp_path: Path, files: Path) -> Callable[..., Path]:
    """Makes the folder of the campaign that these tables are a part of."""

    def campaign(tables: dict[str, Json], name: str = "my-lab") -> Path:
        whole = BASE | {"proposer": {}} | tables
        if whole["proposer"].get("kind") != "design":
            whole["proposer"] = {"initial": 2} | whole["proposer"]
        folder = tmp_path / name
        folder.mkdir()
        for file in files.iterdir():
            (folder / file.name).symlink_to(file)
        (folder / FILE).write_text("\n".join(written(whole)), encoding="utf-8")
        return folder

    return campaign


def written(tables: Mapping[str, Json]) -> Iterator[str]:
    """The lines of a TOML file: every key on a line of its own, whatever lies below it inline."""
    for name, value in tables.items():
        yield f"{name} = {inline(value)}"


def inline(value: Json) -> str:
    """A value as TOML."""
    match value:
        case dict():
            inside = ", ".join(f"{json.dumps(k)} = {inline(v)}" for k, v in value.items())
            return f"{{{inside}}}"
        case list():
            return f"[{', '.join(map(inline, value))}]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def taken(folder: Path) -> Campaign:
    """The campaign after some turns."""
    rig = load(folder).rig
    for _ in range(TURNS):
        after = turn(rig)
    return after


def said(error: LoopError, folder: Path) -> str:
    """The message, without where the folder of this test happens to be."""
    return str(error).replace(f"{folder}/", "")


def is_legal(campaign: Campaign) -> bool:
    """Whether every candidate is inside the space, and none is asked twice."""
    space = campaign.problem.space
    points = [candidate.point for candidate in campaign.candidates.values()]
    return all(map(space.contains, points)) and len({str(dict(p)) for p in points}) == len(points)


def chosen(campaign: Campaign) -> str:
    """Who chose the newest candidate."""
    return list(campaign.candidates.values())[-1].why.origin


@pytest.mark.parametrize("block", [b for b in TOML if not b.is_wrong], ids=at_line)
def test_an_example_proposes_legal_candidates(block, campaign):
    """What is shown can be copied: it loads, runs, and its model chooses what is allowed."""
    after = taken(campaign(block.tables))
    proposer = block.tables.get("proposer", {})
    is_design = proposer.get("kind") == "design" or proposer.get("initial", 0) > TURNS
    assert is_legal(after)
    assert chosen(after) == ("design" if is_design else "model")


@pytest.mark.parametrize("acquisition", FOR)
def test_an_acquisition_chooses_what_it_is_for(acquisition, campaign):
    """Each that the page names, on goals of the kind that it names beside it."""
    after = taken(campaign(FOR[acquisition] | {"proposer": {"acquisition": acquisition}}))
    assert is_legal(after)
    assert chosen(after) == "model"


def test_every_acquisition_is_for_something():
    """The test above leaves none out."""
    assert {*FOR} == {*words(PROPOSER["acquisition"])} - {"auto"}


@pytest.mark.parametrize("surrogate", sorted({*words(PROPOSER["surrogate"])} - {"saas"}))
def test_a_surrogate_chooses(surrogate, campaign):
    """Each but saas, which takes minutes."""
    after = taken(campaign({"proposer": {"surrogate": surrogate}}))
    assert is_legal(after)
    assert chosen(after) == "model"


def test_the_slow_surrogate_is_ready(campaign):
    """A campaign with saas loads, where its packages are installed."""
    pytest.importorskip("numpyro")
    setup = load(campaign({"proposer": {"surrogate": "saas"}}))
    assert isinstance(setup.rig.proposer, Bayes)
    assert setup.rig.proposer.surrogate == "saas"


@pytest.mark.parametrize("acquisition", sorted({*FOR} - {"variance"}))
def test_an_acquisition_is_refused_what_it_is_not_for(acquisition, campaign):
    """Before anything has started, and not when the model first chooses."""
    other = LEARN if acquisition == "straddle" else LEVEL
    folder = campaign({"target": [other], "proposer": {"acquisition": acquisition}})
    with pytest.raises(LoopError, match=rf"proposer\.acquisition: .* got y: '{other['goal']}'"):
        load(folder)


@pytest.mark.parametrize("block", [b for b in TOML if b.is_wrong], ids=at_line)
def test_a_wrong_example_is_refused_as_shown(block, campaign):
    """One sentence, to the letter, before anything has started."""
    folder = campaign(block.tables)
    with pytest.raises(LoopError) as refused:
        load(folder)
    assert said(refused.value, folder) == (block.said or "").strip()


def test_a_parameter_may_come_later(campaign):
    """The campaign goes on where a parameter that has a past is added to it."""
    before = taken(folder := campaign(BASE))
    late = {"name": "coats", "kind": "integer", "low": 1, "high": 8, "past": 1}
    whole = BASE | {"parameter": [*BASE["parameter"], late], "proposer": {"initial": 2}}
    (folder / FILE).write_text("\n".join(written(whole)), encoding="utf-8")
    after = turn(load(folder).rig)
    assert len(after.candidates) == len(before.candidates) + 1
    assert "coats" in list(after.candidates.values())[-1].point


def test_what_is_shared_is_the_same_in_a_batch(campaign):
    """The example of a furnace: one temperature for the three of a batch."""
    block = next(block for block in TOML if "shared" in block.tables and not block.is_wrong)
    points = [each.point["T"] for each in taken(campaign(block.tables)).candidates.values()]
    assert [len(set(points[n : n + 3])) for n in range(0, len(points), 3)] == [1] * TURNS


def test_the_commands_do_what_is_shown(campaign, tmp_path, monkeypatch, capsys):
    """In their order, in a campaign that has taken two turns; a wrong one is bad input."""
    campaign(BASE)
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        run("athanor turn my-lab --no-prefect")
    for block in SHELL:
        capsys.readouterr()
        assert run(block.body) == (2 if block.is_wrong else 0), block.line
        out, err = capsys.readouterr()
        shown = err.removeprefix("athanor: ") if block.is_wrong else out
        assert shown.startswith((block.said or "").strip()), block.line


def run(words: str) -> int | str | None:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as ended:
        main(shlex.split(words)[1:])
    return ended.value.code


@pytest.mark.parametrize("name", KEYS)
def test_a_value_of_a_wrong_type_is_refused(name):
    """Of every key of every example: one sentence that names it, and nothing of the machinery."""
    tables, path = KEYS[name]
    with pytest.raises(SettingsError) as refused:
        parse(BASE | changed(tables, path, {"wrong": [[]]}), FILE)
    said = str(refused.value)
    assert re.match(rf"campaign\.toml: [^:]*\b{path[-1]}\b[^:]*: expected .*, got .*\.", said)
    assert not re.search(r"\n|pydantic|input|union|Traceback", said)


def tables(block: Block) -> Iterator[tuple[str, Mapping[str, Json]]]:
    """The tables of an example, each with its name in the JSON Schema."""
    said = block.tables
    yield "", said
    yield "ObjectiveTable", said.get("objective", {})
    yield "ProposerTable", said.get("proposer", {})
    yield from (("TargetTable", each) for each in said.get("target", []))
    yield from ((KINDS[each["kind"]], each) for each in said.get("parameter", []))
    for each in said.get("constraint", []):
        yield "ConstraintTable", each
        yield "DependentTable", each.get("dependent", {})
        spans = each.get("exclude", {}).values()
        yield from (("SpanTable", span) for span in spans if isinstance(span, dict))


@pytest.mark.parametrize("table", ["", *TABLES])
def test_every_key_has_an_example(table):
    """Whatever campaign.toml may say to the proposer is said there in an example that runs."""
    examples = (block for block in TOML if not block.is_wrong)
    found = (keys for block in examples for name, keys in tables(block) if name == table)
    whole = schema()
    known = whole["$defs"][table] if table else whole
    assert set(known["properties"]) <= {key for keys in found for key in keys}


def test_every_word_is_explained():
    """A name that may be written, or that is read in the export, stands on the page."""
    written = {word for table in TABLES for word in words(schema()["$defs"][table])}
    read = {*get_args(Origin), *(field.name for noun in (Why, Health) for field in fields(noun))}
    assert sorted(word for word in written | read if f"`{word}`" not in PAGE) == []
