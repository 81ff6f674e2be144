"""A flow run in words: its name, what it logs of every change, and the sentence that it ends with.

The log says what was decided and why in a few lines; the artifacts and the report say the rest.
"""

from collections.abc import Iterator
from pathlib import Path

from flows.folder import known, read
from flows.rig import loaded
from flows.views import praise
from flows.waiting import why
from loop.campaign import Campaign
from loop.errors import LoopError
from loop.people import because
from loop.records import Candidate, Ingested
from loop.run import replay
from loop.space.values import written

SHOWN = 6  # candidates of a batch that a log lists
TOLD = 300  # characters of a point or of a cause


def title(folder: Path) -> str:
    """What a flow run is called when it begins: `cu-au-pd · turn 12`."""
    try:
        campaign = replay(loaded(folder).rig)
    except (LoopError, OSError):
        return _name(folder)
    return named(campaign, campaign.turn)


def named(campaign: Campaign, before: int) -> str:
    """What it was called for: the turns that it took since turn `before`, or the one it is in."""
    first, last = before + 1, campaign.turn
    turns = f"turns {first} to {last}" if last > first else f"turn {first}"
    return f"{campaign.problem.name} · {turns}"


def _name(folder: Path) -> str:
    """Of a folder whose campaign cannot be loaded."""
    try:
        return str(read(folder).get("name", folder.name))
    except LoopError:
        return folder.name


def sentence(folder: Path) -> str:
    """Why the campaign in a folder does not move, as its ledger and this machine have it now."""
    return why(*known(folder), folder)


def changes(before: Campaign, after: Campaign) -> Iterator[str]:
    """What has happened between two states of a campaign, a line each, in the order of a turn."""
    if before.opened is None:
        yield f"begins: {after.problem.name}"
    elif after.settings != before.settings:
        yield "campaign.toml has changed; it is on record"
    for event in after.ingested[len(before.ingested) :]:
        yield _taken(event)
    for given_up in after.given_up[len(before.given_up) :]:
        yield f"{given_up.candidate} {given_up.kind}: {given_up.message}"
    yield from _people(before, after)
    new = [each for each in after.leaders if each not in before.leaders]
    if new:
        yield f"new best: {praise(after, new[-1])}"
    asked = after.asked_since(before)
    if asked:
        yield f"turn {after.turn} asks for {len(asked)}:"
        yield from (_asked(each) for each in asked[:SHOWN])
        if len(asked) > SHOWN:
            yield f"  and {len(asked) - SHOWN} more"
    if after.closed is not None and before.closed is None:
        yield f"ended: {after.closed}"


def _people(before: Campaign, after: Campaign) -> Iterator[str]:
    """What people have decided."""
    for name, vetoed in after.vetoed.items():
        if name not in before.vetoed:
            yield f"{name} vetoed: {because(vetoed)}"
    for name, retracted in after.retracted.items():
        if name not in before.retracted:
            yield f"answers of {name} taken back: {because(retracted)}"
    if after.paused != before.paused:
        held = after.paused
        yield "goes on" if held is None else f"begins nothing more: {because(held)}"


def _taken(event: Ingested) -> str:
    """A file of the laboratory, and what was made of its rows."""
    receipt = event.receipt
    counts = {
        "used": len(receipt.observations),
        "known already": event.duplicates,
        "rejected": sum(each.row > 0 for each in receipt.rejected),
    }
    told = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return f"{receipt.file}: {told or 'no rows'}"


def _asked(candidate: Candidate) -> str:
    """A candidate, and why it was chosen."""
    why = candidate.why
    because = [why.origin, why.acquisition if why.value is not None else "", why.cause]
    value = "" if why.value is None else f" {why.value:.3g}"
    said = ", ".join(f"{each}{value if i == 1 else ''}" for i, each in enumerate(because) if each)
    return f"  {candidate.id} {written(candidate.point)[:TOLD]}: {said[:TOLD]}"
