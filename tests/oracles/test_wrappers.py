"""What is laid around an oracle: each does what it says, and what cannot be is refused."""

import time
from dataclasses import replace
from statistics import stdev

import pytest

from loop.errors import OracleError
from loop.objective import Objective, Target
from loop.records import Why
from loop.space.parameters import Continuous
from loop.space.space import SearchSpace
from oracles.command import Command
from oracles.folder.oracle import Folder
from oracles.function import Function
from oracles.testing import candidates
from oracles.wrappers import Cache, Delay, Meter, Noise, Retry

SPACE = SearchSpace(parameters=(Continuous(name="T", low=300.0, high=900.0),))
OBJECTIVE = Objective(targets=(Target(name="y", unit="GPa"),))
ONE, TWO, SAME = candidates({"T": 400.0}, {"T": 500.0}, {"T": 400.0})
# Every call leaves a line; the first calls fail in a way that the test chooses.
LAB = """
from pathlib import Path
from oracles.function import Refusal
CALLS = Path(__file__).with_name("calls.txt")
def measure(T):
    with CALLS.open("a") as calls:
        calls.write("x")
    if CALLS.stat().st_size < {first}:
        raise Refusal("{kind}", "not now")
    return T / 100
"""


@pytest.fixture
def lab(tmp_path):
    """Makes a function that succeeds at its n-th call, and counts the calls."""

    def lab(first=1, kind="crashed") -> Function:
        (tmp_path / "lab.py").write_text(LAB.format(first=first, kind=kind))
        return Function(
            function="lab.py:measure", space=SPACE, objective=OBJECTIVE, folder=tmp_path
        )

    return lab


@pytest.fixture
def calls(tmp_path):
    """How often the function was called."""
    return lambda: (tmp_path / "calls.txt").stat().st_size


def ask(oracle, candidate=ONE):
    """The one answer to one candidate."""
    (answer,) = oracle.collect([candidate])
    return answer


@pytest.mark.parametrize("kind", ["crashed", "timeout"])
def test_retry_asks_again_what_may_pass(lab, calls, kind):
    """A crash or a timeout is asked again, up to so many times."""
    assert ask(Retry(oracle=lab(3, kind), attempts=3)).values == {"y": 4.0}
    assert calls() == 3


def test_retry_gives_up_and_says_so(lab, calls):
    """The last failure is the answer."""
    answer = ask(Retry(oracle=lab(9), attempts=2))
    assert (answer.kind, answer.message) == ("crashed", "not now (attempt 2 of 2)")
    assert calls() == 2


@pytest.mark.parametrize("kind", ["infeasible", "invalid_output", "invalid_input"])
def test_retry_leaves_a_final_no(lab, calls, kind):
    """What would be the same again is not asked again."""
    answer = ask(Retry(oracle=lab(9, kind), attempts=3))
    assert (answer.kind, answer.message, calls()) == (kind, "not now", 1)


def test_retry_pauses_twice_as_long_each_time(lab):
    """And says how long one candidate may take in all."""
    oracle = replace(lab(9), wall_s=20.0)
    retry = Retry(oracle=oracle, attempts=3, pause_s=0.1)
    assert retry.declaration.wall_s == pytest.approx(60.3)
    began = time.perf_counter()
    ask(Retry(oracle=lab(9), attempts=3, pause_s=0.1))
    assert time.perf_counter() - began >= 0.3


def test_delay_takes_its_time(lab):
    """For each candidate."""
    began = time.perf_counter()
    assert len(Delay(oracle=lab(), seconds=0.1).collect([ONE, TWO])) == 2
    assert time.perf_counter() - began >= 0.2


def test_a_meter_counts_failures_too(lab, tmp_path):
    """Fixed and hourly, over all candidates, and over oracles that share the file."""
    meter = Meter(oracle=lab(2), file=tmp_path / "costs.db", fixed=2.0)
    assert meter.spent == 0.0
    assert [ask(meter).kind, ask(meter).values] == ["crashed", {"y": 4.0}]
    assert meter.spent == 4.0
    ask(Meter(oracle=Delay(oracle=lab(), seconds=0.1), file=meter.file, hourly=3600.0))
    assert 4.1 <= meter.spent < 5.0


def test_a_cache_asks_once_for_a_point(lab, calls, tmp_path):
    """Another candidate at the same point gets the value under its own id, and says whose it is."""
    cache = Cache(oracle=lab(), file=tmp_path / "cache.db")
    first, again, other = ask(cache), ask(cache, SAME), ask(cache, TWO)
    assert (again.candidate, again.values) == (SAME.id, first.values)
    assert (again.source.attempt, again.source.seconds) == (f"kept of {ONE.id} in cache.db", None)
    assert other.values == {"y": 5.0}
    assert calls() == 2


def test_a_cache_does_not_keep_failures(lab, calls, tmp_path):
    """The world may have changed its mind."""
    cache = Cache(oracle=lab(2, "infeasible"), file=tmp_path / "cache.db")
    assert ask(cache).kind == "infeasible"
    assert ask(cache).values == {"y": 4.0}
    assert calls() == 2


def test_a_cache_lets_a_replicate_be_measured(lab, calls, tmp_path):
    """A repeated value would pass for a repeated measurement."""
    cache = Cache(oracle=lab(), file=tmp_path / "cache.db")
    ask(cache)
    ask(cache, replace(SAME, why=Why(origin="replicate")))
    assert calls() == 2


@pytest.mark.parametrize("change", ["content", "declaration"])
def test_a_cache_does_not_answer_for_another_oracle(lab, calls, tmp_path, change):
    """Other settings, another program, another unit: asked anew."""
    oracle = lab()
    ask(Cache(oracle=oracle, file=tmp_path / "cache.db"))
    if change == "declaration":
        oracle = replace(oracle, objective=Objective(targets=(Target(name="y", unit="MPa"),)))
    ask(Cache(oracle=oracle, file=tmp_path / "cache.db", content=change))
    assert calls() == 2


def test_a_file_that_is_no_database_is_named(lab, tmp_path):
    """One sentence, and the file as it was."""
    (tmp_path / "cache.db").write_text("not a database, but a letter to whom it may concern")
    with pytest.raises(OracleError, match=r"cache.db: expected a SQLite database to read and writ"):
        ask(Cache(oracle=lab(), file=tmp_path / "cache.db"))


def test_noise_is_the_candidates_own(lab):
    """Candidates at one point differ, by about the deviation; each is the same again."""
    noise = Noise(oracle=lab(), sd={"y": 0.5}, seed=3)
    asked = [replace(ONE, id=f"{n:04d}-abc") for n in range(60)]
    values = [ask(noise, each).values["y"] for each in asked]
    assert 0.3 < stdev(values) < 0.7
    assert [ask(noise, each).values["y"] for each in asked] == values


@pytest.mark.parametrize(
    ("around", "message"),
    [
        (lambda it: Retry(oracle=it, attempts=1), r"oracle.attempts: expected 2 or more, got 1"),
        (lambda it: Retry(oracle=it, pause_s=-1), r"oracle.pause_s: expected a number of seconds"),
        (lambda it: Delay(oracle=it, seconds=float("nan")), r"oracle.delay_s: expected a number"),
        (lambda it: Meter(oracle=it, file=it.folder, fixed=-1), r"oracle.meter.fixed: expected a"),
        (lambda it: Noise(oracle=it, sd={"x": 1}), r"oracle.noise: expected targets among y, got"),
        (lambda it: Noise(oracle=it, sd={"y": -1}), r"oracle.noise.y: expected a number of 0"),
    ],
)
def test_a_senseless_number_is_refused(lab, around, message):
    """When the oracle is made."""
    with pytest.raises(OracleError, match=message):
        around(lab())


@pytest.mark.parametrize(
    "around",
    [
        lambda it: Retry(oracle=it),
        lambda it: Delay(oracle=it, seconds=1),
        lambda it: Meter(oracle=it, file=it.folder / "costs.db"),
        lambda it: Cache(oracle=it, file=it.folder / "cache.db"),
    ],
    ids=["retry", "delay", "meter", "cache"],
)
def test_a_laboratory_is_not_wrapped(tmp_path, around):
    """What comes in its own time can be neither repeated, delayed, timed nor kept."""
    laboratory = Folder(folder=tmp_path, space=SPACE, objective=OBJECTIVE)
    with pytest.raises(OracleError, match=r"an oracle that computes its answers, got 'folder'"):
        around(laboratory)


def test_what_must_not_be_repeated_is_not_retried(tmp_path):
    """No one asks the world twice without a person's consent."""
    once = Command(command=("true",), objective=OBJECTIVE, folder=tmp_path, repeatable=False)
    with pytest.raises(OracleError, match=r"an oracle that may be asked twice, got 'command'"):
        Retry(oracle=once)
