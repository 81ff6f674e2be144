"""Any program as an oracle: a candidate in JSON goes in, an answer in JSON comes out.

Every attempt has a folder of its own below attempts/, which is the program's working folder:

    candidate.json   what is asked, and the program's standard input too (`oracles.answers`)
    answer.json      the answer, if the program writes one; else what it prints is the answer
    output, log      its standard output and standard error
    repeat.sh        asks once more, by hand

The folder is removed when a value came of it, and else kept as `failed-...`. The program and all
that it starts end at the wall limit, and with the campaign, however that ends.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from math import isfinite
from pathlib import Path
from types import MappingProxyType
from typing import get_args

from loop.errors import OracleError
from loop.objective import Objective
from loop.protocols import Declaration
from loop.records import Candidate, Failed, Kind, Measured, Observation, Source
from oracles import leash
from oracles.answers import MOST_BYTES, asked, invalid, read

NAME = "command"
LOG_TAIL = 4000  # characters: a screenful
MOST_OUTPUT = 64_000_000  # bytes that a program may print before it is held for mad
LOOK_S = 0.1  # how often what it prints is weighed
# What statuses mean by custom: sysexits.h, coreutils' timeout, the shell. Others are `crashed`.
EXITS: Mapping[int, Kind] = MappingProxyType(
    {
        os.EX_USAGE: "invalid_input",
        os.EX_DATAERR: "infeasible",
        os.EX_CONFIG: "invalid_input",
        124: "timeout",
        126: "invalid_input",
        leash.NOT_FOUND: "invalid_input",
    }
)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended without an answer."""

    kind: Kind
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Runs a program once per candidate.

    `command` is the program and its arguments, without a shell; `{campaign}` in it stands for
    `folder`, the campaign folder, in which a program with a path is looked for. `exits` says which
    failure a status means, beyond EXITS. `environment` is added to that of the campaign, or is all
    there is where `inherit` is false. One run may take `wall_s` seconds. `repeatable` is false
    where a run must not be repeated without a person's consent.
    """

    command: tuple[str, ...]
    objective: Objective
    folder: Path
    wall_s: float = 600.0
    exits: Mapping[int, Kind] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    inherit: bool = True
    repeatable: bool = True

    def __post_init__(self) -> None:
        """Raise OracleError where there is no such program, or a limit or a status is senseless."""
        if not (isfinite(self.wall_s) and self.wall_s > 0):
            raise OracleError("oracle.wall_s", "a number of seconds above 0", f"{self.wall_s:g}")
        for status, kind in self.exits.items():
            if not 0 < status < 256:
                raise OracleError("oracle.exits", "statuses from 1 to 255", str(status))
            if kind not in get_args(Kind):
                expected = f"one of {', '.join(get_args(Kind))}"
                raise OracleError(f"oracle.exits.{status}", expected, repr(kind))
        _ = self.words

    @property
    def declaration(self) -> Declaration:
        """It measures what the objective names."""
        return Declaration(
            name=NAME,
            measures=self.objective.units,
            wall_s=self.wall_s,
            repeatable=self.repeatable,
        )

    @property
    def words(self) -> tuple[str, ...]:
        """Program and arguments, the program by its full path; OracleError where there is none."""
        home = str(self.folder.absolute())
        words = [word.replace("{campaign}", home) for word in self.command]
        if not words:
            raise OracleError("oracle.command", "a program and its arguments", "none")
        program = os.path.join(home, words[0]) if "/" in words[0] else words[0]  # noqa: PTH118  (keeps an absolute path)
        found = shutil.which(program, path=self._variables.get("PATH", os.defpath))
        if found is None:
            remedy = "Install it, correct its name, or make it executable."
            raise OracleError("oracle.command", "a program that can be run", repr(program), remedy)
        return (found, *words[1:])

    def submit(self, candidates: Sequence[Candidate]) -> None:
        """Do nothing: the program is run when its answer is collected."""

    def collect(self, pending: Sequence[Candidate]) -> tuple[Observation, ...]:
        """Run the program for each candidate, one after the other."""
        return tuple(self._answer(candidate) for candidate in pending)

    @property
    def _variables(self) -> dict[str, str]:
        """The program's environment."""
        return {**(os.environ if self.inherit else {}), **self.environment}

    def _answer(self, candidate: Candidate) -> Observation:
        path = _claim(self.folder / "attempts", candidate.id)
        self._prepare(path, candidate)
        began = time.perf_counter()
        ended = self._run(path)
        seconds = time.perf_counter() - began
        source = Source(oracle=NAME, seconds=seconds, attempt=self._below(path))
        answer = _judged(ended, path, candidate, self.objective, source)
        if isinstance(answer, Measured):
            shutil.rmtree(path)
            return answer
        kept = path.rename(path.with_name(f"failed-{path.name}"))
        source = replace(source, attempt=self._below(kept))
        return replace(answer, source=source, log=answer.log or _tail(kept))

    def _prepare(self, path: Path, candidate: Candidate) -> None:
        """What the program reads, and how to run it by hand."""
        (path / "candidate.json").write_text(asked(candidate, self.objective), encoding="utf-8")
        stated = [f"{name}={value}" for name, value in self.environment.items()]
        run = shlex.join(["env", *([] if self.inherit else ["-i"]), *stated, *self.words])
        script = f'#!/bin/sh\ncd "$(dirname "$0")" && exec {run} < candidate.json\n'
        (path / "repeat.sh").write_text(script, encoding="utf-8")
        (path / "repeat.sh").chmod(0o755)

    def _run(self, path: Path) -> Ended | None:
        """None where the program was done, else how it ended."""
        with (path / "output").open("wb") as output, (path / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", leash.__file__, *self.words],
                cwd=path,
                env=self._variables,
                stdin=subprocess.PIPE,  # the leash
                stdout=output,
                stderr=log,
                start_new_session=True,
            )
        try:
            return self._wait(process, path)
        finally:
            _stop(process)

    def _wait(self, process: subprocess.Popen[bytes], path: Path) -> Ended | None:
        end = time.monotonic() + self.wall_s
        while time.monotonic() < end:
            with suppress(subprocess.TimeoutExpired):
                return self._meaning(process.wait(timeout=min(LOOK_S, self.wall_s)))
            if sum((path / name).stat().st_size for name in ("output", "log")) > MOST_OUTPUT:
                return Ended("invalid_output", f"it printed more than {MOST_OUTPUT / 1e6:g} MB")
        return Ended("timeout", f"killed after the wall limit of {self.wall_s:g} s")

    def _meaning(self, status: int) -> Ended | None:
        """What the status of the leash means: 128 + n is signal n."""
        if status == 0:
            return None
        try:
            said = f"died of {signal.Signals(status - 128).name}"
        except ValueError:
            said = f"exited with status {status}"
        kind = {**EXITS, **self.exits}.get(status, "crashed")
        return Ended(kind, f"{Path(self.words[0]).name} {said}")

    def _below(self, path: Path) -> str:
        return str(path.relative_to(self.folder.absolute()))


def _judged(
    ended: Ended | None, path: Path, candidate: Candidate, objective: Objective, source: Source
) -> Observation:
    """What a run has come to: the answer that the program has left, or printed, or a failure."""
    if ended is not None:
        kind, message = ended.kind, ended.message
        return Failed(candidate=candidate.id, kind=kind, message=message, source=source)
    written = path / "answer.json"
    file = written if written.is_file() else path / "output"
    with file.open("rb") as answer:
        text = answer.read(MOST_BYTES + 1)
    if len(text) > MOST_BYTES:
        message = f"expected an answer of at most {MOST_BYTES / 1e6:g} MB in {file.name}, got more"
        return invalid(candidate, message, source)
    return read(text, candidate, objective, source)


def _claim(attempts: Path, name: str) -> Path:
    """A new folder `<name>-<n>`, for which no failed one exists either."""
    attempts.mkdir(exist_ok=True)
    for n in count(1):
        path = attempts.absolute() / f"{name}-{n}"
        try:
            path.mkdir()
        except FileExistsError:
            continue
        # Looked for afterwards: another run may have failed, and been renamed, just before.
        if not path.with_name(f"failed-{path.name}").exists():
            return path
        path.rmdir()
    raise AssertionError("count() ends")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the leash, the program and whatever it has started."""
    with suppress(ProcessLookupError, PermissionError):  # macOS: a group of zombies is no one's
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin is not None:
        process.stdin.close()


def _tail(path: Path) -> str:
    """The end of what it complained of; where it did not, of what it printed."""
    for name in ("log", "output"):
        with (path / name).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_TAIL))
            if text := file.read().decode(errors="replace").strip():
                return text
    return ""
