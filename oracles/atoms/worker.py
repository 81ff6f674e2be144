"""The process that evaluations are forked from: one at a time, each in its own process group.

    parent                           worker                       evaluation
    a line, the attempt folder  -->  fork                    -->  request.json ... answer.json
    a line, the exit status     <--  wait                    <--  exit
    closes the pipe             -->  kill the group, exit

Forked, because importing ASE takes longer than evaluating a small cell. Killed by the closing of
the pipe, because that happens however the parent ends, kill -9 included.
"""

import ctypes
import faulthandler
import os
import resource
import select
import signal
import sys
import traceback
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import NoReturn

from oracles.atoms.evaluation import answer

READY = "ready"
LOG = "log.txt"
_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of linux/prctl.h


def serve(module: str) -> None:
    """Fork an evaluation for each attempt folder named on stdin, until stdin closes."""
    with suppress(ImportError):  # the evaluation says so, with its kind
        import_module(module)
    woken = _wake_on_child()
    requests = os.fdopen(0, "rb", buffering=0, closefd=False)
    _say(READY)
    while folder := requests.readline().decode().rstrip("\n"):
        _say(str(_supervise(Path(folder), woken)))


def _say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def _wake_on_child() -> int:
    """A descriptor that becomes readable when a child ends, so that one select waits for both."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, _nothing)
    return woken


def _nothing(_signal: int, _frame: FrameType | None) -> None:
    """A handler must exist for the wake-up to happen."""


def _supervise(folder: Path, woken: int) -> int:
    """Exit status of the evaluation, negative for a signal; ends all when the parent is gone."""
    worker = os.getpid()
    group = os.fork()
    if group == 0:
        _evaluate(folder, worker)
    _own_group(group)
    while True:
        ended, status = os.waitpid(group, os.WNOHANG)
        if ended:
            _kill(group)  # what it started and left behind
            return os.waitstatus_to_exitcode(status)
        readable, _, _ = select.select([0, woken], [], [])
        if woken in readable:
            os.read(woken, 512)
        if 0 in readable:  # the parent is silent while it waits: this is the pipe's end
            _kill(group)
            os.waitpid(group, 0)
            sys.exit()


def _own_group(process: int) -> None:
    """Make the process a group leader; called on both sides of the fork, whichever comes first."""
    with suppress(ProcessLookupError, PermissionError):
        os.setpgid(process, process)


def _kill(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _evaluate(folder: Path, worker: int) -> NoReturn:
    """The forked side: a process of its own, from here to its end."""
    status = 1
    try:
        _own_group(os.getpid())
        _die_with(worker)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # Calculators write where they stand; this process is theirs alone, so it may stand there.
        os.chdir(folder)
        log = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for stream in (1, 2):
            os.dup2(log, stream)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)  # lines that kill -9 leaves
        faulthandler.enable()
        answer(folder)
        status = 0
    except BaseException:  # noqa: BLE001  (nothing may return into the worker's loop)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _die_with(worker: int) -> None:
    """Die when the worker dies (Linux): kill -9 of the worker leaves nobody to close a pipe."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != worker:  # it died before the line above
        os._exit(1)
