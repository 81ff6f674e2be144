"""What happened to the campaign as a whole, what people decided, and what that touches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from loop.campaign import Campaign
from loop.records import (
    Amended,
    Attached,
    Closed,
    Corrected,
    Edited,
    Event,
    Ingested,
    Measured,
    Opened,
    Paused,
    Reopened,
    Resolved,
    Resumed,
    Retracted,
    Vetoed,
)
from loop.report.question import masked

Person: TypeAlias = (
    Amended | Attached | Vetoed | Edited | Corrected | Resolved | Retracted | Paused | Resumed
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something that happened to the campaign as a whole, or that a person decided."""

    at: str
    what: str
    text: str
    hit: tuple[str, ...] = ()


def history(entries: Sequence[tuple[str, Event]]) -> list[Note]:
    """The notes of a campaign, oldest first."""
    return [
        note
        for number, (at, event) in enumerate(entries)
        for note in _notes(at, event, entries[:number])
    ]


def _notes(  # noqa: C901  (one case per event)
    at: str, event: Event, before: Sequence[tuple[str, Event]]
) -> Iterator[Note]:
    match event:
        case Opened():
            yield Note(at=at, what="opened", text="")
        case Amended():
            text = masked("; ".join(event.changes))
            yield Note(at=at, what=f"settings changed{_by(event)}", text=text)
        case Attached():
            text = f"{len(event.candidates)} candidates with their answers"
            text += f", from {event.file}" if event.file else ""
            yield Note(at=at, what=f"past data attached{_by(event)}", text=text)
        case Vetoed(candidate=key) | Edited(candidate=key):
            what = f"{key} {type(event).__name__.lower()}{_by(event)}"
            yield Note(at=at, what=what, text=event.reason)
        case Corrected(observation=Measured(candidate=key)):
            what = f"{key} corrected{_by(event)}"
            yield Note(at=at, what=what, text=event.reason, hit=_led_to(key, before))
        case Retracted(candidate=key) | Resolved(candidate=key):
            kept = f": {event.file} is kept" if isinstance(event, Resolved) else ""
            what = f"{key} {type(event).__name__.lower()}{_by(event)}{kept}"
            yield Note(at=at, what=what, text=event.reason, hit=_led_to(key, before))
        case Ingested():
            for key in event.corrected:
                text = f"by {event.receipt.file}"
                yield Note(at=at, what=f"{key} corrected", text=text, hit=_led_to(key, before))
        case Paused() | Resumed():
            what = f"{type(event).__name__.lower()}{_by(event)}"
            yield Note(at=at, what=what, text=event.reason)
        case Closed() | Reopened():
            yield Note(at=at, what=type(event).__name__.lower(), text=event.reason)
        case _:
            pass


def _by(event: Person) -> str:
    return f" by {event.by}" if event.by else ""


def _led_to(candidate: str, before: Sequence[tuple[str, Event]]) -> tuple[str, ...]:
    """Candidates that a model chose on the answer that held before the event."""
    match before:
        case [(_, Opened(problem=problem)), *_]:
            return Campaign.replay(problem, (event for _, event in before)).led_to(candidate)
        case _:
            return ()
