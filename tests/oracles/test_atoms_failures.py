"""How the atoms oracle fails: by its right kind, within its limit, and leaving nobody behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from subprocess import CalledProcessError, TimeoutExpired
from typing import Any

import numpy as np
import psutil
import pytest
from ase.calculators.calculator import (
    BadConfiguration,
    CalculationFailed,
    PropertyNotImplementedError,
    ReadError,
)

from loop.records import Candidate, Failed, Measured, Why
from oracles.atoms.failures import refusal
from oracles.atoms.oracle import AtomsOracle
from oracles.atoms.structures import RandomAlloy

WALL_S = 1.0
LATE_S = 2.0  # what an end may take beyond its limit, in seconds
EMT = "ase.calculators.emt:EMT"
# What Quantum ESPRESSO 6.7 writes when it gives up.
SCF = "     End of self-consistent calculation\n     convergence NOT achieved after  2 iterations"
READPP = """ %%%%%%%%%%%%%
     Error in routine readpp (1):
     file /nowhere/Si.UPF not found
"""
NAMELIST = """ %%%%%%%%%%%%%
     Error in routine  read_namelists (1):
      bad line in namelist &system: "colour = 'red'"
"""
HANGING = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from pathlib import Path
from loop.records import Candidate, Why
from oracles.atoms.oracle import AtomsOracle
from oracles.atoms.structures import RandomAlloy
oracle = AtomsOracle(
    folder=Path(sys.argv[2]), structure=RandomAlloy(composition="x"),
    properties={"a": "lattice_constant"}, calculator="bad_calculators:Hangs",
)
oracle.collect([Candidate(id="0001-abc", point={"x": {"Cu": 1.0}}, why=Why(origin="manual"))])
"""


@pytest.fixture(autouse=True)
def _calculators_beside_the_tests(monkeypatch):
    """`bad_calculators` is importable, as a user's module beside a campaign would be."""
    monkeypatch.syspath_prepend(Path(__file__).parent)


def collect(folder, calculator="ase.calculators.emt:EMT", asked=None, **settings):
    """The one answer for one candidate: 4 atoms, copper unless something else is asked."""
    structure = settings.pop("structure", RandomAlloy(composition="x", supercell=(1, 1, 1)))
    every: dict[str, Any] = {"properties": {"B": "bulk_modulus"}, "wall_s": 60.0} | settings
    oracle = AtomsOracle(folder=folder, structure=structure, calculator=calculator, **every)
    point = {"x": asked or {"Cu": 1.0}}
    (answer,) = oracle.collect([Candidate(id="0001-abc", point=point, why=Why(origin="manual"))])
    return answer


@pytest.mark.parametrize(
    ("calculator", "kind", "says"),
    [
        ("Endless", "not_converged", "no minimum of the energy"),
        ("NotANumber", "invalid_output", "forces: not a finite number"),
        ("Raises", "crashed", "RuntimeError: the moon is in the wrong house"),
        ("Unconverged", "not_converged", "after 100 cycles"),
        ("Unsettled", "not_converged", "own `converged` is False"),
        ("WithoutPseudopotential", "invalid_input", "no parameters (element Cu"),
        ("WithoutProgram", "invalid_input", "athanor-no-such-program"),
        ("ProgramFails", "crashed", "SIGKILL"),
        ("Exits", "crashed", "SystemExit: 0"),
        ("Vanishes", "crashed", "ended without an answer"),
        ("Segfaults", "crashed", "died of SIGSEGV"),
        ("Killed", "crashed", "died of SIGKILL"),
        ("KillsItsWorker", "crashed", "worker process was killed"),
        ("Stops", "timeout", "wall limit of 2 s"),
        ("LeavesFunction", "invalid_output", "the answer cannot be written"),
        ("GivesFunction", "invalid_output", "energy: function, not numbers"),
        ("GivesTwo", "invalid_output", "an array of shape (2,), not one number"),
        ("Forceful", "invalid_input", "does not offer this property"),
        ("Demanding", "invalid_input", "cannot be made from its settings"),
        ("not_a_calculator", "invalid_input", "makes a str, not an ASE calculator"),
    ],
)
def test_a_bad_calculator_fails_by_its_kind(tmp_path, calculator, kind, says):
    """Whatever a calculator does, the answer is a Failed of the right kind and says why."""
    wall_s = 2.0 if kind == "timeout" else 60.0
    answer = collect(tmp_path, f"bad_calculators:{calculator}", wall_s=wall_s)
    assert isinstance(answer, Failed)
    assert (answer.kind, says in answer.message) == (kind, True), answer
    assert answer.source.attempt == "attempts/failed-0001-abc-1"


class KohnShamConvergenceError(Exception):
    """What GPAW raises; it need not be installed."""


def raised():
    """The StopIteration of an empty output, raised in a function of ASE's readers."""
    code = "def read_espresso_out():\n    raise StopIteration\nread_espresso_out()"
    with pytest.raises(StopIteration) as caught:
        exec(code, {"__name__": "ase.io.espresso"})  # noqa: S102  (a frame of that module)
    return caught.value


ESPRESSO = "ase.calculators.espresso:Espresso"
PW = ["pw.x", "-in", "espresso.pwi"]
SHELL = 'Calculator "x" failed with command "mycode < in" failed in /tmp with error code 127'


@pytest.mark.parametrize(
    ("error", "calculator", "words", "kind", "cause"),
    [
        (PropertyNotImplementedError("stress"), "", "", "invalid_input", "not_offered"),
        (NotImplementedError("Fe"), EMT, "", "invalid_input", "no_parameters"),
        (KeyError("Fe"), ESPRESSO, "", "invalid_input", "no_parameters"),
        (FileNotFoundError("Fe.LDA.gz"), "gpaw:GPAW", "", "invalid_input", "no_parameters"),
        (NameError("XYZ"), "gpaw:GPAW", "", "invalid_input", "bad_input"),
        (TypeError("colour"), "gpaw:GPAW", "", "invalid_input", "bad_input"),
        (BadConfiguration("no [espresso]"), ESPRESSO, "", "invalid_input", "bad_input"),
        (TimeoutError(), "", "", "timeout", "timeout"),
        (TimeoutExpired("pw.x", 60), "", "", "timeout", "timeout"),
        (CalledProcessError(124, "timeout 60 pw.x"), ESPRESSO, "", "timeout", "timeout"),
        (CalledProcessError(-9, "pw.x"), ESPRESSO, "", "crashed", "killed"),
        (CalledProcessError(137, "sh -c pw.x"), ESPRESSO, "", "crashed", "killed"),
        (CalledProcessError(127, "pw.x"), ESPRESSO, "", "invalid_input", "missing_program"),
        (CalculationFailed(SHELL), "", "", "invalid_input", "missing_program"),
        (CalledProcessError(1, PW), ESPRESSO, "", "invalid_input", "bad_input"),
        (CalledProcessError(2, PW), ESPRESSO, "", "not_converged", "scf"),
        (CalledProcessError(1, PW), ESPRESSO, SCF, "not_converged", "scf"),
        (CalledProcessError(1, PW), ESPRESSO, READPP, "invalid_input", "no_parameters"),
        (CalledProcessError(1, PW), ESPRESSO, NAMELIST, "invalid_input", "bad_input"),
        (CalledProcessError(1, "other"), "", "Cannot allocate memory", "crashed", "out_of_memory"),
        (CalledProcessError(2, "other"), "", "", "crashed", ""),
        (KohnShamConvergenceError(), "gpaw:GPAW", "", "not_converged", "scf"),
        (MemoryError(), "", "", "crashed", "out_of_memory"),
        (raised(), ESPRESSO, "", "invalid_output", "parser"),
        (raised(), ESPRESSO, SCF, "not_converged", "scf"),
        (ReadError("no energy"), "", "", "invalid_output", "parser"),
        (np.linalg.LinAlgError("no convergence"), "", "", "invalid_output", "no_number"),
        (KeyError("a bug"), "", "", "crashed", ""),
        (ValueError("a bug"), "", "", "crashed", ""),
    ],
)
def test_an_exception_means_its_kind(error, calculator, words, kind, cause):
    """By its type, its program's status, or its program's words, each has its kind and cause."""
    meant = refusal(error, calculator, words)
    assert (meant.kind, meant.cause) == (kind, cause)
    assert type(error).__name__ in str(meant)


@pytest.mark.parametrize(
    ("settings", "kind", "says"),
    [
        ({"asked": {"Fe": 0.5, "Cu": 0.5}}, "invalid_input", "No EMT-potential for Fe"),
        ({"structure": RandomAlloy(composition="x"), "steps": 1}, "not_converged", "after 1 steps"),
        ({"structure": RandomAlloy(composition="x", start=9.0)}, "infeasible", "volume"),
        ({"structure": RandomAlloy(composition="x", start=0.9)}, "infeasible", "volume"),
        ({"asked": {"Xx": 1.0}}, "invalid_input", "'Xx' is not a chemical element"),
    ],
)
def test_emt_fails_by_its_kind(tmp_path, settings, kind, says):
    """EMT's own limits, and the cells for which it would answer nonsense."""
    answer = collect(tmp_path, **{"asked": {"Cu": 0.25, "Pt": 0.75}} | settings)
    assert isinstance(answer, Failed)
    assert (answer.kind, says in answer.message) == (kind, True), answer


def test_a_failure_keeps_its_log_and_a_success_does_not(tmp_path):
    """The attempt folder stays as failed-..., its log's tail is in the answer; numbers go on."""
    for number in (1, 2):
        answer = collect(tmp_path, "bad_calculators:Raises")
        assert answer.log.rstrip().endswith("RuntimeError: the moon is in the wrong house")
        log = tmp_path / "attempts" / f"failed-0001-abc-{number}" / "log.txt"
        assert log.read_text(encoding="utf-8").endswith(answer.log)
    assert isinstance(collect(tmp_path), Measured)
    assert len(list((tmp_path / "attempts").iterdir())) == 2


def test_a_setting_reaches_the_calculator(tmp_path):
    """Keywords are passed on; the same calculator without them is refused above."""
    answer = collect(tmp_path, "bad_calculators:Demanding", settings={"accuracy": 1})
    assert isinstance(answer, Measured)
    assert answer.values["B"] == pytest.approx(134, abs=0.5)  # copper, as in test_atoms


def test_the_wall_limit_ends_the_evaluation_and_all_that_it_started(tmp_path):
    """A hanging evaluation is a timeout when its time is up, and none of its processes is left."""
    start = time.monotonic()
    answer = collect(tmp_path, "bad_calculators:Hangs", wall_s=WALL_S)
    assert answer.kind == "timeout"
    assert WALL_S < time.monotonic() - start < WALL_S + LATE_S
    assert gone(pids(tmp_path / "attempts" / "failed-0001-abc-1"))


def test_an_evaluation_can_be_asked_again_after_each_kind_of_death(tmp_path):
    """A timeout, a segmentation fault, or a lost worker leave an oracle that works."""
    collect(tmp_path, "bad_calculators:Segfaults")
    collect(tmp_path, "bad_calculators:Hangs", wall_s=WALL_S)
    answer = collect(tmp_path, "bad_calculators:Demanding", settings={"accuracy": 1})
    assert isinstance(answer, Measured)
    for worker in psutil.Process().children():
        worker.kill()
        worker.wait()
    assert isinstance(collect(tmp_path), Measured)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_an_evaluation_ends_with_its_parent(tmp_path, number):
    """However the parent ends, Ctrl-C and kill -9 included, nothing goes on burning time."""
    run = [sys.executable, "-c", HANGING, json.dumps(sys.path), str(tmp_path)]
    with subprocess.Popen(run, stderr=subprocess.DEVNULL) as parent:
        found = pids(tmp_path / "attempts" / "0001-abc-1")
        assert not gone(found, within_s=0)
        os.kill(parent.pid, number)
        assert parent.wait(10) == -number
    assert gone(found)


def pids(attempt, within_s=30):
    """The processes that bad_calculators.Hangs consists of, once they run."""
    end = time.monotonic() + within_s
    while not (attempt / "pids").exists() and time.monotonic() < end:
        time.sleep(0.02)
    return [int(pid) for pid in (attempt / "pids").read_text(encoding="ascii").split()]


def gone(processes, within_s=10):
    """Whether none of the processes runs any more, or will within some seconds."""
    end = time.monotonic() + within_s
    while any(map(runs, processes)):
        if time.monotonic() >= end:
            return False
        time.sleep(0.02)
    return True


def runs(pid):
    """Whether a process exists and is more than a zombie that waits to be reaped."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
