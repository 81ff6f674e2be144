"""Who serves a campaign folder: one process of `athanor serve` at a time, on this machine.

By a lock of the kernel's, which no killed process keeps. As with the turnstile it saves work and
keeps nothing safe: two that serve would see to the same runs, and each be told that it is done.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from flows.serving.turnstile import take, turnstile


@dataclass(slots=True, kw_only=True)
class Post:
    """The post at a campaign folder; whoever has taken it keeps it for as long as it lives."""

    folder: Path
    _lock: IO[str] | None = field(default=None, repr=False)

    def taken_by(self) -> str:
        """Take it; the number of the process that serves the folder already, where one does."""
        if self._lock is not None:
            return ""
        lock = turnstile(self.folder).file.with_suffix(".served").open("a+")
        if not take(lock.fileno()):
            lock.seek(0)
            other = lock.read()
            lock.close()
            return other or "?"
        lock.truncate(0)
        lock.write(f"{os.getpid()}")
        lock.flush()
        self._lock = lock
        return ""
