"""What was asked, in words: goals, space, rules for stopping; the settings without secrets."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from loop.campaign import Campaign
from loop.objective import Objective, Target
from loop.records import Json
from loop.report.quantities import limit, number, percent, quantity, unit
from loop.space.composition import Composition
from loop.space.parameters import Categorical, Continuous, Discrete, Ordinal, Parameter
from loop.space.pool import Pool
from loop.stopping import StopRules

SECRET_KEY = re.compile(r"passw|secret|token|api_?key", re.IGNORECASE)
SECRET_PART = re.compile(
    r"(?<=://)([^/\s:@]*):\S*@|((?:password|token|secret)=)[^&\s]*", re.IGNORECASE
)

FEATURES = 12  # columns of a pool that are named


@dataclass(frozen=True, slots=True, kw_only=True)
class Varied:
    """A parameter as it was asked: what it is, its limits, its unit."""

    name: str
    kind: str
    limits: str
    unit: str


def goals(objective: Objective) -> str:
    """What is wanted, in words."""
    said = [wish(target) for target in _ordered(objective)]
    sentence = ", ".join([said[0], *(f"{each[0].lower()}{each[1:]}" for each in said[1:])])
    units = objective.units
    wishes = [limit(bound, units[bound.target]) for bound in objective.bounds]
    sentence = f"{sentence}, with {' and '.join(wishes)}." if wishes else f"{sentence}."
    return f"{sentence} {_combined(objective)}".rstrip()


def wish(target: Target) -> str:
    """What is wanted of one target: `Bring gap to 3.2 eV`."""
    name = _named(target)
    match target:
        case Target(goal="match", value=float() as value):
            return f"Bring {target.name} to {quantity(value, target.unit)}"
        case Target(goal="level", value=float() as value):
            return f"Find where {target.name} crosses {quantity(value, target.unit)}"
        case Target(goal="window", low=float() as low, high=float() as high):
            return f"Bring {target.name} into {number(low)} to {quantity(high, target.unit)}"
        case _:
            verbs = {"max": "Maximise", "min": "Minimise", "learn": "Learn to predict"}
            return f"{verbs.get(target.goal, 'Record')} {name}"


def _combined(objective: Objective) -> str:
    """How several goals become one choice, in a sentence."""
    if len(objective.goals) < 2:
        return ""
    match objective.way:
        case "single":
            return f"Only {objective.lead.name} drives the choice."
        case "pareto":
            return f"Wanted are all results that no other beats in every goal{_from(objective)}."
        case "scalar":
            return f"Wanted is one balanced compromise{_weighted(objective)}."
        case "desirability":
            return f"Wanted is the largest desirability of all together{_weighted(objective)}."
        case "learn" | "level":
            return ""


def _from(objective: Objective) -> str:
    """The reference point, as far as the user has given one."""
    units = objective.units
    stated = [f"{name} {quantity(x, units[name])}" for name, x in objective.reference.items()]
    return f" and are better than {', '.join(stated)}" if stated else ""


def _weighted(objective: Objective) -> str:
    """The weights, where they differ."""
    weights = objective.weights
    pairs = zip(objective.wanted, weights, strict=True)
    said = ", ".join(f"{target.name} {number(weight)}" for target, weight in pairs)
    return f", weighted {said}" if len(set(weights)) > 1 else ""


def varied(parameter: Parameter) -> Varied:
    """One line of the table of parameters."""
    name = parameter.name
    match parameter:
        case Continuous():
            kind = "continuous, logarithmic" if parameter.log else "continuous"
            return Varied(name=name, kind=kind, limits=_range(parameter), unit=unit(parameter.unit))
        case Discrete():
            limits = f"{_range(parameter)} in steps of {number(parameter.step)}"
            return Varied(name=name, kind="stepped", limits=limits, unit=unit(parameter.unit))
        case Ordinal():
            levels = ", ".join(
                each if isinstance(each, str) else number(each) for each in parameter.levels
            )
            kind = "ordinal, logarithmic" if parameter.log else "ordinal"
            return Varied(name=name, kind=kind, limits=levels, unit=unit(parameter.unit))
        case Categorical():
            return Varied(
                name=name, kind="categorical", limits=", ".join(parameter.values), unit=""
            )
        case Composition():
            return Varied(name=name, kind="composition", limits=_fractions(parameter), unit="")
        case Pool():
            return Varied(name=name, kind="pool", limits=_rows(parameter), unit="")
        case _:
            assert_never(parameter)


def budget(campaign: Campaign, rules: StopRules | None) -> int | None:
    """How many evaluations were granted, by the rules or else by the settings."""
    if rules is not None:
        return rules.evaluations
    granted = _stop_table(campaign).get("evaluations")
    return granted if isinstance(granted, int) else None


def stops(campaign: Campaign, rules: StopRules | None) -> list[str]:
    """When it stops, one rule each."""
    if rules is None:
        return [f"{key} = {value}" for key, value in _stop_table(campaign).items()]
    objective = campaign.problem.objective
    lead = objective.lead
    said = [f"after {rules.evaluations} evaluations"]
    if rules.reached is not None:
        to = quantity(rules.reached, lead.unit)
        is_distance = lead.goal in {"match", "window"}
        said.append(f"when {lead.name} {f'is within {to}' if is_distance else f'reaches {to}'}")
    if rules.plateau is not None:
        size = quantity(rules.plateau_by, lead.unit if objective.way == "single" else "")
        by = f" of more than {size}" if rules.plateau_by else ""
        said.append(f"after {rules.plateau} evaluations without an improvement{by}")
    return [*said, f"when more than {percent(rules.failures)} of the answers are failures"]


def settings(campaign: Campaign) -> str:
    """The campaign file as it holds now, as JSON; empty where none was recorded."""
    if not campaign.settings:
        return ""
    return json.dumps(_masked(dict(campaign.settings)), indent=2, ensure_ascii=False, default=str)


def masked(text: str) -> str:
    """The text without the passwords of URLs."""
    return SECRET_PART.sub(lambda m: f"{m[2]}***" if m[2] else f"{m[1]}:***@", text)


def _masked(value: Json) -> Json:
    match value:
        case Mapping():
            return {k: "***" if SECRET_KEY.search(str(k)) else _masked(v) for k, v in value.items()}
        case list() | tuple():
            return [_masked(each) for each in value]
        case str():
            return masked(value)
        case _:
            return value


def _stop_table(campaign: Campaign) -> Mapping[str, Json]:
    table = campaign.settings.get("stop", {})
    return table if isinstance(table, Mapping) else {}


def _ordered(objective: Objective) -> list[Target]:
    lead = objective.lead
    rest = [target for target in objective.targets if target != lead]
    return [lead, *sorted(rest, key=lambda target: target.goal == "observe")]


def _named(target: Target) -> str:
    return f"{target.name} ({unit(target.unit)})" if target.unit else target.name


def _range(parameter: Continuous | Discrete) -> str:
    return f"{number(parameter.low)} to {number(parameter.high)}"


def _rows(parameter: Pool) -> str:
    features = list(parameter.features)
    more = len(features) - FEATURES
    if more > 0:
        features[FEATURES:] = [f"{more} more"]
    source = f" of {parameter.file}" if parameter.file else ""
    return f"{parameter.count:,} rows{source}, told apart by {', '.join(features)}"


def _fractions(parameter: Composition) -> str:
    bounded = set(parameter.low or {}) | set(parameter.high or {})
    parts = [
        f"{name} {number(low)} to {number(high)}" if name in bounded else name
        for name, (low, high) in zip(parameter.elements, parameter.limits, strict=True)
    ]
    said = ", ".join(parts)
    if parameter.at_most is not None:
        said += f"; at most {parameter.at_most} at once"
    return f"{said}; in steps of {number(parameter.step)}" if parameter.step is not None else said
