"""Small real worlds: oracles that are a formula or an in-tray, and rigs around them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, cast, get_args

from loop.campaign import Campaign, candidate_id
from loop.designs import Design
from loop.ledger import Ledger
from loop.objective import Bound, Combine, Objective, Target
from loop.protocols import Declaration, Proposer
from loop.records import (
    Candidate,
    Closed,
    Event,
    Failed,
    Kind,
    Measured,
    Observation,
    Observed,
    Opened,
    Problem,
    Proposed,
    Receipt,
    Source,
    Why,
)
from loop.run import Rig
from loop.space.parameters import Continuous, Parameter
from loop.space.rules import Rule
from loop.space.space import SearchSpace
from loop.space.values import Point
from loop.stopping import StopRules

A = Continuous(name="a", low=0.0, high=1.0)
B = Continuous(name="b", low=0.0, high=1.0)
Y = Target(name="y")
ENDED = Closed(reason="budget: 1 evaluations")
Z = Target(name="z", goal="observe")

Formula = Callable[[Mapping[str, Any]], Mapping[str, float] | Kind]


@dataclass(frozen=True, kw_only=True)
class Evaluates:
    """An oracle that works out a formula: values, or the kind of failure. `asked` keeps the ids."""

    formula: Formula
    repeatable: bool = True
    asked: list[str] = field(default_factory=list)

    @property
    def declaration(self) -> Declaration:
        """It measures whatever the objective names."""
        return Declaration(name="formula", repeatable=self.repeatable)

    def submit(self, candidates: Sequence[Candidate]) -> None:
        """Do nothing: the answer is made when it is collected."""

    def collect(self, pending: Sequence[Candidate]) -> list[Observation]:
        """Work the formula out for every candidate."""
        self.asked.extend(candidate.id for candidate in pending)
        return [self._answer(candidate) for candidate in pending]

    def _answer(self, candidate: Candidate) -> Observation:
        said = self.formula(candidate.point)
        return measured(candidate, **said) if isinstance(said, Mapping) else failed(candidate, said)


@dataclass(frozen=True, kw_only=True)
class Waits:
    """An oracle that answers in its own time: whatever is in `tray`. `asked` is the worklist."""

    tray: list[Observation | Receipt] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    @property
    def declaration(self) -> Declaration:
        """It evaluates nothing, and must not be asked twice."""
        return Declaration(name="tray", evaluates=False, repeatable=False)

    def submit(self, candidates: Sequence[Candidate]) -> None:
        """Write the worklist anew."""
        self.asked[:] = [candidate.id for candidate in candidates]

    def collect(self, pending: Sequence[Candidate]) -> list[Observation | Receipt]:
        """Bring everything that lies in the tray, as often as it is looked at."""
        return list(self.tray)


def hill(point: Mapping[str, Any]) -> dict[str, float]:
    """A smooth hill over the plane of A and B, highest at (0.7, 0.2)."""
    return {"y": -((point["a"] - 0.7) ** 2) - (point["b"] - 0.2) ** 2}


def asked(
    *parameters: Parameter,
    targets: tuple[Target, ...] = (Y,),
    bounds: tuple[Bound, ...] = (),
    constraints: tuple[Rule, ...] = (),
    seed: int = 0,
    combine: Combine = "first",
    reference: Mapping[str, float] = MappingProxyType({}),
) -> Problem:
    """A problem over these parameters, or over the unit square."""
    return Problem(
        name="test",
        space=SearchSpace(parameters=parameters or (A, B), constraints=constraints),
        objective=Objective(
            targets=targets, bounds=bounds, combine=combine, reference=dict(reference)
        ),
        seed=seed,
    )


def candidates(problem: Problem, count: int) -> tuple[Candidate, ...]:
    """The first candidates of the problem's design."""
    opened = Campaign.replay(problem, [Opened(problem=problem)])
    return tuple(Design().propose(opened, count))


def placed(problem: Problem, *points: Point) -> tuple[Candidate, ...]:
    """Candidates at these points."""
    why = Why(origin="manual")
    return tuple(
        Candidate(id=candidate_id(problem, number), point=point, why=why)
        for number, point in enumerate(points, start=1)
    )


def measured(candidate: Candidate | str, **values: float) -> Measured:
    """A value, or several."""
    name = candidate if isinstance(candidate, str) else candidate.id
    return Measured(candidate=name, values=values, source=Source(oracle="formula"))


def failed(candidate: Candidate | str, kind: str = "infeasible") -> Failed:
    """A failure of that kind."""
    assert kind in get_args(Kind)
    name = candidate if isinstance(candidate, str) else candidate.id
    source = Source(oracle="formula")
    return Failed(candidate=name, kind=cast("Kind", kind), message="no", source=source)


def observed(*observations: Observation) -> list[Event]:
    """Each answer as an event."""
    return [Observed(observation=each) for each in observations]


def history(problem: Problem, count: int, *events: Event) -> list[Event]:
    """Opened, `count` candidates proposed together, and then these events."""
    chosen = candidates(problem, count)
    return [Opened(problem=problem), Proposed(candidates=chosen), *events]


def campaign(problem: Problem, count: int, *events: Event) -> Campaign:
    """The campaign of that history."""
    return Campaign.replay(problem, history(problem, count, *events))


def replayed(
    problem: Problem, chosen: Sequence[Candidate], answers: Sequence[Observation]
) -> Campaign:
    """The campaign of these candidates and answers."""
    asked: list[Event] = [Opened(problem=problem), Proposed(candidates=tuple(chosen))]
    return Campaign.replay(problem, [*asked, *observed(*answers)])


def evaluated(problem: Problem, formula: Formula, count: int) -> Campaign:
    """A campaign whose first `count` design points have been answered by the formula."""
    chosen = candidates(problem, count)
    return campaign(problem, count, *observed(*Evaluates(formula=formula).collect(chosen)))


def rig(
    problem: Problem,
    oracle: Evaluates | Waits | None = None,
    *,
    proposer: Proposer | None = None,
    url: str = "sqlite://",
    batch: int = 1,
    rules: StopRules | None = None,
) -> Rig:
    """A rig in memory with a budget of six and a design, unless told otherwise."""
    return Rig(
        problem=problem,
        ledger=Ledger(url=url, campaign=problem.name),
        oracle=oracle or Evaluates(formula=hill),
        proposer=proposer or Design(),
        rules=rules or StopRules(evaluations=6),
        batch=batch,
    )
