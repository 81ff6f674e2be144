"""The proof: kill at every point, first and second time, and at random instants; then check.

Children are forked from a process that has imported everything, so that a trial takes the time of
its campaign; each is a process of its own, with a ledger on the disk, and dies by SIGKILL.
"""

import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias
from uuid import uuid4

import sqlalchemy as sa

from flows.folder import DATABASE, REPORT, require_writable
from flows.prove import child
from flows.prove.child import JOURNAL, Trial
from flows.prove.invariants import History, broken
from flows.prove.points import World, points
from loop.errors import LoopError
from loop.ledger import Entry
from loop.records import Event

PATIENCE_S = 120.0  # for a campaign of milliseconds, on a machine that does much else
HUNG = 124  # as timeout(1) says it
LOOK_S = 0.001
KILLS = 2  # random kills of one campaign: a third would be taken for the candidate's own fault
CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload(["flows.prove.nursery"])
LEFT = ("ledger.db*", "worklist", "results", "rejected", "archive", "attempts", ".proof-*")

Moment: TypeAlias = tuple[str, int]  # a point, and which passing of it
Kill: TypeAlias = Moment | float  # or seconds after the campaign has begun


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What became of the kills at one point; `passed` is how often an undisturbed campaign does.

    `second` is "ok", "broken", or "once" where no campaign comes there twice.
    """

    point: str
    passed: int
    first: str
    second: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The whole of it. `broken` names every invariant that did not hold, and where."""

    world: World
    ledger: str
    evaluations: int
    seed: int
    kills: int
    random_kills: int
    seconds: float
    rows: Sequence[Row]
    unreached: Sequence[str]
    broken: Sequence[str]

    @property
    def holds(self) -> bool:
        """Whether every point was reached and every invariant held."""
        return not self.broken and not self.unreached


@dataclass(kw_only=True)
class _Bench:
    """Where trials are made: a clean copy of the folder, and a database for each."""

    clean: Path
    scratch: Path
    base: str | None
    evaluations: int
    undisturbed: Sequence[Event] | None = None
    passed: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    broken: list[str] = field(default_factory=list)

    def play(self, what: str, kills: Sequence[Kill]) -> tuple[int, Sequence[Event]]:
        """Kill a campaign so, then let it run to its end; how many kills met it, and its events."""
        with self._trial() as trial:
            remembered = []
            for kill in kills:
                if not _killed(trial, kill):
                    break
                self.kills += 1
                remembered.append(_entries(trial))
            code = _ended(trial, None)
            history = History(
                trial=trial,
                rig=child.made_ready(trial).rig,
                entries=_entries(trial),
                remembered=remembered,
                undisturbed=self.undisturbed,
            )
            if code != 0:
                self.broken.append(f"{what}: it could not go on, exit code {code}")
                return len(remembered), history.events
            for said, found in broken(history).items():
                self.broken += [f"{what}: {said}: {each}" for each in found]
            self.passed = _passed(trial)
            return len(remembered), history.events

    @contextmanager
    def _trial(self) -> Iterator[Trial]:
        folder = self.scratch / uuid4().hex[:8]
        shutil.copytree(self.clean, folder)
        with _database(self.base, folder) as url:
            yield Trial(folder=folder, ledger=url, evaluations=self.evaluations)
        shutil.rmtree(folder)


def prove(
    folder: Path,
    *,
    evaluations: int = 6,
    random_kills: int = 0,
    ledger: str | None = None,
    seed: int = 0,
    advance: Callable[[], object] = lambda: None,
) -> Proof:
    """Prove it on this machine and this disk, in copies of the folder; LoopError if none can be.

    `advance` is called after every point and every random kill.
    """
    began, where = time.monotonic(), child.world(folder)
    require_writable(folder)
    with TemporaryDirectory(dir=folder, prefix=".proof-") as scratch:
        clean = Path(scratch) / "clean"
        shutil.copytree(folder, clean, ignore=shutil.ignore_patterns(*LEFT, REPORT))
        bench = _Bench(clean=clean, scratch=Path(scratch), base=ledger, evaluations=evaluations)
        _, bench.undisturbed = bench.play("undisturbed", ())
        if bench.broken:
            raise LoopError("the proof", "a campaign that ends undisturbed", bench.broken[0])
        passed, lasts = bench.passed, min(_lasts(bench) for _ in range(2))
        rows = []
        for point in points(where):
            rows.append(_at(bench, point.name, passed[point.name]))
            advance()
        for _ in _at_random(bench, random_kills, lasts, seed):
            advance()
    return Proof(
        world=where,
        ledger="sqlite" if ledger is None else sa.engine.make_url(ledger).get_backend_name(),
        evaluations=evaluations,
        seed=seed,
        kills=bench.kills,
        random_kills=random_kills,
        seconds=time.monotonic() - began,
        rows=rows,
        unreached=[row.point for row in rows if not row.passed],
        broken=bench.broken,
    )


def _lasts(bench: _Bench) -> float:
    """Seconds of an undisturbed campaign, once everything is imported: random kills come within."""
    began = time.monotonic()
    bench.play("undisturbed", ())
    return time.monotonic() - began


def _at(bench: _Bench, point: str, passed: int) -> Row:
    """Kill at the first passing; at the second, which may be that of the process that goes on."""
    first = _outcome(bench, [(point, 1)])
    second = _outcome(bench, [(point, 2)]) if passed > 1 else "once"
    if second == "once":
        second = _outcome(bench, [(point, 1), (point, 1)])
    return Row(point=point, passed=passed, first=first, second=second)


def _outcome(bench: _Bench, moments: Sequence[Moment]) -> str:
    before = len(bench.broken)
    what = " and ".join(f"passing {count} of '{point}'" for point, count in moments)
    met, _ = bench.play(what, moments)
    if len(bench.broken) > before:
        return "broken"
    return "ok" if met == len(moments) else "once"


def _at_random(bench: _Bench, count: int, within_s: float, seed: int) -> Iterator[int]:
    """Kill at instants of the campaign; one that comes after its end is none, and drawn again."""
    instants = random.Random(seed)  # noqa: S311  (no secret is made of it)
    done = 0
    while done < count:
        kills = [instants.uniform(0.0, within_s) for _ in range(min(KILLS, count - done))]
        met, _ = bench.play(f"random kill {done + 1}", kills)
        for _ in range(met):
            done += 1
            yield done


def _killed(trial: Trial, kill: Kill) -> bool:
    """Let the campaign go on in a process of its own; whether the kill came before its end."""
    return _ended(trial, kill) == -signal.SIGKILL


def _ended(trial: Trial, kill: Kill | None) -> int:
    """The exit code of a process that goes on with the campaign, and perhaps is killed so."""
    at = kill if isinstance(kill, tuple) else None
    begun = _lines(trial).count("begins")
    process = CONTEXT.Process(target=child.work, args=(trial, at))
    process.start()
    if isinstance(kill, float):
        end = time.monotonic() + PATIENCE_S
        while process.is_alive() and _lines(trial).count("begins") == begun:
            if time.monotonic() > end:
                break
            time.sleep(LOOK_S)
        time.sleep(kill)
        process.kill()
    process.join(PATIENCE_S)
    if process.exitcode is None:
        process.kill()
        process.join()
        return HUNG
    return process.exitcode


def _lines(trial: Trial) -> list[str]:
    journal = trial.folder / JOURNAL
    return journal.read_text(encoding="utf-8").splitlines() if journal.exists() else []


def _passed(trial: Trial) -> Counter[str]:
    """How often each point was passed, by all processes together."""
    said = (line.partition(" ") for line in _lines(trial))
    return Counter(name for word, _, name in said if word == "passed")


def _entries(trial: Trial) -> list[Entry]:
    return child.made_ready(trial).rig.ledger.entries()


@contextmanager
def _database(base: str | None, folder: Path) -> Iterator[str]:
    """The address of an empty ledger: a file in the folder, or a schema of its own on a server."""
    if base is None:
        yield f"sqlite:///{folder / DATABASE}"
        return
    schema = f"proof_{folder.name}"
    engine = sa.create_engine(sa.engine.make_url(base).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(sa.schema.CreateSchema(schema))
    url = sa.engine.make_url(base).update_query_dict({"options": f"-csearch_path={schema}"})
    try:
        yield url.render_as_string(hide_password=False)
    finally:
        with engine.begin() as connection:
            connection.execute(sa.schema.DropSchema(schema, cascade=True))
        engine.dispose()
