"""A laboratory's campaign of a week, launched once, over three reboots.

A day is a day for every process: their clock is moved by `tests/clock.c`. A reboot kills all of
them with SIGKILL, and gives the same command again, as a boot would.
"""

import time
from collections import Counter
from datetime import datetime
from pathlib import Path

import httpx
import psutil
import pytest

from flows.desk import desk
from flows.folder import known, remembered
from flows.laboratory import take
from flows.rig import load
from flows.worker import worker
from tests.flows.conftest import CAMPAIGN
from tests.flows.test_clock import Clock, clock  # noqa: F401 - a fixture

DAY = 86400
SAMPLES = 12  # two a day, and a day on which nothing comes


def lab(folder: Path) -> Path:
    """A laboratory's campaign, chosen by the model, two samples at a time."""
    text = CAMPAIGN.replace('function = "measure.py:measure"\n', "")
    text = text.replace('kind = "function"', 'kind = "folder"')
    (folder / "results").mkdir(parents=True)
    said = {"proposer": "bayes", "evaluations": SAMPLES, "batch": 2, "workers": 1}
    (folder / "campaign.toml").write_text(text.format(**said))
    return folder


def hand_in(folder: Path, day: int) -> None:
    """The laboratory measures what waits, and writes a file."""
    waits = {each.id: float(str(each.point["x"])) for each in known(folder)[0].pending}
    rows = [f"{name},{100 - 50 * (x - 0.3) ** 2!r}\n" for name, x in waits.items()]
    (folder / "results" / f"day-{day}.csv").write_text("candidate,y [GPa]\n" + "".join(rows))


def until(found, seconds=180.0):
    """Wait for what is on its way."""
    end = time.monotonic() + seconds
    while not found() and time.monotonic() < end:
        time.sleep(0.2)
    assert found()


def turns(folder: Path) -> int:
    """How many turns have asked for something; one more where the campaign has ended."""
    found = remembered(folder)
    return found[0].turn + (found[0].closed is not None) if found else 0


def lose_power(process) -> None:
    """Kill the command, its server and its runs, all at once."""
    everyone = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    for each in everyone:
        each.kill()
    psutil.wait_procs(everyone, timeout=20)
    assert len(everyone) >= 2  # the server is one of them


def take_on(home: Path) -> None:
    """Leave a run behind as a runner does that is killed when it has just taken it on."""
    noted = desk(home).server()
    assert noted is not None
    with httpx.Client(base_url=noted[0], trust_env=False, timeout=60) as client:
        (campaign,) = client.post("/deployments/filter", json={}).raise_for_status().json()
        there = f"/deployments/{campaign['id']}/create_flow_run"
        run = {"state": {"type": "PENDING"}, "tags": campaign["tags"]}
        end = time.monotonic() + 180
        while not (said := client.post(there, json=run)).is_success and time.monotonic() < end:
            time.sleep(1)  # a busy server says 503
        said.raise_for_status()


def is_at_it(process) -> bool:
    """Whether a run has a process."""
    return any(
        "prefect.engine" in command_of(each)
        for each in psutil.Process(process.pid).children(recursive=True)
    )


def command_of(process: psutil.Process) -> list[str]:
    """Nothing of a process that has just ended."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def in_a_row(folder: Path) -> None:
    """The same week without a reboot, without a clock and without Prefect."""
    setup = load(folder)
    for day in range(SAMPLES // 2 + 1):
        take(setup, worker(None))
        if known(folder)[0].pending:
            hand_in(folder, day)
            time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.timeout(900)  # five servers that start
def test_a_week_with_three_reboots_has_one_history(tmp_path, start, clock):  # noqa: F811
    """Every candidate is asked for once and measured once, as in the undisturbed week."""
    folder, home = lab(tmp_path / "week"), tmp_path / "home"
    settings = clock.settings | {"PREFECT_HOME": str(home), "PREFECT_API_URL": ""}

    def boot():
        return start("serve", folder, "--start", **settings)

    process = boot()
    until(lambda: turns(folder) == 1 and not is_at_it(process))
    for day in range(1, 8):
        clock.set(day * DAY)
        if day == 4:  # nothing comes, and the machine goes down while nothing happens
            lose_power(process)
            process = boot()
            continue
        asked = turns(folder)
        if day == 3:  # the server alone
            noted = desk(home).server()
            assert noted is not None
            psutil.Process(int(noted[1].split("/")[1])).kill()
        if day == 6:  # what comes while the machine is off, which a run was to take up
            take_on(home)
            lose_power(process)
        hand_in(folder, day)
        if day == 2:  # in the middle of the turn that takes the file
            until(lambda: is_at_it(process))  # noqa: B023
            lose_power(process)
        if day in (2, 6):
            process = boot()
        until(lambda: turns(folder) == asked + 1 and not is_at_it(process))  # noqa: B023

    campaign, entries = known(folder)
    assert campaign.closed == f"budget: {SAMPLES} evaluations"
    assert Counter(type(event).__name__ for _, event in entries) == {
        "Opened": 1,
        "Proposed": SAMPLES // 2,
        "Ingested": SAMPLES // 2,
        "Closed": 1,
    }
    times = [datetime.fromisoformat(at) for at, _ in entries]
    assert (times[-1] - times[0]).days >= 6
    quiet = lab(tmp_path / "quiet")
    in_a_row(quiet)
    assert campaign.candidates == known(quiet)[0].candidates
    assert campaign.results == known(quiet)[0].results
    until(lambda: set(states(home)) <= {"COMPLETED", "CRASHED", "SCHEDULED"})
    assert states(home)["COMPLETED"] >= SAMPLES // 2


def states(home: Path) -> Counter[str]:
    """How many runs Prefect has on record in each state: none is left running."""
    noted = desk(home).server()
    assert noted is not None
    with httpx.Client(trust_env=False) as client:
        answer = client.post(f"{noted[0]}/flow_runs/filter", json={})
    return Counter(run["state_type"] for run in answer.raise_for_status().json())
