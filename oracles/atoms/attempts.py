"""One attempt: a folder of its own, a process of its own, an answer of either kind.

The folder is removed on success, unless all are to be kept, and kept as `failed-...` otherwise. One
that a kill -9 of the campaign cut off stays under its own name. `repeat.py` in it evaluates again.
"""

import json
import shutil
import signal
from dataclasses import replace
from itertools import count
from pathlib import Path

from oracles.atoms.bounds import MB, Bound, Bounds
from oracles.atoms.evaluation import (
    Found,
    Refused,
    Request,
    read_answer,
    read_references,
    tail,
)
from oracles.atoms.failures import CAUSES, Cause
from oracles.atoms.repeat import write
from oracles.atoms.worker import LOG
from oracles.workers import CLEAR_S, Lost, Task, ask

FAILED = "failed-"
TAIL = 2000  # characters of the log that go into the ledger
KEPT = 2 * MB  # bytes of a log that stay in the folder: half from its begin, half from its end
GRACE_S = CLEAR_S + 0.3  # what a worker may take beyond the wall limit before it is given up
# One thread per evaluation: they run side by side, and threaded sums are not reproducible.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
REACHED: dict[str, Cause] = {
    "wall_s": "timeout",
    "memory_mb": "out_of_memory",
    "output_mb": "output",
}


def attempt(
    folder: Path, name: str, request: Request, bounds: Bounds, *, keep: bool = False
) -> tuple[Found | Refused, str]:
    """The answer, and the attempt folder's path below the campaign folder."""
    path = _claim(folder / "attempts", name)
    request.write(path)
    write(path, ONE_THREAD)
    result = _outcome(path, request.calculator.partition(":")[0], bounds)
    result = replace(result, references=read_references(path))
    if isinstance(result, Found):
        if not keep:
            shutil.rmtree(path)
        return result, _below(path, folder)
    _shorten(path / LOG)
    result = replace(result, log=tail(path / LOG, TAIL))
    return result, _below(path.rename(path.with_name(FAILED + path.name)), folder)


def _outcome(path: Path, module: str, bounds: Bounds) -> Found | Refused:
    try:
        ended = _run(path, module, bounds)
    except Lost as error:
        return _refused("killed", str(error))
    match ended:
        case "wall_s" | "memory_mb" | "output_mb":
            return _refused(REACHED[ended], bounds.said(ended))
        case 0:
            return read_answer(path)
        case _ if ended == -signal.SIGXFSZ:
            return _refused("output", bounds.said("output_mb"))
        case _ if ended < 0:
            return _refused("killed", f"the process died of {_signal(-ended)}")
        case _:
            return _refused("", f"the process exited with status {ended}")


def _run(path: Path, module: str, bounds: Bounds) -> int | Bound:
    """Exit status of the evaluation in a folder, negative for a signal, or the bound it reached.

    `module` is imported once per worker.
    """
    task = Task(
        module="oracles.atoms.worker",
        about=module,
        where="oracle.calculator",
        wanted=f"a process that can import {module}",
        environment=tuple(ONE_THREAD.items()),
    )
    try:
        said: int | Bound = json.loads(ask(task, bounds.line(path), bounds.wall_s + GRACE_S))
    except TimeoutError:
        return "wall_s"
    return said


def _refused(cause: Cause, message: str) -> Refused:
    return Refused(kind=CAUSES[cause][0], message=message, cause=cause)


def _claim(attempts: Path, name: str) -> Path:
    """A new folder `<name>-<n>`, for which no failed one exists either."""
    attempts.mkdir(exist_ok=True)
    for n in count(1):
        path = attempts / f"{name}-{n}"
        try:
            path.mkdir()
        except FileExistsError:
            continue
        # Looked for afterwards: another evaluation may have failed, and been renamed, just before.
        if not path.with_name(FAILED + path.name).exists():
            return path.absolute()
        path.rmdir()
    raise AssertionError("count() ends")


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _shorten(log: Path) -> None:
    """Cut the middle out of a log that is too long to keep, and say so there."""
    size = log.stat().st_size if log.is_file() else 0
    if size <= KEPT:
        return
    with log.open("r+b") as lines:
        lines.seek(size - KEPT // 2)
        end = lines.read()
        lines.seek(KEPT // 2)
        lines.write(f"\n[... {size - KEPT} bytes left out ...]\n".encode())
        lines.write(end)
        lines.truncate()


def _below(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder.absolute()))
