"""The turn: collect, record, stop?, propose, submit. The same code with a scheduler and without.

    for campaign in turns(rig):
        print(campaign.best)

Nothing is acted on before it is written down, so a turn may be killed between any two lines, be
run twice, or race with another process: `decide` appends only to the events it has seen.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from time import monotonic, sleep
from typing import TypeAlias

from loop.campaign import Campaign, is_past
from loop.decisions import Decision, claiming, closing, opening, releasing, settling
from loop.errors import CampaignError, Conflict, LedgerError, Shortfall
from loop.ledger import Ledger
from loop.past import attaching, unasked
from loop.protocols import Declaration, Oracle, Proposer
from loop.records import Candidate, Event, Json, Observation, Problem, Proposed, Receipt, Started
from loop.space.rounding import rounded
from loop.space.values import Value
from loop.spending import left
from loop.stopping import StopRules, affordable, require_rules, room, stop_reason

Answers: TypeAlias = Sequence[Observation | Receipt]
LOOK_S = 5.0  # how often a laboratory's files are read while evaluations are in flight
POLL_S = 0.5  # how often to look whether another process has answered what we wait for


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """All that a turn needs. `batch` is how many candidates may wait for an answer at once.

    `oracle` evaluates, or is a laboratory; `laboratory` is one beside an oracle that evaluates.
    `held` are parameters that keep a value in all that this rig proposes; `by` is who has written
    the settings, as far as anyone can tell.
    """

    problem: Problem
    ledger: Ledger
    oracle: Oracle
    proposer: Proposer
    rules: StopRules
    batch: int = 1
    settings: Mapping[str, Json] = field(default_factory=dict)
    held: Mapping[str, Value] = field(default_factory=dict)
    by: str = ""
    laboratory: Oracle | None = None

    @property
    def awaited(self) -> Oracle | None:
        """Whoever answers in its own time, if anyone does."""
        return self.laboratory if self.oracle.declaration.evaluates else self.oracle

    def __post_init__(self) -> None:
        """Raise SettingsError for a stop rule that the objective can never meet."""
        require_rules(self.rules, self.problem.objective)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Who evaluates, and how to tell whether another worker is still at what it has begun."""

    name: str = "here"
    alive: Callable[[Started], bool] = field(default=lambda _: False)


def replay(rig: Rig) -> Campaign:
    """The campaign as the ledger has it now."""
    return rig.ledger.replay(rig.problem)


def decide(rig: Rig, decision: Decision) -> Campaign:
    """Append what the decision says, on the newest state; the state afterwards."""
    return settle(rig.problem, rig.ledger, decision)


def settle(problem: Problem, ledger: Ledger, decision: Decision) -> Campaign:
    """As `decide`, where there is no rig: a person needs no oracle to decide."""
    while True:
        campaign = ledger.replay(problem)
        decided = decision(campaign)
        if not decided:
            return campaign
        with suppress(Conflict):
            ledger.append(decided, after=campaign.seq)
            return ledger.replay(problem)


def record(rig: Rig, answers: Answers) -> Campaign:
    """Write answers of the rig's oracle down, each once; the campaign afterwards."""
    declared = rig.oracle.declaration
    own = {part.fidelity: frozenset[str]() for part in declared.parts}
    for part in declared.parts:
        own[part.fidelity] |= part.measures.keys()
    settled = settling(answers, evaluated=declared.evaluates, expected=own)
    return decide(rig, _with_unasked(answers, settled))


def _with_unasked(answers: Answers, settled: Decision) -> Decision:
    """What is settled, and the rows of a laboratory that answer no candidate, attached."""
    alone = attaching(unasked(answers), reason="nobody had asked for it")
    return lambda campaign: [*settled(campaign), *alone(campaign)]


def bring(rig: Rig) -> Campaign:
    """Write down what a laboratory has answered since; the campaign afterwards."""
    campaign = replay(rig)
    if rig.awaited is None:
        return campaign
    declared = rig.awaited.declaration
    asked = [each for each in campaign.pending if declared.of(each.fidelity)]
    answers = rig.awaited.collect(asked)
    return decide(rig, _with_unasked(answers, settling(answers)))


def waiting(oracle: Oracle, campaign: Campaign) -> tuple[Candidate, ...]:
    """What the oracle is to be asked for now: candidates that lack something that it measures.

    Before them stand those of which more repeats are wanted than there are, also when the campaign
    is closed. What files disagree about has been made already.
    """
    torn, declared = campaign.torn, oracle.declaration
    open_ones = campaign.pending if campaign.closed is None else ()
    lacking = (
        each
        for each in open_ones
        if any(
            not part.measures or campaign.lacks(each.id) & part.measures.keys()
            for part in declared.of(each.fidelity)
        )
    )
    asked = (*_unrepeated(declared, campaign), *lacking)
    return tuple(each for each in asked if each.id not in torn)


def _unrepeated(declared: Declaration, campaign: Campaign) -> Iterator[Candidate]:
    """Answered candidates of which the oracle is to make more measurements than there are."""
    if all(part.repeats == 1 for part in (declared, *declared.parts)):
        return
    pending = {each.id for each in campaign.pending}
    for each in (result.candidate for result in campaign.results):
        wanted = max((part.repeats for part in declared.of(each.fidelity)), default=1)
        if each.id not in pending and not is_past(each) and campaign.is_short(each.id, wanted):
            yield each


def begin(rig: Rig) -> Campaign:
    """Open the campaign, or take up what has changed in its settings; once per start."""
    return decide(rig, opening(rig.problem, rig.settings, rig.by))


def advance(rig: Rig) -> Campaign:
    """Everything of a turn after collecting: stop or propose, submit.

    Where another process has amended the settings, this rig's rules hold no more: it does nothing.
    """
    campaign = decide(rig, _stopping(rig))
    if _goes_on(rig, campaign):
        campaign = decide(rig, proposing(rig))
    elif campaign.closed is None or is_outdated(rig, campaign):
        return campaign
    for oracle in filter(None, (rig.oracle, rig.laboratory)):
        oracle.submit(waiting(oracle, campaign))
    return campaign


def is_outdated(rig: Rig, campaign: Campaign) -> bool:
    """Whether the campaign's settings are no longer those of this rig: load it again."""
    return campaign.settings != rig.settings


def collect(rig: Rig, worker: Worker) -> Campaign:
    """Bring in what is ready; with a calculator, evaluate what is pending, one after the other."""
    campaign = bring(rig)
    if not rig.oracle.declaration.evaluates:
        return campaign
    with _releasing(rig, worker):
        for candidate in waiting(rig.oracle, campaign):
            if claim(rig, candidate, worker):
                campaign = record(rig, rig.oracle.collect((candidate,)))
    return campaign


def turn(rig: Rig, worker: Worker | None = None) -> Campaign:
    """One whole turn, in this thread; the campaign afterwards."""
    begin(rig)
    collect(rig, worker or Worker())
    return advance(rig)


def turns(rig: Rig, worker: Worker | None = None) -> Iterator[Campaign]:
    """Turns until the campaign is closed; for oracles that evaluate: no laboratory is hurried."""
    campaign = turn(rig, worker)
    while not is_over(campaign):
        yield campaign
        if campaign.paused is not None:
            sleep(POLL_S)
        campaign = turn(rig, worker)
    yield campaign


def claim(rig: Rig, candidate: Candidate, worker: Worker) -> bool:
    """Whether the candidate is now ours to evaluate; the attempt is then on record."""
    before = replay(rig).attempts.get(candidate.id, 0)
    repeatable = all(each.repeatable for each in rig.oracle.declaration.of(candidate.fidelity))
    campaign = decide(rig, claiming(candidate.id, worker.name, worker.alive, repeatable=repeatable))
    running = campaign.running.get(candidate.id)
    return running is not None and running.worker == worker.name and running.attempt > before


def drive(
    rig: Rig, submit: Callable[[Candidate], Future[Answers]], *, in_flight: int, worker: Worker
) -> Iterator[Campaign]:
    """Keep up to `in_flight` evaluations going until the campaign is closed; it after each change.

    Ends early where another process has amended the settings: the rig is to be loaded again; and
    where all that is left to do is to wait for a laboratory, and
    where a person has stopped it, with what is in flight or, told to stop now, without.
    `submit` starts `rig.oracle.collect((candidate,))` wherever it likes: a thread, a Prefect task.
    """
    flight = _Flight(rig=rig, submit=submit, most=in_flight, worker=worker)
    begin(rig)
    bring(rig)
    campaign, looked = advance(rig), monotonic()
    yield campaign
    with _releasing(rig, worker):
        while _stays(rig, campaign) or flight.flying:
            if rig.laboratory is not None and flight.is_idle(campaign):
                return
            flight.take_off(campaign)
            for future in flight.landed():
                record(rig, future.result())
            if is_dropped(replay(rig)):
                release(rig, worker)
                return
            if rig.laboratory is not None and monotonic() - looked > LOOK_S:
                bring(rig)
                looked = monotonic()
            seq, campaign = campaign.seq, decide(rig, _stopping(rig))
            flight.take_off(campaign)  # what already waits need not wait for the model, too
            campaign = advance(rig)
            if campaign.seq != seq:
                yield campaign


def abreast(
    rig: Rig, submit: Callable[[Candidate], Future[Answers]], *, in_flight: int, worker: Worker
) -> Iterator[Campaign]:
    """As `turn`, of an oracle that evaluates, with several evaluations at once; it after each."""
    flight = _Flight(rig=rig, submit=submit, most=in_flight, worker=worker)
    begin(rig)
    campaign = bring(rig)
    with _releasing(rig, worker):
        while flight.take_off(campaign) or flight.flying:
            for future in flight.landed():
                record(rig, future.result())
            campaign = replay(rig)
            if is_dropped(campaign):
                release(rig, worker)
                return
            yield campaign
    yield advance(rig)


def direct(rig: Rig) -> Iterator[Campaign]:
    """As `drive`, where others evaluate: they take what is pending from the ledger by themselves.

    The campaign every POLL_S, whether anything has changed or not.
    """
    begin(rig)
    campaign = advance(rig)
    yield campaign
    while _stays(rig, campaign):
        sleep(POLL_S)
        campaign = advance(rig)
        yield campaign


@dataclass(frozen=True, slots=True, kw_only=True)
class _Flight:
    """The evaluations in flight, at `most` so many."""

    rig: Rig
    submit: Callable[[Candidate], Future[Answers]]
    most: int
    worker: Worker
    flying: dict[Future[Answers], Candidate] = field(default_factory=dict)

    def take_off(self, campaign: Campaign) -> bool:
        """Begin what waits, as far as there is room; whether something has been begun."""
        before = len(self.flying)
        for candidate in waiting(self.rig.oracle, campaign) if _goes_on(self.rig, campaign) else ():
            if (
                len(self.flying) < self.most
                and candidate not in self.flying.values()
                and claim(self.rig, candidate, self.worker)
            ):
                self.flying[self.submit(candidate)] = candidate
        return len(self.flying) > before

    def is_idle(self, campaign: Campaign) -> bool:
        """Whether nothing flies, and nothing waits to."""
        return not self.flying and not waiting(self.rig.oracle, campaign)

    def landed(self) -> set[Future[Answers]]:
        """The evaluations that are ready, after at most POLL_S; they fly no more."""
        if not self.flying:
            sleep(POLL_S)
            return set()
        done = wait(self.flying, timeout=POLL_S, return_when=FIRST_COMPLETED).done
        for future in done:
            del self.flying[future]
        return done


def release(rig: Rig, worker: Worker) -> None:
    """Say that the worker ends in good order: what it was at took nobody along.

    Where the oracle must not be asked twice nothing is said, for it may have begun to act.
    """
    if rig.oracle.declaration.repeatable:
        decide(rig, releasing(worker.name))


@contextmanager
def _releasing(rig: Rig, worker: Worker) -> Iterator[None]:
    """Release what the worker is at where an exception ends the work."""
    try:
        yield
    except BaseException:
        with suppress(LedgerError):  # where the ledger is what failed, that is said already
            release(rig, worker)
        raise


def is_over(campaign: Campaign) -> bool:
    """Whether whoever runs it is to end: it is closed, or a person has stopped it."""
    return campaign.closed is not None or _is_stopped(campaign)


def is_dropped(campaign: Campaign) -> bool:
    """Whether a person has stopped it at once: what is in flight is not waited for."""
    return campaign.paused is not None and campaign.paused.stop == "now"


def _is_stopped(campaign: Campaign) -> bool:
    return campaign.paused is not None and campaign.paused.stop != ""


def _goes_on(rig: Rig, campaign: Campaign) -> bool:
    """Whether something may be begun."""
    return _stays(rig, campaign) and campaign.paused is None


def _stays(rig: Rig, campaign: Campaign) -> bool:
    """Whether to wait for what comes, though nothing may be begun while the campaign is paused."""
    return not is_over(campaign) and not is_outdated(rig, campaign)


def _stopping(rig: Rig) -> Decision:
    def decision(campaign: Campaign) -> Sequence[Event]:
        reason = None if is_outdated(rig, campaign) else stop_reason(rig.rules, campaign)
        return closing(reason)(campaign) if reason else []

    return decision


def proposing(rig: Rig) -> Decision:
    """Ask what there is room for, or close where nothing is left; by what is on record alone."""

    def decision(campaign: Campaign) -> Sequence[Event]:
        count = room(rig.rules, campaign, rig.batch)
        if not _goes_on(rig, campaign) or count == 0:
            return []
        try:
            return _proposed(rig, campaign, count)
        except Shortfall as short:
            if short.available:
                return _proposed(rig, campaign, short.available)
            if rig.held:
                raise  # it is what is held that has no more points: the campaign may go on
            return [] if campaign.pending else closing(f"no more candidates: {short}")(campaign)

    return decision


def _proposed(rig: Rig, campaign: Campaign, count: int) -> Sequence[Event]:
    """The proposer's candidates, as far as the budget pays for them.

    SpaceError or CampaignError where they are not what was asked.
    """
    asked = _holding(campaign, rig.held)
    chosen = _rounded(rig, asked, rig.proposer.propose(asked, count))
    candidates = tuple(_noted(each, rig.held) for each in chosen)
    ids = tuple(candidate.id for candidate in candidates)
    if ids != campaign.ids(count):
        raise CampaignError("proposer", f"candidates {', '.join(campaign.ids(count))}", str(ids))
    for candidate in candidates:
        campaign.problem.space.check(candidate.point)
        asked.problem.space.check(candidate.point)
    paid = affordable(rig.rules, campaign, candidates)
    if paid or campaign.pending:
        return [Proposed(candidates=tuple(paid))] if paid else []
    what = campaign.problem.fidelity(candidates[0].fidelity).called
    rest = f"{left(campaign, rig.rules.cost):g} is left"
    return closing(f"budget: {rest}, less than a candidate of {what} costs")(campaign)


def _holding(campaign: Campaign, held: Mapping[str, Value]) -> Campaign:
    """The campaign in the part of its space where these parameters have these values."""
    if not held:
        return campaign
    problem = replace(campaign.problem, space=campaign.problem.space.holding(held))
    return replace(campaign, problem=problem)


def _asked(candidates: Sequence[Candidate]) -> AbstractSet[str]:
    """The fidelities that are asked."""
    return {each.fidelity for each in candidates}


def _resolution(rig: Rig, fidelity: str) -> Mapping[str, float]:
    """The finest steps of whoever answers a fidelity: the coarsest of them, where several do."""
    finest: dict[str, float] = {}
    for oracle in filter(None, (rig.oracle, rig.laboratory)):
        for part in oracle.declaration.of(fidelity):
            for name, step in part.resolution.items():
                finest[name] = max(step, finest.get(name, 0.0))
    return finest


def _rounded(rig: Rig, campaign: Campaign, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    """The candidates as the oracle can make them; a repeat stays what it repeats."""
    space, finest = campaign.problem.space, {f: _resolution(rig, f) for f in _asked(candidates)}
    if not any(finest.values()):
        return candidates
    asked = {f: campaign.at(f).own_rows for f in finest}
    takens = {f: set(space.keys(rows)) for f, rows in asked.items()}
    made: list[Candidate] = []
    for each in candidates:
        resolution, taken = finest[each.fidelity], takens[each.fidelity]
        if each.why.origin == "replicate" or not resolution:
            made.append(each)
            continue
        point, said = rounded(space, each.point, resolution, taken)
        taken |= set(space.keys(space.encode([point])))
        cause = "; ".join(filter(None, [each.why.cause, said]))
        made.append(replace(each, point=point, why=replace(each.why, cause=cause)))
    is_torn = any(len({str(each.point[name]) for each in made}) > 1 for name in space.shared)
    if not is_torn:
        return made
    said = "not rounded: no round value of what the batch shares keeps every rule"
    return [_because(each, said) for each in candidates]


def _because(candidate: Candidate, said: str) -> Candidate:
    """The candidate, with a word more in why it was chosen."""
    cause = "; ".join(filter(None, [candidate.why.cause, said]))
    return replace(candidate, why=replace(candidate.why, cause=cause))


def _noted(candidate: Candidate, held: Mapping[str, Value]) -> Candidate:
    """The candidate, with what was held said in why it was chosen."""
    return replace(candidate, why=replace(candidate.why, held=held)) if held else candidate
