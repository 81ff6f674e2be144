"""A person corrects a recorded value: the new one holds, the old one is kept, and why is said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from loop.campaign import Campaign
from loop.claims import meant
from loop.decisions import Decision
from loop.errors import CampaignError
from loop.people import Consequences, require_known, require_reason, state
from loop.records import Corrected, Event, Measured, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What is right of a candidate: values by target, in the targets' units.

    `errors` are standard errors where they are wrong, too; `replicate` tells which of several
    measurements is meant, None where there is one only.
    """

    candidate: str
    values: Mapping[str, float]
    errors: Mapping[str, float] = field(default_factory=dict)
    replicate: str | None = None


def correcting(right: Correction, reason: str, by: str = "") -> Decision:
    """Let these values hold from now on; CampaignError where there is nothing to correct.

    A correction is of a higher revision than all that was said before, so that a file which says
    the old value once more changes nothing.
    """

    def decide(campaign: Campaign) -> list[Event]:
        require_reason(reason)
        require_known(campaign, right.candidate)
        if right.candidate in campaign.retracted:
            got = f"answers {state(campaign, right.candidate)}"
            raise CampaignError(right.candidate, "answers that hold", got)
        old = [_old(campaign, right, target) for target in right.values]
        answer = replace(
            old[0],
            values=right.values,
            errors=_errors(right, old),
            censored={},
            revision=1 + max(_revisions(campaign, right.candidate)),
            source=Source(oracle="person"),
            notes={"corrected by": by, "because": reason},
        )
        if all(
            each.values.get(t) == v for each, (t, v) in zip(old, right.values.items(), strict=True)
        ):
            said = ", ".join(f"{target} {value:g}" for target, value in right.values.items())
            if not right.errors:
                raise CampaignError(right.candidate, "another value than the recorded", said)
        return [Corrected(observation=answer, reason=reason, by=by)]

    return decide


def corrected(campaign: Campaign, events: Sequence[Event], candidate: str) -> Consequences:
    """What these events change, of a campaign in which they have not happened yet."""
    return Consequences(
        candidate=candidate,
        before=campaign.leaders,
        after=campaign.extended(events).leaders,
        led_to=campaign.led_to(candidate),
    )


def _old(campaign: Campaign, right: Correction, target: str) -> Measured:
    """The recorded answer that is corrected; of several that contradict one another, the first."""
    names = campaign.problem.objective.names
    if target not in names:
        raise CampaignError(target, f"a target among {', '.join(names)}", repr(target))
    known = {
        r: answer for (t, r), answer in campaign.latest(right.candidate).items() if t == target
    }
    for (name, replicate), torn in campaign.torn.get(right.candidate, {}).items():
        answers = [each for each in torn if isinstance(each, Measured)]
        if name == target and answers:
            known.setdefault(replicate, answers[0])
    if not known:
        raise CampaignError(
            right.candidate,
            f"a recorded value of {target}",
            f"none, of one {state(campaign, right.candidate)}",
            "A first value comes in a file in results/.",
        )
    if right.replicate is None and len(known) == 1:
        return next(iter(known.values()))
    if right.replicate is None or meant(right.replicate) not in known:
        said = ", ".join(repr(each or "1") for each in sorted(known))
        got = "none named" if right.replicate is None else repr(right.replicate)
        raise CampaignError(right.candidate, f"one of its replicates {said}", got, "Name it.")
    return known[meant(right.replicate)]


def _errors(right: Correction, old: Sequence[Measured]) -> dict[str, float]:
    """The standard errors as corrected, else as recorded."""
    recorded = {
        target: answer.errors[target]
        for target, answer in zip(right.values, old, strict=True)
        if target in answer.errors
    }
    return {**recorded, **right.errors}


def _revisions(campaign: Campaign, candidate: str) -> list[int]:
    return [each.revision for each in campaign.observations[candidate]]
