"""A campaign through Prefect, in this process: a server, the flow, and what a kill left behind.

What a killed run leaves in Prefect is a flow run that says Running for ever. Every run of ours
carries its worker as a tag, so that the next one can tell, and says Crashed in its place.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from httpx import HTTPError
from prefect import tags
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import State, StateType
from prefect.exceptions import PrefectException
from prefect.states import Cancelled, Crashed

from flows import laboratory
from flows.campaign import campaign, turn
from flows.rig import Setup
from flows.worker import lives_here, name

OURS = "athanor"
WORKER = "worker:"
OPEN = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]


def run(setup: Setup, *, take_over: bool) -> None:
    """Run the campaign until it is closed."""
    settle(_is_gone, Crashed(message="Its process was killed; the ledger has what it had answered."))
    folder = str(setup.folder)
    with tags(OURS, f"{WORKER}{name()}"):
        if setup.rig.oracle.declaration.evaluates:
            asyncio.run(campaign(folder, take_over))
        else:
            laboratory.run(setup, lambda: asyncio.run(turn(folder)))


@contextmanager
def cancelling() -> Iterator[None]:
    """Say Cancelled of this process's flow runs where the user interrupts the block."""
    try:
        yield
    except KeyboardInterrupt:
        settle(partial(_is, name()), Cancelled(message="Interrupted; `athanor run` goes on with it."))
        raise


def settle(concerned: Callable[[str], bool], state: State) -> None:
    """Put open flow runs whose worker is concerned into a state; best effort, it is only a view."""
    running = FlowRunFilter.model_validate(
        {"state": {"type": {"any_": OPEN}}, "tags": {"all_": [OURS]}}
    )
    try:
        with get_client(sync_client=True) as client:
            for each in client.read_flow_runs(flow_run_filter=running):
                worker = next((tag for tag in each.tags if tag.startswith(WORKER)), WORKER)
                if concerned(worker.removeprefix(WORKER)):
                    client.set_flow_run_state(each.id, state, force=True)
    except (HTTPError, PrefectException, OSError):
        return
