"""A campaign's deployment in Prefect: its run form, its schedule, and where it stands.

The schedule is on while the campaign goes on by itself: not before a person has started it, and
not after its end. Changed only when that changes, so that whoever switches it otherwise is heard.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.client.schemas.filters import (
    ArtifactCollectionFilter,
    ArtifactCollectionFilterKey,
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound
from prefect.runner import Runner
from prefect.schedules import Interval
from prefect.settings import PREFECT_HOME
from prefect.types.entrypoint import EntrypointType
from prefect.utilities.urls import url_for

from flows.desk import desk
from flows.folder import digest
from flows.rig import Setup
from flows.serving.flow import served
from flows.serving.form import Do, schema
from flows.tags import OURS
from flows.tidying import LOST
from flows.watching.contents import key

COMING = [StateType.SCHEDULED, StateType.PENDING]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """The deployment of a campaign folder, as it was made."""

    id: UUID
    folder: Path
    campaign: str

    @property
    def page(self) -> str:
        """Its page in the UI."""
        return url_for("deployment", obj_id=self.id) or ""

    def call(self, do: Do, cause: str) -> None:
        """Have a run of it begin, unless one is coming anyway."""
        with get_client(sync_client=True) as client:
            if not self._coming(client):
                wanted = {"do": do.value, "cause": cause}
                client.create_flow_run_from_deployment(self.id, parameters=wanted, tags=[OURS])

    def bury(self) -> None:
        """Say Crashed of runs that an earlier process of ours took on, and that never began.

        A run that begins nevertheless says so again: nothing is lost by a wrong guess.
        """
        with get_client(sync_client=True) as client:
            for each in self._runs(client, [StateType.PENDING]):
                client.set_flow_run_state(each.id, LOST, force=True)

    def describe(self, text: str) -> None:
        """Say on its page where the campaign stands."""
        with get_client(sync_client=True) as client:
            client.update_deployment(self.id, DeploymentUpdate(description=text))

    def schedule(self, *, active: bool) -> None:
        """Switch its schedule on or off."""
        with get_client(sync_client=True) as client:
            for each in client.read_deployment_schedules(self.id):
                client.update_deployment_schedule(self.id, each.id, active=active)

    def exists(self) -> bool:
        """Whether the server still has it: its database may have been replaced."""
        with get_client(sync_client=True) as client:
            try:
                client.read_deployment(self.id)
            except ObjectNotFound:
                return False
        return True

    @property
    def has_pages(self) -> bool:
        """Whether the server shows the campaign, as a run of it has left it."""
        page = ArtifactCollectionFilterKey(any_=[key("overview", self.campaign, self.folder)])
        wanted = ArtifactCollectionFilter(key=page)
        with get_client(sync_client=True) as client:
            return bool(client.read_latest_artifacts(artifact_filter=wanted, limit=1))

    def _coming(self, client: SyncPrefectClient) -> list[FlowRun]:
        """Runs that a person, or a change, has asked for, and that have not begun."""
        return [each for each in self._runs(client, COMING) if not each.auto_scheduled]

    def _runs(self, client: SyncPrefectClient, states: Sequence[StateType]) -> list[FlowRun]:
        here = DeploymentFilter(id=DeploymentFilterId(any_=[self.id]))
        such = FlowRunFilter.model_validate({"state": {"type": {"any_": states}}})
        return client.read_flow_runs(flow_run_filter=such, deployment_filter=here)


def deploy(runner: Runner, setup: Setup, every_s: int, text: str, *, active: bool) -> Deployment:
    """Make or renew the deployment of a campaign, and have the runner see to its runs.

    By module path: a path to a file would load a second copy of the module. No concurrency limit:
    what a killed run has left behind would hold its place.
    """
    campaign = setup.rig.problem.name
    with desk(PREFECT_HOME.value()).locked("naming"):  # no other takes the name meanwhile
        made = served.to_deployment(
            _name(setup),
            schedule=Interval(timedelta(seconds=every_s), active=active),
            parameters={"folder": str(setup.folder)},
            description=text,
            tags=[OURS, campaign],
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        if not isinstance(made, RunnerDeployment):
            raise TypeError(made)
        found = Deployment(id=_added(runner, made), folder=setup.folder, campaign=campaign)
    form: Mapping[str, object] = schema(setup.workers)
    with get_client(sync_client=True) as client:
        client.update_deployment(
            found.id, DeploymentUpdate.model_validate({"parameter_openapi_schema": form})
        )
    return found


def _added(runner: Runner, made: RunnerDeployment) -> UUID:
    """The id of the deployment that the runner now has."""
    added = runner.add_deployment(made)
    if not isinstance(added, UUID):
        raise TypeError(added)
    return added


def _name(setup: Setup) -> str:
    """The campaign's name; told apart where another folder's campaign has the same."""
    name = setup.rig.problem.name
    with get_client(sync_client=True) as client:
        try:
            other = client.read_deployment_by_name(f"{served.name}/{name}")
        except ObjectNotFound:
            return name
    folder = Path(other.parameters.get("folder", setup.folder))
    return (
        name if folder == setup.folder or not folder.exists() else f"{name} {digest(setup.folder)}"
    )
