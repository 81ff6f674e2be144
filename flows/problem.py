"""From the tables of campaign.toml to the Problem: the space, the objective and the seed."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, assert_never

from flows.folder import FILE
from flows.refusal import nearest
from flows.settings import ProposerTable, Settings, parse
from flows.tables.oracle import TableTable
from flows.tables.problem import (
    CategoricalTable,
    CompositionTable,
    ConstraintTable,
    ContinuousTable,
    DependentTable,
    DiscreteTable,
    IntegerTable,
    OrdinalTable,
    Parameters,
    PoolTable,
    SpanTable,
)
from loop.choices import Acquisition
from loop.cost import LEARNT, WHERE, require_cost
from loop.errors import LoopError, SettingsError, SpaceError
from loop.objective import MOST_PARETO, Bound, Objective, Target
from loop.records import Json, Problem
from loop.space.composition import Composition
from loop.space.expressions import quantity
from loop.space.parameters import Categorical, Continuous, Discrete, Ordinal, Parameter
from loop.space.rules import Dependent, Excluded, Expression, Linear, Rule, Span, Values
from loop.space.space import SearchSpace
from loop.units import convert, require

BOUND = re.compile(
    r"\s*(?P<target>\S+)\s*(?P<sense><=|>=)\s*(?P<value>[-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*(?P<unit>.*?)\s*"
)


def stated(folder: Path, raw: Mapping[str, Json]) -> tuple[Settings, Problem]:
    """What campaign.toml asks for; SettingsError, naming the file, for the first broken rule."""
    file = str(folder / FILE)
    settings = parse(raw, file)
    with naming(file):
        return settings, problem(settings, folder)


def problem(settings: Settings, folder: Path) -> Problem:
    """The space, the objective and the seed; LoopError for the first rule that they break."""
    for parameter in settings.parameter:
        if not isinstance(parameter, CategoricalTable | CompositionTable | PoolTable):
            require(parameter.unit, f"parameter.{parameter.name}.unit")
    space = SearchSpace(
        parameters=tuple(_parameter(table, settings, folder) for table in settings.parameter),
        constraints=tuple(
            _rule(table, f"constraint[{number}]")
            for number, table in enumerate(settings.constraint, start=1)
        ),
        shared=tuple(settings.shared),
    )
    objective = _objective(settings)
    _require_used(settings.proposer)
    _require_fit(settings.proposer.acquisition, objective)
    require_cost(settings.proposer.cost, space)
    return Problem(name=settings.name, space=space, objective=objective, seed=settings.seed)


@contextmanager
def naming(file: str) -> Iterator[None]:
    """Say in which file the key stands that a room below has refused."""
    try:
        yield
    except LoopError as error:
        where = f"{file}: {error.where}"
        raise SettingsError(where, error.expected, error.got, error.remedy) from error


def _parameter(table: Parameters, settings: Settings, folder: Path) -> Parameter:
    match table:
        case ContinuousTable():
            return Continuous(**_keys(table))
        case DiscreteTable() | IntegerTable():
            ends = {"low": float(table.low), "high": float(table.high)}
            return Discrete(**({"step": 1.0} | _keys(table) | ends))
        case OrdinalTable():
            return Ordinal(**{**_keys(table), "levels": tuple(table.levels)})
        case CategoricalTable():
            return Categorical(
                name=table.name,
                values=tuple(table.values),
                descriptors=None
                if table.descriptors is None
                else {value: tuple(numbers) for value, numbers in table.descriptors.items()},
                descriptor_names=tuple(table.descriptor_names),
                past=table.past,
            )
        case CompositionTable():
            return Composition(
                name=table.name,
                elements=tuple(table.elements),
                low=table.low,
                high=table.high,
                at_most=table.at_most,
                step=table.step,
                past=table.past,
            )
        case PoolTable():
            from flows.pool import made  # noqa: PLC0415 - pandas and pyarrow, where they are wanted

            return made(table, folder, _answers(settings), _priced(settings, table))
        case _:
            assert_never(table)


def _keys(table: Parameters) -> dict[str, Any]:
    """The table's keys but its kind, which the parameter's class says."""
    return table.model_dump(exclude={"kind"})


def _rule(table: ConstraintTable, where: str) -> Rule:
    """The one rule that a table states; SettingsError for none or several."""
    stated = table.model_dump(exclude={"low", "high"}, exclude_none=True)
    bounded = table.low is not None or table.high is not None
    if len(stated) != 1 or (bounded and table.terms is None):
        expected = "one of terms (with low or high), expression, exclude, dependent"
        got = ", ".join([*stated, *(["low or high"] if bounded else [])]) or "none of them"
        raise SettingsError(where, expected, got, "Write one [[constraint]] for each rule.")
    try:
        match table:
            case ConstraintTable(terms=dict() as terms):
                return Linear(terms=terms, low=table.low, high=table.high)
            case ConstraintTable(expression=str() as text):
                return Expression(text=text)
            case ConstraintTable(exclude=dict() as exclude):
                return Excluded(when={name: _chosen(each) for name, each in exclude.items()})
            case ConstraintTable(dependent=DependentTable() as it):
                return Dependent(
                    parameter=it.parameter,
                    on=it.on,
                    values=tuple(it.values),
                    otherwise=it.otherwise,
                )
            case _:
                raise AssertionError(where)
    except SpaceError as error:
        where += error.where.removeprefix("constraint")
        raise SettingsError(where, error.expected, error.got, error.remedy) from error


def _chosen(table: list[float | str] | SpanTable) -> Values | Span:
    match table:
        case SpanTable():
            return Span(min=table.min, max=table.max)
        case values:
            return tuple(values)


def _objective(settings: Settings) -> Objective:
    """What is wanted. One goal that nothing is combined with is recorded as 0.1 recorded it."""
    for target in settings.target:
        require(target.unit, f"target.{target.name}.unit")
    targets = tuple(Target(**target.model_dump()) for target in settings.target)
    units = {target.name: target.unit for target in targets}
    table = settings.objective
    bounds = tuple(
        _bound(text, units, f"objective.bounds[{number}]")
        for number, text in enumerate(table.bounds, start=1)
    )
    is_single = table.combine == "auto" and sum(t.goal != "observe" for t in targets) == 1
    return Objective(
        targets=targets,
        bounds=bounds,
        combine="first" if is_single else table.combine,
        reference=table.reference,
    )


def _require_used(table: ProposerTable) -> None:
    """Raise SettingsError for a key of a model where there is none."""
    unused = sorted(table.model_fields_set - {"kind"})
    if table.kind == "design" and unused:
        remedy = 'Remove it, or write kind = "bayes".'
        raise SettingsError(f"proposer.{unused[0]}", "none, for kind 'design'", "one", remedy)


def _require_fit(acquisition: Acquisition, objective: Objective) -> None:
    """Raise SettingsError for an acquisition that cannot value what is wanted."""
    match acquisition:
        case "auto" | "variance":
            return
        case "ucb" | "logei":
            is_fit, expected = objective.lead.is_wish, "goals max, min, match or window"
        case "straddle":
            is_fit, expected = objective.way == "level", "goals 'level'"
        case "qlogei" | "qlognei":
            is_fit = objective.way in {"single", "scalar", "desirability"}
            expected = "one goal, or several combined by scalar or desirability"
        case "logehvi" | "qlognehvi":
            is_fit = objective.way == "pareto"
            expected = f"two to {MOST_PARETO} goals, combined by pareto"
        case "qlogparego":
            is_fit = objective.lead.is_wish and len(objective.wanted) > 1
            expected = "two or more goals max, min, match or window"
        case _:
            assert_never(acquisition)
    if not is_fit:
        got = ", ".join(f"{target.name}: '{target.goal}'" for target in objective.wanted)
        got += f", combined by {objective.way}" if len(objective.wanted) > 1 else ""
        remedy = 'Write acquisition = "auto", or leave it out.'
        raise SettingsError("proposer.acquisition", f"{expected}, for '{acquisition}'", got, remedy)


def _answers(settings: Settings) -> set[str]:
    """The columns, in any file, that hold what is to be found out."""
    names = {target.name for target in settings.target}
    tables = [table for table in settings.oracles if isinstance(table, TableTable)]
    names |= {table.columns.get(name, name) for table in tables for name in names}
    return names | {f"{name} error" for name in names}


def _priced(settings: Settings, table: PoolTable) -> list[str]:
    """The columns of a pool that the cost names, as `parameter.column`."""
    text, start = settings.proposer.cost, f"{table.name}."
    if text is None or text == LEARNT:
        return []
    names = quantity(text, WHERE).names
    return [name.removeprefix(start) for name in names if name.startswith(start)]


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
