"""Rows as marks: the shape says who chose a candidate, the class how it turned out."""

from collections.abc import Iterable, Sequence
from functools import partial

from loop.objective import Target
from loop.records import Origin
from loop.report.drawing import Key, Mark
from loop.report.quantities import quantity
from loop.report.rows import Row, State

SHAPES: dict[Origin, str] = {
    "design": "ring",
    "model": "dot",
    "fallback": "diamond",
    "replicate": "square",
    "manual": "triangle",
    "attached": "wedge",
    "promoted": "diamond",
}
CHOSEN: dict[Origin, str] = {
    "design": "space-filling design",
    "model": "chosen by the model",
    "fallback": "fallback for the model",
    "replicate": "replicate",
    "manual": "chosen by a person",
    "attached": "measured before the campaign",
    "promoted": "among the best of a stand-in",
}
NO_VALUE = "failed: no value"
NAMES = {"best": "best", "front": "on the front"}
LEADING: tuple[State, ...] = ("best", "front")  # states that a ring marks


def by_origin(row: Row, at: tuple[float, float], tip: str) -> Mark:
    """A mark shaped by who chose it; hollow orange where it breaks a bound."""
    origin = row.candidate.why.origin
    tone = {"outside": "outside", **{s: f"{origin} {s}" for s in LEADING}}.get(row.state, origin)
    return Mark(x=at[0], y=at[1], shape=SHAPES[origin], css=tone, row=row.number, tip=tip)


def by_value(row: Row, at: tuple[float, float], grade: str, tip: str) -> Mark:
    """A mark coloured by its value; edged orange where it breaks a bound."""
    tones = {"outside": f"outside {grade}", **{s: f"{grade} {s}" for s in LEADING}}
    css = tones.get(row.state, grade)
    return Mark(x=at[0], y=at[1], shape="dot", css=css, row=row.number, tip=tip)


def failure(row: Row, at: tuple[float, float]) -> Mark:
    """A cross where no value is."""
    tip = f"{row.candidate.id}: {row.failed.kind if row.failed else row.state}"
    return Mark(x=at[0], y=at[1], shape="cross", css="failed", row=row.number, tip=tip)


def waiting(row: Row, at: tuple[float, float]) -> Mark:
    """A dotted ring where an answer is still to come."""
    return Mark(
        x=at[0],
        y=at[1],
        shape="ring",
        css="waits",
        row=row.number,
        tip=f"{row.candidate.id}: waits",
    )


def tip(row: Row, *targets: Target) -> str:
    """The row's id and its values, for the pointer that rests on it."""
    known = [(t, row.value(t.name)) for t in targets]
    said = [f"{t.name} {quantity(value, t.unit)}" for t, value in known if value is not None]
    return f"{row.candidate.id}: {', '.join(said)}"


def origin_keys(rows: Iterable[Row]) -> list[Key]:
    """The legend of who chose what, for the origins that occur."""
    found = {row.candidate.why.origin for row in rows}
    return [Key(label=CHOSEN[o], css=o, shape=SHAPES[o]) for o in SHAPES if o in found]


def state_keys(marks: Sequence[Mark]) -> list[Key]:
    """The legend of how candidates turned out, for what occurs among the marks."""
    css = {part for mark in marks for part in mark.css.split()}
    ringed = " or ".join(NAMES[state] for state in LEADING if state in css)
    css |= {"halo"} if ringed else set()
    offered = [
        Key(label=ringed, css="halo", shape="halo"),
        Key(label="breaks a bound", css="outside", shape="ring"),
        Key(label=NO_VALUE, css="failed", shape="cross"),
        Key(label="waits for its answer", css="waits", shape="ring"),
    ]
    return [key for key in offered if key.css in css]


def ramp(values: Sequence[float], target: Target) -> tuple[str, ...]:
    """The two ends of the colour scale, worst first, with the unit."""
    ends = [pick(values, key=partial(goodness, target)) for pick in (min, max)] if values else []
    return tuple(quantity(end, target.unit) for end in ends) if len(set(ends)) == 2 else ()


def goodness(target: Target, value: float) -> float:
    """What a value is coloured by: its utility; the value itself where none is better."""
    return target.utility(value) if target.is_wish else value
