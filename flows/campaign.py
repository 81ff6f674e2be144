"""The Prefect flows: a campaign with an oracle that evaluates, and one turn of any campaign.

Parameters are the campaign folder and plain values; everything else is in the folder. The flows
add nothing to what `loop.run` does but where it runs and what is shown of it.
"""

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from uuid import UUID

from httpx import HTTPError
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException
from prefect.futures import PrefectFuture
from prefect.runtime import flow_run

from flows.artifacts import Artifacts
from flows.crew import directed
from flows.laboratory import take
from flows.rig import loaded
from flows.tasks import evaluate
from flows.worker import name, worker
from loop.campaign import Campaign
from loop.records import Candidate, Json
from loop.run import Answers, Worker, drive, is_over, replay
from loop.space.values import written

OURS = "athanor"
WORKER = "worker:"


def _name() -> str:
    """The folder's name: the campaign's own may not be readable."""
    return Path(flow_run.get_parameters()["folder"]).name


# Asynchronous, because a synchronous flow waits a second at its end for its heartbeat.
# No result is kept: the ledger is the result. Threads: `drive` decides how many are in flight.
@flow(name="campaign", flow_run_name=_name, persist_result=False)
async def campaign(folder: str, take_over: bool = False) -> str:  # noqa: FBT001, FBT002  (a form)
    """Run the campaign in a folder until it is closed, and say why it was.

    Args:
        folder: the campaign folder.
        take_over: hold workers on other hosts for gone, and evaluate again what they were at.
    """
    await _sign()
    setup = loaded(Path(folder))
    artifacts = Artifacts(setup.rig.rules.evaluations)
    us = worker(setup.rig.oracle.declaration.wall_s, take_over=take_over)
    steps = directed(Path(folder), us) if setup.is_shared else _driven(folder, us)
    while (after := await asyncio.to_thread(next, steps, None)) is not None:
        artifacts.show(after)
    end = replay(loaded(Path(folder)).rig)
    await artifacts.close(end)
    if is_over(end):
        return end.closed or "stopped by a person"
    return f"{len(end.pending)} waiting for an answer"


def _driven(folder: str, us: Worker) -> Iterator[Campaign]:
    """Propose and evaluate in this flow run until the campaign is over; it after each change."""
    over = False
    while not over:  # again where another process amends the settings
        setup = loaded(Path(folder))
        yield from drive(setup.rig, partial(_submit, folder), in_flight=setup.workers, worker=us)
        end = replay(setup.rig)
        over = is_over(end)
        if setup.rig.laboratory is not None and end.settings == setup.rig.settings:
            return  # what is left to do waits for the laboratory


@flow(name="turn", flow_run_name=_name, persist_result=False)
async def turn(folder: str, held: dict[str, Json] | None = None) -> str:
    """Take one turn of the campaign in a folder: collect, record, stop or propose, submit.

    Args:
        folder: the campaign folder.
        held: values that parameters keep in what this turn proposes.
    """
    await _sign()
    setup = loaded(Path(folder))
    setup = replace(setup, rig=replace(setup.rig, held=held or {}))
    us = worker(setup.rig.oracle.declaration.wall_s)
    after = await asyncio.to_thread(take, setup, us)
    await Artifacts(setup.rig.rules.evaluations).close(after)
    return after.closed or f"{len(after.pending)} waiting for an answer"


async def _sign() -> None:
    """Tag this flow run with its worker, so that `flows.session` can tell when it was killed.

    The run alone: a task with a tag would ask the server for a slot before it may begin.
    """
    try:
        async with get_client() as client:
            await client.update_flow_run(UUID(flow_run.get_id()), tags=[OURS, f"{WORKER}{name()}"])
    except (HTTPError, PrefectException):
        return


def _submit(folder: str, candidate: Candidate) -> Future[Answers]:
    """An evaluation as a Prefect task; its end without answers, for the task has recorded them."""
    answers: Future[Answers] = Future()
    named = evaluate.with_options(task_run_name=f"{candidate.id} {written(candidate.point)}"[:200])
    named.submit(folder, candidate.id).add_done_callback(partial(_settle, answers))
    return answers


def _settle(answers: Future[Answers], submitted: PrefectFuture[None]) -> None:
    try:
        submitted.result()
    except BaseException as error:  # noqa: BLE001  (it is raised again where the flow waits)
        answers.set_exception(error)
    else:
        answers.set_result(())
