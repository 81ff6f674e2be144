"""The acquisition: what a candidate is worth, and where that is largest.

LogEI for a single candidate, qLogNEI for batches and beside pending points, outcome bounds inside
both; while nothing keeps the bounds, the probability of keeping them. All from Ament et al.,
Unexpected Improvements to Expected Improvement for Bayesian Optimization, NeurIPS 2023.
"""

import warnings
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from botorch.acquisition.acquisition import AcquisitionFunction
from botorch.acquisition.analytic import (
    LogConstrainedExpectedImprovement,
    LogExpectedImprovement,
    LogProbabilityOfFeasibility,
)
from botorch.acquisition.logei import (
    qLogNoisyExpectedImprovement,
    qLogProbabilityOfFeasibility,
)
from botorch.acquisition.objective import GenericMCObjective
from botorch.optim.optimize import optimize_acqf
from botorch.sampling.normal import SobolQMCNormalSampler
from torch import Tensor

from loop.designs import FEW_POINTS, everything, fresh
from loop.objective import Objective
from loop.parameters import Array, Categorical, Composition, Continuous, Discrete, Parameter
from loop.space import SLACK, SearchSpace
from loop.surrogate import Fitted

DRAWS = 128  # quasi-Monte-Carlo draws of the posterior: BoTorch's low end, enough below 50 points
RAW = 1024  # space-filling points at which the acquisition is looked at first
NEAR = 256  # points around the best observed ones: EI is often largest close to them
STARTS = 8  # the best of these are climbed from
CHUNK = 512  # points per evaluation of the acquisition: bounds the memory
CLIMB = 100  # steps of a climb at most
GRADIENT_STEPS = 50  # iterations of a gradient ascent at most


@dataclass(frozen=True, slots=True)
class Worth:
    """An acquisition function with the name by which it is recorded."""

    name: str
    function: AcquisitionFunction

    def at(self, X: Array) -> Array:
        """Its value at each encoded point X (n, d), as (n,)."""
        with torch.no_grad():
            parts = [self.function(part[:, None]) for part in torch.as_tensor(X).split(CHUNK)]
        values: Array = torch.cat(parts).numpy()
        return values


def worth(fitted: Fitted, objective: Objective, pending: Array, *, alone: bool, seed: int) -> Worth:
    """The acquisition for the next candidate beside `pending` (p, d); `alone` if only one."""
    best = _best(fitted, objective)
    if alone and len(pending) == 0:
        return _analytic(fitted, objective, best)
    return _sampled(fitted, objective, best, pending, seed)


def _analytic(fitted: Fitted, objective: Objective, best: float | None) -> Worth:
    """In closed form: for one candidate with nothing pending."""
    lead = objective.names.index(objective.lead.name)
    larger = objective.lead.goal != "min"
    limits = _limits(fitted, objective)
    if best is None:
        return Worth("LogPF", LogProbabilityOfFeasibility(fitted.model, limits))
    if limits:
        constrained = LogConstrainedExpectedImprovement(fitted.model, best, lead, limits, larger)
        return Worth("LogCEI", constrained)
    return Worth("LogEI", LogExpectedImprovement(fitted.single(lead), best, maximize=larger))


def _sampled(
    fitted: Fitted, objective: Objective, best: float | None, pending: Array, seed: int
) -> Worth:
    """By quasi-Monte-Carlo: beside pending points."""
    lead = objective.names.index(objective.lead.name)
    sampler = SobolQMCNormalSampler(torch.Size([DRAWS]), seed=seed)
    constraints: list[Callable[[Tensor], Tensor]] = [
        partial(_excess, index, bound.sense, fitted.scaled(index, bound.value))
        for bound in objective.bounds
        for index in [objective.names.index(bound.target)]
    ]
    beside = torch.as_tensor(pending) if len(pending) else None
    if best is None:
        feasible = qLogProbabilityOfFeasibility(
            fitted.model, constraints, sampler=sampler, X_pending=beside
        )
        return Worth("qLogPF", feasible)
    improvement = qLogNoisyExpectedImprovement(
        fitted.model,
        torch.as_tensor(fitted.data.X),
        sampler=sampler,
        objective=GenericMCObjective(partial(_signed, lead, objective.lead.sign)),
        constraints=constraints or None,
        X_pending=beside,
        prune_baseline=True,
    )
    return Worth("qLogNEI", improvement)


def maximise(
    worth: Worth, space: SearchSpace, near: Array, taken: AbstractSet[bytes], seed: int
) -> tuple[Array, float] | None:
    """The feasible row (d,) of largest worth, not `taken`, and its worth; None where none is left.

    A small finite space is looked at whole. Elsewhere: look at space-filling rows and at
    neighbours of `near` (k, d), then climb from the best, by gradient where something is
    continuous and by single steps where something is stepped.
    """
    if space.size <= FEW_POINTS:
        return _best_row(worth, _free(space, everything(space), taken))
    X = np.vstack([fresh(space, RAW, seed, taken), _around(space, near, seed)])
    starts = X[np.argsort(-worth.at(X), kind="stable")[:STARTS]]
    if any(_is_continuous(parameter) for parameter in space.parameters):
        starts = np.vstack([starts, _polish(worth, space, starts)])
    climbed = [_climb(worth, space, row) for row in starts]
    return _best_row(worth, _free(space, np.vstack([starts, *climbed, X]), taken))


def _free(space: SearchSpace, X: Array, taken: AbstractSet[bytes]) -> Array:
    """The rows of X (n, d) that meet the constraints and are not `taken`."""
    X = X[space.meets(X)]
    return X[[key not in taken for key in space.keys(X)]]


def _best_row(worth: Worth, X: Array) -> tuple[Array, float] | None:
    if len(X) == 0:
        return None
    values = worth.at(X)
    index = int(np.argmax(values))
    return X[index], float(values[index])


def _best(fitted: Fitted, objective: Objective) -> float | None:
    """The best posterior mean of the leading target where the bounds are kept, at observed points.

    As the model sees it. The mean and not the value: one lucky measurement shall not set the mark.
    """
    with torch.no_grad():
        mean = fitted.model.posterior(torch.as_tensor(fitted.data.X)).mean.numpy()
    kept = [
        row[objective.names.index(objective.lead.name)]
        for row, values in zip(mean, mean * fitted.scale + fitted.shift, strict=True)
        if objective.met(dict(zip(objective.names, values, strict=True)))
    ]
    return float(max(kept, key=lambda value: objective.lead.sign * value)) if kept else None


def _limits(fitted: Fitted, objective: Objective) -> dict[int, tuple[float | None, float | None]]:
    """Lower and upper limit by target index, the tightest where several bounds name one target."""
    limits: dict[int, tuple[float | None, float | None]] = {}
    for bound in objective.bounds:
        index = objective.names.index(bound.target)
        low, high = limits.get(index, (None, None))
        value = fitted.scaled(index, bound.value)
        if bound.sense == ">=":
            low = value if low is None else max(low, value)
        else:
            high = value if high is None else min(high, value)
        limits[index] = (low, high)
    return limits


def _excess(index: int, sense: str, limit: float, Y: Tensor) -> Tensor:
    """How far samples Y (..., m) break a bound: negative where it is kept."""
    excess = Y[..., index] - limit
    return excess if sense == "<=" else -excess


def _signed(index: int, sign: float, Y: Tensor, X: Tensor | None = None) -> Tensor:  # noqa: ARG001
    """The leading target of samples Y (..., m), larger for better; X is part of BoTorch's call."""
    return sign * Y[..., index]


def _is_continuous(parameter: Parameter) -> bool:
    match parameter:
        case Continuous():
            return True
        case Composition():
            return parameter.step is None
        case Discrete() | Categorical():
            return False


def _around(space: SearchSpace, near: Array, seed: int) -> Array:
    """Up to NEAR feasible rows scattered about `near` (k, d), closely and widely."""
    rng = np.random.default_rng(seed)
    reach = 10 ** rng.uniform(-2, -0.5, size=(NEAR, 1))
    X = near[rng.integers(len(near), size=NEAR)]
    X = space.snap(X + reach * (space.bounds[1] - space.bounds[0]) * rng.standard_normal(X.shape))
    return X[space.meets(X)]


def _polish(worth: Worth, space: SearchSpace, starts: Array) -> Array:
    """Each start (n, d) after a gradient ascent that keeps its categories and absent elements."""
    kinds: dict[tuple[tuple[int, float], ...], list[Array]] = {}
    for x in starts:
        kinds.setdefault(tuple(_kept(space, x).items()), []).append(x)
    equal, above = _rules(space)
    polished: list[Array] = []
    for kept, rows in kinds.items():
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Optimization failed")  # what it reached still counts
            best, _ = optimize_acqf(
                worth.function,
                torch.as_tensor(space.bounds),
                q=1,
                num_restarts=len(rows),
                batch_initial_conditions=torch.as_tensor(np.array(rows))[:, None],
                fixed_features=dict(kept) or None,
                inequality_constraints=_sparse(above) or None,
                equality_constraints=_sparse(equal) or None,
                options={"maxiter": GRADIENT_STEPS},
                return_best_only=False,
            )
        polished.append(best[:, 0].numpy())
    return space.snap(np.vstack(polished))


def _rules(space: SearchSpace) -> tuple[list[tuple[Array, float]], list[tuple[Array, float]]]:
    """Rows (d,) and numbers b with row x = b, and with row x >= b."""
    a, low, high = space.rows
    ones = np.zeros((len(space.sums), len(space.columns)))
    for row, group in zip(ones, space.sums, strict=True):
        row[group] = 1.0
    fixed = low == high
    equal = [(row, 1.0) for row in ones] + list(zip(a[fixed], low[fixed].tolist(), strict=True))
    at_least, at_most = ~fixed & np.isfinite(low), ~fixed & np.isfinite(high)
    above = list(zip(a[at_least], low[at_least].tolist(), strict=True))
    below = list(zip(-a[at_most], (-high[at_most]).tolist(), strict=True))
    return equal, above + below


def _kept(space: SearchSpace, x: Array) -> dict[int, float]:
    """Columns of a row (d,) that a gradient must not move: categories, absent elements."""
    kept: dict[int, float] = {}
    for parameter in space.parameters:
        group = range(len(x))[space.slices[parameter.name]]
        match parameter:
            case Categorical():
                kept |= {i: float(x[i]) for i in group}
            case Composition() if parameter.most < len(parameter.elements):
                kept |= {i: 0.0 for i in group if x[i] == 0}
            case Composition() | Continuous() | Discrete():
                pass
    return kept


def _sparse(rows: Sequence[tuple[Array, float]]) -> list[tuple[Tensor, Tensor, float]]:
    """Rows and numbers as BoTorch takes them: indices, coefficients, number."""
    return [
        (torch.as_tensor(np.flatnonzero(row)), torch.as_tensor(row[row != 0]), number)
        for row, number in rows
    ]


def _climb(worth: Worth, space: SearchSpace, row: Array) -> Array:
    """The row (d,) after moving to the best neighbour for as long as there is a better one."""
    value = float(worth.at(row[None])[0])
    for _ in range(CLIMB):
        X = _neighbours(space, row)
        found = _best_row(worth, X[space.meets(X)])
        if found is None or found[1] <= value:
            break
        row, value = found
    return row


def _neighbours(space: SearchSpace, row: Array) -> Array:
    """Legal rows (n, d) one step away: a value, a category, one step of one element for another."""
    moves: list[Array] = []
    for parameter in space.parameters:
        group = range(len(row))[space.slices[parameter.name]]
        pairs = [(out, into) for out in group for into in group if out != into]
        steps: list[dict[int, float]] = []
        match parameter:
            case Discrete():
                steps = [{group[0]: sign / (parameter.count - 1)} for sign in (-1, 1)]
            case Categorical():
                steps = [{out: -1.0, into: 1.0} for out, into in pairs if row[out] == 1]
            case Composition(step=float() as step):
                steps = [{out: -step, into: step} for out, into in pairs if row[out] > 0]
            case Composition() | Continuous():
                pass
        for change in steps:
            moved = row.copy()
            moved[list(change)] += list(change.values())
            moves.append(moved)
    X = np.array(moves).reshape(-1, len(row))
    legal = np.abs(space.snap(X) - X).max(axis=1, initial=0.0) < SLACK
    return space.snap(X[legal])
