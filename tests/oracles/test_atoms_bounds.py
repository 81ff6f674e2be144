"""What an evaluation may use: it ends at the limit, with all that it has started."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from loop.campaign import ATTEMPTS, Campaign
from loop.decisions import settling
from loop.errors import OracleError
from loop.objective import Objective, Target
from loop.records import (
    Candidate,
    Event,
    Failed,
    Measured,
    Opened,
    Problem,
    Proposed,
    Why,
)
from loop.space.parameters import Categorical
from loop.space.space import SearchSpace
from oracles.atoms.bounds import Bounds
from oracles.atoms.oracle import AtomsOracle
from oracles.atoms.structures import BulkElement
from tests.oracles.test_atoms_failures import LATE_S, gone, pids

WALL_S = 30.0
MEMORY_MB = 600.0
OUTPUT_MB = 20.0
OVERHEAD_S = 0.3


@pytest.fixture(autouse=True)
def _calculators_beside_the_tests(monkeypatch):
    """`bad_calculators` is importable, as a user's module beside a campaign would be."""
    monkeypatch.syspath_prepend(Path(__file__).parent)


def oracle(folder, calculator, **settings):
    """Lattice constants of elements by a calculator, or one of the bad ones, with all limits."""
    every: dict[str, Any] = {
        "properties": {"a": "lattice_constant"},
        "wall_s": WALL_S,
        "memory_mb": MEMORY_MB,
        "output_mb": OUTPUT_MB,
    }
    return AtomsOracle(
        folder=folder,
        structure=BulkElement(element="x"),
        calculator=calculator if ":" in calculator else f"bad_calculators:{calculator}",
        **every | settings,
    )


def answer(asked, number=1, element="Cu"):
    """The answer for one element."""
    why = Why(origin="manual")
    candidate = Candidate(id=f"{number:04d}-abc", point={"x": element}, why=why)
    (found,) = asked.collect([candidate])
    return found


def children():
    """The processes of our workers; a database server that other tests have started is none."""
    workers = (each for each in psutil.Process().children() if each.name() != "postgres")
    return [each for worker in workers for each in worker.children(recursive=True)]


@pytest.mark.parametrize(
    ("calculator", "says"),
    [
        ("Hungry", "out of memory"),
        ("Gulps", "out of memory (MemoryError: Unable to allocate"),
        ("Feeds", "out of memory: killed above the limit of 600 MB"),
        ("Floods", "wrote more than the limit of 20 MB"),
        ("Litters", "wrote more than the limit of 20 MB"),
    ],
)
def test_a_limit_ends_an_evaluation(tmp_path, calculator, says):
    """Memory, of its programs too, and output have an end: a crash, soon, and nothing left."""
    began = time.monotonic()
    found = answer(oracle(tmp_path, calculator))
    assert time.monotonic() - began < WALL_S / 2
    assert isinstance(found, Failed)
    assert (found.kind, says in found.message) == ("crashed", True), found
    assert children() == []


@pytest.mark.parametrize("hang", [True, False])
def test_a_daemon_ends_with_its_evaluation(tmp_path, hang):
    """Whatever has left the process group, and its parent, is found and ended all the same."""
    settings = {"hang": hang}
    began = time.monotonic()
    found = answer(oracle(tmp_path, "Hides", settings=settings, wall_s=2.0))
    assert time.monotonic() - began < 2 + LATE_S
    assert found.kind == ("timeout" if hang else "crashed")
    assert gone(pids(tmp_path / found.source.attempt), within_s=1)


def test_a_log_without_end_is_kept_in_part(tmp_path):
    """The folder of an evaluation that printed without end has the begin and the end of it."""
    found = answer(oracle(tmp_path, "Floods"))
    log = tmp_path / found.source.attempt / "log.txt"
    assert log.stat().st_size < 3_000_000
    assert "bytes left out" in log.read_text(encoding="utf-8")
    assert "hubble bubble" in found.log


def test_eight_at_once_do_not_meet(tmp_path):
    """Eight evaluations of one candidate in eight threads: each kills its own, in its own folder.

    One hangs, one is killed, one floods, one takes all memory; the others answer as if alone.
    """
    asked = ["Hangs", "Killed", "Floods", "Feeds", *["InOneFile"] * 4]
    alone = answer(oracle(tmp_path, "InOneFile")).values
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda each: answer(oracle(tmp_path, each, wall_s=12.0)), asked))
    assert [each.kind for each in found[:4]] == ["timeout", "crashed", "crashed", "crashed"]
    assert [each.values for each in found[4:]] == [alone] * 4
    folders = [each.source.attempt for each in found]
    assert len({folder.removeprefix("attempts/failed-") for folder in folders}) == len(folders)
    assert children() == []


def test_a_process_of_its_own_costs_little(tmp_path):
    """Besides the calculation, an evaluation in a process and folder of its own takes 0.3 s less.

    The calculator's own time is in it: one atom of EMT, some ten milliseconds.
    """
    asked = oracle(tmp_path, "Demanding", settings={"accuracy": 1})
    answer(asked)  # starts the worker
    seconds = [answer(asked, number).source.seconds for number in range(9)]
    assert min(seconds) < OVERHEAD_S  # the others wait for what else this machine does


@pytest.mark.parametrize("bound", ["wall_s", "memory_mb", "output_mb"])
def test_a_senseless_bound_is_refused(bound):
    """A bound that nothing could keep is an error that names it."""
    with pytest.raises(OracleError, match=f"oracle.{bound}: expected a number above 0, got -1"):
        Bounds(**{"wall_s": 1.0} | {bound: -1.0})


def test_a_bound_that_is_not_reached_changes_nothing(tmp_path):
    """An evaluation within its limits is a value."""
    assert isinstance(answer(oracle(tmp_path, "Demanding", settings={"accuracy": 1})), Measured)


def test_what_kills_its_process_is_not_asked_for_ever(tmp_path):
    """Each death is an answer, and after the third the campaign asks no more."""
    space = SearchSpace(parameters=(Categorical(name="x", values=("Cu", "Ag")),))
    problem = Problem(
        name="deadly", space=space, objective=Objective(targets=(Target(name="a", goal="min"),))
    )
    why = Why(origin="manual")
    candidate = Candidate(id="0001-abc", point={"x": "Cu"}, why=why)
    asked = oracle(tmp_path, "Killed")
    events: list[Event] = [Opened(problem=problem), Proposed(candidates=(candidate,))]
    for _ in range(ATTEMPTS):
        campaign = Campaign.replay(problem, events)
        assert campaign.pending == (candidate,)
        events += settling(asked.collect(campaign.pending))(campaign)
    assert Campaign.replay(problem, events).pending == ()
    assert len(list((tmp_path / "attempts").glob("failed-*"))) == ATTEMPTS
