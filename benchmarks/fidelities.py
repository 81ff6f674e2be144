"""Does a stand-in help, and does one that misleads do harm? Synthetic pairs at equal cost.

    python benchmarks/fidelities.py --seeds 10 --cost 12

The real thing is the Branin function (minus, on the unit square), of cost 1; stand-ins cost 0.1.
Printed: simple regret of every seed, and its median, for the real thing alone and with each
stand-in. A stand-in that is the real thing's opposite is learnt from like any other.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import cos, exp, pi, sin
from statistics import median
from typing import Annotated, Any

import typer

from loop.bayes import Bayes
from loop.ledger import Ledger
from loop.objective import Objective, Target
from loop.protocols import Declaration
from loop.records import REAL, Candidate, Fidelity, Measured, Problem, Source
from loop.run import Rig, turns
from loop.space.parameters import Continuous
from loop.space.space import SearchSpace
from loop.stopping import StopRules

BEST = -0.397887
CHEAP = 0.1
MANY = 1000  # evaluations: the cost ends a campaign


def branin(a: float, b: float) -> float:
    """Minus the Branin function, on the unit square."""
    x, y = 15 * a - 5, 15 * b
    bowl = (y - 5.1 / (4 * pi**2) * x * x + 5 / pi * x - 6) ** 2
    return -(bowl + 10 * (1 - 1 / (8 * pi)) * cos(x) + 10)


STAND_INS: dict[str, Callable[[float, float], float]] = {
    "correlated": lambda a, b: 0.9 * branin(min(1, a + 0.02), b) + 20 * a,
    "misleading": lambda a, b: (
        0.5 * branin(a, b) + 150 * exp(-((a - 0.1) ** 2 + (b - 0.15) ** 2) / 0.02)
    ),
    "uncorrelated": lambda a, b: 50 * sin(9 * a + 2 * b) * sin(7 * b + 1),
    "opposite": lambda a, b: -branin(a, b),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The real thing and a stand-in."""

    stand_in: Callable[[float, float], float]

    @property
    def declaration(self) -> Declaration:
        """Both are formulas."""
        parts = (Declaration(name="real"), Declaration(name="cheap", fidelity="cheap"))
        return Declaration(name="pair", parts=parts)

    def submit(self, candidates: Sequence[Candidate]) -> None:
        """Do nothing."""

    def collect(self, pending: Sequence[Candidate]) -> list[Measured]:
        """Work the formulas out."""
        return [self._answer(each, each.point) for each in pending]

    def _answer(self, candidate: Candidate, point: Mapping[str, Any]) -> Measured:
        formula = self.stand_in if candidate.fidelity else branin
        values = {"y": formula(point["a"], point["b"])}
        return Measured(candidate=candidate.id, values=values, source=Source(oracle="pair"))


def regret(stand_in: str | None, seed: int, cost: float) -> float:
    """How far the best real value is from the optimum, when the cost is spent."""
    cheap = Fidelity(name="cheap", targets=("y",), cost=CHEAP)
    space = SearchSpace(parameters=tuple(Continuous(name=n, low=0, high=1) for n in "ab"))
    problem = Problem(
        name="pair",
        space=space,
        objective=Objective(targets=(Target(name="y"),)),
        seed=seed,
        fidelities=(Fidelity(name=REAL, targets=("y",)), cheap) if stand_in else (),
    )
    rig = Rig(
        problem=problem,
        ledger=Ledger("sqlite://", "pair"),
        oracle=Pair(stand_in=STAND_INS[stand_in] if stand_in else branin),
        proposer=Bayes(money=cost),
        rules=StopRules(evaluations=MANY, cost=cost),
    )
    *_, campaign = turns(rig)
    return float("inf") if campaign.best is None else BEST - campaign.best.values["y"]


def main(
    seeds: Annotated[int, typer.Option(min=1)] = 10, cost: Annotated[float, typer.Option()] = 12.0
) -> None:
    """Print regrets at equal cost."""
    for name in (None, *STAND_INS):
        found = [regret(name, seed, cost) for seed in range(seeds)]
        said = " ".join(f"{each:.2f}" for each in found)
        print(f"{name or 'real alone':14} median {median(found):.3f}   {said}", flush=True)


if __name__ == "__main__":
    typer.run(main)
