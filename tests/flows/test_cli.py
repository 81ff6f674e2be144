"""The athanor command, without Prefect."""

import csv
import io
import json
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flows.cli import app
from flows.folder import known, require_writable
from flows.lab_cli import lab
from flows.rig import load
from flows.worker import lives_here, name, worker
from loop.records import Started

ROOT = Path(__file__).parents[2]
COMMANDS = sorted(each.callback.__name__ for each in app.registered_commands if each.callback)
COMMANDS += sorted(
    f"lab {each.callback.__name__}" for each in lab.registered_commands if each.callback
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example(athanor, command):
    """Help says what a command is for, and how it is typed."""
    said = athanor(*command.split(), "--help")
    assert said.code == 0
    assert f"Example: athanor {command}" in said.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_docs(command):
    """Who reads the page of the commands knows that it is there."""
    assert f"`athanor {command}" in (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")


def test_unknown_commands_are_usage_errors(athanor):
    """A typing error is exit code 2."""
    assert athanor("rnu").code == 2


@pytest.mark.parametrize(("command", "limit_s"), [("--help", 0.3), ("status", 1.0)])
def test_help_and_status_are_instant(make, athanor, start, command, limit_s):
    """They take 0.09 and 0.45 s of CPU, in a process of their own, however busy the machine is."""
    folder = make()
    athanor("run", folder, "--no-prefect")
    arguments = [command] if command == "--help" else [command, folder]
    took = []
    for _ in range(3):
        before = cpu_of_children()
        assert start(*arguments).wait() == 0
        took.append(cpu_of_children() - before)
    assert min(took) < limit_s


def cpu_of_children() -> float:
    """CPU seconds of all processes that this one has started, and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_status_imports_nothing_heavy(make, athanor):
    """The reason why it is fast."""
    folder = make()
    athanor("run", folder, "--no-prefect")
    code = (
        "import sys; from flows.cli import app; "
        f"app(['status', {str(folder)!r}], standalone_mode=False); "
        "print([m for m in ('torch', 'prefect', 'pandas', 'ase', 'pint') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.splitlines()[-1] == "[]"


def test_a_campaign_from_check_to_report(make, athanor):
    """check, run, status, report and export agree on what happened."""
    folder = make(evaluations=6, batch=2)
    assert athanor("check", folder).code == 0
    ran = athanor("run", folder, "--no-prefect")
    assert ran.code == 0
    assert "budget: 6 evaluations" in ran.out
    status = json.loads(athanor("status", folder, "--json").out)
    assert (status["answered"], status["waiting"]) == (6, 0)
    assert status["best"]["values"]["y"] == max(r.values["y"] for r in known(folder)[0].results)
    assert (folder / "report.html").read_text().lower().startswith("<!doctype html>")


def test_export_has_units_and_every_candidate(make, athanor, tmp_path):
    """The CSV header carries units; the JSON holds the same answers."""
    folder = make()
    athanor("run", folder, "--no-prefect")
    rows = list(csv.DictReader(io.StringIO(athanor("export", folder).out)))
    everything = json.loads(athanor("export", folder, "--json").out)
    answers = [each["answers"][0]["values"]["y"] for each in everything["candidates"]]
    assert [float(row["y [GPa]"]) for row in rows] == answers
    assert athanor("export", folder, "-o", tmp_path / "no" / "where.csv").code == 2


def test_nothing_happened_yet(make, athanor):
    """Before the first run, status says how to start, and does not make a ledger."""
    folder = make()
    assert "athanor run" in athanor("status", folder).out
    assert athanor("export", folder).code == 2
    assert not (folder / "ledger.db").exists()


def test_a_campaign_is_not_overwritten(make, athanor):
    """Init leaves a folder alone that holds a campaign."""
    folder = make()
    before = (folder / "campaign.toml").read_text()
    assert athanor("init", folder).code == 2
    assert (folder / "campaign.toml").read_text() == before


def test_a_bad_end_is_exit_code_1(make, athanor):
    """A campaign that failures have stopped is not fine, and says why."""
    folder = make(evaluations=20)
    (folder / "measure.py").write_text("def measure(x):\n    return float('nan')\n")
    ran = athanor("run", folder, "--no-prefect")
    assert ran.code == 1
    assert "invalid_output" in ran.out


def test_a_larger_budget_reopens(make, athanor):
    """The budget may be raised after the end; the campaign goes on from where it was."""
    folder = make(evaluations=3)
    athanor("run", folder, "--no-prefect")
    text = (folder / "campaign.toml").read_text()
    (folder / "campaign.toml").write_text(text.replace("evaluations = 3", "evaluations = 5"))
    assert athanor("run", folder, "--no-prefect").code == 0
    assert known(folder)[0].answered == 5


def test_another_question_is_refused(make, athanor):
    """What the data do not survive cannot be changed under them."""
    folder = make(evaluations=3)
    athanor("run", folder, "--no-prefect")
    text = (folder / "campaign.toml").read_text()
    (folder / "campaign.toml").write_text(text.replace("high = 1", "high = 2"))
    said = athanor("run", folder, "--no-prefect")
    assert said.code == 2
    assert "new folder" in said.err


def test_turns_make_a_campaign(make, athanor):
    """`turn` again and again comes to the same end as `run`."""
    folder, other = make(evaluations=3), make("other", evaluations=3)
    athanor("run", other, "--no-prefect")
    while not json.loads(athanor("turn", folder, "--no-prefect", "--json").out)["closed"]:
        pass
    assert known(folder)[0].results == known(other)[0].results


def test_a_laboratory_is_given_its_rejected_rows_back(tmp_path, athanor):
    """A lab turn writes the worklist; a row with an unknown id comes back with the reason."""
    folder = tmp_path / "lab"
    athanor("init", folder, "--template", "lab")
    athanor("turn", folder, "--no-prefect")
    first = (folder / "worklist" / "worklist.csv").read_text().splitlines()[1][:8]
    rows = ["candidate,hardness", f"{first},512", "nobody,100"]
    (folder / "results" / "monday.csv").write_text("\n".join(rows) + "\n")
    status = json.loads(athanor("turn", folder, "--no-prefect", "--json").out)
    assert (status["answered"], status["waiting"]) == (1, 4)
    (rejected,) = (folder / "rejected").iterdir()
    assert "nobody" in rejected.read_text()


def test_the_table_template_finds_its_maximum(tmp_path, athanor):
    """The example on known answers runs as it is, and finds the top of its formula."""
    athanor("init", tmp_path / "table", "--template", "table")
    assert athanor("run", tmp_path / "table", "--no-prefect").code == 0
    best = known(tmp_path / "table")[0].best
    assert best is not None
    assert best.values["strength"] > 490


def test_a_worker_is_alive_while_its_process_is(start):
    """This process lives; one that has ended does not, nor does another with its number."""
    process = start("--help")
    other = name(process.pid)
    process.wait()
    assert lives_here(name())
    assert not lives_here(other)
    assert not lives_here(f"{name()[:-3]}0000")


def test_a_worker_elsewhere_is_believed_for_the_wall_limit():
    """Nobody may be at one evaluation longer, but at many; a person may know better."""
    one, other = (
        Started(candidate=name, attempt=1, worker="another-host/7/1.00") for name in ("a", "b")
    )
    patient, hasty = worker(None), worker(0.05, spare_s=0.0)
    assert patient.alive(one)
    assert hasty.alive(one)
    time.sleep(0.1)
    assert patient.alive(one)
    assert not hasty.alive(one)
    assert hasty.alive(other)
    assert worker(0.05).alive(one)
    assert not worker(None, take_over=True).alive(one)


def test_the_ledger_may_stand_elsewhere(make, athanor):
    """A relative SQLite path is the folder's, and the address is not kept in the ledger."""
    folder = make()
    with (folder / "campaign.toml").open("a") as file:
        file.write('ledger = "sqlite:///memory/events.db"\n')
    (folder / "memory").mkdir()
    assert athanor("run", folder, "--no-prefect").code == 0
    assert (folder / "memory" / "events.db").exists()
    assert "ledger" not in known(folder)[0].settings["run"]


def test_a_rig_is_what_the_file_says(make):
    """Strings have become objects."""
    setup = load(make(evaluations=7, batch=3))
    assert (setup.workers, setup.rig.batch, setup.rig.rules.evaluations) == (3, 3, 7)
    assert setup.rig.oracle.declaration.measures == {"y": "GPa"}


@pytest.mark.parametrize(
    ("run", "workers", "batch"),
    [
        ("", 1, 1),
        ("workers = 1", 1, 1),
        ("workers = 2", 2, 3),
        ("batch = 4", 4, 4),
        ("batch = 4\nworkers = 2", 2, 4),
        ("batch = 2\nworkers = 2", 2, 2),
    ],
)
def test_several_workers_have_one_candidate_more(make, run, workers, batch):
    """Unless the batch is stated: what waits is begun while the model is asked for the next."""
    folder = make()
    file = folder / "campaign.toml"
    file.write_text(file.read_text().partition("[run]")[0] + f"[run]\n{run}\n")
    setup = load(folder)
    assert (setup.workers, setup.rig.batch) == (workers, batch)


def test_several_may_ask_at_once_whether_a_folder_is_writable(tmp_path):
    """Two runs that start together do not stumble over one another's probe, and leave none."""
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(require_writable, [tmp_path] * 400)) == {None}
    assert list(tmp_path.iterdir()) == []
