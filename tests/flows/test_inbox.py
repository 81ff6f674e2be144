"""`athanor lab`: what a laboratory sent in is accounted for, row by row."""

import json
import subprocess
import sys
from io import StringIO

import pytest
from openpyxl import Workbook
from rich.console import Console

from flows.folder import known
from flows.ingesting import ingest
from flows.laboratory import wait
from flows.rig import load
from tests.flows.furnace import campaign


@pytest.fixture
def furnace(tmp_path, athanor):
    """Makes a laboratory's campaign that has asked for four samples; its folder and their ids."""

    def furnace(oracle=""):
        (tmp_path / "campaign.toml").write_text(campaign(oracle))
        (tmp_path / "results").mkdir()
        assert athanor("turn", tmp_path, "--no-prefect").code == 0
        rows = (tmp_path / "worklist" / "worklist.csv").read_text().splitlines()[1:]
        return tmp_path, [row.split(",")[0] for row in rows]

    return furnace


def drop(folder, name, *rows, header="candidate,strength [MPa]"):
    """Put a file into results/."""
    (folder / "results" / name).write_text("\n".join([header, *rows, ""]))


MANY = "candidate,replicate,strength [MPa]"
HEAVY = ("torch", "sklearn", "prefect", "plotly", "matplotlib", "pymatgen", "ase", "pandas")


@pytest.mark.parametrize("arguments", [("lab", "ingest"), ("turn", "--no-prefect")])
def test_taking_files_in_imports_nothing_that_it_does_not_need(furnace, arguments):
    """A hundred thousand rows leave no room for models, figures and structures."""
    folder, (a, *_) = furnace()
    drop(folder, "monday.csv", f"{a},100")
    code = (
        "import sys; from flows.cli import app; "
        f"app({[*arguments, str(folder)]!r}, standalone_mode=False); "
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert len(known(folder)[0].results) == 1
    assert said.stdout.splitlines()[-1] == "[]"


def test_the_inbox_balances(furnace, athanor):
    """Every row of every file is in one column, and the columns add up."""
    folder, (a, b, *_) = furnace()
    drop(folder, "monday.csv", f"{a},100", f"{b},high", "0099-xyz,3")
    drop(folder, "tuesday.csv", f"{a},100", f"{b},120")
    athanor("turn", folder, "--no-prefect")
    total = json.loads(athanor("lab", "inbox", folder, "--json").out)["total"]
    assert total.pop("file") == "total"
    assert 2 * total["rows"] == sum(total.values()) == 10
    assert (total["used"], total["duplicate"], total["rejected"]) == (2, 1, 2)
    assert "monday.csv" in athanor("lab", "inbox", folder).out


def test_of_very_many_rows_those_are_listed_that_are_not_simply_new(furnace, athanor):
    """The others are counted, and where they are found is said."""
    folder, (a, *_) = furnace()
    drop(folder, "monday.csv", *[f"{a},{n},100" for n in range(250)], "0099-xyz,0,3", header=MANY)
    said = athanor("lab", "ingest", folder).out
    assert "0099-xyz" in said
    assert said.count("monday.csv") == 1
    assert "250 new, 1 rejected; 250 rows are not listed: --json has all" in said


def test_an_empty_inbox_says_so(furnace, athanor):
    """Before anything came there is nothing to count."""
    folder, _ = furnace()
    assert athanor("lab", "inbox", folder).out == "No file has been read yet.\n"


def test_a_dry_run_judges_every_row_and_writes_nothing(furnace, athanor):
    """What would be made of each row is said; folder and ledger stay as they are."""
    folder, (a, b, c, _) = furnace()
    drop(folder, "monday.csv", f"{a},100", f"{b},high")
    athanor("lab", "ingest", folder)
    drop(folder, "monday.csv", f"{a},101", f"{b},high")
    drop(folder, "tuesday.csv", f"{a},101", f"{a},99", f"{c},7", f"{c[:-1]},3")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    said = json.loads(athanor("lab", "ingest", folder, "--dry-run", "--json").out)
    assert [each["what"] for each in said] == [
        "correction",
        "rejected",
        "duplicate",
        "conflict",
        "new",
        "rejected",
    ]
    ledger = [path for path in folder.rglob("*") if "ledger" not in path.name]
    assert all(before[path] == path.stat().st_mtime_ns for path in ledger)
    assert "1 conflict" in athanor("lab", "ingest", folder).out
    assert "No file is new" in athanor("lab", "ingest", folder).out


def test_a_person_resolves_a_conflict(furnace, athanor):
    """The inbox names the contenders as --keep takes them, and what changes is said."""
    folder, (a, *_) = furnace()
    drop(folder, "monday.csv", f"{a},100")
    drop(folder, "tuesday.csv", f"{a},90")
    athanor("lab", "ingest", folder)
    (conflict,) = json.loads(athanor("lab", "inbox", folder, "--json").out)["conflicts"]
    assert conflict["claims"] == [["monday.csv:1", "100"], ["tuesday.csv:1", "90"]]
    assert athanor("lab", "worklist", folder, "--json").out.count(a) == 0
    assert f"files disagree about {a}: athanor lab resolve" in athanor("status", folder).out
    told = (folder / "rejected" / "conflicts.csv").read_text()
    assert f'{a},strength,,tuesday.csv:1,90,"monday.csv:1 says otherwise: correct the file' in told
    keep = ("--keep", "tuesday.csv:1", "--reason", "monday was not calibrated")
    said = athanor("lab", "resolve", folder, a, *keep)
    assert "It is now strength 90 MPa" in said.out
    assert not (folder / "rejected" / "conflicts.csv").exists()
    assert athanor("lab", "resolve", folder, a, *keep).code == 2
    total = json.loads(athanor("lab", "inbox", folder, "--json").out)["total"]
    assert (total["used"], total["superseded"], total["conflict"]) == (1, 1, 0)


def test_what_nobody_asked_for_is_attached(furnace, athanor):
    """It counts as an observation, not as budget; a copy changes nothing; the account balances."""
    folder, (a, *_) = furnace("ad_hoc = true")
    header = "candidate,T [K],strength [MPa]"
    drop(folder, "monday.csv", ",650,210", f"{a},,100", header=header)
    athanor("lab", "ingest", folder)
    drop(folder, "copy.csv", ",650,210", header=header)
    athanor("lab", "ingest", folder)
    campaign, _ = known(folder)
    assert sorted(r.values["strength"] for r in campaign.results) == [100.0, 210.0]
    assert (campaign.asked, campaign.attached) == (4, 1)
    total = json.loads(athanor("lab", "inbox", folder, "--json").out)["total"]
    assert (total["rows"], total["used"], total["duplicate"]) == (3, 2, 1)


def test_what_was_made_further_off_than_tolerated_is_listed(furnace, athanor):
    """It counts, where it was made; by the row as it comes in, and in the inbox for good."""
    folder, (a, b, *_) = furnace("tolerance = { T = 2 }")
    header = "candidate,actual:T [K],strength [MPa]"
    asked = known(folder)[0].candidates[a].point["T"]
    drop(folder, "monday.csv", f"{a},777,100", f"{b},,90", header=header)
    said = f"T made at 777 K, asked at {asked:.6g}"
    assert said in athanor("lab", "ingest", folder).out.replace("\n", " ")
    shown = athanor("lab", "inbox", folder)
    assert f"Made otherwise than asked:\n  {a}: {said}\n" in shown.out


def test_a_share_that_is_not_mounted_is_no_news(furnace, athanor):
    """Nothing is forgotten, nobody stops, and what came meanwhile is read when it is back."""
    folder, (a, b, *_) = furnace()
    share, results = folder / "share", folder / "results"
    drop(folder, "monday.csv", f"{a},100")
    results.rename(share)
    results.symlink_to(share)
    athanor("lab", "ingest", folder)
    share.rename(folder / "away")
    assert athanor("lab", "ingest", folder).out == "No file is new or has changed.\n"
    wait(load(folder), look_s=0.01)
    (folder / "away").rename(share)
    drop(folder, "tuesday.csv", f"{b},90")
    athanor("lab", "ingest", folder)
    assert [result.values["strength"] for result in known(folder)[0].results] == [100.0, 90.0]


def test_files_are_counted_while_they_are_read(furnace):
    """On a terminal there is a bar, whose end is the number of files; elsewhere there is none."""
    folder, (a, b, *_) = furnace()
    drop(folder, "monday.csv", f"{a},100")
    drop(folder, "tuesday.csv", f"{b},90")
    shown = []
    for is_terminal in (True, False):
        text = StringIO()
        console = Console(file=text, force_terminal=is_terminal, width=80)
        assert len(ingest(folder, dry_run=True, console=console)) == 2
        shown.append(text.getvalue())
    assert "files read" in shown[0]
    assert "2/2" in shown[0]
    assert shown[1] == ""


def test_who_and_what_measured_is_shown_as_an_effect(tmp_path, athanor):
    """Measured minus what the model expected, by instrument and operator: one reads 50 too high."""
    text = campaign().replace('kind = "design"', "initial = 4")
    (tmp_path / "campaign.toml").write_text(text)
    (tmp_path / "results").mkdir()
    for week in range(3):
        athanor("turn", tmp_path, "--no-prefect")
        rows = [
            f"{each.id},{float(str(each.point['T'])) / 10 + 50 * (n % 2)},{('Ada', 'Bob')[n % 2]}"
            for n, each in enumerate(known(tmp_path)[0].pending)
        ]
        drop(tmp_path, f"{week}.csv", *rows, header="candidate,strength [MPa],operator")
    athanor("lab", "ingest", tmp_path)
    said = json.loads(athanor("lab", "inbox", tmp_path, "--json").out)["effects"]
    mean = {each["value"]: each["mean"] for each in said if each["column"] == "operator"}
    assert mean["Bob"] > mean["Ada"] + 25
    assert "operator Bob: strength +" in athanor("lab", "inbox", tmp_path).out


def test_a_run_says_what_it_waits_for_where_its_output_goes_to_a_file(furnace, start):
    """At once, and again when that changes: whoever reads the file need not guess."""
    folder, ids = furnace()
    process = start("run", folder, "--no-prefect")
    assert process.stdout.readline().split() == (
        ["0", "waiting", "for", "4", "results:", *", ".join(ids).split()]
    )
    drop(folder, "monday.csv", f"{ids[0]},100")
    said = [process.stdout.readline()]
    while "0005-" not in said[-1] and len(said) < 4:  # the turn may be seen half done
        said.append(process.stdout.readline())
    assert "1  strength 100 MPa" in said[0]
    assert f"waiting for 4 results: {', '.join(ids[1:])}, 0005-" in said[-1]


def test_a_workbook_is_kept_by_its_name_alone(furnace, athanor):
    """Who types it says monday.xlsx, and need not know how a sheet of it is named on record."""
    folder, (a, *_) = furnace()
    workbook = Workbook()
    sheet = workbook.create_sheet("results", 0)
    sheet.append(["candidate", "strength [MPa]"])
    sheet.append([a, 100])
    workbook.save(folder / "results" / "monday.xlsx")
    drop(folder, "tuesday.csv", f"{a},90")
    athanor("lab", "ingest", folder)
    said = athanor("lab", "resolve", folder, a, "--keep", "monday.xlsx", "--reason", "mistyped")
    assert said.code == 0
    assert not json.loads(athanor("lab", "inbox", folder, "--json").out)["conflicts"]
