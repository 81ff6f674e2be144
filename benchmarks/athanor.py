"""Athanor as a method of the benchmarks, through its public interface only.

A campaign is folded from events in memory, as a turn folds it from the ledger; the seconds are
those of `Bayes.propose`. The benchmark's own starts take the place of Athanor's design.
"""

import sys
import time
from ast import literal_eval
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import problems
from loop.bayes import Bayes
from loop.campaign import Campaign, candidate_id
from loop.objective import Objective, Target
from loop.records import (
    Candidate,
    Event,
    Measured,
    Observed,
    Opened,
    Problem,
    Proposed,
    Source,
    Why,
)
from loop.space.composition import Composition
from loop.space.parameters import Categorical, Continuous, Discrete, Parameter
from loop.space.pool import Listing
from loop.space.pool import pool as pool_parameter
from loop.space.space import SearchSpace
from loop.space.values import Point
from loop.surrogate import portfolio
from pools import Array, Table
from problems import Function

GIVEN = Why(origin="manual")
MANY = portfolio.MANY


@dataclass(slots=True, kw_only=True)
class Told:
    """A problem and a proposer; `cpu` and `wall` are the seconds of the last proposal."""

    problem: Problem
    proposer: Bayes
    cpu: float = 0.0
    wall: float = 0.0

    def campaign(self, points: Sequence[Point], Y: Sequence[Mapping[str, float]]) -> Campaign:
        """The campaign in which these points were asked one by one and answered."""
        events: list[Event] = [Opened(problem=self.problem)]
        for number, (point, values) in enumerate(zip(points, Y, strict=True), start=1):
            asked = Candidate(id=candidate_id(self.problem, number), point=point, why=GIVEN)
            source = Source(oracle="benchmark")
            answer = Measured(candidate=asked.id, values=values, source=source)
            events += [Proposed(candidates=(asked,)), Observed(observation=answer)]
        return Campaign.replay(self.problem, events)

    def ask(
        self, points: Sequence[Point], Y: Sequence[Mapping[str, float]], count: int = 1
    ) -> list[Point]:
        """The next points."""
        campaign = self.campaign(points, Y)
        cpu, wall = time.process_time(), time.perf_counter()
        chosen = self.proposer.propose(campaign, count)
        self.cpu, self.wall = time.process_time() - cpu, time.perf_counter() - wall
        return [candidate.point for candidate in chosen]


@dataclass(slots=True, kw_only=True)
class PoolAthanor:
    """Athanor on a pool whose ids are row numbers: called for the next row."""

    told: Told

    def __call__(self, seen: Sequence[int], y: Array, seed: int) -> int:
        """The row that Athanor would test next."""
        points = [{"row": str(row)} for row in seen]
        (point,) = self.told.ask(points, [{"y": float(value)} for value in y])
        return int(str(point["row"]))

    @property
    def cpu(self) -> float:
        """CPU seconds of the last proposal."""
        return self.told.cpu


MORE = Target(name="y")


def pool(settings: str, target: Target = MORE) -> Callable[[Table, int], PoolAthanor]:
    """How to open Athanor on a pool; `settings` are `name=value,...` of Bayes, empty its own."""

    def opened(table: Table, seed: int) -> PoolAthanor:
        problem = Problem(
            name=table.name,
            space=SearchSpace(parameters=(rows(table.X),)),
            objective=Objective(targets=(target,)),
            seed=seed,
        )
        return PoolAthanor(told=Told(problem=problem, proposer=proposer(settings, 2)))

    return opened


@dataclass(slots=True, kw_only=True)
class SpaceAthanor:
    """Athanor on a space that is not a list: called for the next point."""

    told: Told
    function: Function

    def __call__(self, points: Sequence[Mapping[str, Any]], Y: Array, seed: int) -> dict[str, Any]:
        """The point that Athanor would try next."""
        values = [dict(zip(self.function.targets, row, strict=True)) for row in Y.tolist()]
        (found,) = self.told.ask([self._nested(point) for point in points], values)
        flat: dict[str, Any] = dict.fromkeys(self._parts, 0.0)
        for name, value in found.items():
            flat |= value if isinstance(value, Mapping) else {name: value}
        return flat | {name: int(flat[name]) for name in self._integers}

    def _nested(self, point: Mapping[str, Any]) -> Point:
        """The point with fractions under the name of their composition."""
        return {
            parameter.name: {part: point[part] for part in parameter.values if point[part]}
            if parameter.kind == "fractions"
            else point[parameter.name]
            for parameter in self.function.parameters
        }

    @property
    def _parts(self) -> list[str]:
        of = self.function.parameters
        return [part for each in of if each.kind == "fractions" for part in each.values]

    @property
    def _integers(self) -> list[str]:
        return [each.name for each in self.function.parameters if each.kind == "integer"]

    @property
    def cpu(self) -> float:
        """CPU seconds of the last proposal."""
        return self.told.cpu

    @property
    def wall(self) -> float:
        """Wall seconds of the last proposal."""
        return self.told.wall


def space(
    function: Function, settings: str, seed: int, wanted: Target | None = None
) -> SpaceAthanor:
    """Athanor opened on the space of a function; `settings` as of `pool`.

    What is `wanted` of its one target, if not as much as possible.
    """
    reference = dict(zip(function.targets, function.worst, strict=True))
    several = len(function.targets) > 1
    problem = Problem(
        name=function.name,
        space=SearchSpace(parameters=tuple(map(_parameter, function.parameters))),
        objective=Objective(
            targets=(wanted,) if wanted else tuple(Target(name=name) for name in function.targets),
            combine="auto",
            reference=reference if several else {},
        ),
        seed=seed,
    )
    told = Told(problem=problem, proposer=proposer(settings, function.starts))
    return SpaceAthanor(told=told, function=function)


def learn_on_all(*, yes: bool) -> None:
    """Whether this process learns hyperparameters on every row, or on MANY as a campaign does."""
    portfolio.MANY = sys.maxsize if yes else MANY


def _parameter(of: problems.Parameter) -> Parameter:
    """A parameter of a function as Athanor knows it."""
    match of.kind:
        case "real":
            return Continuous(name=of.name, low=of.low, high=of.high)
        case "integer":
            return Discrete(name=of.name, low=of.low, high=of.high, step=1.0)
        case "category":
            return Categorical(name=of.name, values=of.values)
        case "fractions":
            return Composition(name=of.name, elements=of.values, at_most=int(of.high))


def rows(X: Array) -> Any:
    """A pool of the rows of X (N, d), named by their numbers."""
    features = tuple(f"x{column}" for column in range(X.shape[1]))
    return pool_parameter(
        "row", Listing(ids=[str(row) for row in range(len(X))], X=X, features=features)
    )


def proposer(settings: str, starts: int) -> Bayes:
    """Bayes with `name=value,...`, after this many starts that were given."""
    pairs = (each.partition("=") for each in settings.split(",") if each)
    said = {name: _value(text) for name, _, text in pairs}
    return Bayes(**{"initial": starts, **said})


def _value(text: str) -> Any:
    """A number, True, None; or the text itself."""
    try:
        return literal_eval(text)
    except (ValueError, SyntaxError):
        return text
