"""What Athanor's flow runs are tagged with in Prefect: whoever tidies up knows whose they are."""

from contextlib import suppress
from uuid import UUID

from httpx import HTTPError
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException
from prefect.runtime import flow_run

from flows.worker import name

OURS = "athanor"
WORKER = "worker:"


def sign(campaign: str) -> None:
    """Tag this flow run with its worker, so that `flows.tidying` can tell when it was killed.

    The run alone: a task with a tag would ask the server for a slot before it may begin.
    """
    tags = [OURS, campaign, f"{WORKER}{name()}"]
    with suppress(HTTPError, PrefectException), get_client(sync_client=True) as client:
        client.update_flow_run(UUID(flow_run.get_id()), tags=tags)
