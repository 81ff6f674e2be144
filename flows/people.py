"""What people decide of a campaign folder: written to its ledger at once, also during a run.

Vetoes and retractions need the ledger alone, so that they can be made where no oracle is. Asking
needs the whole rig: campaign.toml says whether the budget has room.
"""

from collections.abc import Mapping, Sequence
from getpass import getuser
from pathlib import Path

from flows.folder import known, ledger_url, read, remembered
from flows.refusal import nearest
from flows.returned import tell_conflicts
from flows.typed import values
from flows.views import found, praise
from loop.campaign import Campaign
from loop.corrections import Correction, corrected, correcting
from loop.decisions import Decision
from loop.errors import CampaignError
from loop.ledger import Ledger
from loop.people import (
    Consequences,
    Stop,
    asking,
    consequences,
    pausing,
    repeating,
    resolving,
    resuming,
    retracting,
    settled,
    vetoing,
)
from loop.ranking import Result
from loop.records import REAL, Candidate, Json, Problem
from loop.run import Rig, begin, decide, settle


def user() -> str:
    """The name under which this process runs; empty where it has none."""
    try:
        return getuser()
    except (ImportError, KeyError, OSError):  # a container may run under a number
        return ""


def veto(folder: Path, candidates: Sequence[str], reason: str, by: str) -> Mapping[str, str]:
    """Refuse candidates; those that are being evaluated, each with the worker that is at it."""
    campaign, _ = known(folder)
    _settle(folder, campaign, vetoing(candidates, reason, by))
    running = campaign.running
    return {each: running[each].worker for each in candidates if each in running}


def retract(
    folder: Path, candidate: str, reason: str, by: str, *, dry_run: bool
) -> tuple[Campaign, Consequences]:
    """Take answers back, or only say what that would do; the campaign, and what is changed."""
    campaign, _ = known(folder)
    decision = retracting(candidate, reason, by)
    if dry_run:
        decision(campaign)
    else:
        campaign = _settle(folder, campaign, decision)
    return campaign, consequences(campaign, candidate)


def resolve(
    folder: Path, candidate: str, keep: str, reason: str, by: str
) -> tuple[Campaign, Consequences]:
    """Keep what FILE, or FILE:ROW, says of a candidate; the campaign, and what is changed."""
    campaign, _ = known(folder)
    file, _, row = keep.rpartition(":")
    which = (file, int(row)) if file and row.isdecimal() else (keep, None)
    decision = resolving(candidate, which, reason, by)
    decision(campaign)
    changed = settled(campaign, candidate, which)
    return _settle(folder, campaign, decision), changed


def correct(
    folder: Path, right: Correction, reason: str, by: str, *, dry_run: bool
) -> tuple[Campaign, Consequences]:
    """Let values hold, or only say what that would do; the campaign, and what is changed."""
    campaign, _ = known(folder)
    decision = correcting(right, reason, by)
    changed = corrected(campaign, decision(campaign), right.candidate)
    return campaign if dry_run else _settle(folder, campaign, decision), changed


def hold(folder: Path, reason: str, by: str, stop: Stop) -> Campaign:
    """Pause a campaign, or stop whoever runs it; the campaign, with what is in flight."""
    campaign, _ = known(folder)
    return _settle(folder, campaign, pausing(reason, by, stop))


def go_on(folder: Path, reason: str, by: str, *, only_stopped: bool) -> None:
    """Resume a campaign; where `only_stopped`, one that was paused stays so."""
    found = remembered(folder)
    held = found[0].paused if found else None
    if found is not None and held is not None and (held.stop or not only_stopped):
        _settle(folder, found[0], resuming(reason, by))


def ask(
    rig: Rig,
    words: Sequence[str],
    reason: str,
    by: str,
    *,
    replicate: str | None = None,
    oracle: str | None = None,
) -> Candidate:
    """Propose the point of these words, or that of a candidate once more; the new candidate.

    An `oracle` that stands in is asked alone; the real ones, the default, are asked together.
    """
    if bool(words) == (replicate is not None):
        raise CampaignError(
            "ask",
            "either a point, such as T=900, or --replicate ID",
            "both" if words else "neither",
            "Name one of them.",
        )
    if replicate is not None and oracle is not None:
        remedy = "The point for another oracle: athanor ask DIR NAME=VALUE ... --oracle NAME."
        expected = "no --oracle: who was asked before is asked once more"
        raise CampaignError("ask", expected, repr(oracle), remedy)
    begin(rig)
    if replicate is not None:
        decision = repeating(replicate, reason, by, budget=rig.rules)
    else:
        point = values(words, rig.problem.space)
        fidelity = _fidelity(rig.problem, oracle)
        decision = asking(point, reason, by, budget=rig.rules, fidelity=fidelity)
    return list(decide(rig, decision).candidates.values())[-1]


def _fidelity(problem: Problem, oracle: str | None) -> str:
    """What an oracle is asked about; CampaignError where none has that name."""
    if oracle is None:
        return REAL
    names = {name: REAL for name in problem.fidelity(REAL).oracles if name}
    names |= {each.name: each.name for each in problem.stand_ins}
    if oracle not in names:
        expected = f"one of {', '.join(names)}" if names else "none, where there is one oracle"
        raise CampaignError("--oracle", expected, repr(oracle), nearest(oracle, list(names)))
    return names[oracle]


def told(campaign: Campaign, changed: Consequences) -> list[str]:
    """What a retraction changes, in sentences."""
    now = _named(campaign, changed.after)
    said = [f"The best was {_named(campaign, changed.before)}.", f"It is now {now}."]
    if not changed.is_felt:
        said = [f"The best stays {now}."]
    if not changed.led_to:
        return [*said, "No candidate was chosen by a model that used its answers."]
    said.append(f"Chosen by a model that used its answers: {', '.join(changed.led_to)}.")
    waiting = [each.id for each in campaign.pending if each.id in changed.led_to]
    if waiting:
        said.append(f"Still waiting among them: {', '.join(waiting)}. Veto what is not to be made.")
    return said


def plainly(campaign: Campaign, changed: Consequences) -> dict[str, Json]:
    """The same for programs."""
    pending = {each.id for each in campaign.pending}
    return {
        "candidate": changed.candidate,
        "retracted": changed.candidate in campaign.retracted,
        "changes": changed.is_felt,
        "before": [found(result) for result in changed.before],
        "after": [found(result) for result in changed.after],
        "led_to": list(changed.led_to),
        "waiting": [each for each in changed.led_to if each in pending],
    }


def _named(campaign: Campaign, leaders: Sequence[Result]) -> str:
    """The best in one line; of a front its candidates."""
    match leaders:
        case []:
            return "nothing"
        case [best]:
            return praise(campaign, best)
        case _:
            return f"the front {', '.join(each.candidate.id for each in leaders)}"


def _settle(folder: Path, campaign: Campaign, decision: Decision) -> Campaign:
    """The campaign after the decision, made without a rig; it may have ended a conflict."""
    name = campaign.problem.name
    after = settle(campaign.problem, Ledger(ledger_url(folder, read(folder)), name), decision)
    tell_conflicts(folder, after)
    return after
