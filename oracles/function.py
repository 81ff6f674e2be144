"""A Python function as an oracle: the shortest way to plug in a program of one's own.

    def measure(T, alloy):                    # parameters by name; a composition is a mapping
        if alloy.get("Pb", 0) > 0.5:
            raise Refusal("infeasible", "it melts in the furnace")
        return {"strength": 412.0}            # or 412.0, where there is one target

A number, or a mapping from target to number, is an answer in the units of the campaign; what else
the mapping holds is kept as notes. `Refusal` is the function's honest no. Any other exception is a
crash, with its traceback.

Without `wall_s` the function is called in this process, and nothing stops it. With `wall_s` it is
called in a process apart, one for each call at a time, which is killed at the limit and replaced:
what the function keeps in memory is then lost.
"""

import faulthandler
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module, invalidate_caches
from inspect import signature
from math import isfinite
from numbers import Real
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from threading import RLock, Thread
from typing import Any, TypeAlias, get_args

from loop.errors import OracleError
from loop.objective import Objective
from loop.protocols import Declaration
from loop.records import Candidate, Failed, Json, Kind, Measured, Observation, Source
from loop.space.space import SearchSpace
from oracles import workers
from oracles.workers import READY, Lost, Task

Said: TypeAlias = dict[str, Json]  # {"result": ...}, or {"kind": ..., "message": ..., "log": ...}

NAME = "function"
LOG_TAIL = 4000  # characters: a screenful of traceback
GRACE_S = 0.3  # what a process may take beyond the limit, which it keeps itself
_IMPORTING = RLock()  # sys.path and sys.modules are the whole process's: one import at a time


class Refusal(Exception):
    """Raised by a function that has no value to give: a kind from `loop.records.Kind`, and why."""

    def __init__(self, kind: Kind, message: str) -> None:
        """Keep both; ValueError for a kind that is not on the list."""
        if kind not in get_args(Kind):
            raise ValueError(f"Refusal: expected one of {', '.join(get_args(Kind))}, got {kind!r}")
        super().__init__(kind, message)
        self.kind = kind
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """Calls a function once per candidate.

    `function` is `package.module:name`, or `file.py:name` in `folder`, the campaign folder, whose
    modules can be imported while the function's module is. `wall_s` limits one call, in seconds.
    """

    function: str
    space: SearchSpace
    objective: Objective
    folder: Path | None = None
    wall_s: float | None = None

    def __post_init__(self) -> None:
        """Raise OracleError where there is no such function, or it cannot take the parameters."""
        if self.wall_s is not None and not (isfinite(self.wall_s) and self.wall_s > 0):
            raise OracleError("oracle.wall_s", "a number of seconds above 0", f"{self.wall_s:g}")
        names = [parameter.name for parameter in self.space.parameters]
        function = load(self.function, self.folder)
        try:
            signature(function).bind(**dict.fromkeys(names))
        except TypeError as error:
            raise OracleError(
                f"oracle.function {self.function!r}",
                f"a function that takes {', '.join(names)} by name",
                str(error),
                "Name its arguments after the parameters, or let it take **point.",
            ) from error
        except ValueError:
            return  # some builtins have no signature: the first call will tell

    @property
    def declaration(self) -> Declaration:
        """It measures what the objective names; a function may be called again."""
        return Declaration(name=NAME, measures=self.objective.units, wall_s=self.wall_s)

    def submit(self, candidates: Sequence[Candidate]) -> None:
        """Do nothing: the function is called when its answer is collected."""

    def collect(self, pending: Sequence[Candidate]) -> tuple[Observation, ...]:
        """Call the function for each candidate, one after the other."""
        return tuple(self._answer(candidate) for candidate in pending)

    def _answer(self, candidate: Candidate) -> Observation:
        request = {
            "function": self.function,
            "folder": None if self.folder is None else str(self.folder),
            "point": {
                name: dict(value) if isinstance(value, Mapping) else value
                for name, value in candidate.point.items()
            },
        }
        began = time.perf_counter()
        said = ask(request) if self.wall_s is None else _ask_apart(request, self.wall_s)
        source = Source(oracle=NAME, seconds=time.perf_counter() - began)
        if "kind" in said:
            return Failed(candidate=candidate.id, source=source, **said)
        result = said["result"]
        if not isinstance(result, Mapping):
            result = dict(zip(self.objective.names, [result], strict=False))
        values = {name: result.get(name) for name in self.objective.names}
        wrong = [
            f"{name} = {value}"
            for name, value in values.items()
            if not (isinstance(value, float) and isfinite(value))
        ]
        if wrong:
            message = f"expected a finite number for every target, got {', '.join(wrong)}"
            return Failed(
                candidate=candidate.id, kind="invalid_output", message=message, source=source
            )
        return Measured(
            candidate=candidate.id,
            values=values,
            notes={name: str(extra) for name, extra in result.items() if name not in values},
            source=source,
        )


@cache
def load(function: str, folder: Path | None, key: str = "oracle.function") -> Callable[..., Any]:
    """The function, or class, by its import path; OracleError, with the key, if there is none."""
    module, _, name = function.partition(":")
    where = f"{key} {function!r}"
    if not module or not name:
        raise OracleError(where, "'package.module:name' or 'file.py:name'", repr(function))
    if module.endswith(".py") and not (folder and (folder / module).is_file()):
        raise OracleError(where, f"a file {module} in the campaign folder", "no such file")
    try:
        with _importing_from(folder):
            imported = import_module(module.removesuffix(".py"))
    # A module of the user may raise anything while it is imported.
    except (Exception, SystemExit) as error:
        got = f"{type(error).__name__}: {error}"
        raise OracleError(where, f"a module {module!r} that can be imported", got) from error
    own = folder and folder / f"{module.removesuffix('.py')}.py"
    if own and own.is_file() and not own.samefile(imported.__file__ or "."):
        got = f"another module of that name, {imported.__file__}"
        raise OracleError(where, f"the module {own}", got, "Give the file another name.")
    found = getattr(imported, name, None)
    if not callable(found):
        raise OracleError(
            where, f"a function or class {name!r} in {imported.__file__}", repr(found)
        )
    return found  # type: ignore[no-any-return]


@contextmanager
def _importing_from(folder: Path | None) -> Iterator[None]:
    """Let modules in the folder be imported, and forget their names afterwards.

    Two campaigns in one process may both have a `lab.py`.
    """
    if folder is None:
        yield
        return
    with _IMPORTING:
        before = set(sys.modules)
        sys.path.append(str(folder))
        invalidate_caches()
        try:
            yield
        finally:
            sys.path.remove(str(folder))
            for name in set(sys.modules) - before:
                file = getattr(sys.modules[name], "__file__", None)
                if file and Path(file).is_relative_to(folder):
                    del sys.modules[name]


def ask(request: Mapping[str, Json]) -> Said:
    """What the function says to a point, in plain values."""
    folder = request["folder"]
    function = load(request["function"], folder and Path(folder))
    try:
        return _plain(function(**request["point"]))
    except Refusal as refusal:
        return {"kind": refusal.kind, "message": refusal.message}
    # The border to the user's code, which may raise anything: the campaign goes on.
    except (Exception, SystemExit) as error:  # noqa: BLE001
        log = traceback.format_exc()[-LOG_TAIL:]
        return {"kind": "crashed", "message": f"{type(error).__name__}: {error}", "log": log}


def _plain(result: object) -> Said:
    match result:
        case bool():
            pass
        case Real():
            return {"result": float(result)}
        case Mapping():
            return {"result": {str(name): _number(value) for name, value in result.items()}}
    message = f"expected a number, or a mapping from target to number, got {result!r:.200}"
    return {"kind": "invalid_output", "message": message}


def _number(value: object) -> float | str:
    """A number as a float, anything else as text."""
    return float(value) if isinstance(value, Real) and not isinstance(value, bool) else str(value)


def _ask_apart(request: Mapping[str, Json], wall_s: float) -> Said:
    """The same, in a warm process, which is killed after wall_s seconds."""
    task = Task(
        module=__name__,
        about=json.dumps({name: request[name] for name in ("function", "folder")}),
        where=f"oracle.function {request['function']!r}",
        wanted="a process that can import it",
    )
    with TemporaryDirectory(prefix="athanor-", ignore_cleanup_errors=True) as scratch:
        line = json.dumps({**request, "wall_s": wall_s, "scratch": scratch})
        log, hang = Path(scratch) / "log", Path(scratch) / "hang"
        try:
            said: Said = json.loads(workers.ask(task, line, wall_s + GRACE_S))
        except TimeoutError:
            return _timeout(wall_s, log)
        except Lost as lost:
            if _tail(hang):
                return _timeout(wall_s, hang)
            message = f"the process ended with status {lost.status}, without an answer"
            return {"kind": "crashed", "message": message, "log": _tail(log)}
        return said


def _timeout(wall_s: float, log: Path) -> Said:
    return {"kind": "timeout", "message": f"no answer within {wall_s:g} s", "log": _tail(log)}


def serve(about: str) -> None:
    """Answer the requests on standard input until it closes: what the process apart runs."""
    said = os.dup(1)
    os.dup2(2, 1)  # what is printed is no answer
    requests = _requests()
    function = json.loads(about)
    with suppress(OracleError):  # each call will say so
        load(function["function"], function["folder"] and Path(function["folder"]))
    os.write(said, f"{READY}\n".encode())
    while True:
        answer = _answered(json.loads(requests.get()))
        os.write(said, f"{json.dumps(answer)}\n".encode())


def _answered(request: dict[str, Json]) -> Said:
    """What the function says; what it prints is the log in the scratch folder of the request."""
    folder, wall_s = Path(request.pop("scratch")), request.pop("wall_s")
    with (folder / "hang").open("w") as hang, _printing(folder / "log"):
        # A thread of the interpreter's own: it ends the process even where C code holds the lock.
        faulthandler.dump_traceback_later(wall_s, exit=True, file=hang)
        try:
            return ask(request)
        finally:
            faulthandler.cancel_dump_traceback_later()


@contextmanager
def _printing(log: Path) -> Iterator[None]:
    """Let what is printed, also by programs, go to a file."""
    before = os.dup(2)
    with log.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(before, 1)
        os.dup2(before, 2)
        os.close(before)


def _requests() -> "SimpleQueue[bytes]":
    """The lines that are asked; at their end this process and all that it has started are killed.

    The parent's end of the pipe closes however it ends. The function finds nothing to read.
    """
    lines: SimpleQueue[bytes] = SimpleQueue()
    pipe = os.fdopen(os.dup(0), "rb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

    def read() -> None:
        for line in pipe:
            lines.put(line)
        os.killpg(0, signal.SIGKILL)

    Thread(target=read, daemon=True).start()
    return lines


def _tail(path: Path) -> str:
    return path.read_text(errors="replace")[-LOG_TAIL:] if path.is_file() else ""
