"""Prefect's server cannot be reached, or loses its database: the ledger has it all."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import httpx
import psutil
import pytest

from flows.desk import desk
from flows.folder import known, remembered
from flows.worker import lives_here
from tests.flows.conftest import answer, lab

pytestmark = [
    pytest.mark.xdist_group("serve"),
    pytest.mark.slow,
    pytest.mark.timeout(600),  # two runs and a server start
]

EVALUATIONS = 16
OLDER = "9e83011d1f2a"  # the database as Prefect 3.6.0 has it


def test_a_server_may_lose_its_database(make, start, tmp_path):
    """Each candidate is evaluated once, a later run finds a server; without a home it ends."""
    folder, later = make(evaluations=EVALUATIONS, seconds=0.3), make("later", evaluations=3)
    home = tmp_path / "home"
    settings = {"PREFECT_HOME": str(home), "PREFECT_API_URL": ""}
    process = start("run", folder, **settings)
    end = time.monotonic() + 240
    while not ((found := remembered(folder)) and found[0].answered >= 3):
        assert time.monotonic() < end
        time.sleep(0.1)
    for each in home.glob("prefect.db*"):
        each.unlink()
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    campaign, _ = known(folder)
    assert campaign.closed == f"budget: {EVALUATIONS} evaluations"
    assert campaign.attempts == dict.fromkeys(campaign.candidates, 1)
    assert start("run", later, **settings).wait(240) == 0
    assert known(later)[0].answered == 3
    noted = desk(home).server()
    assert noted is not None
    shutil.rmtree(home)
    gone = time.monotonic() + 120
    while lives_here(noted[1]) and time.monotonic() < gone:
        time.sleep(0.5)
    assert not lives_here(noted[1])


def test_a_database_of_another_prefect(start, athanor, tmp_path):
    """An older one is brought up to date, and the campaign goes on; of a newer one it is said."""
    folder, home = lab(tmp_path / "lab"), tmp_path / "home"
    settings = {"PREFECT_HOME": str(home), "PREFECT_API_URL": ""}
    athanor("turn", folder, "--no-prefect")
    answer(folder, "monday.csv")
    older = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "-y", "-r", OLDER]
    subprocess.run(older, env=os.environ | settings, check=True, capture_output=True)

    assert start("turn", folder, **settings).wait(240) == 0
    assert (known(folder)[0].turn, known(folder)[0].answered) == (2, 2)
    assert [run["state_type"] for run in read(home, "flow_runs/filter")] == ["COMPLETED"]
    pages = {page["key"].split("-")[0] for page in read(home, "artifacts/latest/filter")}
    assert pages >= {"overview", "observations", "laboratory"}
    end_server(home)

    with closing(sqlite3.connect(home / "prefect.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = 'of a day to come'")
    process = start("turn", folder, **settings)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 3
    assert f"home: expected one that Prefect {version('prefect')} or an older one has made" in said
    assert "got one of a newer Prefect. Install that again; or move prefect.db away" in said
    assert "Traceback" not in said


def read(home: Path, what: str) -> list[dict[str, str]]:
    """What the server of a home has."""
    noted = desk(home).server()
    assert noted is not None
    with httpx.Client(trust_env=False) as client:
        return list(client.post(f"{noted[0]}/{what}", json={}).raise_for_status().json())


def end_server(home: Path) -> None:
    """Kill the server of a home."""
    noted = desk(home).server()
    assert noted is not None
    server = psutil.Process(int(noted[1].split("/")[1]))
    server.kill()
    psutil.wait_procs([server], 20)


def test_two_servers_that_begin_at_once_have_an_address_each(start, make, tmp_path):
    """One of them has Prefect's own port; neither is taken for the other."""
    homes = [tmp_path / "one", tmp_path / "two"]
    runs = [
        start("run", make(home.name), PREFECT_HOME=str(home), PREFECT_API_URL="") for home in homes
    ]
    for run in runs:
        said, _ = run.communicate(timeout=240)
        assert run.returncode == 0, said
    (first, one), (second, two) = (noted for home in homes if (noted := desk(home).server()))
    assert first != second
    for worker in one, two:
        os.kill(int(worker.split("/")[1]), signal.SIGKILL)


def test_a_server_that_cannot_be_reached_is_said(make, start, athanor):
    """At once, with what to do; and without it the campaign goes on."""
    folder = make(evaluations=3)
    process = start("run", folder, PREFECT_API_URL="http://127.0.0.1:9/api")
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "expected a Prefect server that answers, got none at http://127.0.0.1:9/api" in said
    assert "Start it, unset PREFECT_API_URL to get one, or use athanor run --no-prefect" in said
    assert "Traceback" not in said
    assert athanor("run", folder, "--no-prefect").code == 0
