"""What people decide: a candidate is refused, an answer is taken back, a point is asked for.

As `loop.decisions`, pure functions from a campaign to events; but a person who asks for what cannot
be, or is already so, is told. Nothing is deleted: the ledger keeps what was decided, why, and `by`
whom.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Literal, Protocol, TypeAlias

from loop.campaign import Campaign
from loop.decisions import Decision
from loop.errors import CampaignError
from loop.ranking import Result
from loop.records import (
    REAL,
    Candidate,
    Edited,
    Event,
    Paused,
    Proposed,
    Resolved,
    Resumed,
    Retracted,
    Vetoed,
    Why,
)
from loop.space.values import Point
from loop.spending import left, pays, price

Stop: TypeAlias = Literal["", "soon", "now"]  # as Paused has it
STOPS: tuple[Stop, ...] = ("", "soon", "now")


class Budget(Protocol):
    """What may be spent, as the stop rules have it: so many candidates, and a cost if stated."""

    @property
    def evaluations(self) -> int:
        """How many candidates."""
        ...

    @property
    def cost(self) -> float | None:
        """In the unit of the fidelities' costs."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequences:
    """What a decision about answers changes: the best, or the front, and whom they have led to.

    `led_to` are the candidates that a model chose while the answers were used.
    """

    candidate: str
    before: tuple[Result, ...]
    after: tuple[Result, ...]
    led_to: tuple[str, ...]

    @property
    def is_felt(self) -> bool:
        """Whether the best, or the front, is another one."""
        return self.before != self.after


def vetoing(candidates: Sequence[str], reason: str, by: str = "") -> Decision:
    """Refuse candidates that wait for an answer, all or none; CampaignError where one does not.

    They leave the budget; their points are never proposed again. What is made all the same and
    measured counts like any other.
    """

    def decide(campaign: Campaign) -> list[Event]:
        require_reason(reason)
        for candidate in dict.fromkeys(candidates):
            require_known(campaign, candidate)
            _require_unanswered(campaign, candidate)
        return [Vetoed(candidate=each, reason=reason, by=by) for each in dict.fromkeys(candidates)]

    return decide


def editing(candidate: str, changes: Point, reason: str, by: str = "") -> Decision:
    """Change the point of a candidate before it is made; CampaignError or SpaceError if it cannot.

    What is asked is then the changed point, for everyone: worklist, model, comparison of results.
    """

    def decide(campaign: Campaign) -> list[Event]:
        require_reason(reason)
        require_known(campaign, candidate)
        is_open = candidate in {each.id for each in campaign.pending}
        if not is_open or campaign.latest(candidate):
            raise CampaignError(
                candidate,
                "a candidate that waits for an answer",
                f"one {state(campaign, candidate)}",
                "What was made differently stands in the results, in a column such as executed:T.",
            )
        before = campaign.candidates[candidate].point
        point = {**before, **changes}
        if point == before:
            raise CampaignError(candidate, "a change, such as T=905", "the point as it is")
        campaign.problem.space.check(point)
        return [Edited(candidate=candidate, point=point, reason=reason, by=by)]

    return decide


def retracting(candidate: str, reason: str, by: str = "") -> Decision:
    """Take a candidate's answers back; CampaignError where it has none, or they are already.

    They are kept and not used, and stay paid for; the point is not proposed again.
    """

    def decide(campaign: Campaign) -> list[Event]:
        require_reason(reason)
        require_known(campaign, candidate)
        if candidate in campaign.retracted:
            raise CampaignError(
                candidate, "answers that hold", f"answers {state(campaign, candidate)}"
            )
        if not campaign.observations.get(candidate):
            raise CampaignError(
                candidate, "an answer to take back", "none yet", "Refuse it with `athanor veto`."
            )
        return [Retracted(candidate=candidate, reason=reason, by=by)]

    return decide


def resolving(candidate: str, keep: tuple[str, int | None], reason: str, by: str = "") -> Decision:
    """Keep what one file says, where several disagree; CampaignError where it has no part in it.

    `keep` is the file, and its row where the file itself says several things.
    """
    file, row = keep

    def decide(campaign: Campaign) -> list[Event]:
        require_reason(reason)
        require_known(campaign, candidate)
        contenders = {
            f"{each.source.file}:{each.source.row}"
            for torn in campaign.torn.get(candidate, {}).values()
            for each in torn
        }
        if not contenders:
            got = f"one {state(campaign, candidate)}"
            raise CampaignError(candidate, "a candidate of which files disagree", got)
        if not campaign.claims[candidate].copy().keep(file, row):
            raise CampaignError(
                candidate,
                f"one of {', '.join(sorted(contenders))} to keep",
                f"{file}:{row}" if row else file,
                "Name file and row of the value that is right.",
            )
        return [Resolved(candidate=candidate, file=file, row=row, reason=reason, by=by)]

    return decide


def settled(campaign: Campaign, candidate: str, keep: tuple[str, int | None]) -> Consequences:
    """What keeping a file's answers changes, of a campaign in which it has not been done yet."""
    claims = campaign.claims[candidate].copy()
    claims.keep(*keep)
    return Consequences(
        candidate=candidate,
        before=campaign.leaders,
        after=replace(campaign, claims={**campaign.claims, candidate: claims}).leaders,
        led_to=campaign.led_to(candidate),
    )


def consequences(campaign: Campaign, candidate: str) -> Consequences:
    """What taking the candidate's answers back changes, before it is done and after."""
    others = {name: each for name, each in campaign.retracted.items() if name != candidate}
    event = campaign.retracted.get(candidate, Retracted(candidate=candidate, reason=""))
    return Consequences(
        candidate=candidate,
        before=replace(campaign, retracted=others).leaders,
        after=replace(campaign, retracted={**others, candidate: event}).leaders,
        led_to=campaign.led_to(candidate),
    )


def asking(
    point: Point, reason: str, by: str = "", *, budget: Budget, fidelity: str = REAL
) -> Decision:
    """Propose a point that a person has chosen; SpaceError or CampaignError where it cannot be."""

    def decide(campaign: Campaign) -> list[Event]:
        space, view = campaign.problem.space, campaign.at(fidelity)
        space.check(point)
        asked = dict(zip(space.keys(view.own_rows), (each.id for each in view.own), strict=True))
        earlier = asked.get(space.keys(space.encode([point]))[0])
        if earlier is not None:
            raise CampaignError(
                "point",
                "one that has not been asked for",
                f"that of {earlier}, {state(campaign, earlier)}",
                f"To ask it once more: athanor ask DIR --replicate {earlier}.",
            )
        why = Why(origin="manual", cause=_said(reason, by))
        return _proposed(campaign, point, why, budget, fidelity)

    return decide


def repeating(candidate: str, reason: str, by: str = "", *, budget: Budget) -> Decision:
    """Propose a candidate's point once more, under an id of its own; CampaignError if unknown.

    It is asked of whom the candidate was asked.
    """

    def decide(campaign: Campaign) -> list[Event]:
        require_known(campaign, candidate)
        cause = f"{candidate} once more, {_said(reason, by)}".removesuffix(", ")
        why = Why(origin="replicate", cause=cause)
        again = campaign.candidates[candidate]
        return _proposed(campaign, again.point, why, budget, again.fidelity)

    return decide


def pausing(reason: str, by: str, stop: Stop = "") -> Decision:
    """Begin nothing more until somebody resumes; nothing where it is paused so already."""

    def decide(campaign: Campaign) -> list[Event]:
        require_reason(reason)
        if campaign.closed is not None:
            raise CampaignError("pause", "a campaign that goes on", f"one ended: {campaign.closed}")
        held = campaign.paused
        if held is not None and STOPS.index(held.stop) >= STOPS.index(stop):
            return []
        return [Paused(reason=reason, by=by, stop=stop)]

    return decide


def resuming(reason: str, by: str) -> Decision:
    """Go on with a paused campaign; nothing where it is not paused."""

    def decide(campaign: Campaign) -> list[Event]:
        return [] if campaign.paused is None else [Resumed(reason=reason, by=by)]

    return decide


def because(event: Vetoed | Retracted | Resolved | Edited | Paused) -> str:
    """Why a person decided so, and who it was: `too hot (by Ann)`."""
    return f"{event.reason} (by {event.by})" if event.by else event.reason


def state(campaign: Campaign, candidate: str) -> str:
    """How a candidate stands, in words that continue a sentence."""
    if candidate in campaign.vetoed:
        return f"vetoed: {because(campaign.vetoed[candidate])}"
    if candidate in campaign.retracted:
        return f"taken back: {because(campaign.retracted[candidate])}"
    if candidate in {each.id for each, _ in campaign.all_failures}:
        return "failed"
    if candidate not in {each.id for each in campaign.pending}:
        return "measured"
    if candidate in campaign.torn or campaign.latest(candidate):
        return "in conflict" if candidate in campaign.torn else "partly measured"
    running = campaign.running.get(candidate)
    return "waiting" if running is None else f"being evaluated by {running.worker}"


def _proposed(
    campaign: Campaign, point: Point, why: Why, budget: Budget, fidelity: str
) -> list[Event]:
    """The event of one candidate, where the campaign goes on and the budget pays for it."""
    if campaign.closed is not None:
        raise CampaignError(
            "campaign",
            "one that goes on",
            f"one that was closed: {campaign.closed}",
            "Raise stop.evaluations in campaign.toml, or `athanor reopen` it.",
        )
    if campaign.asked >= budget.evaluations:
        raise CampaignError(
            "budget",
            f"fewer than {budget.evaluations} candidates",
            f"{campaign.asked} that count",
            "Raise stop.evaluations in campaign.toml, or veto one that waits.",
        )
    if not pays(campaign, fidelity, budget.cost):
        called = campaign.problem.fidelity(fidelity).called
        raise CampaignError(
            "budget",
            f"{price(campaign, fidelity):g} left, the cost of a candidate of {called}",
            f"{left(campaign, budget.cost):g}",
            "Raise stop.cost in campaign.toml, or veto one that waits.",
        )
    (key,) = campaign.ids(1)
    candidate = Candidate(id=key, point=point, why=why, fidelity=fidelity)
    return [Proposed(candidates=(candidate,))]


def require_reason(reason: str) -> None:
    """Raise CampaignError where no reason is given."""
    if not reason.strip():
        raise CampaignError("reason", "a few words, to be put on record", repr(reason))


def require_known(campaign: Campaign, candidate: str) -> None:
    """Raise CampaignError for an id that no candidate has, with the nearest that one has."""
    if candidate not in campaign.candidates:
        close = get_close_matches(candidate, campaign.candidates, n=1, cutoff=0.5)
        remedy = f"Did you mean {close[0]}?" if close else "`athanor export` lists them."
        raise CampaignError("candidate", "the id of a candidate", repr(candidate), remedy)


def _require_unanswered(campaign: Campaign, candidate: str) -> None:
    """Raise CampaignError where there is nothing to refuse any more, with what to do instead."""
    is_open = candidate in {each.id for each in campaign.pending}
    if is_open and not campaign.latest(candidate):
        return
    set_aside: Mapping[str, object] = {**campaign.vetoed, **campaign.retracted}
    remedy = (
        ""
        if candidate in set_aside
        else f"Take its answer back: athanor retract DIR {candidate} --reason TEXT."
    )
    raise CampaignError(
        candidate,
        "a candidate that waits for an answer",
        f"one {state(campaign, candidate)}",
        remedy,
    )


def _said(reason: str, by: str) -> str:
    """Who asked, and why, as far as it was said."""
    return ": ".join(filter(None, (f"asked by {by}" if by else "", reason)))
