"""Laboratory files, while processes are killed and while many write at once."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from openpyxl import Workbook

from tests.flows.furnace import campaign
from tests.flows.test_inbox import drop

SCRIPT = Path(__file__).with_name("lab_processes.py")


@pytest.fixture
def furnace(tmp_path, athanor):
    """The folder of a laboratory's campaign that has asked for four samples, and their ids."""
    folder = tmp_path / "furnace"
    (folder / "results").mkdir(parents=True)
    (folder / "campaign.toml").write_text(campaign())
    assert athanor("turn", folder, "--no-prefect").code == 0
    rows = (folder / "worklist" / "worklist.csv").read_text().splitlines()[1:]
    return folder, [row.split(",")[0] for row in rows]


def said(what, folder):
    """What the processes have to say in the end."""
    command = [sys.executable, SCRIPT, what, folder]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=SCRIPT.parents[2], check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_kill_9_at_every_step_of_taking_files_in(furnace):
    """After the next turn everything is as if nothing had happened, and nothing is doubled."""
    folder, (a, b, c, d) = furnace
    drop(folder, "monday.csv", f"{a},100", f"{b},high", "0099-xyz,3")
    drop(folder, "tuesday.csv", f"{a},100", f"{c},120", f"{d},5")
    drop(folder, "wednesday.csv", f"{d},6", header="sample,strength")
    book = Workbook()
    sheet = book.create_sheet("results")
    sheet.append(["candidate", "strength [MPa]"])
    sheet.append([d, 6])
    book.save(folder / "results" / "thursday.xlsx")
    ended = said("kill", folder)
    assert ended["wrong"] == []
    assert ended["killed"] == ended["places"] >= 60


@pytest.mark.slow
def test_eight_writers_and_two_turns_at_once(furnace):
    """Nothing is lost, nothing is doubled, and there is one history."""
    folder, ids = furnace
    ended = said("crowd", folder)
    assert set(ended["ended"]) == {0}
    assert ended["events"] is ended["balances"] is True
    assert [ended["repeats"][each] for each in ids] == [48] * 4
    assert (ended["read"] >= 48, ended["torn"]) == (True, [])
