"""The turn: collect, record, stop?, propose, submit. The same code with a scheduler and without.

    for campaign in turns(rig):
        print(campaign.best)

Nothing is acted on before it is written down, so a turn may be killed between any two lines, be
run twice, or race with another process: `decide` appends only to the events it has seen.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from time import sleep
from typing import TypeAlias

from loop.campaign import Campaign
from loop.decisions import Decision, claiming, closing, opening, settling
from loop.errors import Conflict, Shortfall
from loop.ledger import Ledger
from loop.protocols import Oracle, Proposer
from loop.records import Candidate, Event, Json, Observation, Problem, Proposed, Receipt
from loop.stopping import StopRules, room, stop_reason

Answers: TypeAlias = Sequence[Observation | Receipt]
POLL_S = 0.5  # how often to look whether another process has answered what we wait for


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """All that a turn needs. `batch` is how many candidates may wait for an answer at once."""

    problem: Problem
    ledger: Ledger
    oracle: Oracle
    proposer: Proposer
    rules: StopRules
    batch: int = 1
    settings: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Who evaluates, and how to tell whether another worker is still alive."""

    name: str = "here"
    alive: Callable[[str], bool] = field(default=lambda _: False)


def replay(rig: Rig) -> Campaign:
    """The campaign as the ledger has it now."""
    return Campaign.replay(rig.problem, rig.ledger.events())


def decide(rig: Rig, decision: Decision) -> Campaign:
    """Append what the decision says, on the newest state; the state afterwards."""
    while True:
        events = rig.ledger.events()
        campaign = Campaign.replay(rig.problem, events)
        decided = decision(campaign)
        if not decided:
            return campaign
        try:
            rig.ledger.append(decided, after=campaign.seq)
        except Conflict:
            continue
        return Campaign.replay(rig.problem, [*events, *decided])


def record(rig: Rig, answers: Answers) -> Campaign:
    """Write answers down, each once; the campaign afterwards."""
    return decide(rig, settling(answers, evaluated=rig.oracle.declaration.evaluates))


def advance(rig: Rig) -> Campaign:
    """Everything of a turn but collecting: open, stop or propose, submit."""
    campaign = decide(rig, opening(rig.problem, rig.settings))
    if campaign.closed is not None:
        return campaign
    reason = stop_reason(rig.rules, campaign)
    campaign = decide(rig, closing(reason)) if reason else decide(rig, _proposing(rig))
    rig.oracle.submit(campaign.pending if campaign.closed is None else ())
    return campaign


def collect(rig: Rig, worker: Worker) -> Campaign:
    """Bring in what is ready; with a calculator, evaluate what is pending, one after the other."""
    campaign = decide(rig, opening(rig.problem, rig.settings))
    if not rig.oracle.declaration.evaluates:
        return record(rig, rig.oracle.collect(campaign.pending))
    for candidate in campaign.pending:
        if claim(rig, candidate, worker):
            campaign = record(rig, rig.oracle.collect((candidate,)))
    return campaign


def turn(rig: Rig, worker: Worker | None = None) -> Campaign:
    """One whole turn, in this thread; the campaign afterwards."""
    collect(rig, worker or Worker())
    return advance(rig)


def turns(rig: Rig, worker: Worker | None = None) -> Iterator[Campaign]:
    """Turns until the campaign is closed; for oracles that evaluate: no laboratory is hurried."""
    campaign = turn(rig, worker)
    while campaign.closed is None:
        yield campaign
        campaign = turn(rig, worker)
    yield campaign


def claim(rig: Rig, candidate: Candidate, worker: Worker) -> bool:
    """Whether the candidate is now ours to evaluate; the attempt is then on record."""
    before = replay(rig).attempts.get(candidate.id, 0)
    repeatable = rig.oracle.declaration.repeatable
    campaign = decide(rig, claiming(candidate.id, worker.name, worker.alive, repeatable=repeatable))
    running = campaign.running.get(candidate.id)
    return running is not None and running.worker == worker.name and running.attempt > before


def drive(
    rig: Rig, submit: Callable[[Candidate], Future[Answers]], *, in_flight: int, worker: Worker
) -> Iterator[Campaign]:
    """Keep up to `in_flight` evaluations going until the campaign is closed; it after each change.

    `submit` starts `rig.oracle.collect((candidate,))` wherever it likes: a thread, a Prefect task.
    """
    flying: dict[Future[Answers], Candidate] = {}
    campaign = advance(rig)
    yield campaign
    while campaign.closed is None or flying:
        if campaign.closed is None:
            for candidate in campaign.pending:
                if (
                    len(flying) < in_flight
                    and candidate not in flying.values()
                    and claim(rig, candidate, worker)
                ):
                    flying[submit(candidate)] = candidate
        done = _first(flying)
        for future in done:
            del flying[future]
            record(rig, future.result())
        seq, campaign = campaign.seq, advance(rig)
        if campaign.seq != seq:
            yield campaign


def _first(flying: Mapping[Future[Answers], Candidate]) -> set[Future[Answers]]:
    """The evaluations that are ready, after at most POLL_S."""
    if flying:
        return wait(flying, timeout=POLL_S, return_when=FIRST_COMPLETED).done
    sleep(POLL_S)
    return set()


def _proposing(rig: Rig) -> Decision:
    def decision(campaign: Campaign) -> list[Event]:
        count = room(rig.rules, campaign, rig.batch)
        if campaign.closed is not None or count == 0:
            return []
        try:
            return [Proposed(candidates=tuple(rig.proposer.propose(campaign, count)))]
        except Shortfall as short:
            if short.available:
                return [Proposed(candidates=tuple(rig.proposer.propose(campaign, short.available)))]
            return (
                [] if campaign.pending else list(closing(f"no more candidates: {short}")(campaign))
            )

    return decision
