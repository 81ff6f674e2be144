"""`athanor lab worklist`: what goes out is rebuilt from the ledger, rounded to what can be set."""

import csv
import json
from pathlib import Path

import pytest
from openpyxl import load_workbook

from flows.folder import known
from tests.flows.furnace import campaign

MIXTURE = """
[[parameter]]
name = "alloy"
kind = "composition"
elements = ["Ni", "Al"]
[[constraint]]
expression = "T * alloy.Ni <= 600"
"""
MADE = """
repeats = 2
resolution = { T = 5, alloy = 0.01 }
[oracle.weigh]
amount = 2
"""


@pytest.fixture
def furnace(tmp_path, athanor):
    """A campaign that has asked for six samples."""
    (tmp_path / "campaign.toml").write_text(campaign(MADE, more=MIXTURE, batch=6))
    assert athanor("turn", tmp_path, "--no-prefect").code == 0
    return tmp_path


def listed(folder):
    """The lines of the worklist."""
    return list(csv.DictReader((folder / "worklist" / "worklist.csv").read_text().splitlines()))


def test_a_lost_worklist_is_rebuilt(furnace, athanor):
    """The same bytes of the CSV, and all its forms; what was scribbled is kept beside them."""
    before = (furnace / "worklist" / "worklist.csv").read_bytes()
    for name in ("worklist.csv", "form.xlsx"):
        (furnace / "worklist" / name).write_text(f"scribbles on {name}")
    said = json.loads(athanor("lab", "worklist", furnace, "--json").out)
    assert (furnace / "worklist" / "worklist.csv").read_bytes() == before
    assert said["candidates"] == [row["candidate"] for row in listed(furnace)]
    assert all(b"scribbles" not in Path(file).read_bytes() for file in said["files"])
    kept = {path.read_text() for path in (furnace / "worklist").glob("changed-*")}
    assert kept == {"scribbles on worklist.csv", "scribbles on form.xlsx"}


def test_what_is_asked_can_be_set_and_is_what_is_recorded(furnace):
    """Whole steps on the worklist, the same in the ledger, every constraint kept."""
    campaign, _ = known(furnace)
    for row, candidate in zip(listed(furnace), campaign.pending, strict=True):
        campaign.problem.space.check(candidate.point)
        assert float(row["T [K]"]) == candidate.point["T"]
        assert candidate.point["T"] % 5 == 0
        assert round(float(row["alloy.Ni"]) * 100, 9) % 1 == 0
        assert float(row["alloy.Ni"]) + float(row["alloy.Al"]) == 1
        weighed = float(row["weigh Ni [g]"]) + float(row["weigh Al [g]"])
        assert weighed == pytest.approx(2, abs=2e-4)


def test_other_oracles_have_no_worklist(make, athanor):
    """The message says who answers."""
    folder = make()
    athanor("run", folder, "--no-prefect")
    said = athanor("lab", "worklist", folder)
    assert said.code == 2
    assert "expected a laboratory, oracle.kind = 'folder', got 'function'" in said.err


def test_an_edited_line_is_on_the_worklist_at_once(furnace, athanor):
    """With the new value, no prediction, and who changed it; its results are compared with it."""
    first = listed(furnace)[0]["candidate"]
    words = ("T=605", "--reason", "it drifts", "--by", "Ann")
    said = athanor("lab", "edit", furnace, first, *words)
    assert (said.code, f"{first} is now T = 605" in said.out) == (0, True)
    line = listed(furnace)[0]
    assert line["T [K]"] == "605"
    assert "edited by Ann: it drifts; it was T = " in line["why this one"]
    (furnace / "results").mkdir(exist_ok=True)
    text = f"candidate,T [K],strength [MPa]\n{first},605,300\n"
    (furnace / "results" / "a.csv").write_text(text)
    athanor("turn", furnace, "--no-prefect")
    (result,) = known(furnace)[0].results
    assert (result.point["T"], result.values) == (605.0, {"strength": 300.0})


def test_a_correction_is_told_with_what_it_changes(furnace, athanor):
    """In the target's unit, or one written behind the number; --dry-run only says it."""
    first, second, *_ = (row["candidate"] for row in listed(furnace))
    (furnace / "results").mkdir(exist_ok=True)
    text = f"candidate,strength [MPa]\n{first},3000\n{second},400\n"
    (furnace / "results" / "a.csv").write_text(text)
    athanor("turn", furnace, "--no-prefect")
    words = ("correct", furnace, first, "strength=0.3 GPa", "--reason", "a zero too many")
    assert "would be corrected" in athanor(*words, "--dry-run").out
    assert known(furnace)[0].results[0].values == {"strength": 3000.0}
    said = athanor(*words).out
    assert said.startswith(f"{first}: corrected.\nThe best was strength 3000 MPa")
    assert "It is now strength 400 MPa" in said
    assert known(furnace)[0].results[0].values == {"strength": 300.0}


@pytest.mark.parametrize(
    ("rows", "is_listed"),
    [
        (["{},1,300,"], True),
        (["{},1,300,", "{},2,301,"], False),
        (["{},1,300,", "{},2,,cracked"], False),
        (["{},1,300,", "{},2,,lost"], True),
        (["{},1,300,", "{},,,skipped"], False),
        (["{},,300,"], False),
    ],
)
def test_a_line_stays_until_its_repeats_are_there(furnace, athanor, rows, is_listed):
    """Or cannot be made, or the laboratory says that there will be no more; the budget goes on."""
    first = listed(furnace)[0]["candidate"]
    (furnace / "results").mkdir(exist_ok=True)
    text = "\n".join(["candidate,replicate,strength [MPa],status", *rows, ""])
    (furnace / "results" / "a.csv").write_text(text.format(first, first))
    athanor("turn", furnace, "--no-prefect")
    assert (first in [row["candidate"] for row in listed(furnace)]) == is_listed
    assert len(listed(furnace)) == 6 + is_listed
    assert known(furnace)[0].answered == 1


def test_repeats_are_wanted_of_what_was_measured_when_the_campaign_ends(tmp_path, athanor):
    """What was asked last may lack most of them; what was never made leaves the worklist."""
    (tmp_path / "campaign.toml").write_text(campaign("repeats = 2", evaluations=2, batch=2))
    (tmp_path / "results").mkdir()
    athanor("turn", tmp_path, "--no-prefect")
    first, second = (row["candidate"] for row in listed(tmp_path))
    text = f"candidate,replicate,strength [MPa]\n{first},1,300\n{second},1,200\n{second},2,201\n"
    (tmp_path / "results" / "a.csv").write_text(text)
    athanor("turn", tmp_path, "--no-prefect")
    assert known(tmp_path)[0].closed == "budget: 2 evaluations"
    assert [row["candidate"] for row in listed(tmp_path)] == [first]


def test_the_form_asks_only_for_what_is_missing(furnace, athanor):
    """Who fills in its first line for a sample tells of its second measurement, not the first."""
    first = listed(furnace)[0]["candidate"]
    (furnace / "results").mkdir(exist_ok=True)
    text = f"candidate,replicate,strength [MPa]\n{first},1,300\n"
    (furnace / "results" / "a.csv").write_text(text)
    for command in (("turn", furnace, "--no-prefect"), ("lab", "worklist", furnace)):
        athanor(*command)
        rows = load_workbook(furnace / "worklist" / "form.xlsx")["results"].values
        asked = [(row[0], row[2], row[3]) for row in rows]
        assert asked.count((first, 1, 2)) == 1
        assert [row[0] for row in asked].count(first) == 1
        assert listed(furnace)[0]["repeats wanted"] == "1"


SHARED = """
name = "s"
seed = {seed}
shared = ["T"]
[[parameter]]
name = "T"
kind = "continuous"
low = 300.5
high = 900
[[parameter]]
name = "x"
kind = "continuous"
low = 0
high = 1
[[constraint]]
expression = "T * x <= 300"
[[target]]
name = "y"
goal = "max"
[oracle]
kind = "folder"
resolution = {{ T = 50, x = 0.1 }}
[stop]
evaluations = 40
[run]
batch = 5
"""


@pytest.mark.parametrize(("seed", "is_round"), [(0, True), (2, False)])
def test_what_a_batch_shares_is_shared_rounded_or_not(tmp_path, athanor, seed, is_round):
    """Where no round value keeps every rule, all keep what was proposed, and say so."""
    (tmp_path / "campaign.toml").write_text(SHARED.format(seed=seed))
    assert athanor("turn", tmp_path, "--no-prefect").code == 0
    asked = known(tmp_path)[0].pending
    (heat,) = {candidate.point["T"] for candidate in asked}
    assert (float(str(heat)) % 50 == 0) == is_round
    assert all(each.why.cause.startswith("not rounded") != is_round for each in asked)
