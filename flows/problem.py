"""From the tables of campaign.toml to the Problem: the space, the objective and the seed."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import assert_never

from flows.folder import FILE
from flows.refusal import nearest
from flows.settings import (
    CategoricalTable,
    CompositionTable,
    ContinuousTable,
    DiscreteTable,
    Parameters,
    Settings,
    parse,
)
from loop.errors import LoopError, SettingsError
from loop.objective import Bound, Objective, Target
from loop.parameters import Categorical, Composition, Continuous, Discrete, Parameter
from loop.records import Json, Problem
from loop.space import Linear, SearchSpace
from loop.units import convert, require

BOUND = re.compile(
    r"\s*(?P<target>\S+)\s*(?P<sense><=|>=)\s*(?P<value>[-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*(?P<unit>.*?)\s*"
)


def stated(folder: Path, raw: Mapping[str, Json]) -> tuple[Settings, Problem]:
    """What campaign.toml asks for; SettingsError, naming the file, for the first broken rule."""
    file = str(folder / FILE)
    settings = parse(raw, file)
    with naming(file):
        return settings, problem(settings)


def problem(settings: Settings) -> Problem:
    """The space, the objective and the seed; LoopError for the first rule that they break."""
    for parameter in settings.parameter:
        if isinstance(parameter, ContinuousTable | DiscreteTable):
            require(parameter.unit, f"parameter.{parameter.name}.unit")
    for target in settings.target:
        require(target.unit, f"target.{target.name}.unit")
    targets = tuple(Target(name=t.name, unit=t.unit, goal=t.goal) for t in settings.target)
    units = {target.name: target.unit for target in targets}
    bounds = tuple(
        _bound(text, units, f"objective.bounds[{number}]")
        for number, text in enumerate(settings.objective.bounds, start=1)
    )
    constraints = (Linear(terms=c.terms, low=c.low, high=c.high) for c in settings.constraint)
    space = SearchSpace(
        parameters=tuple(map(_parameter, settings.parameter)), constraints=tuple(constraints)
    )
    objective = Objective(targets=targets, bounds=bounds)
    return Problem(name=settings.name, space=space, objective=objective, seed=settings.seed)


@contextmanager
def naming(file: str) -> Iterator[None]:
    """Say in which file the key stands that a room below has refused."""
    try:
        yield
    except LoopError as error:
        where = f"{file}: {error.where}"
        raise SettingsError(where, error.expected, error.got, error.remedy) from error


def _parameter(table: Parameters) -> Parameter:
    match table:
        case ContinuousTable():
            return Continuous(
                name=table.name, low=table.low, high=table.high, unit=table.unit, log=table.log
            )
        case DiscreteTable():
            return Discrete(
                name=table.name, low=table.low, high=table.high, step=table.step, unit=table.unit
            )
        case CategoricalTable():
            return Categorical(name=table.name, values=tuple(table.values))
        case CompositionTable():
            return Composition(
                name=table.name,
                elements=tuple(table.elements),
                low=table.low,
                high=table.high,
                at_most=table.at_most,
                step=table.step,
            )
        case _:
            assert_never(table)


def _bound(text: str, units: dict[str, str], where: str) -> Bound:
    """The bound that a line such as `density <= 12 g/cm^3` states, in its target's unit."""
    found = BOUND.fullmatch(text)
    if found is None:
        raise SettingsError(
            where,
            "target, <= or >=, number, unit, such as 'density <= 12 g/cm^3'",
            repr(text),
            "Write it so; a window is two bounds.",
        )
    target, unit = found["target"], found["unit"]
    if target not in units:
        remedy = nearest(target, units) or "Add a [[target]] of that name."
        raise SettingsError(where, f"a target among {', '.join(units)}", repr(target), remedy)
    try:
        number = float(found["value"])
    except ValueError:
        raise SettingsError(where, "a number", found["value"], "Correct it.") from None
    if units[target] and not unit:
        remedy = f"Write '{text.strip()} {units[target]}'."
        raise SettingsError(where, f"a value with its unit, as of {target}", repr(text), remedy)
    value = convert(number, unit, units[target], where)
    return Bound(target=target, sense="<=" if found["sense"] == "<=" else ">=", value=value)
