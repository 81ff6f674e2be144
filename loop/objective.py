"""The objective: which quantities are measured, which of them is to be large or small, and bounds.

A bound such as `density <= 12 g/cm^3` is a wish about outcomes, not a constraint on what may be
asked: a candidate can turn out to break it, and is then no answer to the question.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Literal, TypeAlias

from loop.errors import ObjectiveError

Goal: TypeAlias = Literal["max", "min", "observe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A measured quantity: `max` or `min` is what is wanted of it, `observe` only records it."""

    name: str
    unit: str = ""
    goal: Goal = "max"

    @property
    def sign(self) -> float:
        """+1 where more is better, -1 where less is."""
        return -1.0 if self.goal == "min" else 1.0


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
    """The targets and the bounds.

    The first target with a goal drives the choice; further goals are recorded and shown.
    """

    targets: tuple[Target, ...]
    bounds: tuple[Bound, ...] = ()

    def __post_init__(self) -> None:
        """Raise ObjectiveError for doubled names, no goal at all, or a bound on no target."""
        names = [target.name for target in self.targets]
        for name in names:
            if not name or names.count(name) > 1:
                raise ObjectiveError(
                    f"target.{name}",
                    "a name used once",
                    f"{names.count(name)} targets",
                    "Rename one.",
                )
        if not any(target.goal != "observe" for target in self.targets):
            raise ObjectiveError(
                "target", "at least one goal, 'max' or 'min'", "none", "Give one target a goal."
            )
        for bound in self.bounds:
            if bound.target not in names or not isfinite(bound.value):
                raise ObjectiveError(
                    f"bound '{bound}'", f"a finite bound on one of {', '.join(names)}", f"'{bound}'"
                )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all targets, in order."""
        return tuple(target.name for target in self.targets)

    @property
    def units(self) -> dict[str, str]:
        """The unit of every target."""
        return {target.name: target.unit for target in self.targets}

    @property
    def lead(self) -> Target:
        """The target that drives the choice."""
        return next(target for target in self.targets if target.goal != "observe")

    def met(self, values: Mapping[str, float]) -> bool:
        """Whether all bounds are known to be kept by these measured values."""
        return all(b.target in values and b.met(values[b.target]) for b in self.bounds)
