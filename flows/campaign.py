"""The Prefect flows: a campaign with an oracle that evaluates, and one turn of any campaign.

Parameters are the campaign folder and plain values; everything else is in the folder. The flows
add nothing to what `loop.run` does but where it runs and what is shown of it.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from httpx import HTTPError
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import PrefectException
from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Completed

from flows.artifacts import Artifacts
from flows.crew import directed
from flows.laboratory import take
from flows.people import hold
from flows.rig import Setup, loaded
from flows.saying import changes, named, sentence, title
from flows.tags import sign
from flows.tasks import evaluate, evaluation
from flows.tidying import STOPPED
from flows.worker import worker
from loop.campaign import Campaign
from loop.errors import LoopError
from loop.records import Candidate, Json
from loop.run import Answers, Worker, drive, is_over, replay

UI = "Prefect's UI"
HEED_S = 5.0  # how often a run asks whether it was cancelled


def called() -> str:
    """The name of this flow run."""
    return title(Path(flow_run.get_parameters()["folder"]))


# Asynchronous, because a synchronous flow waits a second at its end for its heartbeat.
# No result is kept: the ledger is the result. Threads: `drive` decides how many are in flight.
@flow(name="campaign", flow_run_name=called, persist_result=False)
async def campaign(folder: str, take_over: bool = False) -> State[Any]:  # noqa: FBT001, FBT002  (a form)
    """Run the campaign in a folder until it is closed, and say why it was.

    Args:
        folder: the campaign folder.
        take_over: hold workers on other hosts for gone, and evaluate again what they were at.
    """
    setup = loaded(Path(folder))
    us = worker(setup.rig.oracle.declaration.wall_s, take_over=take_over)
    heeding = asyncio.create_task(heed_cancel(setup.folder))
    try:
        return await shown(setup, lambda: driven(setup, us))
    finally:
        heeding.cancel()


@flow(name="turn", flow_run_name=called, persist_result=False)
async def turn(folder: str, held: dict[str, Json] | None = None) -> State[Any]:
    """Take one turn of the campaign in a folder: collect, record, stop or propose, submit.

    Args:
        folder: the campaign folder.
        held: values that parameters keep in what this turn proposes.
    """
    setup = loaded(Path(folder))
    setup = replace(setup, rig=replace(setup.rig, held=held or {}))
    us = worker(setup.rig.oracle.declaration.wall_s)
    return await shown(setup, lambda: iter([take(setup, us)]))


async def shown(setup: Setup, work: Callable[[], Iterator[Campaign]]) -> State[Any]:
    """Do work in this flow run that gives the campaign after each change; how the run ends.

    Every change is logged and shown; the run is named for the turns that it took, and ends with
    the reason why the campaign does not move.
    """
    artifacts = Artifacts(setup)
    before = seen = replay(setup.rig)
    await asyncio.to_thread(sign, before.problem.name)
    try:
        steps = await asyncio.to_thread(work)
        while (after := await asyncio.to_thread(next, steps, None)) is not None:
            _log(changes(seen, after))
            artifacts.show(after)
            seen = after
    except (LoopError, OSError):  # the overview is to say what hinders it
        await artifacts.close(seen)
        raise
    end = replay(loaded(setup.folder).rig)
    _log(changes(seen, end))
    await artifacts.close(end)
    await _rename(named(end, before.turn))
    said = sentence(setup.folder)
    _log([] if end.closed else [said])
    return Completed(message=said, data=end.closed or said)


def driven(setup: Setup, us: Worker, in_flight: int | None = None) -> Iterator[Campaign]:
    """Evaluate and propose until the campaign is over, or waits for people; it after each change.

    `in_flight` is how many evaluations go on at once, where campaign.toml is not to say it.
    """
    if setup.is_shared:
        yield from directed(setup.folder, us, in_flight)
        return
    over = False
    while not over:  # again where another process amends the settings
        setup = at_most(loaded(setup.folder), in_flight)
        submit = partial(submitted, setup)
        yield from drive(setup.rig, submit, in_flight=setup.workers, worker=us)
        end = replay(setup.rig)
        over = is_over(end)
        if setup.rig.laboratory is not None and end.settings == setup.rig.settings:
            return  # what is left to do waits for the laboratory


def at_most(setup: Setup, in_flight: int | None) -> Setup:
    """The setup with so many evaluations in flight; of a laboratory, so many on the worklist."""
    if in_flight is None:
        return setup
    batch = in_flight
    if setup.rig.oracle.declaration.evaluates and setup.rig.batch > setup.workers:
        batch += 1  # as campaign.toml has it: one more waits, to be begun at once
    return replace(setup, workers=in_flight, rig=replace(setup.rig, batch=batch))


def submitted(setup: Setup, candidate: Candidate) -> Future[Answers]:
    """An evaluation as a Prefect task; its end without answers, for the task has recorded them."""
    answers: Future[Answers] = Future()
    task = evaluate.with_options(task_run_name=evaluation(setup, candidate))
    task.submit(str(setup.folder), candidate.id).add_done_callback(partial(_settle, answers))
    return answers


async def heed_cancel(folder: Path) -> None:
    """Stop now, where a person cancels this run in the UI: nobody but the run would hear of it.

    After Ctrl-C it is we who say Cancelled.
    """
    while True:
        await asyncio.sleep(HEED_S)
        with suppress(HTTPError, PrefectException, OSError):
            async with get_client() as client:
                run = await client.read_flow_run(UUID(flow_run.get_id()))
            state = run.state
            if state and _is_cancelled(state) and state.message != STOPPED.message:
                hold(folder, f"{run.name} was cancelled", UI, "now")
                return


def _is_cancelled(state: State[Any]) -> bool:
    return state.is_cancelling() or state.is_cancelled()


async def _rename(name: str) -> None:
    """Call this flow run for what it has done."""
    if name == flow_run.get_name():
        return
    try:
        async with asyncio.timeout(5.0), get_client() as client:
            await client.update_flow_run(UUID(flow_run.get_id()), name=name)
    except (HTTPError, PrefectException, TimeoutError):
        return


def _log(lines: Iterable[str]) -> None:
    log = get_run_logger()
    for line in lines:
        log.info(line)


def _settle(answers: Future[Answers], submitted: PrefectFuture[None]) -> None:
    try:
        submitted.result()
    except BaseException as error:  # noqa: BLE001  (it is raised again where the flow waits)
        answers.set_exception(error)
    else:
        answers.set_result(())
