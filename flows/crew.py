"""Who evaluates where the process that proposes does not: as many shifts as there is work for.

A crew is told how the campaign stands, again and again, and begins a shift where candidates wait
that nobody is at. So a shift that was lost, with its machine or without, is made up for, and no
list of shifts has to be kept: the ledger says who is at what.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic, sleep
from typing import Any, TypeAlias
from uuid import UUID

from httpx import HTTPError
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId, FlowRunFilter
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import ObjectAlreadyExists, PrefectException
from prefect.futures import PrefectFuture
from prefect.states import Cancelled
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from prefect.utilities.callables import parameter_schema

from flows.folder import digest
from flows.rig import Setup, loaded
from flows.shift import shift, shift_task
from flows.tags import OURS
from flows.worker import give_up
from loop.campaign import Campaign
from loop.run import POLL_S, Worker, direct, is_dropped, is_over, replay, waiting

PATIENCE_S = 10.0  # a shift that lives takes what waits within a second, unless it just starts
COMING = [StateType.SCHEDULED, StateType.PENDING]
CALLED_OFF: State[None] = Cancelled(message="Nothing is left to do.")

Keep: TypeAlias = Callable[[Setup, Campaign], None]


def directed(folder: Path, us: Worker, in_flight: int | None = None) -> Iterator[Campaign]:
    """Propose, and see to it that shifts are there to evaluate, until the campaign is closed.

    The campaign, whenever it has changed. `in_flight` shifts, where run.workers is not to say it.
    """
    seen, closed = 0, False
    with crew(loaded(folder), us) as keep:
        while not closed:  # again where another process amends the settings
            setup = loaded(folder)
            if in_flight is not None:
                setup = replace(setup, workers=in_flight)
            for campaign in direct(setup.rig):
                keep(setup, campaign)
                closed = is_over(campaign)
                if campaign.seq != seen:
                    yield campaign
                seen = campaign.seq


@contextmanager
def crew(setup: Setup, us: Worker) -> Iterator[Keep]:
    """What keeps as many shifts going as `run.workers` says, wherever campaign.toml wants them."""
    _set_places(setup)
    if setup.pool:
        pool = _Pool(deployment=deployed(setup, setup.pool), us=us)
        try:
            yield pool.keep
        finally:
            pool.close()
        return
    with ExitStack() as held:
        runner = held.enter_context(_runner(setup))
        tasks = _Tasks(runner=runner, us=us)
        yield tasks.keep
        while tasks.fly and not is_dropped(replay(setup.rig)):
            sleep(POLL_S)  # they end by themselves; a cluster that is closed would cut them off
        if tasks.fly:
            give_up(setup.rig)
            held.pop_all()  # what was given up is not waited for


@dataclass(kw_only=True)
class _Tasks:
    """Shifts as tasks of this flow run, by a task runner: on a Dask cluster, or in threads."""

    runner: TaskRunner[Any]
    us: Worker
    running: list[PrefectFuture[Any]] = field(default_factory=list)
    ended: list[PrefectFuture[Any]] = field(default_factory=list)

    @property
    def fly(self) -> bool:
        """Whether shifts are on."""
        return len(self.ended) < len(self.running)

    def keep(self, setup: Setup, campaign: Campaign) -> None:
        """Begin a shift for every candidate that waits; raise what has ended one."""
        while self.ended:
            over = self.ended.pop()
            self.running.remove(over)
            over.result()
        wanted = min(setup.workers, len(self.running) + len(wanting(setup, campaign, self.us)))
        for _ in range(wanted - len(self.running)):
            begun = self.runner.submit(shift_task, {"folder": str(setup.folder)})
            self.running.append(begun)
            begun.add_done_callback(self.ended.append)


@dataclass(kw_only=True)
class _Pool:
    """Shifts as flow runs of a work pool, whose workers start them where they are."""

    deployment: UUID
    us: Worker
    since: float | None = field(default=None)  # something has waited, and no shift been begun

    def keep(self, setup: Setup, campaign: Campaign) -> None:
        """Begin shifts where candidates have waited for PATIENCE_S; the first ones at once."""
        idle = wanting(setup, campaign, self.us)
        if not idle:
            self.since = monotonic()
        elif self.since is None or monotonic() - self.since > PATIENCE_S:
            self.since = monotonic()
            busy = sum(self.us.alive(each) for each in campaign.running.values())
            try:
                self._begin(setup, min(setup.workers - busy, len(idle)))
            except (HTTPError, PrefectException, OSError):
                return  # the server is away: shifts that run go on, others are begun later

    def close(self) -> None:
        """Call off the shifts that no worker has begun; those that run end by themselves."""
        try:
            with get_client(sync_client=True) as client:
                for each in self._coming(client):
                    client.set_flow_run_state(each.id, CALLED_OFF, force=True)
        except (HTTPError, PrefectException, OSError):
            return  # they end as soon as they begin

    def _coming(self, client: SyncPrefectClient) -> list[FlowRun]:
        here = DeploymentFilter(id=DeploymentFilterId(any_=[self.deployment]))
        coming = FlowRunFilter.model_validate({"state": {"type": {"any_": COMING}}})
        return client.read_flow_runs(flow_run_filter=coming, deployment_filter=here)

    def _begin(self, setup: Setup, wanted: int) -> None:
        """See to it that so many shifts are coming."""
        parameters = {"folder": str(setup.folder), "campaign": setup.rig.problem.name}
        with get_client(sync_client=True) as client:
            for _ in range(wanted - len(self._coming(client))):
                client.create_flow_run_from_deployment(
                    self.deployment, parameters=parameters, tags=[OURS]
                )


def wanting(setup: Setup, campaign: Campaign, us: Worker) -> list[str]:
    """The candidates that may be begun and that nobody alive is at."""
    if campaign.paused is not None:
        return []
    running = campaign.running
    return [
        each.id
        for each in waiting(setup.rig.oracle, campaign)
        if each.id not in running or not us.alive(running[each.id])
    ]


def _runner(setup: Setup) -> TaskRunner[Any]:
    if not setup.dask:
        return ThreadPoolTaskRunner(max_workers=setup.workers)
    from flows.cluster import runner  # noqa: PLC0415 - Dask, where it is wanted

    return runner(setup.dask, setup.workers)


def deployed(setup: Setup, pool: str) -> UUID:
    """The deployment whose runs are shifts of this campaign; made with its pool where not there.

    With a few letters of the folder in its name: there may be two campaigns of one name.
    By module path: a worker imports its own copy of Athanor, and is sent no code.
    """
    with get_client(sync_client=True) as client:
        _make_pool(client, pool)
        return client.create_deployment(
            flow_id=client.create_flow_from_name(shift.name),
            name=f"{setup.rig.problem.name} {digest(setup.folder)}",
            work_pool_name=pool,
            entrypoint=f"{shift.fn.__module__}.{shift.fn.__name__}",
            parameter_openapi_schema=parameter_schema(shift).model_dump_for_openapi(),
            tags=[OURS],
        )


def _make_pool(client: SyncPrefectClient, pool: str) -> None:
    try:
        client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
    except ObjectAlreadyExists:
        return


def _set_places(setup: Setup) -> None:
    """Tell Prefect how many evaluations may hold each kind of place at once."""
    with get_client(sync_client=True) as client:
        for place, count in setup.places.items():
            client.upsert_global_concurrency_limit_by_name(place, count)
