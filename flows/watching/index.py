"""Every campaign at a glance: a line each, as an artifact and for `athanor index`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from rich.table import Table

from flows.folder import FILE, remembered
from flows.views import Standing, standing
from flows.waiting import day
from loop.errors import LoopError
from loop.records import Json

KEY = "athanor-campaigns"
TITLE = "Every campaign that this server knows"
MOST = 200  # campaigns that Prefect lists at once
DEEP = 3  # folders below the one that is given
TOLD = 120  # characters of a sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A campaign in a line; `page` is where the UI shows it, `last` when something happened."""

    name: str
    done: str
    found: str
    now: str
    last: str
    folder: str
    page: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A campaign folder: where it stands; None where it has not begun, or for a `fault`."""

    folder: Path
    standing: Standing | None = None
    fault: str = ""


def card(now: Standing, folder: Path, page: str = "") -> Card:
    """The line of a campaign."""
    of = "" if now.budget is None else f" of {now.budget}"
    return Card(
        name=now.name,
        done=f"{now.answered}{of} evaluations",
        found=(now.best_said or now.merits[0])[:TOLD],
        now=now.waits[:TOLD],
        last=now.last,
        folder=str(folder),
        page=page,
    )


def restored(facts: Mapping[str, str]) -> Card | None:
    """The card that was kept as these facts; None where they are not a card's."""
    return Card(**facts) if set(facts) == {each.name for each in fields(Card)} else None


def page(cards: Sequence[Card]) -> str:
    """The index as markdown, what has changed last first; and where each of them is."""
    newest = sorted(cards, key=lambda card: card.last, reverse=True)
    rows = [(_link(each), _count(each), each.found, each.now) for each in newest]
    cells = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows]
    table = "\n".join(["| campaign | evaluations | found | now |", "| --- " * 4 + "|"])
    table += "".join(f"\n| {line} |" for line in cells)
    places = [f"- {each.name}: `{each.folder}`, changed {day(each.last)}" for each in newest]
    most = [f"The {MOST} that this server lists at once."] if len(cards) >= MOST else []
    return "\n\n".join(["# Campaigns", table, *most, "## Where they are", "\n".join(places)])


def _link(card: Card) -> str:
    return f"[{card.name}]({card.page})"


def _count(card: Card) -> str:
    return card.done.removesuffix(" evaluations")


def search(places: Iterable[Path]) -> list[Found]:
    """The campaigns in and below these folders, in the order of their paths."""
    folders = dict.fromkeys(
        file.parent
        for place in places
        for depth in range(DEEP + 1)
        for file in sorted(place.absolute().glob("*/" * depth + FILE))
    )
    return [_look(folder) for folder in folders]


def _look(folder: Path) -> Found:
    try:
        found = remembered(folder)
    except (LoopError, OSError) as error:
        return Found(folder=folder, fault=str(error))
    return Found(folder=folder, standing=standing(*found, folder) if found else None)


def plainly(found: Sequence[Found]) -> list[dict[str, Json]]:
    """The index for programs."""
    return [
        {
            "folder": str(each.folder),
            "fault": each.fault,
            "standing": asdict(each.standing) if each.standing else None,
        }
        for each in found
    ]


def table(found: Sequence[Found]) -> Table:
    """The index for people."""
    shown = Table(box=None, pad_edge=False)
    for head in ("campaign", "done", "found", "now", "folder"):
        shown.add_column(head, overflow="fold")
    for each in found:
        if each.standing is None:
            said = each.fault or "not started"
            shown.add_row(each.folder.name, "", "", said, str(each.folder))
        else:
            line = card(each.standing, each.folder)
            shown.add_row(line.name, line.done, line.found, line.now, line.folder)
    return shown
