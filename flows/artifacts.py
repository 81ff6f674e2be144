"""What Prefect's UI shows of a campaign: progress, the best or the front, the observations.

Each artifact is created once per flow run and then updated under the same key, so that its page
keeps its address. A view: where it cannot be written the campaign goes on, and never waits for it.
"""

import asyncio
import json
import re
from typing import Any
from uuid import UUID

from httpx import HTTPError
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.exceptions import PrefectException
from prefect.runtime import flow_run

from flows.views import merits, observations, verdict
from loop.campaign import Campaign

PAUSE_S = 1.0  # an update costs 0.03 to 0.08 s; people read once in a while
LAST_S = 10.0  # how long the end of a run waits for the last one


class Artifacts:
    """The artifacts of the flow run that makes it."""

    def __init__(self, budget: int) -> None:
        """Nothing is created before the first `show`."""
        self._budget = budget
        self._run = UUID(flow_run.get_id())
        self._ids: dict[str, UUID] = {}
        self._writing: asyncio.Task[None] | None = None

    def show(self, campaign: Campaign) -> None:
        """Begin to bring all artifacts up to date, unless they are being written or just were."""
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(campaign, PAUSE_S))

    async def close(self, campaign: Campaign) -> None:
        """Show the campaign as it is at the end of the run."""
        try:
            async with asyncio.timeout(LAST_S):
                if self._writing is not None:
                    await self._writing
                await self._write(campaign, 0.0)
        except TimeoutError:
            return

    async def _write(self, campaign: Campaign, pause_s: float) -> None:
        try:
            async with get_client() as client:
                for kind, content in _contents(campaign, self._budget).items():
                    await self._put(client, key(kind, campaign.problem.name), content)
        except (HTTPError, PrefectException, OSError):
            pass  # the server has gone, and says so itself; the ledger has it all
        await asyncio.sleep(pause_s)

    async def _put(self, client: PrefectClient, key: str, content: dict[str, Any]) -> None:
        if key in self._ids:
            update = ArtifactUpdate(data=content["data"], description=content["description"])
            await client.update_artifact(self._ids[key], update)
        else:
            new = ArtifactCreate(key=key, flow_run_id=self._run, **content)
            self._ids[key] = (await client.create_artifact(new)).id


def key(kind: str, campaign: str) -> str:
    """The key of an artifact: lowercase letters, digits and dashes, as Prefect wants them."""
    return f"{kind}-{re.sub('[^a-z0-9]+', '-', campaign.lower()).strip('-') or 'campaign'}"


def _contents(campaign: Campaign, budget: int) -> dict[str, dict[str, Any]]:
    """Type, data and description of each artifact."""
    share = min(100.0, 100.0 * campaign.answered / budget)
    said = f"{campaign.answered} of {budget} evaluations"
    waiting = f"; {len(campaign.pending)} waiting for an answer" if campaign.pending else ""
    found = merits(campaign)
    model = [f"Model: {verdict(known)}" for known in campaign.health.values()]
    page = "\n\n".join((f"# {campaign.problem.name}", *found, *model, campaign.closed or ""))
    praised = found[0]
    rows = json.dumps(observations(campaign))
    return {
        "progress": {
            "type": "progress",
            "data": share,
            "description": f"{said}{waiting}. {campaign.closed or praised}",
        },
        "best": {"type": "markdown", "data": page, "description": praised},
        "observations": {"type": "table", "data": rows, "description": said},
    }
