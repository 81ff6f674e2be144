"""Where the proof kills: named points of the turn, each before or after a call of a real function.

The product knows nothing of them. The process that is to die puts a watch around these functions,
which calls them as they are, and sends itself SIGKILL when it comes to the point: nothing can catch
that. A function that is renamed fails the import of this module; a point that is never passed fails
the proof, and the tests.
"""

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from inspect import signature
from pathlib import Path
from threading import Lock
from typing import Any, Literal, TypeAlias

import sqlalchemy as sa

from flows import laboratory
from flows.prove.world import Machine, hand_in
from loop import run
from loop.designs import Design
from loop.ledger import Ledger
from loop.records import Closed, Event, Ingested, Observed, Opened, Proposed, Started
from oracles.folder import files, rejected
from oracles.folder.oracle import Folder

World: TypeAlias = Literal["machine", "laboratory"]
Arguments: TypeAlias = Mapping[str, Any]

OURS = ("loop", "oracles", "flows")
APPEND: Callable[..., Any] = Ledger.append
WORLDS: tuple[World, ...] = ("machine", "laboratory")


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Before or after a call of a function; `of` says by the arguments which of its calls."""

    name: str
    function: Callable[..., Any]
    when: Literal["before", "after"]
    of: Callable[[Arguments], bool] = lambda _: True
    worlds: tuple[World, ...] = WORLDS


def _around(
    before: str,
    after: str,
    function: Callable[..., Any],
    of: Callable[[Arguments], bool] = lambda _: True,
    worlds: tuple[World, ...] = WORLDS,
) -> Iterator[Point]:
    yield Point(name=before, function=function, when="before", of=of, worlds=worlds)
    yield Point(name=after, function=function, when="after", of=of, worlds=worlds)


def _recording(kind: type[Event], *worlds: World) -> Iterator[Point]:
    """Around the append of an event."""

    def of(arguments: Arguments) -> bool:
        return any(isinstance(event, kind) for event in arguments["events"])

    said = kind.__name__
    yield from _around(
        f"{said} is to be recorded", f"{said} is recorded", Ledger.append, of, worlds or WORLDS
    )


def _into(folder: str, argument: str) -> Callable[[Arguments], bool]:
    """Whether a file of that folder of the campaign is meant."""
    return lambda arguments: Path(arguments[argument]).parent.name == folder


MACHINE: tuple[World, ...] = ("machine",)
LABORATORY: tuple[World, ...] = ("laboratory",)

POINTS: tuple[Point, ...] = (
    *_around("the history is to be read", "the history is read", Ledger.replay),
    *_recording(Opened),
    Point(name="rows are inserted, not committed", function=sa.Transaction.commit, when="before"),
    *_around("candidates are to be chosen", "candidates are chosen", Design.propose),
    *_recording(Proposed),
    *_around("a claim is to be made", "a claim is made", run.claim, worlds=MACHINE),
    *_recording(Started, *MACHINE),
    *_around("the machine is at work", "the work is done", Machine.work, worlds=MACHINE),
    Point(name="answered, not recorded", function=Machine.collect, when="after", worlds=MACHINE),
    *_recording(Observed, *MACHINE),
    *_around("the machine is to be told", "the machine is told", Machine.submit, worlds=MACHINE),
    *_around(
        "the worklist is to be made", "the worklist is made", Folder.submit, worlds=LABORATORY
    ),
    Point(
        name="the worklist is written, not in place",
        function=Path.replace,
        when="before",
        of=_into("worklist", "target"),
        worlds=LABORATORY,
    ),
    *_around("a result is to be handed in", "a result is handed in", hand_in, worlds=LABORATORY),
    Point(name="results are to be read", function=Folder.collect, when="before", worlds=LABORATORY),
    *_around(
        "a file is to be archived",
        "a file is archived",
        files.write_whole,
        _into("archive", "path"),
        LABORATORY,
    ),
    Point(
        name="results are read, not recorded",
        function=Folder.collect,
        when="after",
        worlds=LABORATORY,
    ),
    *_recording(Ingested, *LABORATORY),
    *_around(
        "rejected rows are to be given back",
        "rejected rows are given back",
        rejected.write_rejected,
        worlds=LABORATORY,
    ),
    Point(name="a turn is over", function=run.advance, when="after"),
    Point(
        name="a laboratory's turn is over",
        function=laboratory.take,
        when="after",
        worlds=LABORATORY,
    ),
    *_recording(Closed),
)


def points(world: World) -> tuple[Point, ...]:
    """The points that a campaign with such an oracle passes."""
    return tuple(point for point in POINTS if world in point.worlds)


class Watch:
    """Put around the functions of the points: notes what is passed, and dies where it is told to.

    `note` is told `passed NAME` for every point, and `recorded N` after every append.
    """

    def __init__(
        self, world: World, note: Callable[[str], None], at: tuple[str, int] | None
    ) -> None:
        """`at` is the name of a point and at which of its passings to die."""
        self._note = note
        self._at = at
        self._passed: Counter[str] = Counter()
        self._alone = Lock()
        self._points: dict[Callable[..., Any], list[Point]] = {APPEND: []}
        for point in points(world):
            self._points.setdefault(point.function, []).append(point)

    def begin(self) -> None:
        """Watch from now on, and for the rest of this process."""
        ours = [each for name, each in sys.modules.items() if name.split(".")[0] in OURS]
        for function in self._points:
            watched = self._watched(function)
            owner, _, name = function.__qualname__.rpartition(".")
            if owner:
                setattr(getattr(sys.modules[function.__module__], owner), name, watched)
            for module in () if owner else ours:
                for each in [key for key, value in vars(module).items() if value is function]:
                    setattr(module, each, watched)

    def _watched(self, function: Callable[..., Any]) -> Callable[..., Any]:
        names = signature(function)

        @wraps(function)
        def watched(*args: object, **kwargs: object) -> object:
            arguments = names.bind(*args, **kwargs).arguments
            self._pass(function, "before", arguments)
            answer = function(*args, **kwargs)
            if function is APPEND:
                self._note(f"recorded {answer}")
            self._pass(function, "after", arguments)
            return answer

        return watched

    def _pass(
        self, function: Callable[..., Any], when: Literal["before", "after"], arguments: Arguments
    ) -> None:
        for point in self._points[function]:
            if point.when == when and point.of(arguments):
                with self._alone:
                    self._passed[point.name] += 1
                    self._note(f"passed {point.name}")
                    if (point.name, self._passed[point.name]) == self._at:
                        os.kill(os.getpid(), signal.SIGKILL)
