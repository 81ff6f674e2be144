"""What every oracle must do, ours or yours: inherit `OracleContract`, and make worlds for it.

    from my_oracle import MyOracle
    from oracles.testing import OracleContract, World, candidates

    class TestMyOracle(OracleContract):
        def world(self, folder, trouble=""):
            if trouble:
                return None
            asked = candidates({"T": 400.0}, {"T": 500.0})
            return World(oracle=MyOracle(), candidates=asked, targets=frozenset({"yield"}))

pytest runs it; this module does not need pytest. `rehearse` is the part that `athanor check` runs
on a campaign's own oracle: the declaration, and one real evaluation.
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
from unittest import SkipTest

from loop.protocols import Declaration, Oracle
from loop.records import Candidate, Failed, Kind, Measured, Observation, Receipt, Why
from loop.space.values import Point

START_S = 30.0  # what starting a process may take beyond an oracle's own limit, on a busy machine
ELSEWHERE = """
import pickle, sys
from pathlib import Path
sys.path[:] = sys.argv[2:]
folder = Path(sys.argv[1])
oracle, candidates = pickle.loads((folder / "asked.pickle").read_bytes())
(folder / "answered.pickle").write_bytes(pickle.dumps(oracle.collect(candidates)))
"""


class Broken(AssertionError):
    """An oracle that does not keep the contract: what was expected, and what was got."""

    def __init__(self, expected: str, got: object) -> None:
        """Join both into one sentence."""
        super().__init__(f"expected {expected}, got {got}")


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


def candidates(*points: Point) -> tuple[Candidate, ...]:
    """Candidates at these points."""
    return tuple(
        Candidate(id=f"{number:04d}-abc", point=point, why=Why(origin="manual"))
        for number, point in enumerate(points, start=1)
    )


def told(answers: Sequence[Observation | Receipt]) -> dict[str, Observation]:
    """The observations by candidate, without what differs from one attempt to the next."""
    flat: list[Observation] = []
    for answer in answers:
        flat += answer.observations if isinstance(answer, Receipt) else [answer]
    ids = [each.candidate for each in flat]
    if len(ids) != len(set(ids)):
        raise Broken("one answer per candidate", ", ".join(ids))
    return {each.candidate: _timeless(each) for each in flat}


def _timeless(observation: Observation) -> Observation:
    source = replace(observation.source, seconds=None, attempt="")
    return replace(observation, source=source)


def rehearse(oracle: Oracle, candidate: Candidate, targets: frozenset[str]) -> Observation:
    """Its answer to a candidate, when all else is as it must be; Broken where it is not.

    For an oracle that evaluates, and may be asked again without harm.
    """
    _require_declared(oracle.declaration, targets)
    oracle.submit((candidate,))
    _require_same("no answer where nothing is pending", list(oracle.collect(())), [])
    answers = told(oracle.collect((candidate,)))
    _require_same("an answer to the candidate that waits", set(answers), {candidate.id})
    answer = answers[candidate.id]
    match answer:
        case Measured():
            _require_value(answer, targets)
        case Failed():
            _require_failure(answer, frozenset(get_args(Kind)))
    return answer


def _require_declared(declaration: Declaration, targets: frozenset[str]) -> None:
    """Raise Broken unless it has a name, a limit that is a time, and measures the targets."""
    if not isinstance(declaration, Declaration) or not declaration.name:
        raise Broken("a Declaration with a name", repr(declaration))
    missing = targets - set(declaration.measures)
    if declaration.measures and missing:
        raise Broken(f"a declaration of {', '.join(sorted(targets))}", declaration.measures)
    if declaration.wall_s is not None and not declaration.wall_s > 0:
        raise Broken("wall_s above 0, or None", declaration.wall_s)


def _require_same(expected: str, got: object, wanted: object) -> None:
    """Raise Broken unless both are equal."""
    if got != wanted:
        raise Broken(f"{expected}: {wanted}", got)


def _require_value(answer: Observation | None, targets: frozenset[str]) -> None:
    """Raise Broken unless the answer is finite floats, of these targets and no others."""
    if not isinstance(answer, Measured):
        raise Broken("a Measured", answer)
    _require_same("values of the targets", set(answer.values), set(targets))
    for name, value in answer.values.items():
        if not isinstance(value, float) or not isfinite(value):
            raise Broken(f"{name} as a finite float", repr(value))
    for name, error in answer.errors.items():
        if not (isfinite(error) and error >= 0):
            raise Broken(f"a finite standard error of {name}", error)


def _require_failure(answer: Observation, kinds: frozenset[str]) -> None:
    """Raise Broken unless the answer is a Failed of one of the kinds, with a message."""
    if not isinstance(answer, Failed):
        raise Broken("a Failed", answer)
    if answer.kind not in kinds:
        raise Broken(f"a failure of kind {' or '.join(sorted(kinds))}", repr(answer.kind))
    if not answer.message:
        raise Broken("a failure that says why", "an empty message")


class OracleContract:
    """The suite."""

    def world(self, folder: Path, trouble: str = "") -> World | None:
        """A fresh world in an empty folder; None where it cannot be in that trouble.

        The troubles: it `refuses`, it `raises`, it `hangs`, it answers `nan`.
        """
        raise NotImplementedError

    def test_it_declares_what_it_measures(self, tmp_path: Path) -> None:
        """The declaration names the oracle and every target, and its limit is a positive time."""
        works = self._works(tmp_path)
        _require_declared(works.oracle.declaration, works.targets)
        if not set(works.oracle.declaration.measures) >= works.targets:
            raise Broken("a declaration of every target", works.oracle.declaration.measures)

    def test_nothing_pending_is_nothing_answered(self, tmp_path: Path) -> None:
        """Without a pending candidate there is no answer, before and after a submission."""
        works = self._works(tmp_path)
        _require_same("no answer before it was asked", list(works.oracle.collect(())), [])
        works.oracle.submit(works.candidates)
        _require_same("no answer where nothing is pending", list(works.oracle.collect(())), [])

    def test_every_answer_is_a_value_of_what_was_asked(self, tmp_path: Path) -> None:
        """One answer per candidate, by its id, with finite values of declared targets only."""
        works = self._asked(tmp_path)
        answers = told(works.oracle.collect(works.candidates))
        _require_same("an answer each", set(answers), {each.id for each in works.candidates})
        for answer in answers.values():
            _require_value(answer, works.targets)

    def test_a_replicate_has_an_answer_of_its_own(self, tmp_path: Path) -> None:
        """Two candidates at one point are two questions, told apart by their ids."""
        works = self._works(tmp_path)
        first = works.candidates[0]
        both = (first, replace(first, id="9999-zzz"))
        works.oracle.submit(both)
        works.answer(both)
        answers = told(works.oracle.collect(both))
        _require_same("an answer each", set(answers), {each.id for each in both})
        for answer in answers.values():
            _require_value(answer, works.targets)

    def test_submitting_twice_asks_once(self, tmp_path: Path) -> None:
        """A second submission of the same candidates changes nothing, and asks for nothing more."""
        works = self._works(tmp_path)
        works.oracle.submit(works.candidates)
        works.oracle.submit(works.candidates)
        works.answer(works.candidates)
        answers = told(works.oracle.collect(works.candidates))
        _require_same("an answer each", set(answers), {each.id for each in works.candidates})

    def test_collecting_twice_answers_the_same(self, tmp_path: Path) -> None:
        """An answer does not depend on how often it is collected."""
        works = self._asked(tmp_path)
        first = told(works.oracle.collect(works.candidates))
        again = told(works.oracle.collect(works.candidates))
        _require_same("the same answers", again, first)

    def test_part_of_the_answers_is_welcome(self, tmp_path: Path) -> None:
        """One candidate may be answered while the others wait, and its answer then stays."""
        works = self._works(tmp_path)
        first, *others = works.candidates
        works.oracle.submit(works.candidates)
        works.answer([first])
        pending = [first] if works.oracle.declaration.evaluates else works.candidates
        alone = told(works.oracle.collect(pending))
        works.answer(others)
        together = told(works.oracle.collect(works.candidates))
        _require_same("an answer to the first alone", set(alone), {first.id})
        _require_same("the answer that was given before", together.get(first.id), alone[first.id])

    def test_the_order_of_candidates_does_not_matter(self, tmp_path: Path) -> None:
        """The same candidates in another order have the same answers."""
        works = self._asked(tmp_path)
        forward = told(works.oracle.collect(works.candidates))
        backward = told(works.oracle.collect(works.candidates[::-1]))
        _require_same("the same answers in another order", backward, forward)

    def test_another_process_gets_the_same_answers(self, tmp_path: Path) -> None:
        """An oracle is its settings: pickled into a fresh process it answers the same."""
        works = self._asked(tmp_path)
        asked = pickle.dumps((works.oracle, works.candidates))
        (tmp_path / "asked.pickle").write_bytes(asked)
        here = told(works.oracle.collect(works.candidates))
        command = [sys.executable, "-c", ELSEWHERE, str(tmp_path), *sys.path]
        subprocess.run(command, check=True, timeout=120)
        there = pickle.loads((tmp_path / "answered.pickle").read_bytes())  # noqa: S301  (our own)
        _require_same("the same answers in another process", told(there), here)

    def test_a_refusal_is_a_failure(self, tmp_path: Path) -> None:
        """A candidate that is refused is a Failed of any kind; the others are answered."""
        self._in_trouble(tmp_path, "refuses", frozenset(get_args(Kind)))

    def test_an_exception_is_a_failure(self, tmp_path: Path) -> None:
        """What raises has crashed; the others are answered."""
        self._in_trouble(tmp_path, "raises", frozenset({"crashed"}))

    def test_a_hang_is_a_failure_within_the_limit(self, tmp_path: Path) -> None:
        """What hangs is ended at the limit; the others are answered."""
        self._in_trouble(tmp_path, "hangs", frozenset({"timeout"}))

    def test_a_nan_is_a_failure(self, tmp_path: Path) -> None:
        """No number is no value; the others are answered."""
        self._in_trouble(tmp_path, "nan", frozenset({"invalid_output"}))

    def _works(self, folder: Path) -> World:
        """A world without trouble."""
        works = self.world(folder)
        if works is None:
            raise Broken("a world without trouble", None)
        return works

    def _asked(self, folder: Path) -> World:
        """A world without trouble whose candidates are submitted and can be answered."""
        works = self._works(folder)
        works.oracle.submit(works.candidates)
        works.answer(works.candidates)
        return works

    def _in_trouble(self, folder: Path, trouble: str, kinds: frozenset[str]) -> None:
        """Require a Failed within the limit, or a rejected row, and values of the others."""
        world = self.world(folder, trouble)
        if world is None:
            raise SkipTest(f"this world never {trouble}")
        first, *others = world.candidates
        world.oracle.submit(world.candidates)
        world.answer(world.candidates)
        began = time.monotonic()
        answers = world.oracle.collect((first,))
        took = time.monotonic() - began
        limit = (world.oracle.declaration.wall_s or 0) + START_S
        if took > limit:
            raise Broken(f"an end within {limit:g} s", f"one after {took:.1f} s")
        answer = told(answers).get(first.id)
        if answer is not None:
            _require_failure(answer, kinds)
        elif not any(isinstance(each, Receipt) and each.rejected for each in answers):
            raise Broken("a Failed, or a row that is rejected", answers)
        everything = told(world.oracle.collect(world.candidates))
        for each in others:
            _require_value(everything.get(each.id), world.targets)
