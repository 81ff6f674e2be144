"""The parent's side of `worker`: one idle worker is taken or started per evaluation, and put back.

A worker serves one caller at a time, so any number of threads may evaluate at once.
"""

import atexit
import json
import os
import select
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from functools import cache
from pathlib import Path

import psutil

from loop.errors import OracleError
from oracles.atoms.bounds import Bound, Bounds
from oracles.atoms.worker import CLEAR_S, READY

START_S = 120.0  # imports of a large package from a cold network drive
CLOSE_S = CLEAR_S + 0.3
GRACE_S = CLEAR_S + 0.3  # what a worker may take beyond the wall limit before it is given up
LOOK_S = 0.5  # how often a waiting thread lets Python deliver an exception to it
# One thread per evaluation: they run side by side, and threaded sums are not reproducible.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
# The worker imports what its parent can import, whatever the parent's sys.path came from; not by
# PYTHONPATH, which other Pythons that a calculator starts would inherit.
BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from oracles.atoms.worker import serve; serve(sys.argv[2])"
)


class Lost(Exception):
    """The worker died under the evaluation."""


def run(folder: Path, module: str, bounds: Bounds) -> int | Bound:
    """Exit status of the evaluation in a folder, negative for a signal, or the bound it reached.

    `module` is imported once per worker. Raises Lost where the worker died; then, as on
    Ctrl-C and where it does not keep the wall limit itself, no process of the evaluation is left.
    """
    worker = _take(module)
    try:
        said: int | Bound = json.loads(worker.ask(bounds.line(folder), bounds.wall_s + GRACE_S))
    except TimeoutError:
        worker.close()
        return "wall_s"
    except BaseException:
        worker.close()
        raise
    _idle(os.getpid(), module).append(worker)
    return said


@cache
def _idle(_process: int, _module: str) -> "deque[Worker]":
    """The idle workers of this process: after a fork the parent's are not ours to ask."""
    workers: deque[Worker] = deque()
    atexit.register(_close_all, workers)
    return workers


def _close_all(workers: "deque[Worker]") -> None:
    while workers:
        workers.pop().close()


def _take(module: str) -> "Worker":
    idle = _idle(os.getpid(), module)
    while True:
        try:
            worker = idle.pop()
        except IndexError:
            return Worker(module)
        if worker.alive:
            return worker
        worker.close()


class Worker:
    """A `worker` process and the two pipes to it."""

    def __init__(self, module: str) -> None:
        """Start it and wait until it has imported everything."""
        self._process = subprocess.Popen(
            [sys.executable, "-c", BOOT, json.dumps(sys.path), module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=os.environ | ONE_THREAD,
            start_new_session=True,  # Ctrl-C is for the parent, which then closes the pipe
        )
        try:
            self._greet(module)
        except BaseException:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def ask(self, line: str, wall_s: float) -> str:
        """The line that answers a line; TimeoutError after wall_s seconds, Lost where it died."""
        assert self._process.stdin is not None  # noqa: S101  (Popen was given pipes)
        try:
            self._process.stdin.write(f"{line}\n".encode())
        except BrokenPipeError as error:
            raise Lost("the worker process died while idle") from error
        return self._line(wall_s)

    def close(self) -> None:
        """End the worker and what it runs; returns when they are gone."""
        assert self._process.stdin is not None  # noqa: S101
        assert self._process.stdout is not None  # noqa: S101
        self._process.stdin.close()
        try:
            self._process.wait(CLOSE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.returncode < 0:  # it could not clear up behind itself
            _kill_session(self._process.pid)
        self._process.stdout.close()

    def _greet(self, module: str) -> None:
        where, expected = "oracle.calculator", f"a process that can import {module}"
        try:
            said = self._line(START_S)
        except (Lost, TimeoutError) as error:
            got = f"none ({error})"
            raise OracleError(where, expected, got, "Its own words are on stderr.") from error
        if said != READY:
            raise OracleError(where, expected, f"one that says {said!r}", "It must not print.")

    def _line(self, wall_s: float) -> str:
        assert self._process.stdout is not None  # noqa: S101
        end = time.monotonic() + wall_s
        output = select.poll()  # unlike select(), it takes descriptors above 1023
        output.register(self._process.stdout, select.POLLIN)
        said = b""
        while not said.endswith(b"\n"):
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"no answer within {wall_s:g} s")
            if output.poll(1000 * min(left, LOOK_S)):
                some = os.read(self._process.stdout.fileno(), 512)
                if not some:
                    raise Lost("the worker process was killed")
                said += some
        return said.decode().rstrip("\n")


def _kill_session(leader: int) -> None:
    """Kill what still runs in the session that a dead worker has led."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError, PermissionError):
            if os.getsid(process.pid) == leader:
                process.kill()
