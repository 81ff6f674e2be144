"""Two things end at once: a run and its server, a server's database, one of two that serve.

They share a server. A place of a killed process is free after a minute, which the tests between
use.
"""

import os
import signal
from pathlib import Path
from subprocess import Popen
from typing import Any

import httpx
import pytest

from flows.desk import desk
from flows.folder import known
from flows.watching.contents import key
from tests.flows.choices import whims
from tests.flows.conftest import campaign_folder, processes
from tests.flows.waits import answered, until

pytestmark = [
    pytest.mark.xdist_group("dying"),
    pytest.mark.slow,
    pytest.mark.timeout(1200),  # servers that start, and a minute that a place is held
]

PLACES = "places = {ovens = 2}\n"
START_S = 240  # a server, and a run at it


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Prefect's home, of a server that nobody has started yet."""
    return Path(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def launch(home):
    """Starts commands with that home, for all of these tests."""
    settings = {"PREFECT_HOME": str(home), "PREFECT_API_URL": ""}
    with processes() as start:
        yield lambda *arguments: start(*arguments, **settings)


def server(home: Path) -> tuple[str, int]:
    """Address and process of the server."""
    noted = desk(home).server()
    assert noted is not None
    return noted[0], int(noted[1].split("/")[1])


def listed(home: Path, what: str) -> list[dict[str, Any]]:
    """What the server has of a kind; nothing while it is away."""
    noted = desk(home).server()
    try:
        found = httpx.post(f"{noted[0]}/{what}/filter", json={}, timeout=30) if noted else None
        return found.json() if found and found.status_code == httpx.codes.OK else []
    except httpx.HTTPError:
        return []


def places_taken(home: Path) -> int:
    """How many places the server counts as taken."""
    (limit,) = listed(home, "v2/concurrency_limits")
    return int(limit["active_slots"])


@pytest.fixture(scope="module")
def killed(home, launch, tmp_path_factory) -> tuple[Path, Popen[str]]:
    """A campaign that goes on after its run and the server were killed with every place taken."""
    folder = tmp_path_factory.mktemp("killed") / "furnaces"
    campaign_folder(folder, evaluations=6, batch=2, seconds=2.0)
    with (folder / "campaign.toml").open("a") as file:
        file.write(PLACES)
    process = launch("run", folder)
    until(lambda: answered(folder) >= 1 and len(known(folder)[0].running) == 2, START_S)
    assert places_taken(home) == 2
    process.kill()
    os.kill(server(home)[1], signal.SIGKILL)
    process.wait()
    assert len(known(folder)[0].running) == 2
    return folder, launch("run", folder)


def line(process: Popen[str], said: str) -> str:
    """The next line of what a process says that has these words in it."""
    assert process.stdout is not None
    while said not in (found := process.stdout.readline()):
        assert found, f"it has ended, and never said {said!r}"
    return found


@pytest.mark.usefixtures("killed")
def test_of_two_that_serve_a_folder_the_second_waits_for_the_first(launch, make):
    """It says so in a sentence, and goes on where the first is killed: one history."""
    folder = make("shared", evaluations=12, batch=2, seconds=1.0, proposer="bayes")
    first = launch("serve", folder, "--start")
    line(first, "Prefect: http")
    second = launch("serve", folder, "--start")
    assert f"process {first.pid} serves it already" in line(second, f"{folder}: ")
    until(lambda: answered(folder) >= 2, START_S)
    first.kill()
    line(second, f"{folder}: is served from here now")
    until(lambda: known(folder)[0].closed, START_S)
    campaign = known(folder)[0]
    assert {len(each) for each in campaign.observations.values()} == {1}
    assert campaign.answered == 12
    assert whims(folder) == []
    second.send_signal(signal.SIGINT)
    assert second.wait(START_S) == 0


def test_a_run_and_its_server_killed_at_once_hold_no_place(home, killed):
    """After a minute the places are free again; what was in flight is asked again, once."""
    folder, process = killed
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    campaign = known(folder)[0]
    assert campaign.closed == "budget: 6 evaluations"
    assert sorted(campaign.attempts.values()) == [1, 1, 1, 1, 2, 2]
    until(lambda: places_taken(home) == 0)


def test_a_database_deleted_while_campaigns_are_served_is_made_again(home, launch, make, athanor):
    """The server starts again by itself; every page comes back, also of what is over."""
    over, busy = make("over", evaluations=2), make("busy", evaluations=900, batch=2, seconds=1.0)
    assert athanor("run", over, "--no-prefect").code == 0
    pages = {key("overview", "test", folder) for folder in (over, busy)}
    serving = launch("serve", over, busy, "--start")
    until(lambda: pages <= {each["key"] for each in listed(home, "artifacts/latest")}, START_S)
    (address, process), count = server(home), answered(busy)
    for each in home.glob("prefect.db*"):
        each.unlink()
    line(serving, "Prefect's server had lost its database; it starts again")
    assert f"{address.removesuffix('/api')}/deployments/" in line(serving, "busy: http")
    until(lambda: pages <= {each["key"] for each in listed(home, "artifacts/latest")}, START_S)
    folders = {each["parameters"]["folder"] for each in listed(home, "deployments")}
    assert folders >= {str(over), str(busy)}
    assert (server(home)[0], server(home)[1] != process) == (address, True)
    assert answered(busy) > count
    assert set(known(busy)[0].attempts.values()) == {1}
    assert athanor("stop", busy, "--now").code == 0
