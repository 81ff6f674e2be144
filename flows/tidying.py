"""What a run that has ended leaves open in Prefect is closed, with a word why.

A killed run says Running for ever, and so does an evaluation whose process has ended before it.
Every flow run of ours carries its worker as a tag, so that the next one can tell.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

from httpx import HTTPError
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, TaskRunFilter
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import PrefectException
from prefect.states import Cancelled, Crashed

from flows.tags import OURS, WORKER
from flows.terminal import in_background
from flows.worker import HOST, lives_here, name

BEGUN_S = 180.0  # 3 to 20 s measured from Pending to Running
RECORDED_S = 60.0  # what is said of an end is seen to lag by some seconds
PATIENCE_S = 10.0  # whoever has pressed Ctrl-C waits
OPEN = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]
OVER = [StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED]
LOST: State = Crashed(message="It ended without a word; the ledger has its answers.")
CANCELLED: State = Cancelled(message="It was cancelled, and ended without a word.")
STOPPED: State = Cancelled(message="Stopped. `athanor run` goes on with it.")
GIVEN_UP: State = Cancelled(message="Given up with its run; the ledger says what is asked again.")


@contextmanager
def cancelling() -> Iterator[None]:
    """Say Cancelled of this process's flow runs where the user interrupts the block."""
    try:
        yield
    except KeyboardInterrupt:
        settle_ours()
        raise


def settle_ours() -> None:
    """Say Cancelled of this process's open flow runs, where the server answers soon."""
    with suppress(TimeoutError):
        in_background(lambda: settle(_is_us, STOPPED)).result(PATIENCE_S)


def bury() -> None:
    """Say of runs of ours whose process is gone that they crashed.

    Of one that a person has cancelled whoever serves it says so; we do where nobody does.
    """
    settle(lambda run: is_gone(run) and not _is_cancelling(run), LOST)
    settle(lambda run: is_gone(run) and _is_cancelling(run, RECORDED_S), CANCELLED)
    _sweep()


def settle(concerned: Callable[[FlowRun], bool], state: State) -> None:
    """Put open flow runs that are concerned into a state, with their evaluations."""
    running = {"state": {"type": {"any_": OPEN}}, "tags": {"all_": [OURS]}}

    def close(client: SyncPrefectClient) -> None:
        for each in client.read_flow_runs(flow_run_filter=FlowRunFilter.model_validate(running)):
            if concerned(each):
                client.set_flow_run_state(each.id, state, force=True)
                _close(client, {"id": {"any_": [each.id]}}, state)

    _try(close)


def is_gone(run: FlowRun) -> bool:
    """Whether its worker is of this host and runs no more; of another host we do not judge."""
    worker = _worker(run)
    return worker.startswith(f"{HOST}/") and not lives_here(worker)


def give_up(flow_run: UUID) -> None:
    """Say of the evaluations of a flow run that nobody waits for them any more."""
    _try(lambda client: _close(client, {"id": {"any_": [flow_run]}}, GIVEN_UP))


def _sweep() -> None:
    """Close evaluations whose flow run of ours has been over for a while."""
    before = datetime.now(UTC) - timedelta(seconds=RECORDED_S)
    ended = {"state": {"type": {"any_": OVER}}, "tags": {"all_": [OURS]}}
    _try(lambda client: _close(client, {**ended, "end_time": {"before_": before}}, GIVEN_UP))


def _try(close: Callable[[SyncPrefectClient], None]) -> None:
    """Do it where the server answers: it is only a view, and the next one to look does it, too."""
    with suppress(HTTPError, PrefectException, OSError), get_client(sync_client=True) as client:
        close(client)


def _close(client: SyncPrefectClient, runs: Mapping[str, object], state: State) -> None:
    """Put the open task runs of these flow runs into a state."""
    is_open = TaskRunFilter.model_validate({"state": {"type": {"any_": OPEN}}})
    here = FlowRunFilter.model_validate(runs)
    for each in client.read_task_runs(flow_run_filter=here, task_run_filter=is_open):
        client.set_task_run_state(each.id, state, force=True)


def _worker(run: FlowRun) -> str:
    """Whose run it is; of one that somebody took on long ago and never began, nobody's any more."""
    tagged = next((tag for tag in run.tags if tag.startswith(WORKER)), None)
    if tagged is not None:
        return tagged.removeprefix(WORKER)
    return f"{HOST}/" if _age_s(run) > BEGUN_S else ""


def _is_us(run: FlowRun) -> bool:
    return _worker(run) == name()


def _is_cancelling(run: FlowRun, for_s: float = 0.0) -> bool:
    """Whether a person has cancelled it, so long ago at least."""
    return run.state is not None and run.state.is_cancelling() and _age_s(run) >= for_s


def _age_s(run: FlowRun) -> float:
    """For how long it has been in its state, in seconds."""
    since = run.state.timestamp if run.state else None
    return 0.0 if since is None else (datetime.now(UTC) - since).total_seconds()
