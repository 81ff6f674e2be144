"""Hypothesis strategies for every noun of the loop. What they draw is legal by construction."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from loop.designs import fresh
from loop.objective import Bound, Combine, Objective, Target
from loop.people import STOPS
from loop.records import (
    Amended,
    Attached,
    Candidate,
    Closed,
    Corrected,
    Edited,
    Event,
    Failed,
    Ingested,
    Kind,
    Measured,
    Observation,
    Observed,
    Opened,
    Origin,
    Paused,
    Prediction,
    Problem,
    Proposed,
    Receipt,
    Rejection,
    Released,
    Reopened,
    Resolved,
    Resumed,
    Retracted,
    Source,
    Started,
    Vetoed,
    Why,
)
from loop.space.composition import Composition
from loop.space.parameters import Categorical, Continuous, Discrete, Ordinal, Parameter
from loop.space.rules import Dependent, Excluded, Expression, Linear, Span
from loop.space.space import SearchSpace
from loop.space.values import Point

ELEMENTS = ("Cu", "Au", "Pd", "Ni", "Al")
UNITS = ("", "K", "GPa", "g/cm^3", "eV/atom", "%")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.floats(-1e6, 1e6, allow_nan=False, width=32)
errors = st.floats(0.0, 1e3, width=32)
seeds = st.integers(0, 2**31 - 1)
units = st.sampled_from(UNITS)


@st.composite
def continuous(draw: st.DrawFn, name: str = "T") -> Continuous:
    """A range on a linear or a logarithmic scale."""
    log = draw(st.booleans())
    low = draw(st.floats(1e-3, 1e3) if log else st.floats(-1e3, 1e3))
    width = draw(st.floats(1e-2, 1e3))
    return Continuous(name=name, low=low, high=low + width, unit=draw(units), log=log)


@st.composite
def discrete(draw: st.DrawFn, name: str = "time") -> Discrete:
    """Up to twenty steps of a decimal width."""
    step = draw(st.sampled_from([0.01, 0.05, 0.25, 1.0, 5.0]))
    low = step * draw(st.integers(-100, 100))
    high = low + step * draw(st.integers(1, 20))
    return Discrete(name=name, low=low, high=high, step=step, unit=draw(units))


@st.composite
def ordinal(draw: st.DrawFn, name: str = "grade") -> Ordinal:
    """Two to five levels, numbers at any distance or names."""
    if draw(st.booleans()):
        names = draw(st.lists(texts, min_size=2, max_size=5, unique=True))
        return Ordinal(name=name, levels=tuple(names))
    levels = sorted(draw(st.sets(st.integers(1, 1000), min_size=2, max_size=5)))
    return Ordinal(name=name, levels=tuple(map(float, levels)), log=draw(st.booleans()))


@st.composite
def categorical(draw: st.DrawFn, name: str = "gas") -> Categorical:
    """Two to four names, perhaps with two descriptors."""
    values = tuple(draw(st.lists(texts, min_size=2, max_size=4, unique=True)))
    if draw(st.booleans()):
        return Categorical(name=name, values=values)
    known = draw(
        st.lists(st.integers(-50, 50), min_size=len(values), max_size=len(values), unique=True)
    )
    descriptors = {
        v: (float(x), float(n)) for n, (v, x) in enumerate(zip(values, known, strict=True))
    }
    return Categorical(name=name, values=values, descriptors=descriptors)


@st.composite
def composition(draw: st.DrawFn, name: str = "alloy") -> Composition:
    """Bounds, a step and `at_most`, all around one composition that is known to be legal."""
    elements = ELEMENTS[: draw(st.integers(2, len(ELEMENTS)))]
    parts = draw(st.sampled_from([4, 10, 20]))
    at_most = draw(st.none() | st.integers(1, len(elements)))
    present = draw(st.permutations(elements))[: at_most or len(elements)]
    cuts = sorted(
        draw(st.lists(st.integers(0, parts), min_size=len(present) - 1, max_size=len(present) - 1))
    )
    counts = dict(zip(present, np.diff([0, *cuts, parts]).tolist(), strict=True))
    low = {e: draw(st.integers(0, n)) / parts for e, n in counts.items() if draw(st.booleans())}
    high = {
        e: draw(st.integers(counts.get(e, 0), parts)) / parts
        for e in elements
        if draw(st.booleans())
    }
    return Composition(
        name=name,
        elements=elements,
        low=low or None,
        high=high or None,
        at_most=at_most,
        step=draw(st.sampled_from([None, 1 / parts])),
    )


parameters: st.SearchStrategy[Parameter] = st.one_of(
    continuous(), discrete(), ordinal(), categorical(), composition()
)


stepped: st.SearchStrategy[Parameter] = st.one_of(
    discrete(),
    ordinal(),
    categorical(),
    composition().filter(lambda drawn: drawn.step is not None),
)


@st.composite
def spaces(draw: st.DrawFn) -> SearchSpace:
    """One to four parameters of any kind, and up to three rules that a point of the space meets."""
    kinds: list[st.SearchStrategy[Parameter]] = [
        continuous(),
        continuous("p"),
        discrete(),
        ordinal(),
        categorical(),
        categorical("base"),
        composition(),
        composition("mix"),
    ]
    chosen = draw(st.lists(st.sampled_from(range(8)), min_size=1, max_size=4, unique=True))
    space = SearchSpace(parameters=tuple(draw(kinds[place]) for place in chosen))
    X = fresh(space, 1, draw(seeds), set())
    (here,) = space.decode(X)
    made = draw(
        st.lists(st.sampled_from([_linear, _expression, _excluded, _dependent]), max_size=3)
    )
    drawn = [draw(rule(space, here)) for rule in made]
    rules = tuple(each for each in drawn if each is not None)
    return SearchSpace(parameters=space.parameters, constraints=rules)


@st.composite
def _linear(draw: st.DrawFn, space: SearchSpace, here: Point) -> Linear | None:
    """A linear rule through a point: an equality, or with the rest on one side."""
    log = {p.name for p in space.parameters if isinstance(p, Continuous | Ordinal) and p.log}
    values = _numbers(space, here)
    terms = sorted(set(values) - log)
    if not terms:
        return None
    chosen = draw(st.lists(st.sampled_from(terms), min_size=1, max_size=3, unique=True))
    coefficients = {term: float(draw(st.sampled_from([-2, -1, 1, 3]))) for term in chosen}
    level = sum(c * values[term] for term, c in coefficients.items())
    sides = draw(st.sampled_from([("low",), ("high",), ("low", "high")]))
    return Linear(terms=coefficients, **dict.fromkeys(sides, level))


@st.composite
def _expression(draw: st.DrawFn, space: SearchSpace, here: Point) -> Expression | None:
    """A nonlinear rule that a point meets with a little room."""
    values = _numbers(space, here)
    if not values:
        return None
    one, other = (draw(st.sampled_from(sorted(values))) for _ in range(2))
    level = values[one] * values[other]
    room = 0.05 * abs(level) + 0.01
    if draw(st.booleans()):
        return Expression(text=f"{one} * {other} <= {level + room!r}")
    return Expression(text=f"exp(-abs({one} * {other} - {level!r}) / {room!r}) >= 0.5")


@st.composite
def _excluded(draw: st.DrawFn, space: SearchSpace, here: Point) -> Excluded | None:
    """A combination that a point does not have."""
    choices = _choices(space)
    if not choices:
        return None
    parameter = draw(st.sampled_from(choices))
    others = [value for value in _values(parameter) if value != here[parameter.name]]
    when: dict[str, tuple[float | str, ...] | Span] = {
        parameter.name: tuple(draw(st.lists(st.sampled_from(others), min_size=1, unique=True)))
    }
    values = {label: x for label, x in _numbers(space, here).items() if label not in when}
    for label in draw(
        st.lists(st.sampled_from(sorted(values)), max_size=1) if values else st.just([])
    ):
        when[label] = Span(**{draw(st.sampled_from(["min", "max"])): values[label]})
    return Excluded(when=when)


@st.composite
def _dependent(draw: st.DrawFn, space: SearchSpace, here: Point) -> Dependent | None:
    """A dependency that leaves a point as it is."""
    choices = _choices(space)
    if not choices or len(space.parameters) < 2:
        return None
    on = draw(st.sampled_from(choices))
    other = draw(st.sampled_from([p for p in space.parameters if p.name != on.name]))
    return Dependent(
        parameter=other.name,
        on=on.name,
        values=tuple(draw(st.lists(st.sampled_from(_values(on)), min_size=1, unique=True))),
        otherwise=here[other.name],
    )


def _choices(space: SearchSpace) -> list[Ordinal | Categorical]:
    return [p for p in space.parameters if isinstance(p, Ordinal | Categorical)]


def _values(parameter: Ordinal | Categorical) -> list[float | str]:
    match parameter:
        case Ordinal():
            return list(parameter.levels)
        case Categorical():
            return list(parameter.values)


def _numbers(space: SearchSpace, here: Point) -> dict[str, float]:
    """The numbers and fractions of a point, by the labels that rules use."""
    numbers: dict[str, float] = {}
    for parameter in space.parameters:
        value: Any = here[parameter.name]
        match parameter:
            case Composition():
                numbers |= {f"{parameter.name}.{e}": value.get(e, 0.0) for e in parameter.elements}
            case _ if not isinstance(value, str):
                numbers[parameter.name] = float(value)
            case _:
                pass
    return numbers


@st.composite
def points(draw: st.DrawFn, space: SearchSpace) -> Point:
    """A feasible point."""
    X = fresh(space, 1, draw(seeds), set())
    assume(len(X) == 1)
    return space.decode(X)[0]


@st.composite
def wishes(draw: st.DrawFn, name: str = "gap") -> Target:
    """A target of which some values are better than others."""
    low, width = draw(st.integers(-10, 9)), draw(st.integers(1, 9))
    return draw(
        st.sampled_from(
            [
                Target(name=name, goal="max"),
                Target(name=name, goal="min"),
                Target(name=name, goal="match", value=float(low)),
                Target(name=name, goal="window", low=float(low), high=float(low + width)),
            ]
        )
    )


@st.composite
def objectives(draw: st.DrawFn) -> Objective:
    """One to three targets, a goal among them, combined in some way, and bounds on any."""
    names = ("hardness", "density", "cost")[: draw(st.integers(1, 3))]
    others = (
        draw(st.one_of(wishes(name), st.just(Target(name=name, goal="observe"))))
        for name in names[1:]
    )
    targets = tuple(replace(t, unit=draw(units)) for t in (draw(wishes(names[0])), *others))
    goals = [target.name for target in targets if target.goal != "observe"]
    ways: list[Combine] = ["auto", "first", "pareto", "scalar"]
    combine = draw(st.sampled_from(ways if len(goals) > 1 else ways[:2]))
    is_pareto = len(goals) > 1 and combine in {"auto", "pareto"}
    reference = draw(st.dictionaries(st.sampled_from(goals), numbers)) if is_pareto else {}
    senses = st.sampled_from(["<=", ">="])
    bounds = st.builds(Bound, target=st.sampled_from(names), sense=senses, value=numbers)
    return Objective(
        targets=targets,
        bounds=tuple(draw(st.lists(bounds, max_size=2))),
        combine=combine,
        reference=reference,
    )


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """A whole question."""
    return Problem(
        name=draw(texts), space=draw(spaces()), objective=draw(objectives()), seed=draw(seeds)
    )


predictions = st.builds(Prediction, mean=numbers, sd=errors)
whys = st.builds(
    Why,
    origin=st.sampled_from(get_args(Origin)),
    cause=texts,
    acquisition=texts,
    value=st.none() | numbers,
    predicted=st.dictionaries(texts, predictions, max_size=2),
    nearest=texts,
    distance=st.none() | errors,
    model=texts,
    seed=st.none() | seeds,
    held=st.dictionaries(texts, numbers | texts, max_size=2),
)
sources = st.builds(
    Source,
    oracle=texts,
    versions=st.dictionaries(texts, texts, max_size=2),
    attempt=texts,
    seconds=st.none() | errors,
    file=texts,
    sha256=texts,
    row=st.none() | st.integers(1, 99),
)


def candidates(space: SearchSpace, names: st.SearchStrategy[str]) -> st.SearchStrategy[Candidate]:
    """A feasible candidate."""
    return st.builds(Candidate, id=names, point=points(space), why=whys)


@st.composite
def observations(
    draw: st.DrawFn, problem: Problem, candidates: st.SearchStrategy[str]
) -> Observation:
    """A failure, or values of some of the targets with some of their errors."""
    candidate = draw(candidates)
    if draw(st.booleans()):
        kind = draw(st.sampled_from(get_args(Kind)))
        return Failed(candidate=candidate, kind=kind, message=draw(texts), source=draw(sources))
    some = st.lists(st.sampled_from(problem.objective.names), min_size=1, unique=True)
    values = {name: draw(numbers) for name in draw(some)}
    return Measured(
        candidate=candidate,
        values=values,
        source=draw(sources),
        errors={name: draw(errors) for name in values if draw(st.booleans())},
        repeats=draw(st.integers(1, 5)),
        replicate=draw(st.sampled_from(["", "a", "b"])),
        executed=draw(st.none() | points(problem.space)),
        notes=draw(st.dictionaries(texts, texts, max_size=2)),
    )


@st.composite
def ingested(draw: st.DrawFn, problem: Problem, candidates: st.SearchStrategy[str]) -> Ingested:
    """A file of which every row is accounted for."""
    taken = tuple(draw(st.lists(observations(problem, candidates), max_size=3)))
    rejected = tuple(
        draw(st.lists(st.builds(Rejection, row=st.integers(1, 99), reason=texts), max_size=2))
    )
    duplicates = draw(st.integers(0, 3))
    receipt = Receipt(
        file=draw(texts),
        sha256=draw(texts),
        rows=len(taken) + duplicates + len(rejected),
        observations=taken,
        rejected=rejected,
    )
    return Ingested(receipt=receipt, duplicates=duplicates, corrected=tuple(draw(_some(texts))))


def resolved(candidates: st.SearchStrategy[str]) -> st.SearchStrategy[Event]:
    """A person keeps what a file says."""
    row = st.none() | st.integers(1, 9)
    return st.builds(Resolved, candidate=candidates, file=texts, reason=texts, row=row, by=texts)


def _some(each: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(each, max_size=2)


settings = st.dictionaries(
    texts,
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | numbers | texts,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
        max_leaves=4,
    ),
    max_size=2,
)


def events(problem: Problem, kind: type[Event]) -> st.SearchStrategy[Event]:
    """Any event of that kind, whether or not it fits into a history."""
    candidate = candidates(problem.space, texts)
    asked = st.lists(candidate, max_size=2).map(tuple)
    observation = observations(problem, texts)
    known: dict[type[Event], st.SearchStrategy[Event]] = {
        Opened: st.builds(Opened, problem=st.just(problem), settings=settings),
        Amended: st.builds(Amended, settings=settings, changes=_some(texts).map(tuple), by=texts),
        Attached: st.builds(
            Attached,
            candidates=asked,
            observations=st.lists(observation, max_size=2).map(tuple),
            reason=texts,
            by=texts,
        ),
        Proposed: st.builds(Proposed, candidates=asked),
        Vetoed: st.builds(Vetoed, candidate=texts, reason=texts, by=texts),
        Edited: st.builds(
            Edited, candidate=texts, point=points(problem.space), reason=texts, by=texts
        ),
        Started: st.builds(Started, candidate=texts, attempt=st.integers(1, 9), worker=texts),
        Released: st.builds(Released, candidate=texts, attempt=st.integers(1, 9), worker=texts),
        Observed: st.builds(Observed, observation=observation),
        Ingested: ingested(problem, texts),
        Retracted: st.builds(Retracted, candidate=texts, reason=texts, by=texts),
        Resolved: resolved(texts),
        Corrected: st.builds(
            Corrected,
            observation=observation.filter(lambda each: isinstance(each, Measured)),
            reason=texts,
            by=texts,
        ),
        Paused: st.builds(Paused, reason=texts, by=texts, stop=st.sampled_from(STOPS)),
        Resumed: st.builds(Resumed, reason=texts, by=texts),
        Closed: st.builds(Closed, reason=texts),
        Reopened: st.builds(Reopened, reason=texts),
    }
    return known[kind]


@st.composite
def later(draw: st.DrawFn, problem: Problem, names: Sequence[str]) -> Event:
    """Something that may happen to a campaign once these candidates have been proposed."""
    name = st.sampled_from(names)
    strategies: list[st.SearchStrategy[Event]] = [
        st.builds(Observed, observation=observations(problem, name)),
        ingested(problem, name),
        st.builds(Vetoed, candidate=name, reason=texts, by=texts),
        st.builds(Started, candidate=name, attempt=st.integers(1, 9), worker=texts),
        st.builds(Released, candidate=name, attempt=st.integers(1, 9), worker=texts),
        st.builds(Retracted, candidate=name, reason=texts, by=texts),
        resolved(name),
        st.builds(Edited, candidate=name, point=points(problem.space), reason=texts, by=texts),
        st.builds(
            Corrected,
            observation=observations(problem, name).filter(lambda each: isinstance(each, Measured)),
            reason=texts,
            by=texts,
        ),
        st.builds(Paused, reason=texts, by=texts, stop=st.sampled_from(STOPS)),
        st.builds(Resumed, reason=texts, by=texts),
        st.builds(Closed, reason=texts),
        st.builds(Reopened, reason=texts),
    ]
    return draw(st.one_of(strategies))
