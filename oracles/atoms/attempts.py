"""One attempt: a folder of its own, a process of its own, an answer of either kind.

The folder is removed on success and kept as `failed-...` otherwise. One that a kill -9 of the
campaign cut off stays under its own name.
"""

import shutil
import signal
from dataclasses import replace
from itertools import count
from pathlib import Path

from oracles.atoms.evaluation import Found, Refused, Request, read_answer
from oracles.atoms.worker import LOG
from oracles.atoms.workers import Lost, run

FAILED = "failed-"
TAIL = 2000  # characters of the log that go into the ledger


def attempt(
    folder: Path, name: str, request: Request, wall_s: float
) -> tuple[Found | Refused, str]:
    """The answer, and the attempt folder's path below the campaign folder."""
    path = _claim(folder / "attempts", name)
    request.write(path)
    result = _outcome(path, request.calculator.partition(":")[0], wall_s)
    if isinstance(result, Found):
        shutil.rmtree(path)
        return result, _below(path, folder)
    result = replace(result, log=_tail(path / LOG))
    return result, _below(path.rename(path.with_name(FAILED + path.name)), folder)


def _outcome(path: Path, module: str, wall_s: float) -> Found | Refused:
    try:
        status = run(path, module, wall_s)
    except TimeoutError:
        return Refused(kind="timeout", message=f"killed after the wall limit of {wall_s:g} s")
    except Lost as error:
        return Refused(kind="crashed", message=str(error))
    if status < 0:
        return Refused(kind="crashed", message=f"the process died of {_signal(-status)}")
    if status > 0:
        return Refused(kind="crashed", message=f"the process exited with status {status}")
    return read_answer(path)


def _claim(attempts: Path, name: str) -> Path:
    """A new folder `<name>-<n>`, for which no failed one exists either."""
    attempts.mkdir(exist_ok=True)
    for n in count(1):
        path = attempts / f"{name}-{n}"
        if path.with_name(FAILED + path.name).exists():
            continue
        try:
            path.mkdir()
        except FileExistsError:
            continue
        return path.absolute()
    raise AssertionError("count() ends")


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _tail(log: Path) -> str:
    try:
        return log.read_text(encoding="utf-8", errors="replace")[-TAIL:]
    except FileNotFoundError:
        return ""


def _below(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder.absolute()))
