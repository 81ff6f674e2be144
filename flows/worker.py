"""Who evaluates, and whether somebody else who does is still alive.

A worker is `host/process id/process start`: the start, because a number is used again. It is told
in ticks since the machine was started, and which start of the machine that was: so nobody is taken
for dead when the clock is set. On this host the operating system knows whether it lives. Of another
host we cannot know: its worker is believed alive until the oracle's wall limit has passed since we
first saw it at this attempt, by our own monotonic clock, for nobody may be at one any longer.
Where the oracle states no wall limit we believe it for ever, unless a person says otherwise
(`athanor run --take-over`).
"""

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from time import monotonic

import psutil

from loop.records import Started
from loop.run import Rig, Worker, release

HOST = socket.gethostname()
SPARE_S = 60.0  # beyond the limit: starting Python from a cold network drive, recording the answer
SAME_S = 2.0  # of starts that are told by the wall clock, which time servers correct by less
BOOT = Path("/proc/sys/kernel/random/boot_id")
START = 19  # of what /proc/PID/stat says behind the name: field 22, the start in ticks


def worker(wall_s: float | None, *, take_over: bool = False, spare_s: float = SPARE_S) -> Worker:
    """This process, with what it believes of others; `take_over` holds those elsewhere for gone."""
    if take_over:
        return Worker(name=name(), alive=_alive(0.0))
    return Worker(name=name(), alive=_alive(None if wall_s is None else wall_s + spare_s))


def family() -> list[str]:
    """The worker names of this process and of those that it has started."""
    names = [name()]
    for each in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            names.append(name(each.pid))
    return names


def give_up(rig: Rig) -> None:
    """Say that this process, and those that it has started, end in good order."""
    for each in family():
        release(rig, Worker(name=each))


@cache  # where it is told by the wall clock, it may differ when asked again
def name(pid: int | None = None) -> str:
    """The worker name of a process on this host; psutil.NoSuchProcess where there is none."""
    process = psutil.Process(pid or os.getpid())
    return f"{HOST}/{process.pid}/{_start(process)}"


def lives_here(worker: str) -> bool:
    """Whether a worker of this host runs."""
    try:
        _, pid, started = worker.rsplit("/", 2)
        process = psutil.Process(int(pid))
        if process.status() == psutil.STATUS_ZOMBIE:  # killed, and its parent has not asked yet
            return False
        if "-" in started:
            return started == _start(process)
        return abs(process.create_time() - float(started)) < SAME_S  # as 0.1 wrote it
    except (psutil.NoSuchProcess, ValueError):
        return False


def _start(process: psutil.Process) -> str:
    """When a process was started: by no clock that can be set, where the system tells it so."""
    try:
        stat = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = BOOT.read_text(encoding="utf-8")
    except OSError:  # another system, or it has just ended
        return f"{process.create_time():.2f}"
    return f"{boot[:8]}-{stat.rpartition(')')[2].split()[START]}"


def _alive(limit_s: float | None) -> Callable[[Started], bool]:
    first_seen: dict[Started, float] = {}

    def alive(begun: Started) -> bool:
        worker = begun.worker
        if worker.count("/") != 2:
            return False  # written by hand or by a script: no process answers to it
        if worker.startswith(f"{HOST}/"):
            return lives_here(worker)
        seen = first_seen.setdefault(begun, monotonic())
        return limit_s is None or monotonic() - seen < limit_s

    return alive
