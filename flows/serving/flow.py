"""The flow behind a campaign's deployment: what its run form, its schedule or its porter ask for.

As `flows.campaign`, for as long as there is something to do: a run that has to wait for people
ends, and says what it waits for.
"""

import os
from collections.abc import Iterator
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any, NoReturn
from uuid import UUID

from prefect import Flow, flow, runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.context import FlowRunContext
from prefect.logging import get_run_logger
from prefect.logging.handlers import APILogHandler
from prefect.logging.loggers import flow_run_logger
from prefect.states import Completed, Failed

from flows import laboratory, tidying
from flows.campaign import UI, at_most, called, driven, shown, submitted
from flows.crew import directed
from flows.folder import known
from flows.people import go_on, hold
from flows.rig import Setup, loaded
from flows.serving.form import RUNS, STOPS, Do
from flows.serving.turnstile import turnstile
from flows.tags import WORKER
from flows.worker import give_up, worker
from loop.campaign import Campaign
from loop.errors import LoopError
from loop.people import because
from loop.records import Released
from loop.run import Worker, abreast, is_dropped, release, replay

UNSAID = f"told to in {UI}"
SHUT_DOWN = "Runner is shutting down."  # how Prefect's runner cancels what it leaves behind
TERMINATED = 143


def _called() -> str:
    """What a person has asked for, or the turn that it is for."""
    do = Do(runtime.flow_run.get_parameters().get("do", Do.UNTIL))
    title = called()
    return f"{title.rpartition(' · ')[0] or title} · {do}" if do in STOPS else title


def called_off(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """What Prefect's Cancel means for a campaign: stop now. Called by whoever serves it.

    The evaluations that were in flight are asked again when the campaign is resumed.
    """
    folder = Path(flow_run.parameters["folder"])
    if state.message != SHUT_DOWN:
        hold(folder, f"{flow_run.name} was cancelled", UI, "now")
    ended = [each.removeprefix(WORKER) for each in flow_run.tags if each.startswith(WORKER)]
    for who in ended:
        release(loaded(folder).rig, Worker(name=who))
    campaign, entries = known(folder)
    waits = {each.id for each in campaign.pending}
    flew = {e.candidate for _, e in entries if isinstance(e, Released) and e.worker in ended}
    told = ", ".join(sorted(waits & flew)) or "nothing"
    flow_run_logger(flow_run, flow).info("In flight, and to be asked again: %s", told)
    tidying.give_up(flow_run.id)


@flow(name="campaign", flow_run_name=_called, persist_result=False, on_cancellation=[called_off])
async def served(
    folder: str,
    do: Do = Do.UNTIL,
    in_flight: int | None = None,
    reason: str = "",
    by: str = "",
    cause: str = "",
) -> State[Any]:
    """Do what is asked for with the campaign in a folder; `cause` says who, but for a person."""
    here, log = Path(folder), get_run_logger()
    cause = cause or ("it is due by the schedule" if _is_scheduled() else "")
    log.info("%s: %s", do, cause or f"{by or 'a person'} asked for it")
    try:
        if do in STOPS:
            return Completed(message=_held(hold(here, reason or UNSAID, by or UI, STOPS[do])))
        if do is Do.RESUME or (do in RUNS and not cause):
            go_on(here, reason or UNSAID, by or UI, only_stopped=do is not Do.RESUME)
        with turnstile(here).passed() as alone:
            if not alone:
                return Completed(message="Another run is at it, and takes this up, too.")
            return await _worked(here, do, in_flight)
    except (LoopError, OSError) as error:
        log.error("%s", error)  # noqa: TRY400 - one sentence, written for whoever reads it
        return Failed(message=str(error))


def _is_scheduled() -> bool:
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    return run is not None and run.auto_scheduled


async def _worked(folder: Path, do: Do, in_flight: int | None) -> State[Any]:
    """Do it, and note what has been seen; told to end, give up in order what is in flight."""
    setup, files = loaded(folder), laboratory.look(folder)
    us = worker(setup.rig.oracle.declaration.wall_s)
    try:
        end = await shown(setup, lambda: _steps(setup, us, do, in_flight))
    except Exception:  # it would end so again: the schedule tries, and whoever mends it
        turnstile(folder).note((files, replay(setup.rig).seq))
        raise
    except BaseException:  # noqa: BLE001 - a signal: no thread of ours may begin anything more
        give_up(setup.rig)
        os._exit(TERMINATED)
    if is_dropped(replay(setup.rig)):
        await _leave(end)
    return end


async def _leave(end: State[Any]) -> NoReturn:
    """End this run and its process at once: evaluations that were given up are not waited for."""
    await APILogHandler.aflush()
    run = UUID(runtime.flow_run.get_id())
    async with get_client() as client:
        await client.set_flow_run_state(run, end)
    tidying.give_up(run)
    os._exit(0)


def _steps(setup: Setup, us: Worker, do: Do, in_flight: int | None) -> Iterator[Campaign]:
    """The campaign after each change."""
    if do is Do.TURN:
        files = laboratory.look(setup.folder)
        yield from _turn(at_most(setup, in_flight), us)
        turnstile(setup.folder).note((files, replay(setup.rig).seq))
        return
    yield from laboratory.rounds(
        setup,
        lambda: _round(setup.folder, us, do, in_flight),
        lasting=do is Do.END and setup.rig.awaited is not None,
        note=turnstile(setup.folder).note,
    )


def _turn(setup: Setup, us: Worker) -> Iterator[Campaign]:
    """One turn; the evaluations that are due, several at once."""
    rig = setup.rig
    if not rig.oracle.declaration.evaluates:
        yield laboratory.take(setup, us)
    elif setup.is_shared:
        turns = replay(rig).turn
        steps = directed(setup.folder, us, setup.workers)
        yield from takewhile(lambda after: after.turn == turns and not _is_held(after), steps)
    else:
        with laboratory.minding(setup):
            submit = partial(submitted, setup)
            yield from abreast(rig, submit, in_flight=setup.workers, worker=us)


def _round(folder: Path, us: Worker, do: Do, in_flight: int | None) -> Iterator[Campaign]:
    """What there is to do until people have to act; paused, only what is in flight still ends."""
    setup = loaded(folder)
    if not setup.rig.oracle.declaration.evaluates:
        yield laboratory.take(at_most(setup, in_flight), us)
        return
    with laboratory.minding(setup):
        for after in driven(setup, us, in_flight):
            yield after
            if do is not Do.END and _is_held(after):
                return


def _is_held(campaign: Campaign) -> bool:
    """Whether it is paused and nothing more is in flight."""
    return campaign.paused is not None and not campaign.running


def _held(campaign: Campaign) -> str:
    """That it is paused or stopped, and what was in flight."""
    held = campaign.paused
    if held is None:  # somebody has resumed it meanwhile
        return "It goes on."
    fate = "given up, to be asked again" if held.stop == "now" else "waited for"
    flying = f"; in flight: {', '.join(campaign.running)}: {fate}" if campaign.running else ""
    return f"{'Stopped' if held.stop else 'Paused'}: {because(held)}{flying}"
