"""What a program says of itself: asked in a folder of its own, and not waited for for ever."""

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, Popen, TimeoutExpired
from tempfile import TemporaryDirectory

WAIT_S = 30.0  # a launcher may queue; a Python with GPAW starts in two seconds


def said(words: Sequence[str]) -> str:
    """What it prints with nothing to read, within WAIT_S; empty where it cannot be run."""
    with TemporaryDirectory(prefix="athanor-", ignore_cleanup_errors=True) as folder:
        out = Path(folder) / "said"
        with out.open("wb") as printed:
            try:
                process = Popen(
                    words,
                    stdin=DEVNULL,
                    stdout=printed,
                    stderr=DEVNULL,
                    cwd=folder,
                    start_new_session=True,
                )
            except OSError:
                return ""
        with suppress(TimeoutExpired):
            process.wait(WAIT_S)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return out.read_text(encoding="utf-8", errors="replace")
