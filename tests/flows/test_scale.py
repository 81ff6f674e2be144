"""One campaign, several hands: work pools with their workers, Dask, and places that are counted."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import httpx
import psutil
import pytest

from flows import tidying
from flows.campaign import campaign
from flows.crew import deployed, wanting
from flows.folder import known, remembered
from flows.people import hold
from flows.plain import run
from flows.rig import load
from flows.serve import SETTINGS
from flows.shift import FOLDERS, _require_same, _taken, candidates, folder_here
from flows.tidying import bury
from flows.worker import HOST, worker
from loop.errors import SettingsError
from loop.records import Observed, Started
from loop.run import advance, begin, direct, record
from tests.flows.conftest import ROOT
from tests.flows.test_prefect import left_open, states
from tests.flows.waits import answered, until

pytestmark = [
    pytest.mark.xdist_group("prefect"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


def add(folder, text):
    """The folder, with more under [run]."""
    path = folder / "campaign.toml"
    path.write_text(path.read_text() + text)
    return folder


def overlap(folder) -> int:
    """How many evaluations were in flight at once."""
    flying = most = 0
    for line in (folder / "calls.txt").read_text().splitlines():
        flying += 1 if line.startswith("begin") else -1
        most = max(most, flying)
    return most


def shares(folder) -> Counter[str]:
    """How many of the answers each process has brought: the last to begin one has answered it."""
    found = remembered(folder)
    last = {}
    for _, event in found[1] if found else ():
        match event:
            case Started(candidate=candidate, worker=who):
                last[candidate] = who
    return Counter(last.values())


def require_each_once(folder, count):
    """So many candidates, each with one answer; whose evaluation was cut off has begun again."""
    found, entries = known(folder)
    answers = Counter(e.observation.candidate for _, e in entries if isinstance(e, Observed))
    assert answers == dict.fromkeys(found.candidates, 1)
    assert len(answers) == count


@pytest.mark.usefixtures("prefect")
def test_a_campaign_on_dask(make):
    """A local cluster of two: 100 evaluations, shared by two processes that are not this.

    Told to stop, it ends after what is in flight: what has begun is answered, each once.
    """
    pytest.importorskip("prefect_dask", reason="the extra 'dask' is not installed")
    folder = add(make(evaluations=900, batch=4, workers=2, seconds=0.05), "dask = true\n")
    with ThreadPoolExecutor(1) as thread:
        told = thread.submit(stop_at, folder, 100)
        assert str(asyncio.run(campaign(str(folder)))).startswith("stopped since")
        told.result()
    found, entries = known(folder)
    answers = Counter(e.observation.candidate for _, e in entries if isinstance(e, Observed))
    assert answers == found.attempts == dict.fromkeys(found.attempts, 1)
    assert len(answers) >= 100
    assert len(shares(folder)) == 2
    assert not any(who.startswith(f"{HOST}/{os.getpid()}/") for who in shares(folder))
    assert overlap(folder) == 2


def stop_at(folder, count):
    """Tell a campaign to stop after what is in flight, once it has so many answers."""
    until(lambda: answered(folder) >= count)
    hold(folder, "enough", "Ann", "soon")


@pytest.mark.usefixtures("prefect")
def test_campaigns_of_one_name_have_shifts_of_their_own(make):
    """Else one counts, and calls off, what the other has asked its pool for."""
    one, other = (load(add(make(name), 'pool = "ovens"\n')) for name in ("one", "other"))
    assert deployed(one, "ovens") != deployed(other, "ovens")
    assert deployed(one, "ovens") == deployed(one, "ovens")


def test_no_shift_is_begun_while_a_campaign_is_paused(make):
    """It would find nothing to do, end after a minute, and be begun again: all weekend long."""
    folder = make(batch=4)
    begin(load(folder).rig)
    assert len(wanting(load(folder), advance(load(folder).rig), worker(None))) == 4
    assert wanting(load(folder), hold(folder, "Sunday", "Ann", ""), worker(None)) == []


def test_an_oracle_may_take_other_places(make):
    """Those that are named for it: it is evaluated without Prefect where there are none."""
    folder = make(evaluations=4, batch=4)
    text = (folder / "campaign.toml").read_text().replace("[oracle]", '[oracle]\nname = "emt"')
    (folder / "campaign.toml").write_text(f"{text}places = {{vasp = 1}}\n")
    begin(load(folder).rig)
    (asked, *_) = advance(load(folder).rig).pending
    assert load(folder).takes(asked) == ["vasp"]
    add(folder, "places_of = {emt = []}\n")
    assert load(folder).takes(asked) == []
    begin(load(folder).rig)
    with _taken(load(folder), worker(None)) as candidate:
        assert candidate == asked


@pytest.mark.parametrize(
    ("stated", "refused"),
    [
        ("{vasp = ['ovens']}", "run.places_of: expected an oracle with a name, got 'vasp'"),
        ("{emt = ['oven']}", "run.places_of.emt: .* got 'oven'. Did you mean 'ovens'"),
    ],
)
def test_places_of_nobody_are_refused(make, stated, refused):
    """And places that are counted nowhere."""
    folder = add(make(), f"places = {{ovens = 1}}\nplaces_of = {stated}\n")
    if "emt" in stated:
        text = (folder / "campaign.toml").read_text()
        (folder / "campaign.toml").write_text(text.replace("[oracle]", '[oracle]\nname = "emt"'))
    with pytest.raises(SettingsError, match=refused):
        load(folder)


@pytest.mark.usefixtures("prefect")
def test_a_shift_that_is_told_to_stop_now_ends(make, monkeypatch):
    """As a worker of a pool has begun it: until then it is not taken for dead, however long."""
    folder = make(evaluations=2, seconds=60.0)
    begin(load(folder).rig)
    advance(load(folder).rig)
    begun = f"from flows.shift import shift; shift({str(folder)!r}, 'test')"
    process = subprocess.Popen([sys.executable, "-c", begun], cwd=ROOT)
    until(lambda: known(folder)[0].running)
    until(lambda: len(left_open(folder)) == 2)
    monkeypatch.setattr(tidying, "BEGUN_S", 0.0)
    bury()
    assert len(left_open(folder)) == 2
    hold(folder, "fire", "Ann", "now")
    assert process.wait(60) == 0
    assert not known(folder)[0].running
    assert states(folder) == ["Cancelled"]
    assert left_open(folder) == []


@pytest.mark.usefixtures("prefect")
def test_places_are_never_taken_twice(make):
    """Four evaluations in flight with two places between them: never more than two at once."""
    folder = add(make(evaluations=8, batch=4, workers=4, seconds=0.2), "places = {ovens = 2}\n")
    assert asyncio.run(campaign(str(folder))) == "budget: 8 evaluations"
    require_each_once(folder, 8)
    assert overlap(folder) == 2


@pytest.mark.parametrize("stated", ['pool = "here"', "dask = true", "places = {ovens = 2}"])
def test_what_only_prefect_can_do_is_not_done_without(make, stated):
    """An evaluation in the wrong process, or one too many, is no fallback."""
    folder = add(make(), stated)
    with pytest.raises(SettingsError, match=r"run: expected Prefect's server, .* leave out pool"):
        run(load(folder), worker(None))
    assert remembered(folder) is None


def take(folder) -> list[str]:
    """Evaluate what can be taken, in this thread and without Prefect; the candidates."""
    rig, taken = load(folder).rig, []
    for candidate in candidates(folder, worker(None)):
        record(rig, rig.oracle.collect((candidate,)))
        taken.append(candidate.id)
    return taken


def test_two_shifts_of_one_process_take_different_candidates(make):
    """They have one worker name, and still each candidate is evaluated once."""
    folder = make(evaluations=10, batch=4, seconds=0.05)
    begin(load(folder).rig)
    with ThreadPoolExecutor(2) as threads:
        both = [threads.submit(take, folder) for _ in range(2)]
        *_, end = direct(load(folder).rig)
        taken = [each.result() for each in both]
    assert sorted(chain(*taken)) == sorted(end.candidates)
    assert all(taken)
    require_each_once(folder, 10)


def test_a_copy_of_the_folder_stands_for_it(make, monkeypatch):
    """Where a worker was given one for the campaign; else the folder, which must be there."""
    copy = make()
    monkeypatch.setenv(FOLDERS, json.dumps({"test": str(copy)}))
    assert folder_here("/nowhere", "test") == copy
    with pytest.raises(SettingsError, match=r"nowhere: .* none\. .* athanor worker DIR"):
        folder_here("/nowhere", "other")


@pytest.mark.parametrize(("change", "is_same"), [("[oracle]\nwall_s = 9", False), ("", True)])
def test_a_copy_that_asks_something_else_takes_nothing(make, change, is_same):
    """But for what may change at any time, its settings are those that the ledger has."""
    folder, copy = make(), make("copy")
    begin(load(folder).rig)
    advance(load(folder).rig)
    text = (copy / "campaign.toml").read_text().replace("[oracle]", change or "[oracle]")
    (copy / "campaign.toml").write_text(f"{text}ledger = 'sqlite:///{folder / 'ledger.db'}'\n")
    with _taken(load(copy), worker(None)) as candidate:
        assert (candidate is not None) == is_same
    with nullcontext() if is_same else pytest.raises(SettingsError, match=r"other settings\. Copy"):
        _require_same(copy, load(copy).rig)


@pytest.mark.parametrize("pools", [("",), ('pool = "a"', 'pool = "b"')])
def test_a_worker_is_for_one_pool(make, athanor, pools):
    """Which every folder that it is given names."""
    folders = [add(make(f"f{number}"), pool) for number, pool in enumerate(pools)]
    said = athanor("worker", *folders)
    assert said.code == 2
    assert "run.pool: expected one work pool, the same in all folders" in said.err


@pytest.fixture
def prefect_server(postgres, tmp_path):
    """A Prefect server on PostgreSQL, as a process that can be killed and started again."""
    port = free_port()
    database = postgres.database().replace("postgresql://", "postgresql+asyncpg://")
    settings = SETTINGS | {
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_API_DATABASE_CONNECTION_URL": database,
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
    }
    server = Server(settings=os.environ | settings, log=tmp_path / "server.log")
    server.start()
    yield server
    server.kill()


@dataclass(kw_only=True)
class Server:
    """Prefect's server by Prefect's own command."""

    settings: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def api(self) -> str:
        """Its address."""
        return self.settings["PREFECT_API_URL"]

    def start(self) -> None:
        """Return when it answers."""
        command = [
            sys.executable,
            "-m",
            "uvicorn",
            "--factory",
            "prefect.server.api.server:create_app",
        ]
        port = self.settings["PREFECT_SERVER_API_PORT"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--port", port, "--log-level", "warning"],
                env=self.settings,
                stdout=log,
                stderr=log,
            )
        until(self.answers, 120)

    def answers(self) -> bool:
        """Whether it is healthy."""
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        with suppress(httpx.HTTPError):
            return httpx.get(f"{self.api}/health", timeout=2, trust_env=False).is_success
        return False

    def kill(self) -> None:
        """End it with SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def kill_with_children(process) -> None:
    """SIGKILL for a process and all it has started, as when its machine is lost."""
    everyone = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    for each in everyone:
        with suppress(psutil.NoSuchProcess):
            each.send_signal(signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.timeout(600)  # six processes start, some 40 s of one core
def test_two_workers_share_a_campaign(make, start, postgres, prefect_server, tmp_path):
    """One is killed midway, then both servers are cut off and restarted: 100 answers, each once.

    The worker that stays has a copy of the folder, as on a machine that does not share it.
    """
    folder = make(evaluations=100, batch=4, workers=2, seconds=0.3)
    add(folder, f'pool = "two"\nledger = "{postgres.schema()}"\n')
    settings = {"PREFECT_API_URL": prefect_server.api, "PREFECT_HOME": str(tmp_path / "prefect")}
    coordinator = start("run", folder, **settings)
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    workers = [start("worker", each, **settings) for each in (folder, copy)]
    until(lambda: len(shares(folder)) == 2 and min(shares(folder).values()) >= 5, 240)
    kill_with_children(workers[0])
    at = answered(folder)
    until(lambda: answered(folder) >= at + 5)
    prefect_server.kill()
    postgres.kill()
    postgres.start()
    prefect_server.start()
    said, _ = coordinator.communicate(timeout=150)
    assert coordinator.returncode == 0, said
    assert (copy / "calls.txt").exists()
    require_each_once(folder, 100)
    assert len(shares(folder)) == 2
    assert not any(who.startswith(f"{HOST}/{coordinator.pid}/") for who in shares(folder))


@pytest.mark.slow
@pytest.mark.usefixtures("prefect")
def test_a_worker_that_is_stopped_takes_its_shift_along(make, start):
    """SIGTERM, as Slurm sends it: both end, in the middle of the campaign."""
    folder = add(make(evaluations=500, seconds=0.5), 'pool = "one"\n')
    start("run", folder)
    first = start("worker", folder)
    until(lambda: answered(folder) >= 2, 200)
    (shift,) = [psutil.Process(int(who.split("/")[1])) for who in shares(folder)]
    first.send_signal(signal.SIGTERM)
    assert first.wait(60) == 0
    until(lambda: not shift.is_running() or shift.status() == psutil.STATUS_ZOMBIE)
    assert known(folder)[0].closed is None
