"""What every oracle must do, ours or a user's: inherit `OracleContract`, and make worlds for it.

class TestMyOracle(OracleContract):
    def world(self, folder, trouble=""):
        if trouble:
            return None
        return World(oracle=MyOracle(...), candidates=(..., ...), targets=frozenset({"yield"}))
"""

import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import get_args

import pytest

from loop.protocols import Oracle
from loop.records import Candidate, Failed, Kind, Measured, Observation, Receipt

START_S = 30.0  # what starting a process may take beyond an oracle's own limit, on a busy machine
ELSEWHERE = """
import pickle, sys
from pathlib import Path
sys.path[:] = sys.argv[2:]
folder = Path(sys.argv[1])
oracle, candidates = pickle.loads((folder / "asked.pickle").read_bytes())
(folder / "answered.pickle").write_bytes(pickle.dumps(oracle.collect(candidates)))
"""


def _at_once(candidates: Sequence[Candidate]) -> None:
    """The world of an oracle that evaluates: the answer is made when it is collected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """An oracle, two or more candidates that it can answer, and the targets it measures.

    `answer` makes a world that answers in its own time answer these candidates. In a world in
    trouble, the first candidate is the one that gets no value.
    """

    oracle: Oracle
    candidates: tuple[Candidate, ...]
    targets: frozenset[str]
    answer: Callable[[Sequence[Candidate]], None] = _at_once


def told(answers: Sequence[Observation | Receipt]) -> dict[str, Observation]:
    """The observations by candidate, without what differs from one attempt to the next."""
    flat: list[Observation] = []
    for answer in answers:
        flat += answer.observations if isinstance(answer, Receipt) else [answer]
    assert len(flat) == len({each.candidate for each in flat}), "one answer per candidate"
    return {each.candidate: _timeless(each) for each in flat}


def _timeless(observation: Observation) -> Observation:
    source = replace(observation.source, seconds=None, attempt="")
    return replace(observation, source=source)


class OracleContract:
    """The suite."""

    def world(self, folder: Path, trouble: str = "") -> World | None:
        """A fresh world in an empty folder; None where it cannot be in that trouble.

        The troubles: it `refuses`, it `raises`, it `hangs`, it answers `nan`.
        """
        raise NotImplementedError

    @pytest.fixture
    def works(self, tmp_path):
        """A world without trouble."""
        return self.world(tmp_path)

    def test_it_declares_what_it_measures(self, works):
        """The declaration names the oracle and every target, and its limit is a positive time."""
        declaration = works.oracle.declaration
        assert declaration.name
        assert set(declaration.measures) >= works.targets
        assert declaration.wall_s is None or declaration.wall_s > 0

    def test_nothing_pending_is_nothing_answered(self, works):
        """Without a pending candidate there is no answer, before and after a submission."""
        assert list(works.oracle.collect(())) == []
        works.oracle.submit(works.candidates)
        assert list(works.oracle.collect(())) == []

    def test_every_answer_is_a_value_of_what_was_asked(self, works):
        """One answer per candidate, by its id, with finite values of declared targets only."""
        works.oracle.submit(works.candidates)
        works.answer(works.candidates)
        answers = told(works.oracle.collect(works.candidates))
        assert set(answers) == {candidate.id for candidate in works.candidates}
        for answer in answers.values():
            assert isinstance(answer, Measured)
            assert set(answer.values) == works.targets
            assert all(isinstance(value, float) for value in answer.values.values())
            assert all(map(isfinite, [*answer.values.values(), *answer.errors.values()]))

    def test_a_replicate_has_an_answer_of_its_own(self, works):
        """Two candidates at one point are two questions, told apart by their ids."""
        first = works.candidates[0]
        both = (first, replace(first, id="9999-zzz"))
        works.oracle.submit(both)
        works.answer(both)
        answers = told(works.oracle.collect(both))
        assert set(answers) == {each.id for each in both}
        assert all(isinstance(answer, Measured) for answer in answers.values())

    def test_submitting_twice_asks_once(self, works):
        """A second submission of the same candidates changes nothing, and asks for nothing more."""
        works.oracle.submit(works.candidates)
        works.oracle.submit(works.candidates)
        works.answer(works.candidates)
        assert len(told(works.oracle.collect(works.candidates))) == len(works.candidates)

    def test_collecting_twice_answers_the_same(self, works):
        """An answer does not depend on how often it is collected."""
        works.oracle.submit(works.candidates)
        works.answer(works.candidates)
        first = told(works.oracle.collect(works.candidates))
        assert told(works.oracle.collect(works.candidates)) == first

    def test_part_of_the_answers_is_welcome(self, works):
        """One candidate may be answered while the others wait, and its answer then stays."""
        first, *others = works.candidates
        works.oracle.submit(works.candidates)
        works.answer([first])
        pending = [first] if works.oracle.declaration.evaluates else works.candidates
        alone = told(works.oracle.collect(pending))
        works.answer(others)
        together = told(works.oracle.collect(works.candidates))
        assert set(alone) == {first.id}
        assert alone.items() <= together.items()

    def test_the_order_of_candidates_does_not_matter(self, works):
        """The same candidates in another order have the same answers."""
        works.oracle.submit(works.candidates)
        works.answer(works.candidates)
        forward = told(works.oracle.collect(works.candidates))
        assert told(works.oracle.collect(works.candidates[::-1])) == forward

    def test_another_process_gets_the_same_answers(self, works, tmp_path):
        """An oracle is its settings: pickled into a fresh process it answers the same."""
        works.oracle.submit(works.candidates)
        works.answer(works.candidates)
        asked = pickle.dumps((works.oracle, works.candidates))
        (tmp_path / "asked.pickle").write_bytes(asked)
        here = told(works.oracle.collect(works.candidates))
        command = [sys.executable, "-c", ELSEWHERE, str(tmp_path), *sys.path]
        subprocess.run(command, check=True, timeout=120)
        there = pickle.loads((tmp_path / "answered.pickle").read_bytes())  # noqa: S301  (our own)
        assert told(there) == here

    @pytest.mark.parametrize(
        ("trouble", "kinds"),
        [
            ("refuses", set(get_args(Kind))),
            ("raises", {"crashed"}),
            ("hangs", {"timeout"}),
            ("nan", {"invalid_output"}),
        ],
    )
    def test_trouble_is_a_failure_within_the_limit(self, tmp_path, trouble, kinds):
        """Trouble is never a value and never an exception: a Failed of its kind, or a rejection."""
        world = self.world(tmp_path, trouble)
        if world is None:
            pytest.skip(f"this world never {trouble}")
        world.oracle.submit(world.candidates)
        world.answer(world.candidates)
        began = time.monotonic()
        answers = world.oracle.collect(world.candidates[:1])
        assert time.monotonic() - began < (world.oracle.declaration.wall_s or 0) + START_S
        answer = told(answers).get(world.candidates[0].id)
        if answer is None:
            assert any(isinstance(each, Receipt) and each.rejected for each in answers)
        else:
            assert isinstance(answer, Failed)
            assert answer.kind in kinds
            assert answer.message

    @pytest.mark.parametrize("trouble", ["refuses", "raises", "hangs", "nan"])
    def test_trouble_with_one_does_not_touch_the_others(self, tmp_path, trouble):
        """After trouble with one candidate the oracle goes on to answer the others."""
        world = self.world(tmp_path, trouble)
        if world is None:
            pytest.skip(f"this world never {trouble}")
        world.oracle.submit(world.candidates)
        world.answer(world.candidates)
        answers = told(world.oracle.collect(world.candidates))
        assert all(isinstance(answers[each.id], Measured) for each in world.candidates[1:])
