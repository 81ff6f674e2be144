"""veto, retract, ask and --fix: what people decide, from the command line to the ledger."""

import csv
import io
import json

import pytest

from flows.folder import known, remembered
from flows.people import user
from flows.rig import holding, load
from flows.session import take_turn
from flows.typed import values
from loop.errors import SpaceError
from loop.records import Amended
from loop.space.composition import Composition
from loop.space.parameters import Categorical, Continuous, Discrete, Ordinal
from loop.space.space import SearchSpace

SPACE = SearchSpace(
    parameters=(
        Continuous(name="T", low=300.0, high=1200.0, unit="K"),
        Discrete(name="n", low=0.0, high=4.0, step=1.0),
        Ordinal(name="mesh", levels=(40.0, 100.0, 325.0)),
        Ordinal(name="size", levels=("small", "large")),
        Categorical(name="solvent", values=("water", "ethanol")),
        Composition(name="alloy", elements=("Cu", "Ni", "Zn")),
    )
)


@pytest.fixture
def lab(tmp_path, athanor):
    """A laboratory whose first worklist is out, and the ids on it."""
    folder = tmp_path / "lab"
    athanor("init", folder, "--template", "lab")
    athanor("turn", folder, "--no-prefect")
    return folder, [each.id for each in known(folder)[0].pending]


@pytest.fixture
def ended(make, athanor):
    """A campaign that has used its budget of four."""
    folder = make(evaluations=4)
    athanor("run", folder, "--no-prefect")
    return folder


def test_words_become_values():
    """Numbers, names and fractions; a fraction of zero is an absent element."""
    words = [
        "alloy.Cu=0.5",
        "solvent=water",
        "T=9e2",
        "n=2",
        "mesh=100",
        "size=large",
        "alloy.Ni=.5",
        "alloy.Zn=0",
    ]
    assert values(words, SPACE) == {
        "T": 900.0,
        "n": 2.0,
        "mesh": 100.0,
        "size": "large",
        "solvent": "water",
        "alloy": {"Cu": 0.5, "Ni": 0.5},
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["T"], "parameter=value, such as T=900"),
        (["T="], "parameter=value"),
        (["t=900"], "one of T, n, mesh, .* alloy.Cu, .* got no such parameter"),
        (["solvnt=water"], r"Did you mean 'solvent'\?"),
        (["T=900K"], "a number in K, got '900K'. Write the number alone"),
        (["T=900", "T=800"], "one value of T, got 900 and 800"),
        (["T=2000"], "from 300 to 1200 K, got 2000 K"),
        (["T=nan"], "a finite number"),
        (["n=1.5"], "in steps of 1"),
        (["mesh=50"], "40, 100"),
        (["solvent=wine"], "one of water, ethanol, got 'wine'"),
        (["alloy=Cu"], "alloy.Cu"),
        (["alloy.Cu=0.5"], "sum"),
    ],
)
def test_a_slip_of_the_fingers_is_told(words, said):
    """One sentence that says what can be typed instead."""
    with pytest.raises(SpaceError, match=said):
        values(words, SPACE)


def test_a_vetoed_candidate_leaves_the_worklist(lab, athanor):
    """Another takes its place at the next turn, and who refused it stands in the export."""
    folder, (first, *others) = lab
    said = athanor("veto", folder, first, "--reason", "too hot", "--by", "Ann")
    assert (said.code, said.out) == (0, f"Vetoed: {first}. The next turn proposes others.\n")
    assert f"Vetoed: {first}: too hot (by Ann)" in athanor("turn", folder, "--no-prefect").out
    worklist = (folder / "worklist" / "worklist.csv").read_text()
    assert first not in worklist
    assert len(worklist.splitlines()) == len(others) + 2
    (row, *_) = csv.DictReader(io.StringIO(athanor("export", folder).out))
    assert (row["status"], row["set aside"]) == ("vetoed", "too hot (by Ann)")
    everything = json.loads(athanor("export", folder, "--json").out)["candidates"][0]
    assert everything["vetoed"] == {"reason": "too hot", "by": "Ann"}


def test_a_decision_is_signed_with_the_user_name(lab, athanor):
    """Unless another name is given."""
    folder, (first, *_) = lab
    said = json.loads(athanor("veto", folder, first, "--reason", "no", "--json").out)
    assert said == {"vetoed": [first], "running": {}}
    assert known(folder)[0].vetoed[first].by == user() != ""


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["veto", "{folder}", "0001", "--reason", "x"], "Did you mean 0001-"),
        (["veto", "{folder}", "{first}", "--reason", "x"], "athanor retract DIR"),
        (["veto", "{folder}", "{first}", "--reason", ""], "a few words"),
        (["retract", "{folder}", "nobody", "--reason", "x"], "the id of a candidate"),
        (["ask", "{folder}"], "either a point, such as T=900, or --replicate ID, got neither"),
        (["ask", "{folder}", "x=0.1", "--replicate", "{first}"], "got both"),
        (["ask", "{folder}", "y=0.1"], "one of x"),
        (["ask", "{folder}", "x=0.1"], "one that was closed: budget: 4 evaluations"),
    ],
)
def test_what_cannot_be_decided_is_bad_input(ended, athanor, command, said):
    """Exit code 2 and one sentence; nothing is recorded."""
    campaign, entries = known(ended)
    first = next(iter(campaign.candidates))
    refused = athanor(*(each.format(folder=ended, first=first) for each in command))
    assert (refused.code, refused.out) == (2, "")
    assert said in refused.err
    assert len(known(ended)[1]) == len(entries)


@pytest.mark.parametrize("command", ["veto", "retract"])
def test_nothing_is_decided_before_the_start(make, athanor, command):
    """There is no candidate yet, and no ledger is made."""
    folder = make()
    assert athanor(command, folder, "0001-abc", "--reason", "x").code == 2
    assert remembered(folder) is None


def test_a_retraction_is_tried_before_it_is_made(ended, athanor):
    """A dry run says the same and records nothing."""
    campaign, entries = known(ended)
    best = campaign.best
    assert best is not None
    arguments = ["retract", ended, best.candidate.id, "--reason", "swapped"]
    tried = athanor(*arguments, "--dry-run")
    assert len(known(ended)[1]) == len(entries)
    done = athanor(*arguments)
    assert done.out == tried.out.replace("would be taken back", "taken back")
    now = known(ended)[0].best
    assert now is not None
    assert f"({best.candidate.id}).\nIt is now" in done.out
    assert f"({now.candidate.id})." in done.out
    assert "Retracted: " in athanor("status", ended).out
    assert athanor(*arguments).code == 2


def test_a_retraction_tells_programs_whom_it_led_to(make, athanor):
    """The candidates that the model chose on it, and which of them still wait."""
    folder = make(proposer="bayes", evaluations=7)
    athanor("run", folder, "--no-prefect")
    campaign, _ = known(folder)
    models = [each.id for each in campaign.candidates.values() if each.why.origin == "model"]
    first = next(iter(campaign.candidates))
    said = json.loads(athanor("retract", folder, first, "--reason", "x", "--json").out)
    assert (said["candidate"], said["retracted"], said["waiting"]) == (first, True, [])
    assert said["led_to"] == models != []
    assert said["changes"] is (said["before"] != said["after"])


def test_a_point_of_ones_own_is_the_next_to_be_measured(make, athanor):
    """Also before the first turn; asked twice it is refused, unless it is a replicate."""
    folder = make(evaluations=4)
    asked = json.loads(athanor("ask", folder, "x=0.3", "--reason", "a hunch", "--json").out)
    assert (asked["point"], asked["why"]["origin"]) == ({"x": 0.3}, "manual")
    again = athanor("ask", folder, "x=0.3")
    assert again.code == 2
    assert f"athanor ask DIR --replicate {asked['candidate']}" in again.err
    said = athanor("ask", folder, "--replicate", asked["candidate"], "--by", "Ann").out
    assert said.endswith("at x = 0.3.\n")
    athanor("run", folder, "--no-prefect")
    campaign, _ = known(folder)
    assert [each.values["y"] for each in campaign.results[:2]] == [100.0, 100.0]
    assert (folder / "calls.txt").read_text().count("begin 0.3\n") == 2
    assert campaign.answered == 4


def test_a_parameter_is_held_for_one_turn(lab, athanor):
    """What the turn proposes has the value; what waits already is left as it is."""
    folder, (first, second, *others) = lab
    athanor("veto", folder, first, second, "--reason", "no")
    assert athanor("turn", folder, "--no-prefect", "--fix", "temperature=400").code == 0
    *before, one, two = known(folder)[0].pending
    assert [each.id for each in before] == others
    assert [each.point["temperature"] for each in (one, two)] == [400.0, 400.0]
    assert one.why.held == {"temperature": 400.0}


def test_what_cannot_be_held_is_refused_before_the_turn(make, athanor):
    """A value outside the space."""
    folder = make()
    assert athanor("turn", folder, "--fix", "x=7").code == 2
    assert remembered(folder) is None


def test_a_raised_budget_has_room_for_a_point_of_ones_own(ended, athanor):
    """The change is taken up first, and the proposer does not take the place."""
    text = (ended / "campaign.toml").read_text()
    (ended / "campaign.toml").write_text(text.replace("evaluations = 4", "evaluations = 5"))
    assert athanor("ask", ended, "x=0.3", "--reason", "a hunch").code == 0
    athanor("run", ended, "--no-prefect")
    *_, last = known(ended)[0].results
    assert (last.point, last.candidate.why.origin) == ({"x": 0.3}, "manual")


def test_an_amendment_is_signed(ended, athanor):
    """Whoever runs the campaign after a change of its settings stands beside the change."""
    text = (ended / "campaign.toml").read_text()
    (ended / "campaign.toml").write_text(text.replace("evaluations = 4", "evaluations = 5"))
    athanor("run", ended, "--no-prefect")
    (amended,) = (event for _, event in known(ended)[1] if isinstance(event, Amended))
    assert (amended.by, amended.changes) == (user(), ("stop.evaluations: 4 -> 5",))


def test_a_turn_through_prefect_holds_too(make, prefect):
    """What is held crosses to the flow as plain values."""
    assert prefect
    folder = make(evaluations=2)
    take_turn(holding(load(folder), ["x=0.5"]))
    assert [each.point for each in known(folder)[0].pending] == [{"x": 0.5}]
