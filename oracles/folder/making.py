"""How a laboratory makes samples: what it can set, how often it measures, what it weighs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count, islice
from math import isfinite

from loop.errors import SettingsError
from loop.space.composition import Composition
from loop.space.parameters import Continuous
from loop.space.space import SearchSpace
from oracles.folder.weighing import Weighing


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """How this laboratory makes samples.

    `resolution` are the finest steps that it can set, by parameter; `repeats` how many measurements
    of each sample are wanted; `weighing` how a mixture is weighed in, where it is; `made` which
    replicates there are of a sample, by its id.
    """

    resolution: Mapping[str, float] = field(default_factory=dict)
    repeats: int = 1
    weighing: Weighing | None = None
    made: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def wanted(self, candidate: str) -> tuple[str, ...]:
        """The replicates of a sample that are still to be made: 2 and 3, where 1 is there."""
        made = self.made.get(candidate, frozenset())
        others = (str(n) for n in count(1) if str(n) not in made)
        return tuple(islice(others, max(1, self.repeats - len(made))))


def require_resolution(resolution: Mapping[str, float], space: SearchSpace) -> None:
    """Raise SettingsError for a step of a parameter that has none, or has its own."""
    known = {parameter.name: parameter for parameter in space.parameters}
    for name, step in resolution.items():
        where = f"oracle.resolution.{name}"
        match known.get(name):
            case None:
                raise SettingsError(where, f"a parameter among {', '.join(known)}", repr(name))
            case Continuous():
                if not (isfinite(step) and step > 0):
                    raise SettingsError(where, "a step above 0", f"{step:g}")
            case Composition(step=None):
                if not (0 < step <= 1 and abs(1 / step - round(1 / step)) <= 1e-6 / step):
                    remedy = "Write 0.01, 0.005 or 0.05, for example."
                    raise SettingsError(where, "a step that divides 1", f"{step:g}", remedy)
            case _:
                expected = "a continuous parameter, or a composition without steps"
                got = f"{name!r}, whose values are given already"
                raise SettingsError(where, expected, got, "Remove it.")
