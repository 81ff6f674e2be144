"""The process that is killed: a small campaign of the folder's own problem, from wherever it is.

It takes the roads of `athanor run --no-prefect`: `flows.plain` with a machine, `flows.laboratory`
with a laboratory. The design stands in for the proposer, so that a turn takes milliseconds.
"""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from flows import laboratory, plain
from flows.folder import read
from flows.oracle import oracle
from flows.problem import stated
from flows.prove.points import Watch, World
from flows.prove.world import Machine, hand_in, note
from flows.rig import Setup, recorded
from flows.settings import FolderTable, Settings
from flows.worker import worker
from loop.designs import Design
from loop.errors import CampaignError
from loop.ledger import Ledger
from loop.protocols import Oracle
from loop.records import Problem
from loop.run import Rig
from loop.stopping import StopRules
from oracles.folder.oracle import Folder

JOURNAL = "proof.txt"  # what the watched process has passed and recorded, a line each
STUCK = 20  # turns after which a laboratory that answers everything should have been heard


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A copy of the campaign folder, the address of its ledger, and how much is to be done."""

    folder: Path
    ledger: str
    evaluations: int


def world(folder: Path) -> World:
    """Who answers in the folder's campaign."""
    settings, _ = stated(folder, read(folder))
    return "laboratory" if isinstance(settings.oracle, FolderTable) else "machine"


def work(trial: Trial, at: tuple[str, int] | None) -> None:
    """Run the campaign to its end, unless this process dies at the point `at` before."""
    setup, where = made_ready(trial), world(trial.folder)
    Watch(where, partial(note, trial.folder / JOURNAL), at).begin()
    note(trial.folder / JOURNAL, "begins")
    if where == "machine":
        plain.run(setup, worker(None))
    else:
        _visit(setup)


def made_ready(trial: Trial) -> Setup:
    """The campaign of a trial, as whoever runs it and whoever checks it has it."""
    raw = read(trial.folder)
    settings, problem = stated(trial.folder, raw)
    rig = Rig(
        problem=problem,
        ledger=Ledger(trial.ledger, problem.name),
        oracle=_oracle(settings, problem, trial.folder),
        proposer=Design(),
        rules=StopRules(evaluations=trial.evaluations, failures=1.0),
        batch=2,
        settings=recorded(raw),
    )
    return Setup(folder=trial.folder, rig=rig, workers=2)


def _oracle(settings: Settings, problem: Problem, folder: Path) -> Oracle:
    """The folder's own laboratory, whose files are whole when they appear; or a machine."""
    if isinstance(settings.oracle, FolderTable):
        made = oracle(settings.oracle, problem, folder)
        match made:
            case Folder(reading=reading):
                return replace(made, reading=replace(reading, settle_s=0.0))
            case _:
                return made
    return Machine(folder=folder, objective=problem.objective)


def _visit(setup: Setup) -> None:
    """Take turns, and be the laboratory in between."""
    us = worker(None)
    for _ in range(STUCK * setup.rig.rules.evaluations):
        after = laboratory.take(setup, us)
        if after.closed is not None:
            return
        hand_in(setup.folder, setup.rig.problem.objective)
    raise CampaignError(
        "the proof's laboratory",
        "its answers taken",
        f"{after.answered} of {setup.rig.rules.evaluations} after {STUCK} turns for each",
        "Look into rejected/ for the reasons.",
    )
