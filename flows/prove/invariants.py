"""What must be true after any kill: six sentences, checked against ledger, files and tally."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from flows.inbox import accounts
from flows.prove.child import JOURNAL, Trial
from loop.campaign import Campaign
from loop.ledger import Entry, encode_event
from loop.records import (
    Event,
    Ingested,
    Observed,
    Problem,
    Proposed,
    Released,
    Started,
    Vetoed,
)
from loop.run import Rig, proposing
from loop.surrogate.data import training_data

NOTHING_LOST = "nothing recorded is lost"
ONE_ATTEMPT = "at most one live attempt per candidate"
MEMORY = "the training set is a function of the events"
CHOICE = "every choice is a function of the events before it"
ROWS = "every input row is accounted for"
BUDGET = "the budget equals the attempts"


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A campaign that was killed and then ran to its end.

    `rig` is that of the process which checks; `remembered` is what the ledger held after each kill;
    `undisturbed` are the events of the campaign of the same folder that nobody killed.
    """

    trial: Trial
    rig: Rig
    entries: Sequence[Entry]
    remembered: Sequence[Sequence[Entry]]
    undisturbed: Sequence[Event] | None = None

    @property
    def events(self) -> list[Event]:
        """The events without their times."""
        return [event for _, event in self.entries]

    @property
    def campaign(self) -> Campaign:
        """What they fold to."""
        return Campaign.replay(self.rig.problem, self.events)


def broken(history: History) -> dict[str, list[str]]:
    """What is not as it must be, by invariant; empty lists where all is well."""
    return {said: list(check(history)) for said, check in INVARIANTS.items()}


def _lost(history: History) -> Iterator[str]:
    for kill, before in enumerate(history.remembered, start=1):
        if list(before) != list(history.entries[: len(before)]):
            yield f"the {len(before)} entries after kill {kill} are not those of the end"
    lines = (history.trial.folder / JOURNAL).read_text(encoding="utf-8").splitlines()
    recorded = [int(line.split()[1]) for line in lines if line.startswith("recorded ")]
    if max(recorded, default=0) > len(history.entries):
        yield f"event {max(recorded)} was said to be recorded, {len(history.entries)} are there"


def _doubled(history: History) -> Iterator[str]:
    """An attempt may follow another only after an answer, a word, or the death of its worker."""
    kills = {len(each) for each in history.remembered}
    live: dict[str, int] = {}
    for seq, event in enumerate(history.events, start=1):
        match event:
            case Started(candidate=candidate):
                begun = live.get(candidate)
                if begun is not None and not any(begun <= kill < seq for kill in kills):
                    yield f"{candidate} began at {begun} and again at {seq}, and nobody had died"
                live[candidate] = seq
            case Released(candidate=candidate) | Vetoed(candidate=candidate):
                live.pop(candidate, None)
            case Observed(observation=observation):
                live.pop(observation.candidate, None)
            case _:
                pass


def _forgetful(history: History) -> Iterator[str]:
    """Whole or in pieces, killed or not, the events teach the model the same."""
    whole, other = history.campaign, history.undisturbed
    pieces = Campaign(problem=whole.problem)
    for event in history.events:
        pieces = pieces.extended([event])
    if _taught(pieces) != _taught(whole):
        yield "folded in pieces, the events teach something else than folded at once"
    if other is None or _known(whole.problem, history.events) != _known(whole.problem, other):
        return  # who heard of an answer a turn sooner, as between two files, asks for others
    if _taught(Campaign.replay(whole.problem, other)) != _taught(whole):
        yield "the campaign that nobody killed has learnt something else"


def _known(problem: Problem, events: Sequence[Event]) -> list[frozenset[str]]:
    """The candidates that were answered each time that others were proposed."""
    return [frozenset(before.observations) for before, _ in _turns(problem, events)]


def _turns(problem: Problem, events: Sequence[Event]) -> Iterator[tuple[Campaign, Proposed]]:
    """The campaign each time before candidates were proposed, and those."""
    campaign = Campaign(problem=problem)
    for event in events:
        if isinstance(event, Proposed):
            yield campaign, event
        campaign = campaign.extended([event])


def _taught(campaign: Campaign) -> list[tuple[str, bytes]]:
    """The rows that a model is fitted on, to the bit, in the order of their ids."""
    data = training_data(campaign)
    rows = np.hstack([data.X, data.Y])
    return sorted((name, row.tobytes()) for name, row in zip(data.ids, rows, strict=True))


def _whimsical(history: History) -> Iterator[str]:
    """What each turn asked is what another process asks, by the same code, of the same events."""
    choose = proposing(history.rig)
    for before, asked in _turns(history.rig.problem, history.events):
        again = choose(before)
        if list(map(encode_event, again)) != [encode_event(asked)]:
            wanted = " and ".join(_said(event) for event in again) or "nothing"
            where = f"event {before.seq + 1}"
            yield f"{where} asked for {_said(asked)}, those before it ask for {wanted}"


def _said(event: Event) -> str:
    match event:
        case Proposed(candidates=candidates):
            return ", ".join(f"{each.id} {dict(each.point)}" for each in candidates)
        case _:
            return type(event).__name__


def _unaccounted(history: History) -> Iterator[str]:
    """Files against receipts, receipts against rows, copies and what was given back."""
    folder = history.trial.folder
    read = Counter(e.receipt.sha256 for e in history.events if isinstance(e, Ingested))
    for file in sorted((folder / "results").glob("*.csv")):
        digest = sha256(file.read_bytes()).hexdigest()
        if read[digest] != 1:
            yield f"{file.name} was taken in {read[digest]} times"
        if not (folder / "archive" / f"{digest}.csv").is_file():
            yield f"{file.name} has no copy in archive/"
        if not list((folder / "rejected").glob(f"{file.name}.{digest[:8]}*.csv")):
            yield f"the refused row of {file.name} was not given back"
    for account in accounts(history.campaign):
        if not account.balances:
            yield f"the rows of {account.file} do not add up: {account}"


def _overspent(history: History) -> Iterator[str]:
    campaign, budget = history.campaign, history.trial.evaluations
    if not campaign.answered == campaign.asked == budget:
        yield f"{campaign.asked} asked and {campaign.answered} answered of {budget}"
    if campaign.closed is None:
        yield "the campaign has not ended"
    tally = history.trial.folder / "calls.txt"
    calls = Counter(tally.read_text(encoding="utf-8").split() if tally.exists() else ())
    begun = Counter(e.candidate for e in history.events if isinstance(e, Started))
    for candidate, count in calls.items():
        if count > begun[candidate]:
            yield f"{candidate} was evaluated {count} times, {begun[candidate]} are on record"
    cut_off = sum(begun.values()) - sum(isinstance(e, Observed) for e in history.events)
    if cut_off > 2 * len(history.remembered):
        yield f"{cut_off} attempts have no answer after {len(history.remembered)} kills"


INVARIANTS: dict[str, Callable[[History], Iterator[str]]] = {
    NOTHING_LOST: _lost,
    ONE_ATTEMPT: _doubled,
    MEMORY: _forgetful,
    CHOICE: _whimsical,
    ROWS: _unaccounted,
    BUDGET: _overspent,
}
