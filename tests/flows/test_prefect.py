"""The same campaigns through Prefect: a real server, started by our own code."""

import asyncio
import os
import signal
import socket
import ssl

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import FlowRun, State, StateType, TaskRun
from prefect.settings import PREFECT_API_SSL_CERT_FILE
from prefect.states import Completed, Running

import flows.campaign
from flows import plain, tidying
from flows.campaign import campaign, heed_cancel
from flows.desk import desk
from flows.folder import known
from flows.rig import load
from flows.tags import OURS, WORKER
from flows.tasks import evaluate
from flows.tidying import GIVEN_UP, LOST, STOPPED, bury
from flows.worker import name, worker
from loop.run import begin
from tests.flows.waits import until

pytestmark = [
    pytest.mark.xdist_group("prefect"),
    pytest.mark.usefixtures("prefect"),
    # Prefect 3.8 leaves a client open for every flow run (prefect/results.py, default storage).
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


def flow_runs(folder) -> list[FlowRun]:
    """The flow runs that Prefect has on record for a folder."""
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(limit=200)
    return [run for run in runs if run.parameters.get("folder") == str(folder)]


def states(folder) -> list[str]:
    """The states of those flow runs."""
    return sorted(str(run.state and run.state.name) for run in flow_runs(folder))


def task_runs(folder) -> list[TaskRun]:
    """The evaluations that Prefect has on record."""
    ids = FlowRunFilterId(any_=[run.id for run in flow_runs(folder)])
    with get_client(sync_client=True) as client:
        return client.read_task_runs(flow_run_filter=FlowRunFilter(id=ids))


def completed(folder) -> list[TaskRun]:
    """Those of them that are completed."""
    return [run for run in task_runs(folder) if run.state and run.state.is_completed()]


def left_open(folder) -> list[str]:
    """The states of flow runs and evaluations that have begun and are not over."""
    now = [run.state for run in flow_runs(folder)] + [run.state for run in task_runs(folder)]
    begun = [state for state in now if state and not state.is_scheduled()]
    return [state.type.value for state in begun if not state.is_final()]


def logs(run: FlowRun) -> list[str]:
    """What the flow run has logged so far."""
    its_own = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id]))
    with get_client(sync_client=True) as client:
        return [each.message for each in client.read_logs(log_filter=its_own)]


def overlap(folder) -> int:
    """How many evaluations were in flight at once."""
    flying = most = 0
    for line in (folder / "calls.txt").read_text().splitlines():
        flying += 1 if line.startswith("begin") else -1
        most = max(most, flying)
    return most


def test_evaluations_are_tasks_with_n_in_flight(make):
    """Twelve candidates, three at a time: twelve answers, twelve task runs, the budget exact."""
    folder = make(evaluations=12, batch=3, seconds=0.2)
    assert asyncio.run(campaign(str(folder))) == "budget: 12 evaluations"
    found = known(folder)[0]
    assert (found.answered, overlap(folder)) == (12, 3)
    until(lambda: len(completed(folder)) == 12)
    for run, candidate in zip(
        sorted(completed(folder), key=lambda each: each.name), sorted(found.candidates), strict=True
    ):
        assert run.name.startswith(f"test · {candidate} x = ")
        assert set(run.tags) >= {"test", candidate}


def test_a_run_says_what_it_did(make):
    """Its name is for people, its tags find it, its message says how it ended, its log why."""
    folder = make(evaluations=3)
    asyncio.run(campaign(str(folder)))
    (run,) = flow_runs(folder)
    assert run.name == "test · turns 1 to 3"
    assert {"athanor", "test"} < set(run.tags)
    assert run.state is not None
    assert run.state.message == "ended: budget: 3 evaluations"
    until(lambda: any("ended" in line for line in logs(run)))
    first = next(iter(known(folder)[0].candidates))
    assert [line for line in logs(run) if line.startswith(f"  {first}") and "design" in line]


def test_with_and_without_prefect_the_history_is_the_same(make):
    """One in flight: the same candidates, the same answers, the same end."""
    with_prefect, without = make("with", evaluations=8), make("without", evaluations=8)
    asyncio.run(campaign(str(with_prefect)))
    setup = load(without)
    plain.run(setup, worker(None))
    one, other = known(with_prefect)[0], known(without)[0]
    assert one.candidates == other.candidates
    assert one.results == other.results
    assert one.closed == other.closed


def test_a_failed_evaluation_does_not_fail_the_flow(make):
    """A crash is an answer; the flow run completes."""
    folder = make(evaluations=3)
    (folder / "measure.py").write_text("def measure(x):\n    1 / 0\n")
    asyncio.run(campaign(str(folder)))
    assert {failed.kind for _, failed in known(folder)[0].failures} == {"crashed"}
    assert states(folder) == ["Completed"]


def test_what_was_cancelled_and_killed_is_cancelled(make, start, monkeypatch):
    """Whoever serves it says so, when it has seen to the evaluations; if nobody does, we do."""
    folder = make()
    gone = start("--help")
    tags = [OURS, f"{WORKER}{name(gone.pid)}"]
    gone.wait()
    cancelling: State = State(type=StateType.CANCELLING)
    with get_client(sync_client=True) as client:
        client.create_flow_run(
            campaign, parameters={"folder": str(folder)}, tags=tags, state=cancelling
        )
    bury()
    assert left_open(folder) == ["CANCELLING"]
    monkeypatch.setattr(tidying, "RECORDED_S", 0.0)
    bury()
    assert states(folder) == ["Cancelled"]


@pytest.mark.parametrize("whose", ["killed", "ended"])
def test_what_ended_runs_leave_open_is_closed(make, start, monkeypatch, whose):
    """A run whose process was killed is Crashed, and so is what it was at; or what it gave up."""
    folder = make()
    gone = start("--help")
    tags = [OURS, f"{WORKER}{name(gone.pid)}"]
    gone.wait()
    parameters = {"folder": str(folder)}
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(campaign, parameters=parameters, tags=tags, state=Running())
        client.create_task_run(evaluate, run.id, dynamic_key="0", state=Running())
        if whose == "ended":
            client.set_flow_run_state(run.id, Completed(), force=True)
            bury()
            assert left_open(folder) == ["RUNNING"]  # it may just not have been recorded yet
            monkeypatch.setattr(tidying, "RECORDED_S", 0.0)
    bury()
    assert left_open(folder) == []
    (each,) = task_runs(folder)
    assert each.state is not None
    assert each.state.message == (LOST if whose == "killed" else GIVEN_UP).message


@pytest.mark.slow
def test_a_killed_run_is_told_apart(make, start):
    """The next run says Crashed of the killed one, and completes the campaign."""
    folder = make(evaluations=8, seconds=0.3)
    process = start("run", folder)
    until((folder / "calls.txt").exists)
    process.kill()
    process.wait()
    again = start("run", folder)
    said, _ = again.communicate(timeout=60)
    assert again.returncode == 0, said
    assert states(folder) == ["Completed", "Crashed"]
    assert known(folder)[0].answered == 8


@pytest.mark.slow
def test_cancel_ends_a_run_in_the_terminal(make, start):
    """As `athanor stop --now` does: what is in flight is given up, and asked again later."""
    folder = make(evaluations=3, seconds=60.0)
    process = start("run", folder)
    until(lambda: left_open(folder) == ["RUNNING", "RUNNING"])
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(flow_runs(folder)[0].id, State(type=StateType.CANCELLING))
    said, _ = process.communicate(timeout=45)
    assert process.returncode == 130, said
    assert "was cancelled (by Prefect's UI)" in said
    assert not known(folder)[0].running
    assert states(folder) == ["Cancelled"]
    assert left_open(folder) == []


def test_ctrl_c_is_not_taken_for_a_cancel(make, monkeypatch):
    """A run that we have called Cancelled ourselves records no stop; a person's Cancel does."""
    folder = make()
    begin(load(folder).rig)
    monkeypatch.setattr(flows.campaign, "HEED_S", 0.1)
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(campaign, parameters={"folder": str(folder)}, state=STOPPED)
        monkeypatch.setenv("PREFECT__FLOW_RUN_ID", str(run.id))
        with pytest.raises(TimeoutError):
            asyncio.run(asyncio.wait_for(heed_cancel(folder), 1.0))
        assert known(folder)[0].paused is None
        client.set_flow_run_state(run.id, State(type=StateType.CANCELLED), force=True)
        asyncio.run(asyncio.wait_for(heed_cancel(folder), 30.0))
    assert known(folder)[0].paused is not None


@pytest.mark.slow
def test_run_starts_a_server_and_survives_its_loss(make, start, tmp_path):
    """No server is needed beforehand, and the port may be chosen; its death costs nothing."""
    folder = make(evaluations=20, seconds=0.3)
    home = tmp_path / "home"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    settings = {"PREFECT_API_URL": "", "PREFECT_SERVER_API_PORT": port}
    process = start("run", folder, PREFECT_HOME=str(home), **settings)
    until((folder / "calls.txt").exists)
    noted = desk(home).server()
    assert noted is not None
    os.kill(int(noted[1].split("/")[1]), signal.SIGKILL)
    said, _ = process.communicate(timeout=90)
    assert process.returncode == 0, said
    assert f"Watch it: http://127.0.0.1:{port}\n" in said
    assert "server was lost" in said
    assert "Traceback" not in said
    assert known(folder)[0].answered == 20


def test_http_takes_no_certificates():
    """Prefect would read all of the world's for every task run, twice."""
    trusted = ssl.create_default_context(cafile=PREFECT_API_SSL_CERT_FILE.value())
    assert trusted.cert_store_stats()["x509"] == 1


def test_the_desk_forgets_the_dead(tmp_path, start):
    """A user that was killed does not keep the server; one that lives does."""
    here = desk(tmp_path)
    process = start("--help")
    here.announce("http://127.0.0.1:1/api", process.pid)
    card = here.folder / "users" / "dead"
    card.write_text(name(process.pid))
    process.wait()
    assert here.server() is None
    assert not here.has_users()
    assert not card.exists()
    here.sign_in()
    assert here.has_users()
    here.sign_out()
    assert not here.has_users()
