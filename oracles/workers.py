"""Warm processes that answer one line after the other, for whom a killed one is replaced.

    asker                          worker
    ask(task, line, wall_s)  -->   a line on its standard input
    the line that it says    <--   a line on its standard output
    closes the pipe          -->   kill all that it has started, exit

One idle worker is taken or started per question, and put back. It serves one caller at a time, so
any number of threads may ask at once.
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
from dataclasses import dataclass
from functools import cache

import psutil

from loop.errors import OracleError

READY = "ready"  # what a worker says first
START_S = 120.0  # imports of a large package from a cold network drive
CLEAR_S = 1.0  # what a killed process may take to go; one that the kernel holds up goes later
CLOSE_S = CLEAR_S + 0.3
LOOK_S = 0.5  # how often a waiting thread lets Python deliver an exception to it
# The worker imports what its parent can import, whatever the parent's sys.path came from; not by
# PYTHONPATH, which other Pythons that it starts would inherit.
BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from importlib import import_module; import_module(sys.argv[2]).serve(sys.argv[3])"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What workers of a kind do: the `serve(about)` of a module of ours.

    `where` names what could not be imported, `wanted` what should have been; `environment` is
    added to ours.
    """

    module: str
    about: str
    where: str
    wanted: str
    environment: tuple[tuple[str, str], ...] = ()

    def start(self) -> subprocess.Popen[bytes]:
        """The process."""
        return subprocess.Popen(
            [sys.executable, "-c", BOOT, json.dumps(sys.path), self.module, self.about],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=os.environ | dict(self.environment),
            start_new_session=True,  # Ctrl-C is for the parent, which then closes the pipe
        )


class Lost(Exception):
    """The worker died under the question; `status` is its exit status, negative for a signal."""

    def __init__(self, message: str, status: int = 0) -> None:
        """Keep both."""
        super().__init__(message)
        self.status = status


def ask(task: Task, line: str, wall_s: float) -> str:
    """The line that answers a line; TimeoutError after wall_s seconds, Lost where the worker died.

    Then, as on Ctrl-C, nothing that the worker has started is left.
    """
    worker = _take(task)
    try:
        said = worker.ask(line, wall_s)
    except Lost as lost:
        raise Lost(str(lost), worker.close()) from lost
    except BaseException:
        worker.close()
        raise
    _idle(os.getpid(), task).append(worker)
    return said


@cache
def _idle(_process: int, _task: Task) -> "deque[Worker]":
    """The idle workers of this process: after a fork the parent's are not ours to ask."""
    workers: deque[Worker] = deque()
    atexit.register(_close_all, workers)
    return workers


def _close_all(workers: "deque[Worker]") -> None:
    while workers:
        workers.pop().close()


def _take(task: Task) -> "Worker":
    idle = _idle(os.getpid(), task)
    while True:
        try:
            worker = idle.pop()
        except IndexError:
            return Worker(task)
        if worker.alive:
            return worker
        worker.close()


class Worker:
    """A process, and the two pipes to it."""

    def __init__(self, task: Task) -> None:
        """Start it and wait until it has imported everything."""
        self._process = task.start()
        try:
            self._greet(task)
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

    def close(self) -> int:
        """End the worker and what it runs; its exit status, when they are gone."""
        assert self._process.stdin is not None  # noqa: S101
        assert self._process.stdout is not None  # noqa: S101
        self._process.stdin.close()
        try:
            status = self._process.wait(CLOSE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        if status != 0:  # it could not clear up behind itself
            _kill_session(self._process.pid)
        self._process.stdout.close()
        return status

    def _greet(self, task: Task) -> None:
        try:
            said = self._line(START_S)
        except (Lost, TimeoutError) as error:
            got = f"none ({error})"
            raise OracleError(task.where, task.wanted, got, "Its words are on stderr.") from error
        if said != READY:
            got = f"one that says {said!r}"
            raise OracleError(task.where, task.wanted, got, "It must not print.")

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
