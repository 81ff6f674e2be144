"""The objective: which quantities are measured, what is wanted of each, and of all together.

A wish is judged on values and on what a model expects of them, never on the data: what is recorded
and modelled is always the raw quantity. The model of |y - 3.2| would have a kink where it matters.

A bound such as `density <= 12 g/cm^3` is a wish about outcomes, not a constraint on what may be
asked: a candidate can turn out to break it, and is then no answer to the question.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from math import isfinite
from operator import mul
from typing import Any, Literal, Protocol, Self, TypeAlias, TypeVar

from loop.errors import ObjectiveError

Goal: TypeAlias = Literal["max", "min", "match", "window", "learn", "level", "observe"]
Combine: TypeAlias = Literal["auto", "pareto", "scalar", "desirability", "first"]
Way: TypeAlias = Literal["single", "pareto", "scalar", "desirability", "learn", "level"]

WISHES: frozenset[Goal] = frozenset({"max", "min", "match", "window"})  # some values beat others
DECIMALS = 9  # of a standardised number: further ones depend on the unit in which it was given
MOST_PARETO = 4  # the cost of a hypervolume grows exponentially with the number of goals
USED: dict[Goal, frozenset[str]] = {  # which fields a goal takes beside name and unit
    "max": frozenset({"weight", "worst", "best"}),
    "min": frozenset({"weight", "worst", "best"}),
    "match": frozenset({"value", "weight", "worst"}),
    "window": frozenset({"low", "high", "weight", "worst"}),
    "learn": frozenset(),
    "level": frozenset({"value"}),
    "observe": frozenset(),
}


class Number(Protocol):
    """A float, an array or a tensor: one formula for values, data and posterior draws."""

    def __abs__(self) -> Self: ...  # noqa: D105
    def __neg__(self) -> Self: ...  # noqa: D105
    def __add__(self, other: Any, /) -> Any: ...  # noqa: ANN401, D105
    def __sub__(self, other: Any, /) -> Any: ...  # noqa: ANN401, D105
    def __mul__(self, other: Any, /) -> Any: ...  # noqa: ANN401, D105
    def __truediv__(self, other: Any, /) -> Any: ...  # noqa: ANN401, D105
    def __pow__(self, other: Any, /) -> Any: ...  # noqa: ANN401, D105


N = TypeVar("N", bound=Number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A measured quantity and what is wanted of it. All numbers are in its unit.

    max, min    as large, as small as possible
    match       as close to `value` as possible
    window      from `low` to `high`; outside, as close as possible
    learn       to be predicted well everywhere
    level       to be known where it crosses `value`
    observe     only recorded

    `weight` (1 where None) counts in a scalarisation and a desirability. `worst` and `best` are
    where desirability is 0 and 1; `best` is implied by a match and a window.
    """

    name: str
    unit: str = ""
    goal: Goal = "max"
    value: float | None = None
    low: float | None = None
    high: float | None = None
    weight: float | None = None
    worst: float | None = None
    best: float | None = None

    def __post_init__(self) -> None:
        """Raise ObjectiveError for a field that the goal lacks or has no use for."""
        stated = {name for name in _OPTIONAL if getattr(self, name) is not None}
        for name in _OPTIONAL:
            if name in stated - USED[self.goal]:
                raise self._error(name, f"none, for goal '{self.goal}'", "one", f"Remove {name}.")
            if name in stated and not isfinite(number := getattr(self, name)):
                raise self._error(name, "a finite number", f"{number:g}")
        for name in ("value", "low", "high"):
            if name in USED[self.goal] - stated:
                said = f"a number in {self.unit}" if self.unit else "a number"
                raise self._error(name, f"{said}, for goal '{self.goal}'", "none", f"Add {name}.")
        if self.low is not None and self.high is not None and self.low >= self.high:
            got = f"{self.low:g} to {self.high:g}"
            raise self._error("low", "low below high", got, "Swap them.")
        if self.weight is not None and self.weight <= 0:
            raise self._error("weight", "a number above 0", f"{self.weight:g}")
        self._check_ends()

    def standardised(self, shift: float, scale: float) -> "Target":
        """The same wish of outcomes (y - shift) / scale; ObjectiveError where it has none."""
        numbers = {name: getattr(self, name) for name in _IN_UNITS}
        stated: dict[str, Any] = {
            name: _standard(y, shift, scale) for name, y in numbers.items() if y is not None
        }
        return replace(self, **stated)

    def _check_ends(self) -> None:
        """Raise ObjectiveError unless `worst` is worse than `best`."""
        if self.worst is None:
            return
        best = self.utility(self.best) if self.best is not None else 0.0
        is_two_sided = self.goal in {"match", "window"}
        if (self.best is not None or is_two_sided) and self.utility(self.worst) >= best:
            said = {"max": "below best", "min": "above best", "match": "other than value"}
            expected = f"a number {said.get(self.goal, 'outside the window')}"
            raise self._error("worst", expected, f"{self.worst:g}")

    @property
    def sign(self) -> float:
        """+1 where more is better, -1 where less is: of goals max and min."""
        return -1.0 if self.goal == "min" else 1.0

    @property
    def is_wish(self) -> bool:
        """Whether some values of it are better than others."""
        return self.goal in WISHES

    def utility(self, values: N) -> N:
        """How good values are, in the target's unit, larger for better; elementwise, any shape.

        max y; min -y; match -|y - value|; window minus the distance outside it, 0 inside.
        ObjectiveError for learn, level and observe, by which no value is better than another.
        """
        good: Any
        match self.goal:
            case "max":
                good = values
            case "min":
                good = -values
            case "match":
                good = -abs(values - self.value)
            case "window":
                good = -_positive(-(values - self.low)) - _positive(values - self.high)
            case "learn" | "level" | "observe":
                raise self._error("goal", "a goal that ranks values", f"'{self.goal}'")
        found: N = good
        return found

    def desirability(self, values: N) -> N:
        """0 at `worst` and beyond, 1 at `best` and beyond, linear between; elementwise.

        Derringer and Suich, Journal of Quality Technology 12 (1980) 214, eqs. 1 and 2 with
        exponents of 1; a window is a two-sided one whose top is flat.
        """
        worst = self.worst if self.worst is not None else float("nan")
        top = self.utility(self.best) if self.best is not None else 0.0
        foot = self.utility(worst)
        share: Any = (self.utility(values) - foot) / (top - foot)
        clipped: N = _positive(share) - _positive(share - 1.0)
        return clipped

    def _error(self, key: str, expected: str, got: str, remedy: str = "") -> ObjectiveError:
        return ObjectiveError(f"target.{self.name}.{key}", expected, got, remedy)


_IN_UNITS = ("value", "low", "high", "worst", "best")
_OPTIONAL = (*_IN_UNITS, "weight")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """An outcome bound, `target <= value` or `target >= value`, in the target's unit."""

    target: str
    sense: Literal["<=", ">="]
    value: float

    def met(self, value: float) -> bool:
        """Whether a measured value keeps the bound."""
        return value <= self.value if self.sense == "<=" else value >= self.value

    def __str__(self) -> str:
        """The bound as it is written in campaign.toml, without its unit."""
        return f"{self.target} {self.sense} {self.value:g}"


@dataclass(frozen=True, kw_only=True)
class Objective:
    """The targets, the bounds, and how several goals become one choice.

    first         the first goal drives the choice, the others are recorded and shown. What 0.1
                  did, and so what a record means that does not say
    auto          one goal: that; two to four: pareto; more: scalar
    pareto        all results that no other beats: the hypervolume they cover above `reference`
    scalar        one compromise, by the targets' weights (`loop.front.balance`)
    desirability  the geometric mean of the targets' desirabilities, by their weights

    `reference` gives, in the targets' units, values that are just not worth having; what it leaves
    out has a stated default (`loop.front.reference_point`).
    """

    targets: tuple[Target, ...]
    bounds: tuple[Bound, ...] = ()
    combine: Combine = "first"
    reference: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise ObjectiveError for names, goals, bounds and numbers that do not fit together."""
        self._check_names()
        self._check_goals()
        self._check_numbers()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all targets, in order."""
        return tuple(target.name for target in self.targets)

    @property
    def units(self) -> dict[str, str]:
        """The unit of every target."""
        return {target.name: target.unit for target in self.targets}

    @property
    def goals(self) -> tuple[Target, ...]:
        """The targets of which something is wanted, in order."""
        return tuple(target for target in self.targets if target.goal != "observe")

    @property
    def lead(self) -> Target:
        """The first target with a goal."""
        return self.goals[0]

    @property
    def wanted(self) -> tuple[Target, ...]:
        """The targets that drive the choice: all goals, or only the leading one."""
        return self.goals[:1] if self.combine == "first" else self.goals

    @property
    def way(self) -> Way:
        """What choosing well means here, `auto` decided; `single` is one max, min, match, window.

        `learn` and `level` may have several targets, which count alike.
        """
        lead, count = self.lead.goal, len(self.wanted)
        if lead == "learn" or lead == "level":  # noqa: PLR1714  (mypy narrows only these)
            return lead
        match self.combine:
            case "first":
                return "single"
            case "auto":
                several: Way = "pareto" if count <= MOST_PARETO else "scalar"
                return several if count > 1 else "single"
            case "pareto" | "scalar" | "desirability":
                return self.combine

    def standardised(self, shift: Sequence[float], scale: Sequence[float]) -> "Objective":
        """The same question of outcomes (y - shift) / scale, a number of each per target.

        Raises:
            ObjectiveError: where numbers that must differ do not, to nine decimals.
        """
        ways = dict(zip(self.names, zip(shift, scale, strict=True), strict=True))
        return replace(
            self,
            targets=tuple(each.standardised(*ways[each.name]) for each in self.targets),
            bounds=tuple(
                replace(each, value=_standard(each.value, *ways[each.target]))
                for each in self.bounds
            ),
            reference={name: _standard(y, *ways[name]) for name, y in self.reference.items()},
        )

    def met(self, values: Mapping[str, float]) -> bool:
        """Whether all bounds are known to be kept by these measured values."""
        return all(b.target in values and b.met(values[b.target]) for b in self.bounds)

    def desirability(self, values: Mapping[str, N]) -> N:
        """Of values by target name, all of one shape: the weighted geometric mean, 0 to 1.

        D = (product of d_j ^ w_j) ^ (1 / sum of w_j), Derringer and Suich 1980, eq. 3, with the
        weights of Derringer, Quality Progress 27(6) (1994) 51. It is 0 where any d_j is, and with
        an exponent below 1 its slope is infinite there.
        """
        weights = self.weights
        powers: list[Any] = [
            t.desirability(values[t.name]) ** (w / sum(weights))
            for t, w in zip(self.wanted, weights, strict=True)
        ]
        mean: N = reduce(mul, powers)
        return mean

    @property
    def weights(self) -> tuple[float, ...]:
        """The weight of each wanted target."""
        return tuple(1.0 if t.weight is None else t.weight for t in self.wanted)

    def _check_names(self) -> None:
        names = self.names
        for name in names:
            if not name or names.count(name) > 1:
                raise ObjectiveError(
                    f"target.{name}",
                    "a name used once",
                    f"{names.count(name)} targets",
                    "Rename one.",
                )
        for bound in self.bounds:
            if bound.target not in names or not isfinite(bound.value):
                raise ObjectiveError(
                    f"bound '{bound}'", f"a finite bound on one of {', '.join(names)}", f"'{bound}'"
                )

    def _check_goals(self) -> None:
        kinds = {"wish" if t.is_wish else t.goal for t in self.goals}
        if not kinds:
            raise ObjectiveError(
                "target", "at least one goal, 'max' or 'min'", "none", "Give one target a goal."
            )
        if len(kinds) > 1:
            raise ObjectiveError(
                "target",
                "goals that go together: all 'learn', all 'level', or neither",
                ", ".join(f"{t.name}: '{t.goal}'" for t in self.goals),
                "Let the others be observed, or make two campaigns.",
            )
        if self.combine in {"auto", "first"}:
            return
        if not self.lead.is_wish or len(self.goals) < 2:
            got = ", ".join(f"'{t.goal}'" for t in self.goals)
            expected = f"two or more goals max, min, match or window, to combine by {self.combine}"
            raise ObjectiveError("objective.combine", expected, got, "Remove combine.")
        if self.combine == "pareto" and len(self.goals) > MOST_PARETO:
            expected = f"at most {MOST_PARETO} goals, whose hypervolume can be worked out"
            remedy = "Combine by 'scalar', or let some be observed."
            raise ObjectiveError("objective.combine", expected, str(len(self.goals)), remedy)

    def _check_numbers(self) -> None:
        for target in self.targets:
            if target.weight is not None and self.way not in {"scalar", "desirability"}:
                raise self._unused(f"target.{target.name}.weight", "scalar or desirability")
            has_ends = target.worst is not None or target.best is not None
            if has_ends and self.way != "desirability":
                raise self._unused(f"target.{target.name}.worst", "desirability")
        if self.way == "desirability":
            for target in self.goals:
                _require_ends(target)
        if self.reference and self.way != "pareto":
            raise self._unused("objective.reference", "pareto")
        wanted = [target.name for target in self.wanted]
        for name, value in self.reference.items():
            if name not in wanted or not isfinite(value):
                raise ObjectiveError(
                    f"objective.reference.{name}",
                    f"a finite value of one of {', '.join(wanted)}",
                    f"{name} = {value:g}",
                )

    def _unused(self, where: str, needs: str) -> ObjectiveError:
        remedy = f"Remove it, or state several goals and combine = '{needs.partition(' ')[0]}'."
        return ObjectiveError(where, f"none, unless goals combine by {needs}", "one", remedy)


def _require_ends(target: Target) -> None:
    """Raise ObjectiveError unless the target says where its desirability is 0 and 1."""
    needed = ("worst", "best") if target.goal in {"max", "min"} else ("worst",)
    for name in needed:
        if getattr(target, name) is None:
            raise ObjectiveError(
                f"target.{target.name}.{name}",
                f"the value at which desirability is {0 if name == 'worst' else 1}",
                "none",
                f"Add {name}, or combine otherwise.",
            )


def _standard(y: float, shift: float, scale: float) -> float:
    """(y - shift) / scale to nine decimals, in which the unit of y can no longer be seen."""
    return round((y - shift) / scale, DECIMALS)


def _positive(values: Any) -> Any:  # noqa: ANN401
    """max(values, 0), exactly, of whatever has arithmetic."""
    return (values + abs(values)) / 2
