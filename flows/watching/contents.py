"""The artifacts of a campaign: which there are, under which keys, and how they are linked."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

from flows.folder import digest
from flows.views import standing
from flows.watching import index, pages
from loop.campaign import Campaign
from loop.ledger import Entry
from loop.report.account import troubles
from loop.stopping import StopRules

KINDS: Mapping[str, str] = {
    "observations": "table",
    "health": "markdown",
    "failures": "markdown",
    "laboratory": "markdown",
    "progress": "progress",
    "overview": "markdown",
}
NAMES = {
    "observations": "Observations",
    "health": "Model health",
    "failures": "Failures",
    "laboratory": "Laboratory files",
}

Content: TypeAlias = dict[str, Any]  # data, description and metadata_, as Prefect wants them
Address: TypeAlias = Callable[[str], str]  # where the UI shows an artifact, by kind or key


def key(kind: str, name: str, folder: Path) -> str:
    """The key of an artifact: lowercase letters, digits and dashes, as Prefect wants them.

    With a few letters of the folder: there may be two campaigns of one name.
    """
    named = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-") or "campaign"
    return f"{kind}-{named}-{digest(folder)}"


def kinds(campaign: Campaign) -> list[str]:
    """The kinds of artifact that there is something to say in, in the order of writing."""
    has_files = bool(campaign.ingested) or any(each.file for each in campaign.attachments)
    empty = {
        "health": not campaign.health,
        "failures": not troubles(campaign),
        "laboratory": not has_files,
    }
    return [kind for kind in KINDS if not empty.get(kind)]


def contents(
    campaign: Campaign,
    entries: Sequence[Entry],
    folder: Path,
    rules: StopRules,
    address: Address,
) -> dict[str, Content]:
    """What stands in every artifact of the campaign, by kind."""
    now = standing(campaign, entries, folder)
    shown = kinds(campaign)
    links = {NAMES[kind]: address(kind) for kind in shown if kind in NAMES}
    links["All campaigns"] = address(index.KEY)
    home = address("overview")
    card = index.card(now, folder, home)
    made: dict[str, Content] = {}
    for kind in shown:
        match kind:
            case "observations":
                rows, said = pages.table(campaign, folder)
                made[kind] = _content(json.dumps(rows), said)
            case "health":
                made[kind] = _content(pages.health(campaign, entries, home), "The model's health")
            case "failures":
                made[kind] = _content(pages.failures(campaign, rules, home), "Failures by kind")
            case "laboratory":
                said = "What became of every row of a file"
                made[kind] = _content(pages.laboratory(campaign, home), said)
            case "progress":
                share = min(100.0, 100.0 * campaign.answered / rules.evaluations)
                said = f"{card.done}. {now.merits[0]}. {now.waits}"
                made[kind] = _content(share, said) | {"metadata_": asdict(card)}
            case _:
                page = pages.overview(campaign, entries, folder, rules, links)
                made[kind] = _content(page, f"{card.done}. {now.merits[0]}")
    return made


def _content(data: str | float, description: str) -> Content:
    return {"data": data, "description": description}
