"""Bad input: one message that names the key and the remedy, exit code 2, no traceback."""

import json
import tomllib
from dataclasses import replace
from importlib.resources import files

import pytest
from jsonschema import Draft202012Validator

from flows.problem import stated
from flows.rig import load
from flows.settings import schema
from loop.ledger import Ledger
from loop.records import Opened
from loop.run import begin

NAME = 'name = "steel"\n'
PARAMETER = '[[parameter]]\nname = "T"\nkind = "continuous"\nlow = 300\nhigh = 900\nunit = "K"\n'
ALLOY = '[[parameter]]\nname = "alloy"\nkind = "composition"\nelements = ["Cu", "Au"]\n'
TARGET = '[[target]]\nname = "strength"\nunit = "MPa"\ngoal = "max"\n'
ORACLE = '[oracle]\nkind = "folder"\n'
ATOMS = (
    '[oracle]\nkind = "atoms"\n[oracle.structure]\nkind = "random-alloy"\ncomposition = "alloy"\n'
)
GAS = '[[parameter]]\nname = "gas"\nkind = "categorical"\nvalues = ["Ar", "N2"]\n'
COST = '[[target]]\nname = "cost"\ngoal = "min"\n'
STOP = "[stop]\nevaluations = 10\n"
WHOLE = NAME + PARAMETER + TARGET + ORACLE + STOP
STIFF = '[[target]]\nname = "bulk_modulus"\nunit = "GPa"\ngoal = "max"\n'
CALCULATED = NAME + ALLOY + STIFF + ATOMS + STOP


def bounded(bound: str) -> str:
    """The whole file with an outcome bound."""
    return WHOLE + f'[objective]\nbounds = ["{bound}"]\n'


BROKEN = {
    "syntax error": (WHOLE + "[run\n", ["campaign.toml", "a TOML file", "toml.io"]),
    "no name": (WHOLE.replace(NAME, ""), ["name", "missing", "Add name"]),
    "name of wrong type": (WHOLE.replace('"steel"', "7"), ["name", "string", "7", "quotes"]),
    "unknown key": (WHOLE.replace("high", "hihg"), ["parameter.T.hihg", "Did you mean 'high'?"]),
    "unknown table": (WHOLE.replace("[stop]", "[stopp]"), ["stopp", "Did you mean 'stop'?"]),
    "number in quotes": (WHOLE.replace("900", '"900"'), ["parameter.T.high", "without quotes"]),
    "not a number": (WHOLE.replace("900", "nan"), ["parameter.T.high", "finite number", "nan"]),
    "low above high": (WHOLE.replace("900", "200"), ["space.T", "low below high", "Swap"]),
    "unknown kind": (WHOLE.replace("continuous", "continous"), ["T.kind", "'continuous'?"]),
    "no kind": (WHOLE.replace('kind = "continuous"\n', ""), ["parameter.T.kind", "Add kind"]),
    "unknown unit": (WHOLE.replace('"K"', '"Kelwin"'), ["parameter.T.unit", "'Kelwin'"]),
    "duplicate name": (WHOLE + PARAMETER, ["T", "used once", "2 parameters", "Rename"]),
    "no parameter": (WHOLE.replace(PARAMETER, "parameter = []\n"), ["parameter", "at least 1"]),
    "step that does not divide": (
        WHOLE.replace("continuous", "discrete").replace("high", "step = 70\nhigh"),
        ["space.T.step", "evenly", "70", "Change step"],
    ),
    "one category": (
        WHOLE + '[[parameter]]\nname = "gas"\nkind = "categorical"\nvalues = ["Ar"]\n',
        ["space.gas.values", "two or more", "Ar"],
    ),
    "too many elements": (
        CALCULATED.replace("[[target]]", "at_most = 3\n[[target]]"),
        ["space.alloy.at_most", "1 to 2", "3"],
    ),
    "bounds that exclude all": (
        CALCULATED.replace("[[target]]", "high = {Cu = 0.3, Au = 0.3}\n[[target]]"),
        ["space.alloy", "sum to 1", "Widen"],
    ),
    "unknown element": (
        CALCULATED.replace('"Au"]', '"Xx"]'),
        ["parameter.alloy", "chemical element", "'Xx'"],
    ),
    "unknown term": (
        WHOLE + "[[constraint]]\nterms = {P = 1}\nhigh = 2\n",
        ["constraint", "terms among T", "'P'"],
    ),
    "empty space": (
        WHOLE + "[[constraint]]\nterms = {T = 1}\nhigh = 200\n",
        ["constraint 1", "none is left", "Loosen"],
    ),
    "no goal": (WHOLE.replace('goal = "max"\n', ""), ["target.strength.goal", "'max'", "Add goal"]),
    "bad goal": (WHOLE.replace('"max"', '"maxx"'), ["target.strength.goal", "Did you mean 'max'?"]),
    "nothing to seek": (WHOLE.replace('"max"', '"observe"'), ["target", "goal", "Give one"]),
    "unreadable bound": (bounded("strength < 3 MPa"), ["objective.bounds[1]", "<= or >="]),
    "bound on unknown target": (
        bounded("strenght <= 3 MPa"),
        ["objective.bounds[1]", "Did you mean 'strength'?"],
    ),
    "bound of wrong dimension": (
        bounded("strength <= 3 K"),
        ["objective.bounds[1]", "'MPa'", "'K'"],
    ),
    "bound without unit": (bounded("strength <= 3"), ["objective.bounds[1]", "strength <= 3 MPa"]),
    "no oracle": (WHOLE.replace(ORACLE, ""), ["oracle", "missing", "Add oracle"]),
    "a tolerance of names": (
        WHOLE.replace(TARGET, GAS + TARGET).replace(ORACLE, f"{ORACLE}limit = {{ gas = 1 }}\n"),
        ["oracle.limit.gas", "one of T", "'gas'"],
    ),
    "a negative tolerance": (
        WHOLE.replace(ORACLE, f"{ORACLE}tolerance = {{ T = -1 }}\n"),
        ["oracle.tolerance.T", "0", "-1"],
    ),
    "unknown oracle": (WHOLE.replace("folder", "foldr"), ["oracle.kind", "Did you mean 'folder'?"]),
    "unknown calculator": (
        CALCULATED.replace("[oracle]", '[oracle]\ncalculator = "ase.calculators.emd:EMT"'),
        ["oracle.calculator", "ase.calculators.emd", "Install or correct"],
    ),
    "unknown property": (
        CALCULATED.replace("bulk_modulus", "bulk_modulos"),
        ["target.bulk_modulos", "Did you mean 'bulk_modulus'?"],
    ),
    "wrong unit": (
        CALCULATED.replace("GPa", "eV"),
        ["target.bulk_modulus.unit", "'eV'", "'GPa'"],
    ),
    "structure of no parameter": (
        CALCULATED.replace('composition = "alloy"', 'composition = "aloy"'),
        ["oracle.structure.composition", "Did you mean 'alloy'?"],
    ),
    "missing table": (
        WHOLE.replace(ORACLE, '[oracle]\nkind = "table"\nfile = "past.csv"\n'),
        ["past.csv", "CSV"],
    ),
    "missing function": (
        WHOLE.replace(ORACLE, '[oracle]\nkind = "function"\nfunction = "lab.py:measure"\n'),
        ["lab.py", "no such file"],
    ),
    "limit of a function in quotes": (
        WHOLE.replace(
            ORACLE, '[oracle]\nkind = "function"\nfunction = "lab.py:measure"\nwall_s = "9"\n'
        ),
        ["oracle.wall_s: ", "without quotes"],
    ),
    "missing program": (
        WHOLE.replace(ORACLE, '[oracle]\nkind = "command"\ncommand = ["no-such-program"]\n'),
        ["oracle.command", "'no-such-program'", "Install it"],
    ),
    "no command": (
        WHOLE.replace(ORACLE, '[oracle]\nkind = "command"\n'),
        ["oracle.command", "missing", "Add command"],
    ),
    "status that is no number": (
        WHOLE.replace(
            ORACLE, '[oracle]\nkind = "command"\ncommand = ["true"]\nexits = {x = "crashed"}\n'
        ),
        ["oracle.exits: ", "such as 3", "'x'"],
    ),
    "unknown failure": (
        WHOLE.replace(
            ORACLE, '[oracle]\nkind = "command"\ncommand = ["true"]\nexits = {3 = "crash"}\n'
        ),
        ["oracle.exits.3", "Did you mean 'crashed'?"],
    ),
    "address that is none": (
        WHOLE.replace(ORACLE, '[oracle]\nkind = "http"\nurl = "localhost"\n'),
        ["oracle.url", "http://host/path"],
    ),
    "noise of nothing": (
        WHOLE.replace(
            ORACLE,
            '[oracle]\nkind = "command"\ncommand = ["true"]\nnoise = {strenght = 1.0}\n',
        ),
        ["oracle.noise", "targets among strength", "strenght"],
    ),
    "match without a value": (
        WHOLE.replace('"max"', '"match"'),
        ["target.strength.value", "a number in MPa", "Add value"],
    ),
    "window upside down": (
        WHOLE.replace('"max"', '"window"\nlow = 3\nhigh = 2'),
        ["target.strength.low", "low below high", "Swap"],
    ),
    "number that the goal has no use for": (
        WHOLE.replace('"max"', '"max"\nvalue = 3'),
        ["target.strength.value", "none, for goal 'max'", "Remove value"],
    ),
    "weight of a single goal": (
        WHOLE.replace('"max"', '"max"\nweight = 2'),
        ["target.strength.weight", "scalar or desirability"],
    ),
    "no weight at all": (
        WHOLE.replace('"max"', '"max"\nweight = 0'),
        ["target.strength.weight", "greater than 0"],
    ),
    "learn beside a goal": (
        WHOLE + COST.replace("min", "learn"),
        ["target", "goals that go together", "cost: 'learn'"],
    ),
    "one goal to combine": (
        WHOLE + '[objective]\ncombine = "pareto"\n',
        ["objective.combine", "two or more goals", "Remove combine"],
    ),
    "unknown combination": (
        WHOLE + COST + '[objective]\ncombine = "paretto"\n',
        ["objective.combine", "Did you mean 'pareto'?"],
    ),
    "desirability without ends": (
        WHOLE + COST + '[objective]\ncombine = "desirability"\n',
        ["target.strength.worst", "desirability is 0", "Add worst"],
    ),
    "reference of no goal": (
        WHOLE + COST + "[objective]\nreference = {strenght = 100}\n",
        ["objective.reference.strenght", "one of strength, cost"],
    ),
    "reference without a front": (
        WHOLE + COST + '[objective]\ncombine = "scalar"\nreference = {cost = 1}\n',
        ["objective.reference", "combine by pareto"],
    ),
    "reached by several goals": (
        WHOLE.replace("= 10", "= 10\nreached = 3") + COST,
        ["stop.reached", "a single goal", "Remove it"],
    ),
    "no stop": (WHOLE.replace(STOP, ""), ["stop", "missing", "Add stop"]),
    "no budget": (WHOLE.replace("= 10", "= 0"), ["stop.evaluations", "equal to 1", "0"]),
    "half an evaluation": (WHOLE.replace("= 10", "= 1.5"), ["stop.evaluations", "integer", "1.5"]),
    "share of failures": (WHOLE + "failures = 2.0\n", ["stop.failures", "equal to 1", "2.0"]),
    "batch of none": (WHOLE + "[run]\nbatch = 0\n", ["run.batch", "equal to 1", "0"]),
    "idle workers": (WHOLE + "[run]\nbatch = 1\nworkers = 2\n", ["run.workers", "batch = 2 too"]),
    "ledger that is no URL": (WHOLE + '[run]\nledger = "here"\n', ["run.ledger", "database URL"]),
    "cost of nothing": (
        WHOLE + '[proposer]\ncost = "2 + 0.01 * TT"\n',
        ["proposer.cost", "terms among T", "'TT'"],
    ),
    "cost below zero": (
        WHOLE + '[proposer]\ncost = "T - 5000"\n',
        ["proposer.cost", "a number above 0", "Add what every candidate costs"],
    ),
    "unknown way with outliers": (
        WHOLE + '[proposer]\noutliers = "drop"\n',
        ["proposer.outliers", "'flag'", "drop"],
    ),
    "unknown proposer": (WHOLE + '[proposer]\nkind = "baies"\n', ["proposer.kind", "'bayes'?"]),
}


@pytest.mark.parametrize("flaw", BROKEN)
def test_bad_input_is_one_message(tmp_path, athanor, flaw):
    """A broken campaign.toml ends with exit code 2 and one line: where, expected, got, remedy."""
    text, words = BROKEN[flaw]
    (tmp_path / "campaign.toml").write_text(text)
    said = athanor("check", tmp_path)
    assert said.code == 2
    assert said.err.count("\n") == 1
    assert said.err.startswith("athanor: ")
    assert "campaign.toml" in said.err
    assert "expected" in said.err
    assert [word for word in words if word not in said.err] == []


WISHES = {
    "match": (WHOLE.replace('"max"', '"match"\nvalue = 3.2'), "single", "strength"),
    "window": (WHOLE.replace('"max"', '"window"\nlow = 2\nhigh = 3'), "single", "strength"),
    "learn": (WHOLE.replace('"max"', '"learn"'), "learn", "strength"),
    "level": (WHOLE.replace('"max"', '"level"\nvalue = 3'), "level", "strength"),
    "two goals": (WHOLE + COST, "pareto", "strength cost"),
    "a reference": (
        WHOLE + COST + "[objective]\nreference = {strength = 100.0}\n",
        "pareto",
        "strength cost",
    ),
    "the first": (WHOLE + COST + '[objective]\ncombine = "first"\n', "single", "strength"),
    "weights": (
        (WHOLE + COST).replace('"min"', '"min"\nweight = 2') + '[objective]\ncombine = "scalar"\n',
        "scalar",
        "strength cost",
    ),
    "desirability": (
        WHOLE.replace('"max"', '"max"\nworst = 100\nbest = 300\nweight = 2')
        + COST.replace('"min"', '"min"\nworst = 9\nbest = 1')
        + '[objective]\ncombine = "desirability"\n',
        "desirability",
        "strength cost",
    ),
}


@pytest.mark.parametrize("wish", WISHES)
def test_wishes_are_taken_as_written(tmp_path, wish):
    """Every goal and combination of campaign.toml becomes the objective that it states."""
    text, way, wanted = WISHES[wish]
    _, problem = stated(tmp_path, tomllib.loads(text))
    assert problem.objective.way == way
    assert " ".join(target.name for target in problem.objective.wanted) == wanted


def test_a_campaign_of_0_1_goes_on_as_it_began(tmp_path):
    """Two goals without a word on combining them: what 0.1 opened stays led by the first."""
    raw = tomllib.loads(WHOLE + COST)
    (tmp_path / "campaign.toml").write_text(WHOLE + COST)
    assert load(tmp_path).rig.problem.objective.way == "pareto"
    _, asked = stated(tmp_path, raw)
    old = replace(asked, objective=replace(asked.objective, combine="first"))
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", "steel")
    ledger.append([Opened(problem=old, settings=raw)], after=0)
    rig = load(tmp_path).rig
    assert rig.problem == old
    assert begin(rig).seq == 1


@pytest.mark.parametrize("command", ["check", "run", "turn", "status", "report", "export"])
def test_a_missing_folder_is_named(tmp_path, athanor, command):
    """A folder that is not there is named, with the command that makes one."""
    said = athanor(command, tmp_path / "nowhere")
    assert said.code == 2
    assert said.err.count("\n") == 1
    assert f"athanor init {tmp_path / 'nowhere'}" in said.err


def test_an_empty_folder_is_named(tmp_path, athanor):
    """A folder without a campaign.toml is named too."""
    said = athanor("run", tmp_path, "--no-prefect")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "campaign.toml" in said.err


def test_a_file_in_place_of_the_folder_is_named(tmp_path, athanor):
    """Where no folder can be made, init says so."""
    (tmp_path / "file").write_text("")
    said = athanor("init", tmp_path / "file" / "campaign")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "a folder to write in" in said.err


def test_a_database_that_cannot_be_reached_is_the_environments_fault(make, athanor):
    """Exit code 3, and where the ledger should have been."""
    folder = make()
    with (folder / "campaign.toml").open("a") as file:
        file.write('ledger = "sqlite:////nowhere/at/all.db"\n')
    said = athanor("run", folder, "--no-prefect")
    assert (said.code, said.err.count("\n")) == (3, 1)
    assert "/nowhere/at/all.db" in said.err


@pytest.mark.parametrize("template", ["alloy", "dft", "lab", "table", "own"])
def test_templates_obey_the_published_schema(template):
    """What init writes is what the JSON Schema allows."""
    text = (files("flows") / "templates" / template / "campaign.toml").read_text()
    Draft202012Validator.check_schema(schema())
    assert list(Draft202012Validator(schema()).iter_errors(tomllib.loads(text))) == []


def test_the_schema_refuses_an_unknown_key():
    """An editor marks what `check` would refuse."""
    raw = tomllib.loads(WHOLE) | {"colour": "red"}
    assert [each.validator for each in Draft202012Validator(schema()).iter_errors(raw)] == [
        "additionalProperties"
    ]


def test_the_schema_command_prints_it(athanor):
    """`athanor schema` prints the same schema."""
    assert json.loads(athanor("schema").out) == schema()
