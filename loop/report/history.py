"""What happened to the campaign as a whole, what people decided, and what that touches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from loop.records import (
    Amended,
    Attached,
    Candidate,
    Closed,
    Event,
    Ingested,
    Measured,
    Observation,
    Observed,
    Opened,
    Proposed,
    Reopened,
    Retracted,
    Vetoed,
)
from loop.report.question import masked


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something that happened to the campaign as a whole, or that a person decided."""

    at: str
    what: str
    text: str
    hit: tuple[str, ...] = ()


def history(entries: Sequence[tuple[str, Event]]) -> list[Note]:
    """The notes of a campaign, oldest first."""
    chosen = _Chosen()
    notes: list[Note] = []
    for at, event in entries:
        notes += _notes(at, event, chosen)
        chosen.take(event)
    return notes


def _notes(at: str, event: Event, chosen: "_Chosen") -> Iterator[Note]:
    match event:
        case Opened():
            yield Note(at=at, what="opened", text="")
        case Amended():
            yield Note(at=at, what="settings changed", text=masked("; ".join(event.changes)))
        case Attached():
            text = f"{len(event.candidates)} candidates with their answers"
            yield Note(at=at, what="past data attached", text=text)
        case Vetoed():
            yield Note(at=at, what=f"{event.candidate} vetoed", text=event.reason)
        case Retracted(candidate=key):
            what = f"{key} retracted"
            yield Note(at=at, what=what, text=event.reason, hit=chosen.since(key))
        case Ingested():
            for key in event.corrected:
                text = f"by {event.receipt.file}"
                yield Note(at=at, what=f"{key} corrected", text=text, hit=chosen.since(key))
        case Closed() | Reopened():
            yield Note(at=at, what=type(event).__name__.lower(), text=event.reason)
        case _:
            pass


class _Chosen:
    """Which candidates a model chose while a candidate's answer was already known."""

    def __init__(self) -> None:
        self.order: list[Candidate] = []
        self.known: dict[str, int] = {}

    def take(self, event: Event) -> None:
        """Note who was asked, and whose answer came when."""
        match event:
            case Proposed() | Attached():
                self.order += event.candidates
            case Ingested():
                for corrected in event.corrected:
                    self.known.pop(corrected, None)
            case _:
                pass
        for answer in _answers(event):
            if isinstance(answer, Measured):
                self.known.setdefault(answer.candidate, len(self.order))

    def since(self, candidate: str) -> tuple[str, ...]:
        """Candidates that a model chose after the answer to this one was known."""
        later = self.order[self.known.get(candidate, len(self.order)) :]
        return tuple(each.id for each in later if each.why.origin == "model")


def _answers(event: Event) -> Sequence[Observation]:
    match event:
        case Ingested():
            return event.receipt.observations
        case Attached():
            return event.observations
        case Observed():
            return (event.observation,)
        case _:
            return ()
