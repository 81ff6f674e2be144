"""An automation in Prefect's server for each kind of moment; off, and sending nothing, at first.

They are told by their names. Making them again leaves those that are there as people have set them,
but for what the caller asks to change.
"""

from dataclasses import dataclass
from uuid import UUID

from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events.actions import ActionTypes, CallWebhook, DoNothing
from prefect.events.schemas.automations import AutomationCore, EventTrigger
from pydantic import SecretStr

from flows.watching.moments import BEST, FAILING, FINISHED, MODEL, PEOPLE

BLOCK = "athanor-moments"  # where the address of the webhook is kept
TITLES = {
    BEST: "Athanor: new best",
    PEOPLE: "Athanor: waiting for people",
    FAILING: "Athanor: failure rate high",
    MODEL: "Athanor: model bad",
    FINISHED: "Athanor: finished",
}
PAYLOAD = (  # of the webhook; JSON, whatever stands in the words
    '{"text": {{ (event.payload.campaign ~ ": " ~ event.payload.said) | tojson }},'
    ' "moment": "{{ event.event }}", "overview": "{{ event.payload.overview }}"}'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An automation as it is now: which moment, whether it is on, and what it does."""

    name: str
    moment: str
    on: bool
    does: str


def make(webhook: str | None = None, *, on: bool | None = None) -> list[Alert]:
    """Make what is not there; with a webhook, have all call it; switch all on or off."""
    action = None if webhook is None else _calling(webhook)
    with get_client(sync_client=True) as client:
        return [_made(client, moment, action, on=on) for moment in TITLES]


def _made(
    client: SyncPrefectClient, moment: str, action: ActionTypes | None, *, on: bool | None
) -> Alert:
    """The automation of a moment, as it is after what was asked for and nothing else."""
    name = TITLES[moment]
    there = next(iter(client.read_automations_by_name(name)), None)
    core = AutomationCore(
        name=name,
        description=f"When {moment} comes from any campaign. Made by `athanor alerts`.",
        enabled=bool(there and there.enabled) if on is None else on,
        tags=["athanor"],
        trigger=there.trigger if there else _coming(moment),
        actions=[action] if action else there.actions if there else [DoNothing(type="do-nothing")],
    )
    if there is None:
        client.create_automation(core)
    elif action is not None or on is not None:
        client.update_automation(there.id, core)
    does = ", ".join(each.type for each in core.actions)
    return Alert(name=name, moment=moment, on=core.enabled, does=does)


def _coming(moment: str) -> EventTrigger:
    """At once, whichever campaign it comes from."""
    return EventTrigger(
        type="event",  # what is not said is not sent
        expect={moment},
        match={"prefect.resource.id": "athanor.campaign.*"},
    )


def _calling(url: str) -> ActionTypes:
    """The action that calls a webhook, whose address is kept as a secret on the server."""
    block = Webhook(url=SecretStr(url)).save(BLOCK, overwrite=True)
    if not isinstance(block, UUID):
        raise TypeError(f"expected the number of a saved block, got {block!r}")
    return CallWebhook(type="call-webhook", block_document_id=block, payload=PAYLOAD)
