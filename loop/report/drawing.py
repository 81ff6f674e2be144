"""What a figure is made of: axes that place values, and lines, texts and marks on a sheet.

Sheets are in the pixels of an SVG viewBox, y downwards. Colours are not here: every shape carries
a class, and the page's style sheet gives it one colour in light, another in dark and in print.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, floor, isfinite, log10

from loop.report.quantities import number

STEPS = (1, 2, 2.5, 5, 10)  # of these decimal steps one always reads well
RAMP = 7  # colours from worst to best
BROAD = 800  # a wider sheet takes the whole width of the page
CROWD = 150  # more candidates than this hide one another unless they are drawn finer


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A scale from low to high: linear, in whole numbers, logarithmic, or one place per name."""

    label: str
    low: float
    high: float
    log: bool = False
    names: tuple[str, ...] = ()
    whole: bool = False

    def place(self, value: float | str) -> float:
        """Where the value lies, 0 at low and 1 at high."""
        if isinstance(value, str):
            return (self.names.index(value) + 0.5) / len(self.names)
        if self.log:
            return log10(max(value, self.low) / self.low) / log10(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self, most: int = 6) -> list[tuple[float, str]]:
        """Where to draw a line, and what to write there."""
        if self.names:
            return [(self.place(name), name) for name in self.names]
        values = self._decades() if self.log else self._steps(most)
        return [(self.place(value), number(value, 5)) for value in values]

    def _steps(self, most: int) -> list[float]:
        rough = (self.high - self.low) / most
        rough = max(rough, 1.0) if self.whole else rough
        power = 10.0 ** floor(log10(rough))
        steps = [s * power for s in STEPS if not self.whole or (s * power).is_integer()]
        step = next((s for s in steps if s >= rough * (1 - 1e-9)), 10 * power)
        first, last = ceil(self.low / step - 1e-6), floor(self.high / step + 1e-6)
        return [0.0 if count == 0 else count * step for count in range(first, last + 1)]

    def _decades(self) -> list[float]:
        few = self.high / self.low < 200
        powers = range(floor(log10(self.low)), ceil(log10(self.high)) + 1)
        found = [m * 10.0**p for p in powers for m in ((1, 2, 5) if few else (1,))]
        inside = [v for v in found if self.low * (1 - 1e-9) <= v <= self.high * (1 + 1e-9)]
        return inside if len(inside) > 1 else [self.low, self.high]


def spanning(label: str, values: Sequence[float], margin: float = 0.06) -> Axis:
    """A linear axis that holds all the values, with a margin."""
    known = [value for value in values if isfinite(value)] or [0.0, 1.0]
    low, high = min(known), max(known)
    pad = (high - low) * margin or abs(high) * 0.1 or 1.0
    return Axis(label=label, low=low - pad, high=high + pad)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A path of its own class; with a row it lights up with that row."""

    d: str
    css: str
    row: int = 0
    tip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A label."""

    x: float
    y: float
    text: str
    css: str = ""
    turn: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A symbol for one row of the table, by the name of its shape in the page."""

    x: float
    y: float
    shape: str
    css: str
    row: int
    tip: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """An entry of a legend: a shape, or a swatch where there is none."""

    label: str
    css: str
    shape: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One figure, ready to be drawn."""

    title: str
    caption: str
    width: int
    height: int
    lines: tuple[Line, ...] = ()
    texts: tuple[Text, ...] = ()
    marks: tuple[Mark, ...] = ()
    keys: tuple[Key, ...] = ()
    ramp: tuple[str, ...] = ()

    @property
    def crowded(self) -> bool:
        """Whether there are so many candidates that they have to be drawn finer."""
        return len({line.row for line in self.lines} | {mark.row for mark in self.marks}) > CROWD

    @property
    def css(self) -> str:
        """Classes: `broad` takes the whole width, `crowded` draws finer."""
        return " ".join(["broad"] * (self.width > BROAD) + ["crowded"] * self.crowded)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The rectangle between two axes."""

    x: Axis
    y: Axis
    width: int = 540
    height: int = 380
    left: int = 62
    right: int = 16
    top: int = 34
    bottom: int = 46

    def at(self, x: float | str, y: float | str) -> tuple[float, float]:
        """Where a pair of values lies on the sheet."""
        return self.across(self.x.place(x)), self.up(self.y.place(y))

    def across(self, place: float) -> float:
        """The x of a place from 0 to 1."""
        return round(self.left + place * (self.width - self.left - self.right), 1)

    def up(self, place: float) -> float:
        """The y of a place from 0 to 1."""
        return round(self.height - self.bottom - place * (self.height - self.top - self.bottom), 1)

    def grid(self) -> tuple[list[Line], list[Text]]:
        """Ticks and labels of both axes; the y label lies on top, where it can be read."""
        low, floor_, right = self.across(0), self.up(0), self.across(1)
        lines, texts = [], []
        for place, text in self.y.ticks():
            y = self.up(place)
            lines.append(Line(d=f"M{low} {y}H{right}", css="grid"))
            texts.append(Text(x=low - 8, y=y + 4, text=_short(text, 8), css="end"))
        for place, text in self.x.ticks(7):
            x = self.across(place)
            lines.append(Line(d=f"M{x} {floor_}v5", css="axis"))
            texts.append(Text(x=x, y=floor_ + 19, text=_short(text, 12), css="mid"))
        lines.append(Line(d=f"M{low} {floor_}H{right}", css="axis"))
        texts.append(Text(x=4, y=self.top - 18, text=self.y.label, css="name"))
        texts.append(Text(x=right, y=self.height - 8, text=self.x.label, css="name end"))
        return lines, texts


def grade(value: float, values: Sequence[float]) -> str:
    """The class of a value's colour: q0 at the smallest of the values, q6 at the largest."""
    low, high = min(values), max(values)
    share = 1.0 if high == low else (value - low) / (high - low)
    return f"q{min(RAMP - 1, int(share * RAMP))}"


def raised(sheet: Sheet) -> Sheet:
    """The sheet with its best marks on top, where nothing hides them, and rings around them."""
    best = [mark for mark in sheet.marks if {"best", "front"} & set(mark.css.split())]
    rest = [mark for mark in sheet.marks if mark not in best]
    rings = [replace(mark, shape="halo", css="halo") for mark in best]
    return replace(sheet, marks=(*rest, *rings, *best))


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
