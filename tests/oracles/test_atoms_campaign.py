"""A campaign in which evaluations end in every way there is, eight of them at once."""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from loop.campaign import ATTEMPTS
from loop.objective import Objective, Target
from loop.records import Candidate, Failed, Measured, Problem
from loop.run import Answers, Worker, drive
from loop.space.parameters import Categorical
from loop.space.space import SearchSpace
from loop.stopping import StopRules
from tests.loop import rigs
from tests.oracles.test_atoms_bounds import answer, children, oracle
from tests.oracles.test_atoms_failures import LATE_S

WALL_S = 10.0
ENDS = {
    "Ag": "timeout",  # hangs, with a program that hangs
    "Al": "crashed",  # SIGKILL
    "Au": "crashed",  # a segmentation fault
    "Ca": "crashed",  # takes more and more memory
    "Ir": "crashed",  # prints without end
    "Ni": "invalid_output",  # NaN
    "Pb": "crashed",  # an exception
    "Pd": "invalid_output",  # what cannot be written down
    "Cu": "",
    "Pt": "",
}


@pytest.fixture(autouse=True)
def _calculators_beside_the_tests(monkeypatch):
    """`bad_calculators` is importable, as a user's module beside a campaign would be."""
    monkeypatch.syspath_prepend(Path(__file__).parent)


@pytest.mark.slow
def test_a_campaign_survives_every_end_of_an_evaluation(tmp_path):
    """Eight in flight: each ends by its kind, within its limit, in a folder of its own.

    The rest is measured, the budget is exact, and nothing is left running.
    """
    space = SearchSpace(parameters=(Categorical(name="x", values=tuple(ENDS)),))
    goal = Objective(targets=(Target(name="a", unit="angstrom"),))
    problem = Problem(name="ends", space=space, objective=goal)
    asked = oracle(tmp_path, "Fateful", wall_s=WALL_S, relax="positions")
    rules = StopRules(evaluations=len(ENDS), failures=1.0)
    rig = rigs.rig(problem, asked, batch=8, rules=rules)
    with ThreadPoolExecutor(8) as pool:

        def submit(candidate: Candidate) -> Future[Answers]:
            return pool.submit(asked.collect, (candidate,))

        # Their processes are there before anything is timed: importing ASE has a limit of its own.
        list(pool.map(lambda n: answer(asked, n), range(100, 108)))
        *_, campaign = drive(rig, submit, in_flight=8, worker=Worker())
    assert campaign.closed == f"budget: {len(ENDS)} evaluations"
    assert children() == []
    folders = []
    for candidate in campaign.candidates.values():
        answers = campaign.observations[candidate.id]
        kind = ENDS[str(candidate.point["x"])]
        again = kind in {"timeout", "crashed"}
        assert len(answers) == (ATTEMPTS if again else 1)
        assert {isinstance(each, Failed) and each.kind for each in answers} == {kind or False}
        assert max(each.source.seconds or 0.0 for each in answers) < WALL_S + LATE_S
        folders += [each.source.attempt for each in answers if not isinstance(each, Measured)]
    assert len(set(folders)) == len(folders)
    assert all((tmp_path / each / "repeat.py").is_file() for each in folders)
