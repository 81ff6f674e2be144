"""A campaign through Prefect, in this process: a server, the flow, and what a kill left behind.

What a killed run leaves in Prefect is a flow run that says Running for ever. Every run of ours
carries its worker as a tag, so that the next one can tell, and says Crashed in its place.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from httpx import HTTPError
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import (
    FlowRun,
    State,
    StateType,
)
from prefect.exceptions import PrefectException
from prefect.states import Cancelled, Crashed

from flows import laboratory, plain, views
from flows.campaign import OURS, WORKER, campaign, turn
from flows.rig import Setup, loaded
from flows.worker import HOST, lives_here, name, worker

BEGUN_S = 180.0  # 3 to 20 s measured from Pending to Running
OPEN = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]
LOST: State = Crashed(message="It ended without a word; the ledger has its answers.")


def run(setup: Setup, *, take_over: bool) -> bool:
    """Run the campaign until it is closed; False where Prefect's server was lost on the way."""
    bury()
    us = worker(setup.rig.oracle.declaration.wall_s, take_over=take_over)
    try:
        if setup.rig.laboratory is not None:
            laboratory.run(setup, lambda: _take(loaded(setup.folder), take_over=take_over))
        elif setup.rig.oracle.declaration.evaluates:
            asyncio.run(campaign(str(setup.folder), take_over))
        else:
            laboratory.run(setup, lambda: take_turn(setup))
    except (HTTPError, PrefectException):
        plain.run(setup, us)
        return False
    return True


def _take(setup: Setup, *, take_over: bool) -> None:
    """Evaluate, until all that is left waits for the laboratory."""
    with laboratory.minding(setup):
        asyncio.run(campaign(str(setup.folder), take_over))


def take_turn(setup: Setup) -> None:
    """Take one turn."""
    asyncio.run(turn(str(setup.folder), views.plain(setup.rig.held)))


@contextmanager
def cancelling() -> Iterator[None]:
    """Say Cancelled of this process's flow runs where the user interrupts the block."""
    try:
        yield
    except KeyboardInterrupt:
        settle_ours()
        raise


def settle_ours() -> None:
    """Say Cancelled of this process's flow runs that are not over."""
    settle(_is_us, Cancelled(message="Stopped. `athanor run` goes on with it."))


def bury(state: State = LOST) -> None:
    """Say of flow runs of ours whose process is gone that they crashed, or another state."""
    settle(_is_gone, state)


def settle(concerned: Callable[[str], bool], state: State) -> None:
    """Put open flow runs whose worker is concerned into a state; best effort, it is only a view."""
    running = FlowRunFilter.model_validate(
        {"state": {"type": {"any_": OPEN}}, "tags": {"all_": [OURS]}}
    )
    try:
        with get_client(sync_client=True) as client:
            for each in client.read_flow_runs(flow_run_filter=running):
                if concerned(_worker(each)):
                    client.set_flow_run_state(each.id, state, force=True)
    except (HTTPError, PrefectException, OSError):
        return


def _worker(run: FlowRun) -> str:
    """Whose run it is; of one that somebody took on long ago and never began, nobody's any more."""
    tagged = next((tag for tag in run.tags if tag.startswith(WORKER)), None)
    if tagged is not None:
        return tagged.removeprefix(WORKER)
    since = run.state.timestamp if run.state else None
    is_late = since is not None and (datetime.now(UTC) - since).total_seconds() > BEGUN_S
    return f"{HOST}/" if is_late else ""


def _is_us(worker: str) -> bool:
    return worker == name()


def _is_gone(worker: str) -> bool:
    """Whether a worker of this host runs no more; of another host we do not judge."""
    return worker.startswith(f"{HOST}/") and not lives_here(worker)
