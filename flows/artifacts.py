"""What Prefect's UI shows of a campaign: progress, the best so far, the observations.

Each artifact is created once and then updated under the same key, so that its page keeps its
address and its history stays one line. A view: where it cannot be written, the campaign goes on.
"""

import json
import re
from collections.abc import Mapping
from time import monotonic
from typing import Any
from uuid import UUID

from httpx import HTTPError
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.exceptions import PrefectException
from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from flows.views import observations, praise
from loop.campaign import Campaign

PAUSE_S = 1.0  # an update costs 0.03 to 0.08 s; people read once in a while


class Artifacts:
    """The artifacts of one flow run."""

    def __init__(self, budget: int) -> None:
        """Nothing is created before the first `show`."""
        self._budget = budget
        self._ids: dict[str, UUID] = {}
        self._shown = float("-inf")

    async def show(self, campaign: Campaign) -> None:
        """Bring all artifacts up to date, at most once in PAUSE_S unless the campaign is closed."""
        if campaign.closed is None and monotonic() - self._shown < PAUSE_S:
            return
        try:
            async with get_client() as client:
                for kind, content in _contents(campaign, self._budget).items():
                    await self._put(client, key(kind, campaign.problem.name), content)
        except (HTTPError, PrefectException, OSError) as error:
            get_run_logger().warning("artifacts are behind: %s", error)
        self._shown = monotonic()

    async def _put(self, client: PrefectClient, key: str, content: Mapping[str, Any]) -> None:
        if key in self._ids:
            update = ArtifactUpdate(data=content["data"], description=content["description"])
            await client.update_artifact(self._ids[key], update)
            return
        run = UUID(flow_run.get_id())
        created = await client.create_artifact(ArtifactCreate(key=key, flow_run_id=run, **content))
        self._ids[key] = created.id


def key(kind: str, campaign: str) -> str:
    """The key of an artifact: lowercase letters, digits and dashes, as Prefect wants them."""
    return f"{kind}-{re.sub('[^a-z0-9]+', '-', campaign.lower()).strip('-') or 'campaign'}"


def _contents(campaign: Campaign, budget: int) -> dict[str, dict[str, Any]]:
    """Type, data and description of each artifact."""
    share = min(100.0, 100.0 * campaign.answered / budget)
    said = f"{campaign.answered} of {budget} evaluations"
    waiting = f"; {len(campaign.pending)} waiting for an answer" if campaign.pending else ""
    best = _best(campaign)
    return {
        "progress": {
            "type": "progress",
            "data": share,
            "description": f"{said}{waiting}. {campaign.closed or best}",
        },
        "best": {
            "type": "markdown",
            "data": f"# {campaign.problem.name}\n\n{best}",
            "description": best,
        },
        "observations": {
            "type": "table",
            "data": json.dumps(observations(campaign)),
            "description": said,
        },
    }


def _best(campaign: Campaign) -> str:
    """The best so far in one line."""
    best = campaign.best
    return praise(campaign, best) if best else "No answer keeps every bound yet."
