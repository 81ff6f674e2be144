"""`athanor attach`: past data trains the model, costs nothing, and every row is accounted for."""

import json
import re
from pathlib import Path

import pytest

from flows.folder import known
from flows.rig import load
from loop.records import Attached
from loop.surrogate.data import training_data
from tests.flows.furnace import campaign

CAMPAIGN = """
name = "alloys"
[[parameter]]
name = "T"
kind = "discrete"
low = 300
high = 900
step = 100
unit = "K"
[[parameter]]
name = "alloy"
kind = "composition"
elements = ["Ni", "Al", "Co"]
at_most = 2
[[target]]
name = "strength"
unit = "MPa"
goal = "max"
[oracle]
kind = "folder"
[oracle.columns]
"FORMULA" = "alloy"
"YS (MPa)" = "strength [MPa]"
"Test (C)" = "T [degC]"
[proposer]
initial = {initial}
[stop]
evaluations = 3
[run]
batch = 2
"""
PAST = """\
FORMULA,Test (C),YS (MPa),doi
Ni,126.85,300,a
Ni1 Al1,137,400,b
AlNi,137,400,b
AlCoNi,126.85,350,c
Ni0.5Fe0.5,126.85,500,d
Ni,1000,100,e
Ni,126.85,,f
Ni,126.85,fast,g
quartz!,126.85,100,h
"""
PAGE = (Path(__file__).parents[2] / "docs" / "past-data.md").read_text(encoding="utf-8")
MPEA = Path(__file__).parents[3] / "shared" / "data" / "mpea_given.csv"


@pytest.fixture
def alloys(tmp_path):
    """Makes a campaign folder with a file of past data beside it."""

    def alloys(initial=3, text=PAST):
        folder = tmp_path / "alloys"
        folder.mkdir(exist_ok=True)
        (folder / "campaign.toml").write_text(CAMPAIGN.format(initial=initial))
        (tmp_path / "past.csv").write_text(text)
        return folder, tmp_path / "past.csv"

    return alloys


def test_every_row_is_used_or_given_back_with_its_reason(alloys, athanor):
    """Columns by the campaign's mapping, units converted, formulas as fractions of atoms."""
    folder, file = alloys()
    said = json.loads(athanor("attach", folder, file, "--by", "Ann", "--json").out)
    assert (said["rows"], len(said["attached"]), said["duplicates"]) == (9, 3, 1)
    assert {row: (column, reason) for _, row, column, reason in said["rejected"]}.keys() == set(
        range(5, 10)
    )
    rejected = Path(*said["files"]).read_text()
    assert "expected elements among Ni, Al, Co, got Fe" in rejected
    assert "a value from 300 to 900 K, got 1273.15 K" in rejected
    campaign, entries = known(folder)
    point = campaign.candidates[said["attached"][1]].point
    assert point == {"T": pytest.approx(410.15), "alloy": {"Al": 0.5, "Ni": 0.5}}
    event = entries[-1][1]
    assert isinstance(event, Attached)
    assert (event.rows, event.duplicates, event.by) == (9, 1, "Ann")


def test_the_same_rows_again_are_no_news(alloys, athanor):
    """The same file, or another with one row more: only that row counts."""
    folder, file = alloys()
    athanor("attach", folder, file)
    again = json.loads(athanor("attach", folder, file, "--json").out)
    assert (again["attached"], again["duplicates"]) == ([], 4)
    folder, file = alloys(text=PAST + "Co,126.85,600,z\n")
    assert len(json.loads(athanor("attach", folder, file, "--json").out)["attached"]) == 1


def test_the_inbox_accounts_for_past_data_too(alloys, athanor):
    """Every row of every file, a copy among them, once; the same file again is no news."""
    folder, file = alloys()
    copy = file.with_name("copy.csv")
    copy.write_text(PAST)
    for each in (file, copy, file, copy):
        athanor("attach", folder, each)
    said = json.loads(athanor("lab", "inbox", folder, "--json").out)
    names = ("file", "rows", "used", "duplicate", "rejected")
    files = [tuple(each[name] for name in names) for each in said["files"]]
    assert files == [("past.csv", 9, 3, 1, 5), ("copy.csv", 9, 0, 4, 5)]


def test_a_table_without_a_known_column_is_told_what_is_missing(alloys, athanor):
    """Neither an id nor a target: perhaps a header is spelt otherwise."""
    folder, file = alloys(text="FORMULA,Yield\nNi,300\n")
    said = athanor("attach", folder, file, "--dry-run").out
    assert "no column 'candidate', and none of a target, such as one of [oracle.columns]" in said


def test_a_dry_run_writes_nothing(alloys, athanor):
    """Neither ledger, nor archive, nor rejected/; what it says is what would be done."""
    folder, file = alloys()
    before = sorted(folder.rglob("*"))
    said = athanor("attach", folder, file, "--dry-run").out
    assert "9 rows: 3 would be attached, 1 known already, 5 rejected." in said
    assert "It is now strength 400 MPa" in said
    ledger = {folder / name for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm")}
    assert set(folder.rglob("*")) - ledger == set(before)
    assert load(folder).rig.ledger.events() == []


def test_past_data_trains_and_costs_nothing(alloys, athanor):
    """It fills the design, so that the model chooses at once, and the budget is untouched."""
    folder, file = alloys()
    athanor("attach", folder, file)
    assert athanor("turn", folder, "--no-prefect").code == 0
    campaign, _ = known(folder)
    assert [each.why.origin for each in campaign.pending] == ["model", "model"]
    assert len(training_data(campaign).X) == 3
    assert (campaign.asked, campaign.answered) == (2, 0)
    assert len(campaign.trace) == 0
    status = json.loads(athanor("status", folder, "--json").out)
    assert (status["answered"], status["budget"], status["waiting"]) == (0, 3, 2)
    assert athanor("report", folder).code == 0


def test_past_data_can_be_taken_back_and_corrected(alloys, athanor):
    """As any other answer."""
    folder, file = alloys()
    first, best, _ = json.loads(athanor("attach", folder, file, "--json").out)["attached"]
    assert athanor("retract", folder, best, "--reason", "another alloy").code == 0
    words = ("correct", folder, first, "strength=310", "--reason", "misread")
    assert "corrected" in athanor(*words).out
    assert [result.values["strength"] for result in known(folder)[0].results] == [310.0, 350.0]


@pytest.mark.skipif(not MPEA.exists(), reason="the data set is not here")
def test_a_published_table_is_attached_through_a_mapping(tmp_path, athanor):
    """Multi-principal element alloys: hardness, by composition, of whatever the space can hold."""
    (example,) = re.findall(r"(?ms)^```toml\n(.*?)^```$", PAGE)
    (tmp_path / "campaign.toml").write_text(example)
    said = json.loads(athanor("attach", tmp_path, MPEA, "--json").out)
    reasons = [reason for *_, reason in said["rejected"]]
    assert said["rows"] == len(said["attached"]) + said["duplicates"] + len(reasons)
    assert (len(said["attached"]), said["duplicates"], len(reasons)) == (382, 13, 873)
    assert reasons.count("no value and no status") == 811
    assert athanor("turn", tmp_path, "--no-prefect").code == 0
    (asked,) = known(tmp_path)[0].pending
    assert asked.why.origin in {"model", "replicate"}


def test_a_file_of_which_nothing_can_be_used_is_accounted_for(alloys, athanor):
    """Its rows are in the inbox as rejected, and it is on record once."""
    folder, file = alloys(text="FORMULA,Test (C),YS (MPa)\nNi,126.85,fast\nNi,1000,3\n")
    for _ in range(2):
        assert json.loads(athanor("attach", folder, file, "--json").out)["attached"] == []
    (account,) = json.loads(athanor("lab", "inbox", folder, "--json").out)["files"]
    assert (account["file"], account["rows"], account["rejected"]) == ("past.csv", 2, 2)


def test_a_category_that_is_none_is_said_of_its_own_column(tmp_path, athanor):
    """As whoever wrote the table knows it, not as it is called inside."""
    gas = '[[parameter]]\nname = "gas"\nkind = "categorical"\nvalues = ["Ar", "N2"]'
    (tmp_path / "campaign.toml").write_text(campaign(more=gas))
    (tmp_path / "past.csv").write_text("T [K],gas,strength [MPa]\n400,He,3\n")
    (row,) = json.loads(athanor("attach", tmp_path, tmp_path / "past.csv", "--json").out)[
        "rejected"
    ]
    assert row[2:] == ["gas", "expected one of Ar, N2, got 'He'"]
