"""What Prefect's UI shows of a campaign: pages under keys that stay, and moments told once.

An artifact is made once and then brought up to date in place, by whichever flow run is at it, so
that its page keeps its address; only the progress, a few words, is each flow run's own. All of it
is a view: where it cannot be written the campaign goes on and never waits for it, and where the
server has forgotten it, it is made again.

Writing takes at most a share of 1 / (1 + SPARE) of the time, however long the campaign.
"""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any
from uuid import UUID

from httpx import HTTPError, HTTPStatusError
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate
from prefect.client.schemas.filters import ArtifactCollectionFilter, ArtifactCollectionFilterKey
from prefect.exceptions import PrefectException
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.settings import PREFECT_UI_URL

from flows.folder import digest
from flows.rig import Setup
from flows.watching import index
from flows.watching.contents import KINDS, Content, contents, key, kinds
from flows.watching.moments import Moment, moments
from loop.campaign import Campaign
from loop.errors import LoopError
from loop.ledger import Entry

PAUSE_S = 1.0  # people read once in a while
AGAIN_S = 5.0  # after the server was away: to wait for it is no work that must be spared
SPARE = 19  # times what writing took, before it is written again
LAST_S = 10.0  # how long the end of a run waits for the last one
NEWS = timedelta(days=1)  # a moment that nobody could be told for so long is no news


class Artifacts:
    """The artifacts of the campaign in a folder, written by the flow run that makes this."""

    def __init__(self, setup: Setup) -> None:
        """Nothing is created before the first `show`."""
        self._setup = setup
        self._run = UUID(flow_run.get_id())
        self._entries: list[Entry] = []
        self._ids: dict[str, UUID] = {}
        self._is_announced = False
        self._told: set[UUID] = set()
        self._newest: Campaign | None = None
        self._ending = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None

    def show(self, campaign: Campaign) -> None:
        """See to it that all artifacts are brought up to date, at once or after a pause."""
        self._newest = campaign
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())

    async def close(self, campaign: Campaign) -> None:
        """Show the campaign as it is at the end of the run."""
        self._ending.set()
        self.show(campaign)
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_S):
                while self._writer is not None and not self._writer.done():
                    await self._writer

    async def _write(self) -> None:
        """Write what is newest, again and again while there is something newer."""
        while self._newest is not None:
            campaign, self._newest = self._newest, None
            began, pause = monotonic(), AGAIN_S
            with suppress(HTTPError, PrefectException, OSError, LoopError):
                # Where the server or the ledger has gone, the run itself says so.
                async with get_client() as client:
                    try:
                        await self._bring(client, campaign)
                    except HTTPStatusError:  # deleted, or the server's database is another
                        self._ids.clear()
                        await self._bring(client, campaign)
                pause = max(PAUSE_S, SPARE * (monotonic() - began))
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._ending.wait()

    async def _bring(self, client: PrefectClient, campaign: Campaign) -> None:
        """Bring everything up to date, and tell what is new."""
        setup, ledger = self._setup, self._setup.rig.ledger
        self._entries += await asyncio.to_thread(ledger.entries, after=len(self._entries))
        await self._place(client, {self._key(kind): KINDS[kind] for kind in kinds(campaign)})
        known = (campaign, self._entries, setup.folder, setup.rig.rules)
        for kind, content in (await asyncio.to_thread(contents, *known, self._beside)).items():
            await self._update(client, self._key(kind), content)
        told = index.page(await _cards(client))
        await self._update(client, index.KEY, {"data": told, "description": index.TITLE})
        news = await asyncio.to_thread(moments, setup.rig, campaign, self._entries)
        await self._tell(client, news)

    async def _place(self, client: PrefectClient, types: dict[str, str]) -> None:
        """See to it that all artifacts are there; the progress is this flow run's own.

        Before they are filled, for each is to name the others. The index is looked for each time:
        where several campaigns begin at once each makes one, and the newest is everybody's.
        """
        wanted = ArtifactCollectionFilterKey(any_=[index.KEY] if self._ids else [*types, index.KEY])
        found = await client.read_latest_artifacts(
            artifact_filter=ArtifactCollectionFilter(key=wanted)
        )
        self._ids |= {each.key: each.latest_id for each in found if each.type != "progress"}
        for name, kind in {**types, index.KEY: "markdown"}.items():
            if name not in self._ids:
                begun = 0.0 if kind == "progress" else "[]" if kind == "table" else "Begun."
                new = ArtifactCreate(key=name, type=kind, data=begun, flow_run_id=self._run)
                self._ids[name] = (await client.create_artifact(new)).id
        if not self._is_announced:
            get_run_logger().info("Overview: %s", self._overview())
            self._is_announced = True

    async def _update(self, client: PrefectClient, name: str, content: Content) -> None:
        """Bring an artifact up to date; HTTPStatusError where it has gone.

        Not by the client's `update_artifact`: that would keep a copy of every page as an event.
        """
        route = {"id": self._ids[name]}
        await client.request("PATCH", "/artifacts/{id}", path_params=route, json=content)

    def _key(self, kind: str) -> str:
        return key(kind, self._setup.rig.problem.name, self._setup.folder)

    def _beside(self, kind: str) -> str:
        """The link from one artifact's page to another's, in either UI."""
        return f"./{self._ids[kind if kind == index.KEY else self._key(kind)]}"

    def _overview(self) -> str:
        """Where the UI shows the overview."""
        ui = str(PREFECT_UI_URL.value() or "").rstrip("/")
        return f"{ui}/v2/artifacts/artifact/{self._ids[self._key('overview')]}"

    async def _tell(self, client: PrefectClient, news: list[Moment]) -> None:
        """Send what is news as events, and of that what the server does not have yet."""
        since = datetime.now(UTC) - NEWS
        fresh = [each for each in news if each.number not in self._told]
        fresh = [each for each in fresh if datetime.fromisoformat(each.at) > since]
        if not fresh:
            return
        numbers = [str(each.number) for each in fresh]
        there = await client.request(
            "POST", "/events/filter", json={"filter": {"id": {"id": numbers}}}
        )
        had = {each["id"] for each in there.json()["events"]}
        events = [self._event(each) for each in fresh if str(each.number) not in had]
        if events:
            await client.request("POST", "/events", json=events)
        self._told |= {each.number for each in fresh}

    def _event(self, moment: Moment) -> dict[str, Any]:
        name, folder = self._setup.rig.problem.name, self._setup.folder
        run = {
            "prefect.resource.id": f"prefect.flow-run.{self._run}",
            "prefect.resource.role": "flow-run",
        }
        return {
            "id": str(moment.number),
            "event": moment.kind,
            "occurred": moment.at,
            "resource": {
                "prefect.resource.id": f"athanor.campaign.{digest(folder)}",
                "prefect.resource.name": name,
            },
            "related": [run],
            "payload": {
                "campaign": name,
                "said": moment.said,
                "folder": str(folder),
                "overview": self._overview(),
            },
        }


async def _cards(client: PrefectClient) -> list[index.Card]:
    """The cards that campaigns have left on the server."""
    wanted = ArtifactCollectionFilterKey(like_="progress-")
    found = await client.read_latest_artifacts(
        artifact_filter=ArtifactCollectionFilter(key=wanted), limit=index.MOST
    )
    return [card for each in found if (card := index.restored(each.metadata_ or {}))]
