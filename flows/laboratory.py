"""A campaign with a laboratory in the foreground: a short turn whenever something has happened.

Something has happened when a file in results/ or campaign.toml has changed, or when the ledger has
grown by another hand. Files are watched, and looked at once in a while all the same: the events of
a network drive do not always arrive.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import TypeAlias, TypeVar

from watchfiles import watch

from flows.folder import FILE
from flows.returned import give_back
from flows.rig import Setup
from flows.several import parts
from loop.campaign import Campaign
from loop.run import Worker, is_over, replay, turn
from oracles.folder.oracle import Folder
from oracles.folder.tray import AWAY

LOOK_S = 30

Seen: TypeAlias = frozenset[tuple[str, int, int]]
Look: TypeAlias = tuple[Seen, int]  # the files, and how far the ledger was
T = TypeVar("T")


def take(setup: Setup, worker: Worker) -> Campaign:
    """One turn of any campaign; rows that a laboratory must correct go back in rejected/."""
    with minding(setup):
        return turn(setup.rig, worker)


@contextmanager
def minding(setup: Setup) -> Iterator[None]:
    """Around turns: the laboratory knows what was read, and gets back what it must correct."""
    labs = _labs(setup)
    for lab in labs:
        lab.recall(replay(setup.rig))
    yield
    for lab in labs:
        give_back(setup.folder, replay(setup.rig), lab)


def _labs(setup: Setup) -> list[Folder]:
    """The laboratories, alone or among others."""
    asked = parts(setup.rig.awaited, setup.rig.problem)
    return [part.oracle for part in asked if isinstance(part.oracle, Folder)]


def run(setup: Setup, take: Callable[[], object]) -> None:
    """Let `take` take turns until the campaign is over; it reads campaign.toml each time."""
    for _ in rounds(setup, lambda: [take()]):
        pass


def rounds(
    setup: Setup,
    take: Callable[[], Iterable[T]],
    *,
    lasting: bool = True,
    note: Callable[[Look], object] = lambda _: None,
) -> Iterator[T]:
    """What `take` gives, called whenever something has happened, until the campaign is over.

    What arrives meanwhile is looked at, too. Where nothing has happened it is waited for; or, not
    `lasting`, all ends. `note` is told what has been seen.
    """
    seen: Look | None = None
    _is_there(setup.folder / "results")
    while True:
        files = look(setup.folder)
        if (files, replay(setup.rig).seq) == seen:
            if not lasting:
                return
            wait(setup)
            continue
        yield from take()
        after = replay(setup.rig)
        seen = (files, after.seq)
        note(seen)
        if is_over(after):
            return


def wait(setup: Setup, look_s: float = LOOK_S) -> None:
    """Until something changes, or it is time to look; a share that tells nothing is polled."""
    results = setup.folder / "results"
    if not _is_there(results):
        sleep(look_s)
        return
    poll_s = next((lab.reading.poll_s for lab in _labs(setup)), None)
    changes = watch(
        results,
        force_polling=poll_s is not None,
        poll_delay_ms=round(1000 * (poll_s or 1)),
        rust_timeout=round(look_s * 1000),
        yield_on_timeout=True,
    )
    next(changes, None)


def _is_there(results: Path) -> bool:
    """Whether the folder can be watched: its share may be unmounted, and will come back."""
    try:
        if not results.is_symlink():
            results.mkdir(exist_ok=True)
    except OSError as error:
        if error.errno not in AWAY:
            raise
    return os.access(results, os.R_OK | os.X_OK)


def look(folder: Path) -> Seen:
    """Name, size and time of last change (also of permissions) of everything that is read."""
    results = folder / "results"
    is_there = os.access(results, os.R_OK) and results.is_dir()
    files = [folder / FILE, *(results.iterdir() if is_there else ())]
    return frozenset(each for path in files if (each := _state(path)) is not None)


def _state(path: Path) -> tuple[str, int, int] | None:
    """None where the file has gone since it was listed."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return path.name, stat.st_size, stat.st_ctime_ns
