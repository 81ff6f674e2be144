"""Campaigns as they may turn out: made of real events, folded by `Campaign.replay`."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from loop.campaign import Campaign, candidate_id
from loop.objective import Bound, Combine, Objective, Target
from loop.records import (
    Candidate,
    Event,
    Failed,
    Health,
    Ingested,
    Kind,
    Measured,
    Observation,
    Observed,
    Opened,
    Prediction,
    Problem,
    Proposed,
    Receipt,
    Rejection,
    Source,
    Started,
    Why,
)
from loop.space.composition import Composition
from loop.space.parameters import Categorical, Continuous, Discrete, Parameter
from loop.space.rules import Linear
from loop.space.space import SearchSpace

Entries = list[tuple[str, Event]]

T = Continuous(name="T", low=300.0, high=1200.0, unit="K")
RATE = Continuous(name="rate", low=1e-3, high=10.0, unit="K/s", log=True)
TIME = Discrete(name="time", low=10.0, high=60.0, step=5.0, unit="min")
GAS = Categorical(name="gas", values=("Ar", "N2", "H2", "air"))
ALLOY = Composition(name="alloy", elements=("Cu", "Au", "Pd"))
STEEL = Composition(name="steel", elements=("Fe", "Ni", "Co", "Cr", "Mn", "Al"), at_most=4)
BINARY = Composition(name="pair", elements=("Si", "Ge"))

SPACES: dict[str, tuple[Parameter, ...]] = {
    "continuous": (T,),
    "logarithmic": (RATE,),
    "two": (T, RATE),
    "stepped": (TIME, T),
    "categorical": (GAS,),
    "mixed": (T, RATE, TIME, GAS),
    "ternary": (ALLOY,),
    "ternary-and-more": (ALLOY, T, GAS),
    "binary": (BINARY,),
    "many": (STEEL, T),
}

HARDNESS = Target(name="hardness", unit="GPa", goal="max")
DENSITY = Target(name="density", unit="g/cm^3", goal="observe")
COST = Target(name="cost", unit="1/kg", goal="min")
LIGHT = Bound(target="density", sense="<=", value=10.5)


def problem(
    space: str = "ternary",
    targets: tuple[Target, ...] = (HARDNESS,),
    bounds: tuple[Bound, ...] = (),
    name: str = "hard alloy",
    constraints: tuple[Linear, ...] = (),
    combine: Combine = "first",
) -> Problem:
    """A problem over one of SPACES."""
    return Problem(
        name=name,
        space=SearchSpace(parameters=SPACES[space], constraints=constraints),
        objective=Objective(targets=targets, bounds=bounds, combine=combine),
        seed=7,
    )


def dated(events: Sequence[Event]) -> Entries:
    """The events with times, an hour apart."""
    start = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
    return [
        ((start + timedelta(hours=hour)).isoformat(timespec="milliseconds"), event)
        for hour, event in enumerate(events)
    ]


def replayed(asked: Problem, events: Sequence[Event]) -> tuple[Campaign, Entries]:
    """The campaign of these events, and its entries."""
    return Campaign.replay(asked, events), dated(events)


def candidate(asked: Problem, number: int, why: Why | None = None) -> Candidate:
    """The n-th candidate, at a point that the number decides."""
    x = np.random.default_rng(number).random((1, len(asked.space.columns)))
    chosen = Why(origin="design") if why is None else why
    return Candidate(id=candidate_id(asked, number), point=asked.space.decode(x)[0], why=chosen)


def measured(asked: Problem, of: Candidate, number: int) -> Measured:
    """A smooth answer with noise that the number decides."""
    x = asked.space.encode([of.point])[0]
    noise = np.random.default_rng(1000 + number).normal(0, 0.1)
    height = 5.0 - 4.0 * float(((x - 0.45) ** 2).sum()) + noise
    values = {
        target.name: height if n == 0 else 9.0 + 2.0 * float(x[0]) + n + noise
        for n, target in enumerate(asked.objective.targets)
    }
    return Measured(
        candidate=of.id,
        values=values,
        source=Source(oracle="function", versions={"ase": "3.26"}, attempt=f"attempts/{of.id}"),
        errors={asked.objective.lead.name: 0.08},
    )


def failed(
    of: Candidate, kind: Kind = "infeasible", message: str = "the melt did not wet"
) -> Failed:
    """A refusal."""
    source = Source(oracle="function", attempt=f"attempts/failed-{of.id}")
    return Failed(candidate=of.id, kind=kind, message=message, source=source, log="last\nlines")


def health(number: int) -> Health:
    """What the model that chose the n-th candidate said of itself: better and better."""
    return Health(
        n=number - 1,
        error=2.0 / number,
        r2=1 - 4 / number,
        coverage=0.9,
        calibration=1.2,
        at_bounds=("noise as large as the spread of the outcomes",),
        outliers=("0003-abc",),
        says=f"The model predicts it by {number - 1} values.",
    )


def by_model(asked: Problem, number: int) -> Candidate:
    """The n-th candidate as a model would ask it, with a fair prediction."""
    plain = candidate(asked, number)
    answer = measured(asked, plain, number)
    shift = np.random.default_rng(2000 + number).normal(0, 0.25)
    why = Why(
        origin="model",
        acquisition="LogEI",
        value=-1.5,
        predicted={t: Prediction(mean=v + shift, sd=0.25) for t, v in answer.values.items()},
        nearest=candidate_id(asked, 1),
        distance=0.123,
        model="3f2a",
        seed=11,
        surrogate=dict.fromkeys(answer.values, "matern"),
        health={target: health(number) for target in answer.values},
    )
    return Candidate(id=plain.id, point=plain.point, why=why)


def campaign(
    asked: Problem,
    count: int = 24,
    *,
    design: int = 8,
    fails: Callable[[int], bool] = lambda number: number % 9 == 4,
    pending: int = 2,
) -> tuple[Campaign, Entries]:
    """`count` answered candidates, the first `design` of them by design, and some that wait."""
    events: list[Event] = [Opened(problem=asked, settings={"stop": {"evaluations": 60}})]
    for number in range(1, count + pending + 1):
        asks = candidate(asked, number) if number <= design else by_model(asked, number)
        events.append(Proposed(candidates=(asks,)))
        if number <= count:
            answer = failed(asks) if fails(number) else measured(asked, asks, number)
            events.append(Observed(observation=answer))
    if pending:
        events.append(Started(candidate=asks.id, attempt=1, worker="node-7/1234/99"))
    return replayed(asked, events)


def laboratory(asked: Problem) -> tuple[Campaign, Entries]:
    """Four candidates; a file with two answers, a duplicate and two bad rows; its correction."""
    four = tuple(candidate(asked, number) for number in range(1, 5))
    answers = [_row(asked, each, "a" * 64, row) for row, each in enumerate(four[:2], start=1)]
    rejected = (
        Rejection(row=4, reason="expected a number, got 'n.a.'", column="hardness"),
        Rejection(row=5, reason="no candidate of this campaign has the id '0099-xyz'", column="id"),
    )
    first = Receipt(
        file="march.csv",
        sha256="a" * 64,
        rows=5,
        observations=tuple(answers),
        rejected=rejected,
    )
    again = _row(asked, four[0], "b" * 64, 1, more=0.5)
    second = Receipt(file="march.csv", sha256="b" * 64, rows=3, observations=(again,))
    events: list[Event] = [
        Opened(problem=asked),
        Proposed(candidates=four),
        Ingested(receipt=first, duplicates=1),
        Proposed(candidates=(by_model(asked, 5),)),
        Ingested(receipt=second, duplicates=2, corrected=(four[0].id,)),
    ]
    return replayed(asked, events)


def _row(asked: Problem, of: Candidate, sha256: str, row: int, more: float = 0.0) -> Measured:
    source = Source(oracle="folder", file="march.csv", sha256=sha256, row=row)
    values = dict.fromkeys(asked.objective.names, 4.0 + row / 8 + more)
    return Measured(candidate=of.id, values=values, source=source)


def observed(observation: Observation) -> Observed:
    """The event of an answer."""
    return Observed(observation=observation)
