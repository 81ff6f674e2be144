"""The process that evaluations are forked from: one at a time, each in its own process group.

    parent                           worker                       evaluation
    a line: the folder, bounds  -->  fork                    -->  request.json ... answer.json
    a line, the exit status     <--  wait, look after bounds <--  exit
    or the bound it reached     <--  kill it all
    closes the pipe             -->  kill it all, exit

Forked, because importing ASE takes longer than evaluating a small cell. Killed by the closing of
the pipe, because that happens however the parent ends, kill -9 included.

"All" is whatever descends from the worker: its group by one signal, then, on Linux, what has left
the group, because orphans become the worker's own children there.
"""

import ctypes
import faulthandler
import json
import os
import select
import signal
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import NoReturn

import psutil

from oracles.atoms.bounds import Bound, Bounds, Watch, asked
from oracles.atoms.evaluation import answer
from oracles.workers import CLEAR_S, READY

LOG = "log.txt"
_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of linux/prctl.h
_SET_CHILD_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of the same
SHARED = ("ESPRESSO_TMPDIR",)  # variables that would give every evaluation one folder to write in


def serve(module: str) -> None:
    """Fork an evaluation for each attempt folder named on stdin, until stdin closes."""
    with suppress(ImportError):  # the evaluation says so, with its kind
        import_module(module)
    _call_prctl(_SET_CHILD_SUBREAPER, 1)
    woken = _wake_on_child()
    requests = os.fdopen(0, "rb", buffering=0, closefd=False)
    _say(READY)
    while line := requests.readline().decode():
        folder, bounds = asked(line)
        _say(json.dumps(_supervise(folder, bounds, woken)))


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


def _supervise(folder: Path, bounds: Bounds, woken: int) -> int | Bound:
    """Exit status of the evaluation, negative for a signal, or the bound that it has reached.

    Nothing that it started is left afterwards. Ends all when the parent is gone.
    """
    worker = os.getpid()
    group = os.fork()
    if group == 0:
        _evaluate(folder, bounds, worker)
    _own_group(group)
    watch = Watch(folder=folder, bounds=bounds)
    while True:
        ended, status = os.waitpid(group, os.WNOHANG)
        if ended:
            _clear(group)
            return os.waitstatus_to_exitcode(status)
        bound = watch.reached()
        if bound:
            _clear(group)
            return bound
        readable, _, _ = select.select([0, woken], [], [], watch.patience_s)
        if woken in readable:
            os.read(woken, 512)
        if 0 in readable:  # the parent is silent while it waits: this is the pipe's end
            _clear(group)
            sys.exit()


def _clear(group: int) -> None:
    """Kill the group, and whatever else the evaluation has started and left behind."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
    end = time.monotonic() + CLEAR_S
    while time.monotonic() < end:
        try:
            ended, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not ended:
            for process in psutil.Process().children(recursive=True):
                with suppress(psutil.Error):
                    process.kill()
            time.sleep(0.002)


def _own_group(process: int) -> None:
    """Make the process a group leader; called on both sides of the fork, whichever comes first."""
    with suppress(ProcessLookupError, PermissionError):
        os.setpgid(process, process)


def _evaluate(folder: Path, bounds: Bounds, worker: int) -> NoReturn:
    """The forked side: a process of its own, from here to its end."""
    status = 1
    try:
        _own_group(os.getpid())
        _die_with(worker)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _stand_in(folder)
        faulthandler.enable()
        bounds.impose()
        answer(folder)
        status = 0
    except BaseException:  # noqa: BLE001  (nothing may return into the worker's loop)
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(status)


def _stand_in(folder: Path) -> None:
    """Let everything that has no absolute path be written in the attempt folder, the log too."""
    # Calculators write where they stand; this process is theirs alone, so it may stand there.
    os.chdir(folder)
    for name in SHARED:
        os.environ.pop(name, None)
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    log = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)  # lines that kill -9 leaves


def _die_with(worker: int) -> None:
    """Die when the worker dies (Linux): kill -9 of the worker leaves nobody to close a pipe."""
    _call_prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != worker:  # it died before the line above
        os._exit(1)


def _call_prctl(option: int, value: int) -> None:
    """Linux only: elsewhere there is nothing like it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value)
