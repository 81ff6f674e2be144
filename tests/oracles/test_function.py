"""A user's function: what it may return, what it may raise, and where it may live."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import psutil
import pytest

from loop.errors import OracleError
from loop.objective import Objective, Target
from loop.records import Candidate, Failed, Kind, Measured, Why
from loop.space.composition import Composition
from loop.space.parameters import Continuous
from loop.space.space import SearchSpace
from loop.space.values import Point
from oracles.function import Function, Refusal

SPACE = SearchSpace(
    parameters=(
        Continuous(name="T", low=300.0, high=900.0),
        Composition(name="alloy", elements=("Cu", "Au")),
    )
)
POINT: Point = {"T": 500.0, "alloy": {"Cu": 0.25, "Au": 0.75}}
both_ways = pytest.mark.parametrize("wall_s", [None, 20.0], ids=["here", "apart"])


def lab(folder, body, *, head="T, alloy", targets=("strength",), name="lab.py", wall_s=None):
    """The oracle of a module in the campaign folder with one function."""
    lines = ["import os, sys, time", "from oracles.function import Refusal", f"def f({head}):"]
    (folder / name).write_text("\n".join([*lines, *(f"    {x}" for x in body.split("; "))]))
    return Function(
        function=f"{name}:f",
        space=SPACE,
        objective=Objective(targets=tuple(Target(name=target) for target in targets)),
        folder=folder,
        wall_s=wall_s,
    )


def ask(oracle):
    """The one answer to one candidate."""
    (answer,) = oracle.collect([Candidate(id="0001-abc", point=POINT, why=Why(origin="manual"))])
    return answer


def runs(pid):
    """Whether a process is there, and more than a name that nobody has asked after."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@both_ways
@pytest.mark.parametrize(
    ("returns", "value"),
    [
        ("T", 500.0),
        ("int(T)", 500.0),
        ("alloy['Au']", 0.75),
        ("{'strength': T}", 500.0),
        ("__import__('numpy').float32(0.5)", 0.5),
    ],
)
def test_a_number_or_a_mapping_is_a_value(tmp_path, wall_s, returns, value):
    """Parameters come by name, and what is a number counts as one."""
    answer = ask(lab(tmp_path, f"return {returns}", wall_s=wall_s))
    assert isinstance(answer, Measured)
    assert answer.values == {"strength": value}
    assert answer.source.oracle == "function"


@both_ways
@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        ("return float('nan')", "invalid_output", "strength = nan"),
        ("return float('inf')", "invalid_output", "strength = inf"),
        ("return None", "invalid_output", "got None"),
        ("return True", "invalid_output", "got True"),
        ("return '5'", "invalid_output", "got '5'"),
        ("return {}", "invalid_output", "strength = None"),
        ("return {'strength': '5'}", "invalid_output", "strength = 5"),
        ("raise Refusal('infeasible', 'it melts')", "infeasible", "it melts"),
        ("raise Refusal('bad', 'no such kind')", "crashed", "got 'bad'"),
        ("raise RuntimeError('cold')", "crashed", "RuntimeError: cold"),
        ("sys.exit(3)", "crashed", "SystemExit: 3"),
    ],
)
def test_what_is_no_value_is_a_failure_of_its_kind(tmp_path, wall_s, body, kind, says):
    """No value, a refusal and an exception are told apart, and say what happened."""
    answer = ask(lab(tmp_path, body, wall_s=wall_s))
    assert isinstance(answer, Failed)
    assert (answer.kind, says in answer.message) == (kind, True), answer


@both_ways
def test_a_crash_keeps_the_end_of_its_traceback(tmp_path, wall_s):
    """The log of a crash shows the line that raised."""
    answer = ask(lab(tmp_path, "raise RuntimeError('cold')", wall_s=wall_s))
    assert "raise RuntimeError('cold')" in answer.log


def test_one_number_cannot_answer_for_two_targets(tmp_path):
    """A function with several targets has to name them."""
    answer = ask(lab(tmp_path, "return 1.0", targets=("strength", "density")))
    assert (answer.kind, "density = None" in answer.message) == ("invalid_output", True)


def test_what_nobody_asked_for_is_kept_as_a_note(tmp_path):
    """Other keys of the mapping are neither values nor lost."""
    answer = ask(lab(tmp_path, "return {'strength': 1, 'phase': 'fcc', 'a': 3.6}"))
    assert (answer.values, answer.notes) == ({"strength": 1.0}, {"phase": "fcc", "a": "3.6"})


def test_the_function_cannot_change_the_candidate(tmp_path):
    """A function that alters the composition it is given alters its own copy."""
    answer = ask(lab(tmp_path, "alloy.clear(); return T"))
    assert isinstance(answer, Measured)
    assert POINT["alloy"] == {"Cu": 0.25, "Au": 0.75}


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        ("time.sleep(600)", "timeout", "no answer within 0.5 s"),
        ("sum(range(10**13))", "timeout", "no answer within 0.5 s"),  # never lets the lock go
        ("os._exit(0)", "crashed", "status 0, without an answer"),
        ("os.kill(os.getpid(), 9)", "crashed", "status -9"),
        ("__import__('ctypes').string_at(0)", "crashed", "status -11"),
    ],
)
def test_with_a_limit_nothing_outlives_a_call(tmp_path, body, kind, says):
    """A hang and a death of the process are failures, not ours."""
    began = time.monotonic()
    answer = ask(lab(tmp_path, body, wall_s=0.5))
    assert (answer.kind, says in answer.message) == (kind, True), answer
    assert time.monotonic() - began < 30


def test_a_timeout_shows_where_it_hung(tmp_path):
    """The log of a timeout names the line that did not return."""
    answer = ask(lab(tmp_path, "time.sleep(600)", wall_s=0.5))
    assert f'"{tmp_path / "lab.py"}", line 4 in f' in answer.log


def test_a_limit_ends_what_the_function_started(tmp_path):
    """A program that the function left behind is ended with it."""
    start = "import subprocess as s; p = s.Popen(['sleep', '600'])"
    note = f"open({str(tmp_path / 'pid')!r}, 'w').write(str(p.pid)); time.sleep(600)"
    assert ask(lab(tmp_path, f"{start}; {note}", wall_s=1.0)).kind == "timeout"
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 10
    while runs(pid) and time.monotonic() < deadline:
        time.sleep(0.01)  # a signal takes its moment
    assert not runs(pid)


def test_what_the_function_prints_is_not_its_answer(tmp_path):
    """Output of the function disturbs nothing."""
    assert ask(lab(tmp_path, "print('{}'); return T", wall_s=20.0)).values == {"strength": 500.0}


def test_two_campaigns_may_have_a_lab_of_the_same_name(tmp_path):
    """Modules in campaign folders are not mixed up, and leave no trace on the import path."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    path, modules = list(sys.path), set(sys.modules)
    first, second = lab(one, "return 1"), lab(two, "return 2")
    assert [ask(each).values["strength"] for each in (first, second, first)] == [1.0, 2.0, 1.0]
    assert (sys.path, set(sys.modules)) == (path, modules)


def test_the_module_may_import_its_neighbours(tmp_path):
    """A module in the campaign folder finds the others there."""
    (tmp_path / "constants.py").write_text("TWO = 2.0")
    (tmp_path / "lab.py").write_text("from constants import TWO\ndef f(**point): return TWO")
    objective = Objective(targets=(Target(name="strength"),))
    oracle = Function(function="lab:f", space=SPACE, objective=objective, folder=tmp_path)
    assert ask(oracle).values == {"strength": 2.0}


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("lab", r"'package.module:name'"),
        ("lab:", r"'package.module:name'"),
        ("absent.py:f", r"a file absent.py in the campaign folder, got no such file"),
        ("no.such.module:f", r"ModuleNotFoundError"),
        ("broken:f", r"ZeroDivisionError"),
        ("lab:g", r"a function or class 'g' in .*lab.py, got None"),
        ("lab:X", r"got 3"),
        ("lab:no_arguments", r"takes T, alloy by name.*Name its arguments"),
        ("json.py:f", r"another module of that name.*Give the file another name"),
    ],
)
def test_a_function_that_cannot_be_called_is_refused_at_once(tmp_path, function, message):
    """A wrong import path or signature is an error before anything is asked."""
    (tmp_path / "lab.py").write_text("X = 3\ndef no_arguments(): return 1")
    (tmp_path / "broken.py").write_text("1 / 0")
    (tmp_path / "json.py").write_text("def f(**point): return 1")
    objective = Objective(targets=(Target(name="strength"),))
    with pytest.raises(OracleError, match=message):
        Function(function=function, space=SPACE, objective=objective, folder=tmp_path)


@pytest.mark.parametrize("wall_s", [0.0, -1.0, float("nan"), float("inf")])
def test_a_limit_is_a_positive_time(tmp_path, wall_s):
    """A senseless limit is refused."""
    with pytest.raises(OracleError, match=r"oracle.wall_s: expected a number of seconds above 0"):
        lab(tmp_path, "return 1", wall_s=wall_s)


def test_a_refusal_has_a_kind_from_the_list():
    """A kind that nobody knows is refused where it is written."""
    with pytest.raises(ValueError, match=r"expected one of infeasible, .*got 'sad'"):
        Refusal(cast("Kind", "sad"), "it rains")


def test_without_a_limit_the_call_is_in_this_process(tmp_path):
    """A function may keep things in memory between calls as long as it has no limit."""
    assert ask(lab(tmp_path, "return os.getpid()")).values["strength"] == os.getpid()


def test_a_process_is_kept_warm_and_replaced_where_it_was_killed(tmp_path):
    """One serves call after call; after a hang the next call has another, and finds no fault."""
    oracle = lab(tmp_path, "time.sleep(600 if T > 800 else 0); return os.getpid()", wall_s=1.0)
    first, second = (ask(oracle).values for _ in range(2))
    point = {**POINT, "T": 900.0}
    (hung,) = oracle.collect([Candidate(id="0002-abc", point=point, why=Why(origin="manual"))])
    assert (first, hung.kind) == (second, "timeout")
    assert ask(oracle).values["strength"] not in {first["strength"], os.getpid()}


def test_calls_at_once_have_processes_of_their_own(tmp_path):
    """Four threads, four processes: none waits for another, or sees what another keeps."""
    oracle = lab(tmp_path, "time.sleep(0.5); return os.getpid()", wall_s=20.0)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: ask(oracle).values["strength"], range(4)))
    assert len(set(found)) == 4


def test_a_warm_call_costs_less_than_a_third_of_a_second(tmp_path):
    """What it takes beside the function, once its process has begun: the median of nine."""
    oracle = lab(tmp_path, "return T", wall_s=20.0)
    ask(oracle)
    assert sorted(ask(oracle).source.seconds for _ in range(9))[4] < 0.3


def test_a_module_may_print_while_it_is_imported(tmp_path):
    """It is taken for nobody's answer."""
    (tmp_path / "talks.py").write_text("print('ready', 1)\ndef f(**point): return 2.0")
    objective = Objective(targets=(Target(name="strength"),))
    oracle = Function(
        function="talks.py:f", space=SPACE, objective=objective, folder=tmp_path, wall_s=20.0
    )
    assert ask(oracle).values == {"strength": 2.0}


PARENT = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from tests.oracles.test_function import ask, lab
body = "print(os.getpid(), file=open('{pid}', 'w'), flush=True); time.sleep(60)"
ask(lab(Path({folder!r}), body, wall_s=50.0))
"""


def test_a_call_apart_ends_with_its_parent(tmp_path):
    """After a kill -9 of the campaign nothing goes on burning time."""
    pid = tmp_path / "pid"
    path = [str(Path(__file__).parents[2]), *sys.path]
    script = PARENT.format(path=path, pid=pid, folder=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", script]) as parent:
        while not (pid.exists() and pid.read_text()):
            time.sleep(0.05)
        parent.kill()
    end = time.monotonic() + 10
    while runs(int(pid.read_text())) and time.monotonic() < end:
        time.sleep(0.05)
    assert not runs(int(pid.read_text()))


@both_ways
@pytest.mark.parametrize(
    "body", ["time.sleep(0.05); return 1.0", "time.sleep(0.05); raise OSError"]
)
def test_an_answer_says_how_long_it_took(tmp_path, wall_s, body):
    """In seconds, whether it is a value or a failure: what a cost is learnt from."""
    assert 0.05 <= ask(lab(tmp_path, body, wall_s=wall_s)).source.seconds < 20
