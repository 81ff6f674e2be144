"""Several oracles in one campaign: a stand-in, a calculator and a laboratory, under one rule."""

import csv
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, sleep

import pytest

from flows import plain, session
from flows.folder import known
from flows.rig import load
from flows.worker import worker
from loop.errors import SettingsError
from loop.ledger import Ledger
from loop.records import REAL, Closed
from loop.run import turn, turns
from loop.spending import spent

CAMPAIGN = """
name = "ladder"
[[parameter]]
name = "x"
kind = "continuous"
low = 0
high = 1
[[target]]
name = "y"
unit = "GPa"
goal = "max"
{targets}
{oracles}
[stop]
evaluations = 20
{stop}
"""
CHEAP = """
[[oracle]]
name = "cheap"
kind = "function"
function = "measure.py:cheap"
approximates = true
cost = 0.1
measures = ["y"]
"""
DEAR = '[[oracle]]\nname = "dear"\nkind = "function"\nfunction = "measure.py:dear"\n'
BENCH = '[[oracle]]\nname = "bench"\nkind = "folder"\ncost = 5\n'
DENSITY = '[[target]]\nname = "density"\nunit = "g/cm^3"\ngoal = "observe"\n'
RULE = "evaluations = 6\n"
MEASURE = """
def cheap(x):
    return 99 - 50 * (x - 0.4) ** 2

def dear(x):
    return 10 - 50 * (x - 0.3) ** 2

def density(x):
    return 8 + x
"""


def promoted(best, source="cheap"):
    """The line that asks an oracle the best of another only."""
    return f'promote = {{from = "{source}", best = {best}}}\n'


@pytest.fixture
def ladder(tmp_path):
    """Makes a campaign folder with these oracles."""

    def ladder(oracles, targets="", stop=""):
        said = CAMPAIGN.format(oracles=oracles, targets=targets, stop=stop)
        (tmp_path / "campaign.toml").write_text(said)
        (tmp_path / "measure.py").write_text(MEASURE)
        return tmp_path

    return ladder


def work(folder: Path, ledger: Ledger) -> None:
    """A bench that measures whatever is on its worklist, until the campaign is closed."""
    done: set[str] = set()
    end = monotonic() + 60
    while monotonic() < end:
        if any(isinstance(event, Closed) for event in ledger.events()):
            return
        path = folder / "worklist" / "worklist.csv"
        rows = list(csv.DictReader(path.read_text().splitlines())) if path.exists() else []
        for row in (each for each in rows if each["candidate"] not in done):
            done.add(row["candidate"])
            text = f"candidate,y [GPa]\n{row['candidate']},{5 - float(row['x'])}\n"
            (folder / "results" / f"{row['candidate']}.csv").write_text(text)
        sleep(0.1)


def test_the_best_are_promoted(ladder):
    """Six of the stand-in, its best two of the real thing: each says so, and nothing is mixed."""
    folder = ladder(CHEAP + RULE + DEAR + promoted(2))
    *_, campaign = turns(load(folder).rig)
    cheap = sorted(campaign.at("cheap").results, key=lambda each: -each.values["y"])
    assert [each.point for each in campaign.results] == [each.point for each in cheap[:2]]
    assert [each.candidate.why.origin for each in campaign.results] == ["promoted", "promoted"]
    assert campaign.results[1].candidate.why.cause.startswith("best 2 of cheap: y ")
    assert campaign.best is not None
    assert campaign.best.values["y"] < 11
    assert spent(campaign) == pytest.approx(6 * 0.1 + 2)


def test_a_ladder_of_three(ladder):
    """What is promoted from a promoted one waits for it."""
    middle = DEAR.replace('"dear"', '"middle"') + "approximates = true\n" + promoted(3)
    last = DEAR.replace("measure.py:dear", "measure.py:cheap") + promoted(1, "middle")
    *_, campaign = turns(load(ladder(CHEAP + RULE + middle + last)).rig)
    asked = [each.fidelity for each in campaign.candidates.values()]
    assert asked == ["cheap"] * 6 + ["middle"] * 3 + [""]
    assert (campaign.closed or "").endswith(
        "promotion: expected 6 of cheap, the best 3 of cheap, the best 1 of middle,"
        " got all that there are."
    )


@pytest.mark.timeout(60)
def test_a_calculator_stands_in_for_a_laboratory(ladder):
    """`run` evaluates what is the calculator's, and waits for the laboratory with the rest."""
    folder = ladder(CHEAP + RULE + BENCH + promoted(2))
    (folder / "results").mkdir()
    setup = load(folder)
    with ThreadPoolExecutor(1) as bench:
        bench.submit(work, folder, setup.rig.ledger)
        plain.run(setup, worker(None))
    campaign, _ = known(folder)
    assert [len(campaign.at(f).results) for f in ("cheap", "")] == [6, 2]
    assert all(each.values["y"] <= 5 for each in campaign.results)
    assert not any(each.fidelity for each in campaign.candidates.values() if each in campaign.own)


@pytest.mark.timeout(90)
@pytest.mark.xdist_group("prefect")
@pytest.mark.usefixtures("prefect")
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_a_stand_in_and_the_real_thing_are_asked_through_prefect(ladder):
    """The model decides whom it asks, two at a time: every answer is recorded for its oracle."""
    folder = ladder(CHEAP + DEAR, stop="cost = 6\n[run]\nworkers = 2\n")
    assert session.run(load(folder), take_over=False)
    campaign, _ = known(folder)
    cheap, dear = campaign.at("cheap").results, campaign.results
    assert all(each.values["y"] > 80 for each in cheap)
    assert all(each.values["y"] <= 10 for each in dear)
    assert len(cheap) > len(dear) >= 3
    assert spent(campaign) == pytest.approx(0.1 * len(cheap) + len(dear))
    assert "budget" in (campaign.closed or "")


@pytest.mark.parametrize(
    ("words", "fidelity", "whom"),
    [
        (["--oracle", "cheap"], "cheap", "cheap"),
        (["--oracle", "dear"], REAL, "dear"),
        ([], REAL, "dear"),
    ],
)
def test_a_person_names_the_oracle(ladder, athanor, words, fidelity, whom):
    """A stand-in by its name, the real thing by its own or by none; it is said whom."""
    folder = ladder(CHEAP + DEAR, stop="cost = 1\n")
    assert f"Asked of {whom}: 0001-" in athanor("ask", folder, "x=0.5", *words).out
    (waiting,) = known(folder)[0].pending
    assert waiting.fidelity == fidelity


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["x=0.5", "--oracle", "chep"], "one of dear, cheap, got 'chep'. Did you mean 'cheap'?"),
        (["x=0.5"], "budget: expected 1 left, the cost of a candidate of dear, got 0.5."),
        (["--replicate", "0001-abc", "--oracle", "cheap"], "who was asked before"),
    ],
)
def test_a_person_is_told_what_cannot_be_asked(ladder, athanor, words, says):
    """An unknown oracle, one that the budget does not pay for, two ways at once: exit code 2."""
    folder = ladder(CHEAP + DEAR, stop="cost = 0.5\n")
    said = athanor("ask", folder, *words)
    assert (said.code, says in " ".join(said.err.split())) == (2, True), said.err


def test_oracles_complement_one_another(ladder):
    """A calculator measures one target, the bench the other: a candidate waits for both."""
    density = DEAR.replace("dear", "density") + 'measures = ["density"]\n'
    folder = ladder(density + BENCH + 'measures = ["y"]\n', targets=DENSITY)
    (folder / "results").mkdir()
    rig = load(folder).rig
    turn(rig)
    campaign = turn(rig)
    (waiting,) = campaign.pending
    assert campaign.latest(waiting.id).keys() == {("density", "")}
    (folder / "results" / "a.csv").write_text(f"candidate,y [GPa]\n{waiting.id},3\n")
    (result,) = turn(rig).results
    assert result.values == {"density": 8 + float(str(result.point["x"])), "y": 3.0}


def test_no_more_is_proposed_than_the_budget_pays_for(ladder):
    """Three evaluations of cost 2 fit into 7; the campaign then ends, and says why."""
    *_, campaign = turns(load(ladder(DEAR + "cost = 2\n", stop="cost = 7\n")).rig)
    assert (campaign.asked, spent(campaign)) == (3, 6.0)
    assert "budget: 6 of 7" in (campaign.closed or "")


def test_hours_are_measured(ladder):
    """What is measured costs what its answers took."""
    *_, campaign = turns(load(ladder(DEAR + 'cost = "measured"\n')).rig)
    answers = [each for key in campaign.candidates for each in campaign.measurements(key)]
    seconds = sum(each.source.seconds or 0 for each in answers)
    assert spent(campaign) == pytest.approx(seconds / 3600)


def test_check_asks_every_oracle(ladder, athanor):
    """`check` says what each is, asks those that evaluate, and leaves the bench alone."""
    said = json.loads(athanor("check", ladder(CHEAP + RULE + BENCH + promoted(1)), "--json").out)
    found = {each["what"]: each["said"] for each in said}
    assert "stands in for bench" in found["oracle cheap"]
    assert found["one evaluation of cheap"].startswith("y ")
    assert "own time" in found["one evaluation of bench"]


WRONG = {
    "no name": (CHEAP + DEAR.replace('name = "dear"\n', ""), "", "oracle[2].name"),
    "no real one": (CHEAP, "", "only where there are several"),
    "none is real": (CHEAP + CHEAP.replace('"cheap"', '"other"', 1), "", "the real thing"),
    "two that answer the same": (DEAR + DEAR.replace('"dear"', '"other"'), "", "'dear' measures"),
    "unknown target": (CHEAP + DEAR + 'measures = ["z"]\n', "", "oracle.dear.measures"),
    "a target nobody measures": (CHEAP + DEAR + 'measures = ["y"]\n', DENSITY, "target.density"),
    "promotion from nobody": (CHEAP + RULE + DEAR + promoted(2, "chep"), "", "'cheap'?"),
    "promotion of one that is not searched": (CHEAP + DEAR + promoted(2), "", "oracle.cheap"),
    "evaluations without promotion": (CHEAP + RULE + DEAR, "", "oracle.cheap.evaluations"),
    "too small a budget": (CHEAP + RULE + DEAR + promoted(20), "", "26 or more"),
    "a laboratory's hours": (CHEAP + BENCH.replace("5", '"measured"'), "", "oracle.bench.cost"),
    "negative cost": (DEAR + "cost = -1\n", "", "oracle.dear.cost"),
    "unknown key": (DEAR + "approximate = true\n", "", "Did you mean 'approximates'?"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_together_is_refused(ladder, name):
    """One sentence names the key and the remedy."""
    oracles, targets, says = WRONG[name]
    with pytest.raises(SettingsError) as refused:
        load(ladder(oracles, targets=targets))
    assert says in str(refused.value)


def test_one_oracle_is_as_it_was(ladder):
    """A campaign of one oracle that states nothing new is the problem that it always was."""
    folder = ladder(DEAR.replace("[[oracle]]", "[oracle]").replace('name = "dear"\n', ""))
    assert load(folder).rig.problem.fidelities == ()


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('kind = "folder"', 'kind = "folder"\nplausible = { y = [0, 9] }', 0),
        ("cost = 5", "cost = 6", 2),
        ("measure.py:cheap", "measure.py:density", 2),
    ],
)
def test_how_files_are_read_may_change_beside_others(ladder, athanor, old, new, code):
    """As it may where the laboratory is alone: not what it costs, and nothing of the others."""
    folder = ladder(CHEAP.replace("cheap", "dear", 1) + RULE + BENCH + promoted(2, "dear"))
    assert athanor("turn", folder, "--no-prefect").code == 0
    file = folder / "campaign.toml"
    file.write_text(file.read_text().replace(old, new))
    said = athanor("turn", folder, "--no-prefect")
    assert said.code == code, said.err
