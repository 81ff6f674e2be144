"""What may be laid around any oracle: retry, delay, cost meter, cache, noise.

    Noise(oracle=Cache(oracle=Retry(oracle=Command(...)), file=folder / "cache.db"), sd={"y": 0.1})

A wrapper is an oracle that asks another. All but Noise are for oracles that evaluate: what a
laboratory answers in its own time can be neither repeated, delayed nor timed from here.
"""

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from math import isfinite
from pathlib import Path

from pydantic import TypeAdapter

from loop.errors import OracleError
from loop.protocols import Declaration, Oracle
from loop.records import TRANSIENT, Candidate, Failed, Kind, Measured, Observation, Receipt
from oracles.answers import noisy, plain

LOCKED_S = 60.0  # how long a process waits for others that write to the same file
MEASURED = TypeAdapter(Measured)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Asks again, up to `attempts` times in all, after a failure of one of the `kinds`.

    It waits `pause_s` seconds before that, twice as long each time.
    """

    oracle: Oracle
    attempts: int = 3
    kinds: frozenset[Kind] = TRANSIENT
    pause_s: float = 0.0

    def __post_init__(self) -> None:
        """Raise OracleError for an oracle that must not be asked twice, or a senseless number."""
        _require_evaluates(self.oracle, "attempts")
        if not self.oracle.declaration.repeatable:
            name = repr(self.oracle.declaration.name)
            raise OracleError("oracle.attempts", "an oracle that may be asked twice", name)
        if self.attempts < 2:
            raise OracleError("oracle.attempts", "2 or more", str(self.attempts))
        _require_time("oracle.pause_s", self.pause_s)

    @property
    def declaration(self) -> Declaration:
        """The oracle's own, with the time that all attempts may take."""
        pauses = self.pause_s * (2 ** (self.attempts - 1) - 1)
        return _longer(self.oracle.declaration, self.attempts, pauses)

    def submit(self, candidates: Sequence[Candidate]) -> None:
        """Submit to the oracle."""
        self.oracle.submit(candidates)

    def collect(self, pending: Sequence[Candidate]) -> Sequence[Observation | Receipt]:
        """The last answer to each candidate; a failure says how often it was asked."""
        return [answer for each in pending for answer in self._ask(each)]

    def _ask(self, candidate: Candidate) -> Sequence[Observation | Receipt]:
        pause = self.pause_s
        for attempt in range(1, self.attempts + 1):
            answers = self.oracle.collect((candidate,))
            failed = [a for a in answers if isinstance(a, Failed) and a.kind in self.kinds]
            if not failed or attempt == self.attempts:
                break
            time.sleep(pause)
            pause *= 2
        said = f" (attempt {attempt} of {self.attempts})"
        return [replace(a, message=a.message + said) if a in failed else a for a in answers]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """Lets every answer take `seconds` longer: to rehearse a slow world with a quick one."""

    oracle: Oracle
    seconds: float

    def __post_init__(self) -> None:
        """Raise OracleError for an oracle that does not evaluate, or a time below 0."""
        _require_evaluates(self.oracle, "delay_s")
        _require_time("oracle.delay_s", self.seconds)

    @property
    def declaration(self) -> Declaration:
        """The oracle's own, with the time that the delay takes."""
        return _longer(self.oracle.declaration, 1, self.seconds)

    def submit(self, candidates: Sequence[Candidate]) -> None:
        """Submit to the oracle."""
        self.oracle.submit(candidates)

    def collect(self, pending: Sequence[Candidate]) -> Sequence[Observation | Receipt]:
        """What the oracle says, after the delay of each candidate."""
        time.sleep(self.seconds * len(pending))
        return self.oracle.collect(pending)


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """Adds Gaussian noise of standard deviation `sd`, in the target's unit, to each value.

    The draw is decided by `seed`, candidate and target: asked again, a candidate has the same.
    """

    oracle: Oracle
    sd: Mapping[str, float]
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise OracleError for a target that is not measured, or a deviation below 0."""
        measures = self.oracle.declaration.measures
        for target, sd in self.sd.items():
            if measures and target not in measures:
                raise OracleError("oracle.noise", f"targets among {', '.join(measures)}", target)
            if not (isfinite(sd) and sd >= 0):
                raise OracleError(f"oracle.noise.{target}", "a number of 0 or more", f"{sd:g}")

    @property
    def declaration(self) -> Declaration:
        """The oracle's own."""
        return self.oracle.declaration

    def submit(self, candidates: Sequence[Candidate]) -> None:
        """Submit to the oracle."""
        self.oracle.submit(candidates)

    def collect(self, pending: Sequence[Candidate]) -> Sequence[Observation | Receipt]:
        """What the oracle says, with noise."""
        return [self._noisy(answer) for answer in self.oracle.collect(pending)]

    def _noisy(self, answer: Observation | Receipt) -> Observation | Receipt:
        match answer:
            case Measured():
                return noisy(answer, self.sd, self.seed)
            case Failed():
                return answer
            case Receipt(observations=rows):
                known = tuple(
                    noisy(row, self.sd, self.seed) if isinstance(row, Measured) else row
                    for row in rows
                )
                return replace(answer, observations=known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """Keeps what every evaluation has cost in `file`: `fixed`, and `hourly` for its duration.

    Both are in the same currency, whichever that is. The file is a SQLite database, a row for each
    evaluation, failed ones too.
    """

    oracle: Oracle
    file: Path
    fixed: float = 0.0
    hourly: float = 0.0

    def __post_init__(self) -> None:
        """Raise OracleError for an oracle that does not evaluate, or a price below 0."""
        _require_evaluates(self.oracle, "meter")
        for name, price in (("fixed", self.fixed), ("hourly", self.hourly)):
            if not (isfinite(price) and price >= 0):
                raise OracleError(f"oracle.meter.{name}", "a number of 0 or more", f"{price:g}")

    @property
    def declaration(self) -> Declaration:
        """The oracle's own."""
        return self.oracle.declaration

    @property
    def spent(self) -> float:
        """What all evaluations in the file have cost."""
        with _rows(self.file, "costs", "candidate TEXT, seconds REAL, cost REAL") as database:
            (total,) = database.execute("SELECT total(cost) FROM costs").fetchone()
        return float(total)

    def submit(self, candidates: Sequence[Candidate]) -> None:
        """Submit to the oracle."""
        self.oracle.submit(candidates)

    def collect(self, pending: Sequence[Candidate]) -> Sequence[Observation | Receipt]:
        """What the oracle says of each candidate; its cost is written down."""
        return [answer for each in pending for answer in self._timed(each)]

    def _timed(self, candidate: Candidate) -> Sequence[Observation | Receipt]:
        began = time.perf_counter()
        answers = self.oracle.collect((candidate,))
        seconds = time.perf_counter() - began
        cost = self.fixed + self.hourly * seconds / 3600
        with _rows(self.file, "costs", "candidate TEXT, seconds REAL, cost REAL") as database:
            row = (candidate.id, seconds, cost)
            database.execute("INSERT INTO costs VALUES (?, ?, ?)", row)
        return answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """Keeps every value in `file`, and answers from it where the same is asked once more.

    The same is the same point, of an oracle that declares the same name, targets and parameters,
    with the same `content`, which tells what else decides an answer: its settings, code and data.
    Failures are asked again, and so is a candidate that was proposed as a replicate: it is there to
    be measured. The file is a SQLite database.
    """

    oracle: Oracle
    file: Path
    content: str = ""

    def __post_init__(self) -> None:
        """Raise OracleError for an oracle that does not evaluate."""
        _require_evaluates(self.oracle, "cache")

    @property
    def declaration(self) -> Declaration:
        """The oracle's own."""
        return self.oracle.declaration

    def submit(self, candidates: Sequence[Candidate]) -> None:
        """Submit to the oracle what has no answer yet."""
        self.oracle.submit([each for each in candidates if self._known(each) is None])

    def collect(self, pending: Sequence[Candidate]) -> Sequence[Observation | Receipt]:
        """What is kept, and what the oracle says of the rest."""
        return [answer for each in pending for answer in self._answer(each)]

    def _answer(self, candidate: Candidate) -> Sequence[Observation | Receipt]:
        known = self._known(candidate)
        if known is not None:  # what took no time now must teach nobody that it is quick
            source = replace(
                known.source, seconds=None, attempt=f"kept of {known.candidate} in {self.file.name}"
            )
            return [replace(known, candidate=candidate.id, source=source)]
        answers = self.oracle.collect((candidate,))
        for answer in answers:
            if isinstance(answer, Measured):
                self._keep(candidate, answer)
        return answers

    def _known(self, candidate: Candidate) -> Measured | None:
        if candidate.why.origin == "replicate":
            return None
        with _rows(self.file, "answers", "key TEXT PRIMARY KEY, answer TEXT") as database:
            found = database.execute(
                "SELECT answer FROM answers WHERE key = ?", (self._key(candidate),)
            ).fetchone()
        return None if found is None else MEASURED.validate_json(found[0])

    def _keep(self, candidate: Candidate, answer: Measured) -> None:
        row = (self._key(candidate), MEASURED.dump_json(answer).decode())
        with _rows(self.file, "answers", "key TEXT PRIMARY KEY, answer TEXT") as database:
            database.execute("INSERT OR IGNORE INTO answers VALUES (?, ?)", row)

    def _key(self, candidate: Candidate) -> str:
        declared = self.oracle.declaration
        takes = None if declared.takes is None else sorted(declared.takes)
        said = [declared.name, dict(declared.measures), takes]
        same = [plain(candidate.point), said, self.content]
        return sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()


@contextmanager
def _rows(file: Path, table: str, columns: str) -> Iterator[sqlite3.Connection]:
    """A transaction on a table of a database file; OracleError where the file is unusable."""
    try:
        with closing(sqlite3.connect(file, timeout=LOCKED_S)) as database, database:
            database.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns})")
            yield database
    except sqlite3.Error as error:
        raise OracleError(str(file), "a SQLite database to read and write", str(error)) from error


def _longer(declaration: Declaration, times: int, seconds: float) -> Declaration:
    """The declaration of what takes that many times as long, and those seconds more."""
    wall_s = declaration.wall_s
    return replace(declaration, wall_s=None if wall_s is None else wall_s * times + seconds)


def _require_evaluates(oracle: Oracle, key: str) -> None:
    if not oracle.declaration.evaluates:
        expected = "an oracle that computes its answers"
        raise OracleError(f"oracle.{key}", expected, repr(oracle.declaration.name))


def _require_time(where: str, seconds: float) -> None:
    if not (isfinite(seconds) and seconds >= 0):
        raise OracleError(where, "a number of seconds, 0 or more", f"{seconds:g}")
