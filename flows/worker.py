"""Who evaluates, and whether somebody else who does is still alive.

A worker is `host/process id/process start time`: the start time, because a number is used again.
On this host the operating system knows whether it lives. Of another host we cannot know: its
worker is believed alive until the oracle's wall limit has passed since we first saw it, by our own
monotonic clock, for nobody may be at one evaluation any longer than that. Where the oracle states
no wall limit we believe it for ever, unless a person says otherwise (`athanor run --take-over`).
"""

import os
import socket
from collections.abc import Callable
from functools import cache
from time import monotonic

import psutil

from loop.run import Worker

HOST = socket.gethostname()
SAME_S = 2.0  # start times are told by the wall clock, which time servers correct by less than this


def worker(wall_s: float | None, *, take_over: bool = False) -> Worker:
    """This process, with what it believes of others; `take_over` holds those elsewhere for gone."""
    return Worker(name=name(), alive=_alive(0.0 if take_over else wall_s))


@cache  # the start time is told by the wall clock: asked again, it may differ
def name(pid: int | None = None) -> str:
    """The worker name of a process on this host; psutil.NoSuchProcess where there is none."""
    process = psutil.Process(pid or os.getpid())
    return f"{HOST}/{process.pid}/{process.create_time():.2f}"


def lives_here(worker: str) -> bool:
    """Whether a worker of this host runs."""
    try:
        _, pid, started = worker.rsplit("/", 2)
        process = psutil.Process(int(pid))
        if process.status() == psutil.STATUS_ZOMBIE:  # killed, and its parent has not asked yet
            return False
        return abs(process.create_time() - float(started)) < SAME_S
    except (psutil.NoSuchProcess, ValueError):
        return False


def _alive(wall_s: float | None) -> Callable[[str], bool]:
    first_seen: dict[str, float] = {}

    def alive(worker: str) -> bool:
        if worker.count("/") != 2:
            return False  # written by hand or by a script: no process answers to it
        if worker.startswith(f"{HOST}/"):
            return lives_here(worker)
        seen = first_seen.setdefault(worker, monotonic())
        return wall_s is None or monotonic() - seen < wall_s

    return alive
