"""A shift: one evaluation after another, taken from the ledger by whoever has a hand free.

A shift may run on any machine that reaches the ledger and Prefect's server: as a flow run that a
work pool's worker has started, or as a task on a Dask cluster. What is handed out is the shift,
not the evaluation: the ledger's claims already see to it that no two shifts take the same one, so
starting a process is paid for once, and not again for every candidate.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Lock, Thread
from time import monotonic, sleep

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.concurrency.sync import concurrency
from prefect.runtime import flow_run

from flows.folder import FILE
from flows.rig import Setup, loaded
from flows.tags import sign
from flows.tasks import evaluate, evaluation
from flows.tidying import settle_ours
from flows.worker import HOST, give_up, name, worker
from loop.decisions import SAFE
from loop.errors import LoopError, SettingsError
from loop.records import Candidate, Json
from loop.run import (
    POLL_S,
    Rig,
    Worker,
    claim,
    is_dropped,
    is_over,
    release,
    replay,
    waiting,
)

IDLE_S = 60.0  # a shift that finds nothing to do for so long ends, and another is begun when needed
HEED_S = 2.0  # how often a shift asks whether it is to stop now
LEASE_S = 60.0  # a killed process gives its places back after so long
FOLDERS = "ATHANOR_FOLDERS"  # campaign -> its folder on this machine, as `athanor worker` was told

_hands = Lock()
_held: set[tuple[str, str]] = set()  # what this process is at: its shifts have one worker name


def _name() -> str:
    """Campaign and machine."""
    return f"{flow_run.get_parameters()['campaign']} on {HOST}"


@flow(name="shift", flow_run_name=_name, persist_result=False)
def shift(folder: str, campaign: str) -> str:
    """Evaluate candidates of a campaign until it is closed, or nothing has waited for a while.

    Args:
        folder: the campaign folder, as the machine that proposes sees it.
        campaign: its name; a worker that was given a folder for it uses that one.
    """
    here = folder_here(folder, campaign)
    sign(campaign)
    Thread(target=_heed, args=(loaded(here).rig,), daemon=True).start()
    return work(here)


@task(name="shift", cache_policy=NO_CACHE, persist_result=False)
def shift_task(folder: str) -> str:
    """As the flow, in a flow run that is there already: on a Dask cluster, or in a thread."""
    return work(Path(folder))


def work(folder: Path) -> str:
    """Take candidates one after another; how many it were."""
    us = worker(loaded(folder).rig.oracle.declaration.wall_s)
    count = 0
    for candidate in candidates(folder, us):
        named = evaluate.with_options(task_run_name=evaluation(loaded(folder), candidate))
        named(str(folder), candidate.id)
        count += 1
    return f"{count} evaluations by {name()}"


def _heed(rig: Rig) -> None:
    """End this process, with what it evaluates, once a person has told the campaign to stop now."""
    is_told = False
    while not is_told:
        sleep(HEED_S)
        with suppress(LoopError, OSError):  # the ledger is away: the shift itself says so
            if is_told := is_dropped(replay(rig)):
                give_up(rig)
    try:
        settle_ours()
    finally:
        os._exit(0)


def candidates(folder: Path, us: Worker) -> Iterator[Candidate]:
    """Candidates that are now ours, each until the next is asked for.

    Ends when the campaign is closed, or nothing could be taken for IDLE_S.
    """
    since = monotonic()
    while True:
        setup = loaded(folder)
        with _taken(setup, us) as candidate:
            if candidate is not None:
                yield candidate
                since = monotonic()
                continue
        if is_over(replay(setup.rig)):
            return
        if monotonic() - since > IDLE_S:
            _require_same(folder, setup.rig)
            return
        sleep(POLL_S)


@contextmanager
def _taken(setup: Setup, us: Worker) -> Iterator[Candidate | None]:
    """A candidate that waits, claimed, with the places that an evaluation takes; None without.

    First one that takes the fewest: what needs no licence does not wait behind what does.
    """
    folder, rig = str(setup.folder), setup.rig
    wanted = [setup.takes(each) for each in _free(setup, us)] if _is_same(rig) else []
    if not wanted:
        yield None
        return
    places = min(wanted, key=len)
    with ExitStack() as held:
        if places:  # before the claim: what waits for a place is not being evaluated
            held.enter_context(concurrency(places, lease_duration=LEASE_S, strict=True))
        with _hands:
            such = (each for each in _free(setup, us) if setup.takes(each) == places)
            mine = next((each for each in such if claim(rig, each, us)), None)
            if mine is not None:
                _held.add((folder, mine.id))
        try:
            yield mine
        except BaseException:
            if mine is not None and len(_held) == 1:  # what another shift of ours is at goes on
                release(rig, us)
            raise
        finally:
            if mine is not None:
                _held.discard((folder, mine.id))


def _free(setup: Setup, us: Worker) -> Iterator[Candidate]:
    """The candidates that nobody alive is at."""
    campaign = replay(setup.rig)
    for candidate in waiting(setup.rig.oracle, campaign):
        running = campaign.running.get(candidate.id)
        is_free = running is None or running.worker == us.name or not us.alive(running)
        if is_free and (str(setup.folder), candidate.id) not in _held:
            yield candidate


def folder_here(folder: str, campaign: str) -> Path:
    """The campaign's folder on this machine; SettingsError where there is none."""
    here = Path(json.loads(os.environ.get(FOLDERS, "{}")).get(campaign, folder))
    if not (here / FILE).exists():
        raise SettingsError(
            str(here),
            f"the folder of campaign {campaign!r} on {HOST}",
            "none",
            "Share it under the same path, or start the worker with a copy: athanor worker DIR",
        )
    return here


def _is_same(rig: Rig) -> bool:
    """Whether this folder asks what the ledger asks, but for what may change at any time."""
    return _asked(replay(rig).settings) == _asked(rig.settings)


def _require_same(folder: Path, rig: Rig) -> None:
    if not _is_same(rig):
        raise SettingsError(
            str(folder / FILE),
            f"what the ledger says of campaign {rig.problem.name!r}",
            "other settings",
            f"Copy {FILE} and the files it names from the machine that proposes.",
        )


def _asked(settings: Mapping[str, Json]) -> Mapping[str, Json]:
    return {key: value for key, value in settings.items() if key not in SAFE}
