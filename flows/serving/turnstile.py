"""One served run of a campaign at a time on this machine, and what the last one has seen.

The lock is the kernel's, so that nothing a killed run leaves behind can hold it. It saves work and
keeps nothing safe: that is the ledger's, which holds one history however many are at it.
"""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

from prefect.settings import PREFECT_HOME

from flows.desk import desk
from flows.folder import digest
from flows.laboratory import Look

PATIENCE_S = 5.0  # whoever is at it may just be leaving, and no longer look
POLL_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Turnstile:
    """The turnstile of a campaign folder."""

    file: Path

    @contextmanager
    def passed(self) -> Iterator[bool]:
        """Whether we are the only ones at it, for as long as the block lasts."""
        with self.file.with_suffix(".lock").open("w") as lock:
            end = monotonic() + PATIENCE_S
            while not (ours := take(lock.fileno())) and monotonic() < end:
                sleep(POLL_S)
            yield ours

    @property
    def is_taken(self) -> bool:
        """Whether somebody is at it."""
        with self.file.with_suffix(".lock").open("w") as lock:
            return not take(lock.fileno())

    @property
    def seen(self) -> Look | None:
        """What the last run saw when it looked for the last time."""
        try:
            files, seq = json.loads(self.file.read_text())
            return frozenset((str(n), int(size), int(at)) for n, size, at in files), int(seq)
        except (OSError, ValueError, TypeError):
            return None

    def note(self, look: Look) -> None:
        """Write down what has been seen."""
        whole = self.file.with_suffix(".part")
        whole.write_text(json.dumps([sorted(look[0]), look[1]]))
        whole.replace(self.file)


def turnstile(folder: Path) -> Turnstile:
    """The turnstile of a campaign folder on this machine."""
    place = desk(PREFECT_HOME.value()).folder / "turns"
    place.mkdir(exist_ok=True)
    return Turnstile(file=place / f"{digest(folder)}.json")


def take(lock: int) -> bool:
    """Take the lock of an open file; whether nobody else has it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
