"""Functions to be maximised on continuous, mixed and mixture spaces, known to every method alike.

hartmann6     Hartmann 6 on the unit cube, its sign turned: best 3.32237
hartmann6n    the same, measured with Gaussian noise of standard deviation 0.3
mixed6        a yield of two categories (catalyst c of 4, solvent s of 3), an integer n from 1 to 12
              and three numbers x1, x2, x3 in 0..1:
                  100 W[c, s] / (1 + 8 (x1 - a_c)^2 + 8 (x2 - b_s)^2 + (n - k_c)^2 / 9
                                   + 6 (x3 - 0.3 - 0.4 x1)^2)
              where the second-best pair of categories reaches 92 and the best 100
mixture5      fractions x of five components A..E that sum to 1, at most three of them present:
                  p.x + sum_ij q_ij x_i x_j (Scheffe's quadratic) + exp(-|x - m|^2 / (2 0.15^2)),
              m = (0, 0.5, 0.3, 0, 0.2); best 1.826573 on the face BCE
branincurrin  Branin and Currin over the unit square, signs turned, reference (-18, -6)
zdt2          ZDT2 in six numbers (a front that is not convex), signs turned, reference (-1.1, -3)

Kept back, to decide defaults on, by name or --kept: branin, hartmann3, ackley5 (its best off the
centre, at 0.3 of each range), levy5, rosenbrock4, and hartmann3n and levy5n with noise of about a
tenth of their spread. With --noisy, six whose noise is a fifth to three fifths of their spread.
With --mixed, the five without noise over again, in spreads below their best, with two categories c
and s: c moves the whole function along every axis, and each pair has a height of its own, between
0 and 1, and one has 1.2; and yield0 to yield9, of the kind of mixed6, heights and places drawn.

With one target the regret is best possible - best true value so far; with two, the share of the
largest hypervolume that is not yet covered. Points are mappings from parameter name to value.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import scipy
import torch
from botorch.test_functions.multi_objective import ZDT2, BraninCurrin
from botorch.test_functions.synthetic import (
    Ackley,
    Branin,
    DixonPrice,
    Griewank,
    Hartmann,
    Levy,
    Michalewicz,
    Rosenbrock,
    StyblinskiTang,
)

from pools import Array

Kind = Literal["real", "integer", "category", "fractions"]
Point = Mapping[str, Any]

CATALYSTS = ("Pd", "Ni", "Cu", "Fe")
SOLVENTS = ("DMF", "water", "THF")
HEIGHTS = np.array([[0.70, 0.55, 0.92], [0.60, 1.00, 0.50], [0.80, 0.45, 0.65], [0.40, 0.75, 0.60]])
PURE = np.array([0.6, 0.9, 0.3, 0.8, 0.5])
BLEND = {(0, 1): 1.2, (0, 3): 1.6, (1, 2): 0.8, (2, 4): 1.1, (3, 4): -0.9, (0, 4): 0.5}
PEAK, WIDTH = np.array([0.0, 0.5, 0.3, 0.0, 0.2]), 0.15
PARTS = ("A", "B", "C", "D", "E")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A real or an integer from low to high, a category of `values`, or fractions of `values`.

    Of fractions, `high` is how many may be present.
    """

    name: str
    kind: Kind
    low: float = 0.0
    high: float = 1.0
    values: tuple[str, ...] = ()

    @property
    def told(self) -> dict[str, Any]:
        """As a peer is told."""
        said = {"name": self.name, "kind": self.kind, "low": self.low, "high": self.high}
        return said | {"values": list(self.values)}

    def drawn(self, u: Array) -> dict[str, Any]:
        """Uniform numbers (coordinates,) as values."""
        match self.kind:
            case "real":
                return {self.name: float(self.low + u[0] * (self.high - self.low))}
            case "integer":
                return {self.name: int(self.low + np.floor(u[0] * (self.high - self.low + 1)))}
            case "category":
                return {self.name: self.values[int(u[0] * len(self.values))]}
            case "fractions":
                half = len(self.values)
                shares = -np.log1p(-u[:half])
                shares[np.argsort(u[half:])[int(self.high) :]] = 0.0
                return dict(zip(self.values, (shares / shares.sum()).tolist(), strict=True))

    @property
    def coordinates(self) -> int:
        """How many uniform numbers a draw takes."""
        return 2 * len(self.values) if self.kind == "fractions" else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """What is searched: `value` of a point (m,), all maximised; `best` value, or hypervolume."""

    name: str
    parameters: tuple[Parameter, ...]
    value: Callable[[Point], Array]
    best: float
    starts: int
    noise: float = 0.0
    worst: tuple[float, ...] = (0.0,)  # the reference point of two targets

    @property
    def targets(self) -> list[str]:
        """The names of the targets."""
        return [f"y{index}" for index in range(len(self.worst))]

    @property
    def told(self) -> dict[str, Any]:
        """As a peer is told."""
        return {
            "parameters": [parameter.told for parameter in self.parameters],
            "targets": self.targets,
            "worst": list(self.worst),
        }

    def design(self, count: int, seed: int) -> list[Point]:
        """Scrambled Sobol points; a mixture is uniform on a random face of its simplex."""
        widths = [parameter.coordinates for parameter in self.parameters]
        sobol = scipy.stats.qmc.Sobol(sum(widths), rng=np.random.default_rng(seed))
        rows = sobol.random_base2(int(np.ceil(np.log2(count))))[:count]
        return [
            {
                name: value
                for parameter, u in zip(
                    self.parameters, np.split(row, np.cumsum(widths)[:-1]), strict=True
                )
                for name, value in parameter.drawn(u).items()
            }
            for row in rows
        ]

    def measured(self, point: Point, seed: int) -> Array:
        """The value (m,) with noise."""
        noise = np.random.default_rng(seed).normal(0.0, 1.0, len(self.worst))
        return self.value(point) + self.noise * noise

    def check(self, point: Point) -> None:
        """Raise ValueError for a point that the space does not have."""
        for parameter in self.parameters:
            match parameter.kind:
                case "real":
                    legal = parameter.low <= point[parameter.name] <= parameter.high
                case "integer":
                    legal = point[parameter.name] in range(
                        int(parameter.low), int(parameter.high) + 1
                    )
                case "category":
                    legal = point[parameter.name] in parameter.values
                case "fractions":
                    shares = np.array([point[name] for name in parameter.values])
                    legal = (
                        abs(shares.sum() - 1) < 1e-4
                        and shares.min() > -1e-6
                        and (shares > 1e-4).sum() <= parameter.high
                    )
            if not legal:
                raise ValueError(f"{self.name}: {point} is outside the space ({parameter.name})")

    def regret(self, values: Array) -> list[float]:
        """What is missing after each of the true values (n, m)."""
        if len(self.worst) == 1:
            found: list[float] = (self.best - np.maximum.accumulate(values[:, 0])).tolist()
            return found
        covered = [hypervolume(values[: n + 1], self.worst) for n in range(len(values))]
        return [1.0 - each / self.best for each in covered]


def hypervolume(values: Array, worst: Sequence[float]) -> float:
    """The area that values (n, 2) dominate above `worst`."""
    better = values[(values > np.array(worst)).all(axis=1)]
    area, height = 0.0, worst[1]
    for first, second in better[np.argsort(-better[:, 0])]:
        area += max(0.0, second - height) * (first - worst[0])
        height = max(height, second)
    return float(area)


@dataclass(frozen=True, slots=True, kw_only=True)
class Yield:
    """The yield of `mixed6` in the module's docstring: its heights W (4, 3), a, b and k."""

    heights: Array
    a: Array
    b: Array
    k: Array

    def __call__(self, point: Point) -> Array:
        """The yield, as (1,)."""
        c, s = CATALYSTS.index(point["catalyst"]), SOLVENTS.index(point["solvent"])
        gap = (
            8 * (point["x1"] - self.a[c]) ** 2
            + 8 * (point["x2"] - self.b[s]) ** 2
            + (point["n"] - self.k[c]) ** 2 / 9
            + 6 * (point["x3"] - 0.3 - 0.4 * point["x1"]) ** 2
        )
        return np.array([100 * self.heights[c, s] / (1 + gap)])


def mixture5(point: Point) -> Array:
    """The property of `mixture5`, in the module's docstring."""
    x = np.array([point[part] for part in PARTS])
    blended = sum(q * x[i] * x[j] for (i, j), q in BLEND.items())
    return np.array([PURE @ x + blended + np.exp(-((x - PEAK) ** 2).sum() / (2 * WIDTH**2))])


def _botorch(function: Any, names: Sequence[str], point: Point) -> Array:
    """One of BoTorch's test functions, which are to be minimised, turned."""
    x = torch.tensor([[point[name] for name in names]], dtype=torch.float64)
    value: Array = -function.evaluate_true(x).numpy().reshape(-1)
    return value


def _reals(count: int) -> tuple[Parameter, ...]:
    return tuple(Parameter(name=f"x{index}", kind="real") for index in range(1, count + 1))


def _kept(name: str, function: Any, starts: int, noise: float = 0.0) -> Function:
    """One of BoTorch's on the box that it is made for."""
    ends = function.bounds.T.tolist()
    parameters = tuple(
        Parameter(name=f"x{index}", kind="real", low=low, high=high)
        for index, (low, high) in enumerate(ends, start=1)
    )
    return Function(
        name=name,
        parameters=parameters,
        value=partial(_botorch, function, [parameter.name for parameter in parameters]),
        best=-float(function.optimal_value),
        starts=starts,
        noise=noise,
    )


def _hartmann(name: str, noise: float) -> Function:
    names = [parameter.name for parameter in _reals(6)]
    return Function(
        name=name,
        parameters=_reals(6),
        value=partial(_botorch, Hartmann(dim=6), names),
        best=3.32237,
        starts=12,
        noise=noise,
    )


def _yielding(name: str, value: Yield) -> Function:
    """The yield over the space of `mixed6`."""
    return Function(
        name=name,
        parameters=(
            Parameter(name="catalyst", kind="category", values=CATALYSTS),
            Parameter(name="solvent", kind="category", values=SOLVENTS),
            Parameter(name="n", kind="integer", low=1, high=12),
            *_reals(3),
        ),
        value=value,
        best=100.0,
        starts=12,
    )


def _another_yield(number: int) -> Function:
    """One like `mixed6`, its heights and places drawn."""
    rng = np.random.default_rng([7, number])
    heights = rng.uniform(0.4, 0.95, (4, 3))
    heights[rng.integers(4), rng.integers(3)] = 1.0
    a, b = rng.uniform(0.15, 0.85, 4), rng.uniform(0.15, 0.85, 3)
    drawn = Yield(heights=heights, a=a, b=b, k=rng.integers(2, 12, 4))
    return _yielding(f"yield{number}", drawn)


FUNCTIONS = {
    function.name: function
    for function in (
        _hartmann("hartmann6", 0.0),
        _hartmann("hartmann6n", 0.3),
        _yielding(
            "mixed6",
            Yield(
                heights=HEIGHTS,
                a=np.array([0.25, 0.70, 0.50, 0.85]),
                b=np.array([0.60, 0.30, 0.80]),
                k=np.array([4, 9, 6, 11]),
            ),
        ),
        Function(
            name="mixture5",
            parameters=(Parameter(name="mix", kind="fractions", high=3, values=PARTS),),
            value=mixture5,
            best=1.826573,
            starts=10,
        ),
        Function(
            name="branincurrin",
            parameters=_reals(2),
            value=partial(_botorch, BraninCurrin(), ["x1", "x2"]),
            best=59.36011874867746,  # BoTorch's
            starts=6,
            worst=(-18.0, -6.0),
        ),
        Function(
            name="zdt2",
            parameters=_reals(6),
            value=partial(_botorch, ZDT2(dim=6), [f"x{index}" for index in range(1, 7)]),
            best=3 - 2 / 3 + 0.1 * 3,  # the area above 1 - f1^2, and beyond f1 = 1
            starts=12,
            worst=(-1.1, -3.0),
        ),
    )
}

ACKLEY = Ackley(dim=5, bounds=[(-9.0, 21.0)] * 5)

KEPT = {
    function.name: function
    for function in (
        _kept("branin", Branin(), 5),
        _kept("hartmann3", Hartmann(dim=3), 7),
        _kept("hartmann3n", Hartmann(dim=3), 7, noise=0.1),
        _kept("ackley5", ACKLEY, 11),
        _kept("levy5", Levy(dim=5), 11),
        _kept("levy5n", Levy(dim=5), 11, noise=3.0),
        _kept("rosenbrock4", Rosenbrock(dim=4), 9),
    )
}

NOISY = {
    function.name: function
    for function in (
        _kept("ackley5n", ACKLEY, 11, noise=0.4),
        _kept("dixonprice5n", DixonPrice(dim=5), 11, noise=4e4),
        _kept("griewank4n", Griewank(dim=4, bounds=[(-500.0, 700.0)] * 4), 9, noise=30.0),
        _kept("michalewicz5n", Michalewicz(dim=5), 11, noise=0.3),
        _kept("rosenbrock4n", Rosenbrock(dim=4), 9, noise=2e5),
        _kept("styblinski6n", StyblinskiTang(dim=6), 12, noise=40.0),
    )
}


def _with_categories(base: Function, sizes: tuple[int, int], seed: int) -> Function:
    """A function of `KEPT` that two categories move and lift; `best` is the height of one pair."""
    rng = np.random.default_rng(seed)
    moved = rng.uniform(-0.25, 0.25, (sizes[0], len(base.parameters)))
    heights = rng.uniform(0.0, 1.0, sizes)
    heights[rng.integers(sizes[0]), rng.integers(sizes[1])] = 1.2
    spread = np.std([base.value(point)[0] for point in base.design(512, 99)])

    def value(point: Point) -> Array:
        c, s = int(point["c"][1:]), int(point["s"][1:])
        at = {}
        for parameter, by in zip(base.parameters, moved[c], strict=True):
            u = (point[parameter.name] - parameter.low) / (parameter.high - parameter.low) + by
            u = 1 - abs(1 - abs(u))  # what leaves the range comes back from its end
            at[parameter.name] = parameter.low + u * (parameter.high - parameter.low)
        lifted: Array = (base.value(at) - base.best) / spread + heights[c, s]
        return lifted

    categories = tuple(
        Parameter(name=name, kind="category", values=tuple(f"{name}{n}" for n in range(size)))
        for name, size in zip("cs", sizes, strict=True)
    )
    return Function(
        name=f"mixed_{base.name}",
        parameters=(*categories, *base.parameters),
        value=value,
        best=1.2,
        starts=12,
    )


MIXED = {
    function.name: function
    for function in (
        _with_categories(KEPT["branin"], (4, 3), 1),
        _with_categories(KEPT["hartmann3"], (5, 2), 2),
        _with_categories(KEPT["levy5"], (3, 3), 3),
        _with_categories(KEPT["rosenbrock4"], (6, 2), 4),
        _with_categories(KEPT["ackley5"], (4, 4), 5),
        *map(_another_yield, range(10)),
    )
}
