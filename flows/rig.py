"""From a campaign folder to a Rig: the only place where strings become objects.

A rig is built from campaign.toml alone, and is refused, with one message, where its parts do not
fit together: a target nobody measures, a parameter nobody takes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import assert_never

from flows.folder import FILE, ledger_url, read
from flows.people import user
from flows.problem import naming, stated
from flows.promoting import promoting
from flows.refusal import nearest
from flows.settings import RunTable, Settings
from flows.several import Answering, answering
from flows.typed import values
from loop.bayes import Bayes
from loop.cost import require_cost
from loop.designs import Design
from loop.errors import SettingsError
from loop.ledger import Ledger
from loop.protocols import Proposer
from loop.records import Candidate, Json, Opened, Problem
from loop.run import Rig
from loop.stopping import StopRules, require_rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """A campaign folder made ready: the rig, how many evaluations may be in flight, and where.

    `pool` is a Prefect work pool; `dask` is true, or the address of a cluster; `places` are how
    many evaluations may hold one of each at once, whoever they belong to; `places_of` are those of
    an oracle that does not take all.
    """

    folder: Path
    rig: Rig
    workers: int
    pool: str | None = None
    dask: str | bool = False
    places: Mapping[str, int] = field(default_factory=dict)
    places_of: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def is_shared(self) -> bool:
        """Whether Prefect is to hand the evaluations out, or to keep count of them."""
        return bool(self.pool or self.dask or self.places)

    def takes(self, candidate: Candidate) -> list[str]:
        """The places that an evaluation of a candidate takes: those of all whom it is asked of."""
        asked = self.rig.problem.fidelity(candidate.fidelity).oracles or ("",)
        return sorted({place for name in asked for place in self.places_of.get(name, self.places)})


def load(folder: Path) -> Setup:
    """The folder's campaign, ready to take a turn; LoopError where it cannot be."""
    raw = read(folder)
    settings, asked = stated(folder, raw)
    with naming(str(folder / FILE)):
        answers = answering(settings, asked, folder)
        asked = replace(asked, fidelities=answers.fidelities)
        proposer = promoting(settings, asked, _proposer(settings))
        batch, workers = _in_flight(settings.run)
        _require_one_crew(settings.run, answers)
        _require_places(settings.run, [table.name for table in settings.oracles])
        rules = StopRules(**settings.stop.model_dump())
        require_rules(rules, asked.objective)
        require_cost(settings.proposer.cost, asked.space)
    ledger = Ledger(ledger_url(folder, raw), asked.name)
    rig = Rig(
        problem=_as_opened(asked, ledger),
        ledger=ledger,
        oracle=answers.oracle,
        laboratory=answers.laboratory,
        proposer=proposer,
        rules=rules,
        batch=batch,
        settings=recorded(raw),
        by=user(),
    )
    run = settings.run
    return Setup(
        folder=folder,
        rig=rig,
        workers=workers,
        pool=run.pool,
        dask=run.dask,
        places=run.places,
        places_of=run.places_of,
    )


def holding(setup: Setup, words: Sequence[str]) -> Setup:
    """The setup with the parameters held that the words name, such as T=900; SpaceError if not."""
    held = values(words, setup.rig.problem.space)
    return replace(setup, rig=replace(setup.rig, held=held))


def loaded(folder: Path) -> Setup:
    """As `load`, once per process and state of campaign.toml: the tasks of a flow share one rig."""
    path = folder / FILE
    return _loaded(folder, path.stat().st_mtime_ns if path.exists() else 0)


@lru_cache(maxsize=64)  # as many campaigns as one process may serve
def _loaded(folder: Path, _changed: int) -> Setup:
    return load(folder)


def recorded(raw: Json) -> Json:
    """The settings as the ledger keeps them: without its own address, which may hold a password."""
    run = {key: value for key, value in raw.get("run", {}).items() if key != "ledger"}
    return {**raw, "run": run} if "run" in raw else raw


def _as_opened(asked: Problem, ledger: Ledger) -> Problem:
    """The problem; as 0.1 understood it, where 0.1 opened it: its first goal drives the choice."""
    if asked.objective.combine != "auto":
        return asked
    before = replace(asked, objective=replace(asked.objective, combine="first"))
    match ledger.events():
        case [Opened(problem=problem), *_] if problem == before:
            return before
        case _:
            return asked


def _proposer(settings: Settings) -> Proposer:
    table = settings.proposer
    match table.kind:
        case "bayes":
            if table.surrogate == "saas" and find_spec("numpyro") is None:
                raise SettingsError(
                    "proposer.surrogate",
                    "a model whose packages are installed",
                    "'saas' without jax and numpyro",
                    "Install athanor-loop[saas], or choose another surrogate.",
                )
            return Bayes(
                initial=table.initial,
                surrogate=table.surrogate,
                acquisition=table.acquisition,
                cost=table.cost,
                budget=settings.stop.evaluations,
                money=settings.stop.cost,
                outliers=table.outliers,
                replicate=table.replicate,
            )
        case "design":
            return Design()
        case _:
            assert_never(table.kind)


def _in_flight(run: RunTable) -> tuple[int, int]:
    """How many candidates may wait, and how many evaluations be in flight: `batch` and `workers`.

    Several workers have one candidate more than they can evaluate: whoever ends begins it at once,
    and does not wait for the model. A single worker waits, for the model is then asked with every
    answer known.
    """
    match run.batch, run.workers:
        case None, None | 1:
            return 1, 1
        case None, int(workers):
            return workers + 1, workers
        case int(batch), None:
            return batch, batch
        case int(batch), int(workers) if workers <= batch:
            return batch, workers
    raise SettingsError(
        "run.workers",
        f"at most run.batch = {run.batch}, the candidates that may wait at once",
        str(run.workers),
        f"Leave batch out, or write batch = {run.workers} too.",
    )


def _require_one_crew(run: RunTable, answers: Answering) -> None:
    """Raise SettingsError where the evaluations are to go to two places, or none go anywhere."""
    if run.dask and find_spec("prefect_dask") is None:
        raise SettingsError(
            "run.dask", "its packages", "none installed", "Install athanor-loop[dask]."
        )
    if run.pool and run.dask:
        raise SettingsError(
            "run", "pool or dask", "both", "Dask workers are started by Dask: leave out pool."
        )
    shared = [key for key in ("pool", "dask", "places") if getattr(run, key)]
    awaited = answers.laboratory is not None or not answers.oracle.declaration.evaluates
    if shared and awaited:
        raise SettingsError(
            f"run.{shared[0]}", "an oracle that computes", "a laboratory", f"Leave out {shared[0]}."
        )


def _require_places(run: RunTable, oracles: Sequence[str]) -> None:
    """Raise SettingsError where an oracle takes places that there are not, or is none itself."""
    for name, places in run.places_of.items():
        named = [each for each in oracles if each]
        if name not in named:
            expected = f"an oracle among {', '.join(named)}" if named else "an oracle with a name"
            remedy = nearest(name, named) or 'Give it one: name = "..." under [oracle].'
            raise SettingsError("run.places_of", expected, repr(name), remedy)
        for place in places:
            if place not in run.places:
                remedy = nearest(place, [*run.places]) or "Say there how many there are."
                raise SettingsError(
                    f"run.places_of.{name}", "places that run.places has", repr(place), remedy
                )
