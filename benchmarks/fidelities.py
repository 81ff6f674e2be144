"""Does a stand-in help, and does one that misleads do harm? Synthetic pairs at equal cost.

    python benchmarks/fidelities.py branin hartmann3 currin --first 100 --seeds 20

The real thing, to be made large on the unit cube, costs 1, its stand-in 0.1; a campaign costs six
times its dimensions. Of every function four stand-ins:

correlated    of the literature: Branin scaled, shifted and with a trend; Hartmann 3 and 6 with the
              weights of Kandasamy et al. (arXiv 1603.06288); Currin as Xiong, Qian and Wu average
              it (Technometrics 55 (2013) 37)
misleading    half of the real thing, and a false peak elsewhere higher than all of it
uncorrelated  waves that know nothing of the real thing
opposite      minus the real thing

Of each campaign the share of the way from the median of the function on the cube to its largest
value that the best real outcome has gone: 1 is the optimum, and a campaign is a tenth worse than
another when it has gone 0.9 of its way. The whole range would forgive too much, since the worst of
Branin is seven times as far from the median as the best is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import quantiles
from typing import Annotated, Any

import numpy as np
import typer
from scipy.stats import bootstrap
from scipy.stats.qmc import Sobol

from loop.bayes import Bayes
from loop.ledger import Ledger
from loop.objective import Objective, Target
from loop.protocols import Declaration
from loop.records import REAL, Candidate, Fidelity, Measured, Problem, Source
from loop.run import Rig, turns
from loop.space.parameters import Continuous
from loop.space.space import SearchSpace
from loop.space.values import Array
from loop.stopping import StopRules

CHEAP = 0.1
MANY = 1000  # evaluations: the cost ends a campaign
COST = 6  # of a campaign, per dimension

Formula = Callable[[Array], float]

A = np.array([[3, 10, 30], [0.1, 10, 35], [3, 10, 30], [0.1, 10, 35]])
P = 1e-4 * np.array([[3689, 1170, 2673], [4699, 4387, 7470], [1091, 8732, 5547], [381, 5743, 8828]])
A6 = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
P6 = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)
WEIGHTS = np.array([1, 1.2, 3, 3.2])
OFF = np.array([0.01, -0.01, -0.1, 0.1])


def branin(x: Array) -> float:
    """Minus the Branin function, on the unit square."""
    a, b = 15 * x[0] - 5, 15 * x[1]
    bowl = (b - 5.1 / (4 * np.pi**2) * a * a + 5 / np.pi * a - 6) ** 2
    return float(-(bowl + 10 * (1 - 1 / (8 * np.pi)) * np.cos(a) + 10))


def hartmann3(x: Array, weights: Array = WEIGHTS) -> float:
    """Minus the Hartmann function of three numbers."""
    return float(weights @ np.exp(-(A * (x - P) ** 2).sum(axis=1)))


def hartmann6(x: Array, weights: Array = WEIGHTS) -> float:
    """Minus the Hartmann function of six numbers."""
    return float(weights @ np.exp(-(A6 * (x - P6) ** 2).sum(axis=1)))


def currin(x: Array) -> float:
    """The Currin function."""
    top = 2300 * x[0] ** 3 + 1900 * x[0] ** 2 + 2092 * x[0] + 60
    below = 100 * x[0] ** 3 + 500 * x[0] ** 2 + 4 * x[0] + 20
    return float(-np.expm1(-1 / (2 * max(x[1], 1e-12))) * top / below)


def averaged(x: Array) -> float:
    """Currin, of four points around."""
    around = [(a, b) for a in (0.05, -0.05) for b in (0.05, -0.05)]
    return float(np.mean([currin(np.array([x[0] + a, max(0.0, x[1] + b)])) for a, b in around]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Real:
    """A function of the unit cube: its largest value, its correlated stand-in, a false peak."""

    formula: Formula
    dimensions: int
    best: float
    correlated: Formula
    false: tuple[float, ...]


FUNCTIONS: Mapping[str, Real] = {
    "branin": Real(
        formula=branin,
        dimensions=2,
        best=-0.397887,
        correlated=lambda x: (
            0.9 * branin(np.array([min(1.0, x[0] + 0.02), x[1]])) + float(20 * x[0])
        ),
        false=(0.1, 0.15),
    ),
    "hartmann3": Real(
        formula=hartmann3,
        dimensions=3,
        best=3.86278,
        correlated=lambda x: hartmann3(x, WEIGHTS + 2 * OFF),
        false=(0.8, 0.2, 0.3),
    ),
    "hartmann6": Real(
        formula=hartmann6,
        dimensions=6,
        best=3.32237,
        correlated=lambda x: hartmann6(x, WEIGHTS + 2 * OFF),
        false=(0.8, 0.2, 0.3, 0.8, 0.2, 0.8),
    ),
    "currin": Real(
        formula=currin, dimensions=2, best=13.798722, correlated=averaged, false=(0.8, 0.8)
    ),
}


@cache
def spread(function: str) -> tuple[float, float]:
    """The median and the least of a function on its cube."""
    real = FUNCTIONS[function]
    rows = Sobol(real.dimensions, rng=0).random_base2(13)
    values = [real.formula(row) for row in rows]
    return float(np.median(values)), min(values)


def stand_in(function: str, name: str) -> Formula:
    """A stand-in by name."""
    real, (_, least) = FUNCTIONS[function], spread(function)
    size, peak = real.best - least, np.array(real.false)
    steps = np.arange(7, 7 + 2 * real.dimensions, 2)
    stand_ins: dict[str, Formula] = {
        "correlated": real.correlated,
        "misleading": lambda x: float(
            0.5 * real.formula(x) + size * np.exp(-((x - peak) ** 2).sum() / 0.02)
        ),
        "uncorrelated": lambda x: float(size / 5 * np.sin(steps * x + x[::-1]).prod()),
        "opposite": lambda x: -real.formula(x),
    }
    return stand_ins[name]


NAMES = ("correlated", "misleading", "uncorrelated", "opposite")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The real thing and a stand-in."""

    real: Formula
    cheap: Formula

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
        formula = self.cheap if candidate.fidelity else self.real
        values = {"y": formula(np.array([point[name] for name in sorted(point)]))}
        return Measured(candidate=candidate.id, values=values, source=Source(oracle="pair"))


def gone(function: str, name: str | None, seed: int) -> float:
    """The share of the way that the best real outcome has gone, when the cost is spent."""
    real = FUNCTIONS[function]
    cost = float(COST * real.dimensions)
    cheap = Fidelity(name="cheap", targets=("y",), cost=CHEAP)
    problem = Problem(
        name="pair",
        space=SearchSpace(
            parameters=tuple(
                Continuous(name=f"x{i}", low=0, high=1) for i in range(real.dimensions)
            )
        ),
        objective=Objective(targets=(Target(name="y"),)),
        seed=seed,
        fidelities=(Fidelity(name=REAL, targets=("y",)), cheap) if name else (),
    )
    rig = Rig(
        problem=problem,
        ledger=Ledger("sqlite://", "pair"),
        oracle=Pair(real=real.formula, cheap=stand_in(function, name) if name else real.formula),
        proposer=Bayes(money=cost),
        rules=StopRules(evaluations=MANY, cost=cost),
    )
    *_, campaign = turns(rig)
    if campaign.best is None:
        return -np.inf
    middle, _ = spread(function)
    return (campaign.best.values["y"] - middle) / (real.best - middle)


def main(
    functions: Annotated[list[str], typer.Argument(help=f"Of {', '.join(FUNCTIONS)}.")],
    *,
    first: Annotated[int, typer.Option(min=0, help="The first seed.")] = 100,
    seeds: Annotated[int, typer.Option(min=2, help="How many.")] = 20,
    stand_ins: Annotated[list[str] | None, typer.Option("--stand-in", help="Else all.")] = None,
    verbose: Annotated[bool, typer.Option(help="Every seed.")] = False,
) -> None:
    """Print the shares at equal cost, as a table in Markdown.

    Example: python benchmarks/fidelities.py currin --seeds 10
    """
    print("| function | stand-in | way gone: median (quartiles) | with / alone (95 %) | worst |")
    print("| --- | --- | --- | --- | --- |")
    for function in functions:
        alone = np.array([])
        for name in (None, *(stand_ins or NAMES)):
            ways = np.array([gone(function, name, seed) for seed in range(first, first + seeds)])
            alone = ways if name is None else alone
            print(f"| {function} | {name or 'none'} | {row(ways, alone)} |", flush=True)
            if verbose:
                print(" ".join(f"{each:.3f}" for each in ways))


def row(ways: Array, alone: Array) -> str:
    """Quartiles, the mean of the paired ratios with its bootstrap interval, the least ratio."""
    low, middle, high = quantiles(ways, n=4)
    said = f"{middle:.3f} ({low:.3f} to {high:.3f})"
    if ways is alone:
        return f"{said} | |"
    ratios = ways / alone
    ends = bootstrap((ratios,), np.mean, rng=0).confidence_interval
    return f"{said} | {ratios.mean():.3f} ({ends.low:.3f} to {ends.high:.3f}) | {ratios.min():.2f}"


if __name__ == "__main__":
    typer.run(main)
