"""Acquisitions by joint draws of the posterior: several goals at once, batches, pending points.

From BoTorch, by quasi-Monte-Carlo, each a logarithm with gradients that do not vanish (Ament et
al., Unexpected Improvements to Expected Improvement for Bayesian Optimization, NeurIPS 2023):

qlogei      improvement on the best that the model believes to have been reached
qlognei     improvement on the best of the tested points in each draw (Letham et al., Bayesian
            Analysis 14 (2019) 495)
qlognehvi   improvement of the hypervolume above a reference point (Daulton et al., Parallel
            Bayesian Optimization of Multiple Noisy Objectives, NeurIPS 2021)
qlogparego  qlognei of a compromise between the goals that the seed draws (Knowles, ParEGO, IEEE
            Trans. Evolutionary Computation 10 (2006) 50)

Outcome bounds are inside each; while the model believes that nothing keeps them, the probability of
keeping them takes the place of all.

Notation: Y (..., m) draws of the standardised outcomes; X (k, d) encoded rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias, assert_never

import numpy as np
import torch
from botorch.acquisition.acquisition import AcquisitionFunction
from botorch.acquisition.logei import (
    qLogExpectedImprovement,
    qLogNoisyExpectedImprovement,
    qLogProbabilityOfFeasibility,
)
from botorch.acquisition.multi_objective import logei
from botorch.acquisition.multi_objective.objective import GenericMCMultiOutputObjective
from botorch.acquisition.objective import GenericMCObjective
from botorch.sampling.normal import SobolQMCNormalSampler
from botorch.utils.multi_objective.box_decompositions.non_dominated import (
    FastNondominatedPartitioning,
)
from numpy.typing import NDArray
from torch import Tensor

from loop.acquisition.ascent import CHUNK, apart, at, climb
from loop.acquisition.worth import Worth
from loop.errors import ObjectiveError
from loop.front import AUGMENTATION, extent, reference_point
from loop.objective import MOST_PARETO, Objective
from loop.space.values import Array
from loop.surrogate import bridge
from loop.surrogate.portfolio import Fitted

Name: TypeAlias = Literal["qlogei", "qlognei", "qlognehvi", "qlogparego"]
Scalar: TypeAlias = Callable[[Tensor], Tensor]  # Y (..., m) -> (...)

DRAWS = 128  # of the posterior: BoTorch's low end, enough below 50 points
FEW = 200  # tested points up to which a front is drawn with every row
# By the number of goals: boxes multiply with them, and 32 draws find the same best rows as 256.
HYPERVOLUME_DRAWS = {2: 128, 3: 64, 4: 32}
NUMBERS = 2**20  # held for the rows that are valued at once: beyond the cache, twice as slow
LEAST_DESIRED = 1e-6  # a product of roots has an infinite slope at 0


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What an acquisition is made of; `tested` (n, d) and `pending` (p, d) in a fixed order."""

    fitted: Fitted
    objective: Objective
    tested: Tensor
    pending: Tensor | None
    seed: int

    def shared(self, draws: int = DRAWS) -> dict[str, Any]:
        """What every acquisition takes."""
        return {
            "model": bridge.model(self.fitted),
            "sampler": SobolQMCNormalSampler(torch.Size([draws]), seed=self.seed),
            "X_pending": self.pending,
        }

    @property
    def limits(self) -> list[Scalar]:
        """For each bound, how far it is broken."""
        names = self.objective.names
        limits: list[Scalar] = []
        for bound in self.objective.bounds:
            index = names.index(bound.target)
            level = (bound.value - self.fitted.shift[index]) / self.fitted.scale[index]
            limits.append(partial(_excess, index, 1.0 if bound.sense == "<=" else -1.0, level))
        return limits


def sampled(fitted: Fitted, objective: Objective, pending: Array, name: Name, seed: int) -> Worth:
    """The acquisition by this name beside pending rows (p, d); the order of rows is of no effect.

    Raises:
        ObjectiveError: where the goals are not of the kind or the number that it is for.
    """
    _require(objective, name)
    waiting = torch.as_tensor(np.unique(pending, axis=0)) if len(pending) else None
    tested = torch.as_tensor(np.unique(fitted.data.X, axis=0))
    asked = _Asked(fitted=fitted, objective=objective, tested=tested, pending=waiting, seed=seed)
    with apart(seed):
        said, function = _acquisition(asked, name)
    return Worth(
        name=said,
        at=partial(at, function, _chunk(function), seed),
        climb=partial(climb, function, seed) if bridge.has_gradient(fitted) else None,
    )


def _require(objective: Objective, name: Name) -> None:
    """Raise ObjectiveError unless the acquisition can value these goals."""
    count, is_ranked = len(objective.wanted), objective.lead.is_wish
    match name:
        case "qlogei" | "qlognei":
            is_fit = is_ranked and objective.way != "pareto"
            expected = "one goal, or several combined by scalar or desirability"
        case "qlognehvi":
            is_fit = objective.way == "pareto"
            expected = f"2 to {MOST_PARETO} goals, combined by pareto"
        case "qlogparego":
            is_fit = is_ranked and count > 1
            expected = "two or more goals max, min, match or window"
        case _:
            assert_never(name)
    if not is_fit:
        got = f"{count} ({objective.way})"
        raise ObjectiveError(f"acquisition '{name}'", expected, got, "Choose 'auto'.")


def _acquisition(asked: _Asked, name: Name) -> tuple[str, AcquisitionFunction]:
    """The name to record, and the function."""
    limits = asked.limits
    mean, is_kept = _believed(asked.fitted, asked.objective)
    if not is_kept.any():
        return "qLogPF", qLogProbabilityOfFeasibility(constraints=limits, **asked.shared())
    match name:
        case "qlogei":
            scalar = _scalar(asked, mean)
            best = scalar(torch.as_tensor(mean[is_kept])).max()
            return "qLogEI", qLogExpectedImprovement(
                best_f=best,
                objective=GenericMCObjective(partial(_without_rows, scalar)),
                constraints=limits or None,
                **asked.shared(),
            )
        case "qlognei":
            return "qLogNEI", _noisy(asked, _scalar(asked, mean))
        case "qlogparego":
            drawn = np.random.default_rng(asked.seed).dirichlet(
                np.ones(len(asked.objective.wanted))
            )
            weights = drawn * np.array(asked.objective.weights)
            return "qLogNParEGO", _noisy(asked, _compromise(asked, mean, weights))
        case "qlognehvi":
            return _hypervolume(asked, mean, is_kept)
        case _:
            assert_never(name)


def _noisy(asked: _Asked, scalar: Scalar) -> AcquisitionFunction:
    """Improvement of one utility on the best of the tested points in each draw."""
    return qLogNoisyExpectedImprovement(
        X_baseline=asked.tested,
        objective=GenericMCObjective(partial(_without_rows, scalar)),
        constraints=asked.limits or None,
        prune_baseline=True,
        cache_root=_is_cached(asked.fitted),
        **asked.shared(),
    )


def _hypervolume(
    asked: _Asked, mean: Array, is_kept: NDArray[np.bool_]
) -> tuple[str, AcquisitionFunction]:
    """Improvement of the hypervolume; utilities are standardised, so that all goals count alike.

    The reference point is that of the observed utilities, where a missing value is the model's. Of
    more than FEW tested points, the front is that of the means, not of every draw: a draw of the
    front beside each row costs as much as all of its points, n^2 each.
    """
    fitted, objective = asked.fitted, asked.objective
    observed = (fitted.data.Y - fitted.shift) / fitted.scale
    known = torch.as_tensor(np.where(np.isnan(observed), mean, observed))
    U = bridge.utilities(fitted, objective, known).numpy()
    spread = np.array([fitted.scale[objective.names.index(t.name)] for t in objective.wanted])
    r = torch.as_tensor(reference_point(objective, U) / spread)
    goals = partial(_goals, fitted, objective, spread)
    common = asked.shared(HYPERVOLUME_DRAWS.get(len(objective.wanted), DRAWS)) | {
        "ref_point": r,
        "objective": GenericMCMultiOutputObjective(goals),
        "constraints": asked.limits or None,
    }
    logei._load_attempted = True  # noqa: SLF001 - or it starts a C++ compiler, in whatever process
    if len(asked.tested) > FEW:
        boxes = FastNondominatedPartitioning(r, goals(torch.as_tensor(mean[is_kept])))
        return "qLogEHVI", logei.qLogExpectedHypervolumeImprovement(
            partitioning=boxes,  # type: ignore[arg-type]  # annotated as the slower of two
            **common,
        )
    return "qLogNEHVI", logei.qLogNoisyExpectedHypervolumeImprovement(
        X_baseline=asked.tested, prune_baseline=True, cache_root=_is_cached(fitted), **common
    )


def _is_cached(fitted: Fitted) -> bool | None:
    """Whether BoTorch may keep a root of a covariance: no of a linear kernel, else it shall decide.

    That root is not square, which BoTorch takes for granted.
    """
    return False if any(expert.name == "linear" for expert in fitted.experts) else None


def _believed(fitted: Fitted, objective: Objective) -> tuple[Array, NDArray[np.bool_]]:
    """Standardised means (n, m) at the tested points, and which keep the bounds (n,).

    The mean and not the value: one lucky measurement shall not set the mark.
    """
    Z = fitted.unit(fitted.data.X)
    mean = np.stack([expert.predict(Z)[0] for expert in fitted.experts], axis=1)
    rows = (mean * fitted.scale + fitted.shift).tolist()
    is_kept = [objective.met(dict(zip(objective.names, row, strict=True))) for row in rows]
    return mean, np.array(is_kept)


def _scalar(asked: _Asked, mean: Array) -> Scalar:
    """The one utility that the objective asks for, of about unit spread."""
    fitted, objective = asked.fitted, asked.objective
    match objective.way:
        case "scalar":
            return _compromise(asked, mean, np.array(objective.weights))
        case "desirability":
            return partial(_desired, fitted, objective)
        case _:
            spread = fitted.scale[objective.names.index(objective.lead.name)]
            return lambda Y: bridge.utilities(fitted, objective, Y)[..., 0] / float(spread)


def _compromise(asked: _Asked, mean: Array, weights: Array) -> Scalar:
    """`loop.front.balance` of draws, by `weights`, over the extent of what is believed."""
    fitted, objective = asked.fitted, asked.objective
    U = bridge.utilities(fitted, objective, torch.as_tensor(mean)).numpy()
    nadir, width = (torch.as_tensor(part) for part in extent(U))
    shares = torch.as_tensor(weights / weights.max())

    def balanced(Y: Tensor) -> Tensor:
        lacks = shares * (1.0 - (bridge.utilities(fitted, objective, Y) - nadir) / width)
        worst = lacks.amax(dim=-1)
        return 1.0 - (worst + AUGMENTATION * lacks.mean(dim=-1)) / (1.0 + AUGMENTATION)

    return balanced


def _desired(fitted: Fitted, objective: Objective, Y: Tensor) -> Tensor:
    """`Objective.desirability` of draws Y (..., m), a hair above 0 at least."""
    outcomes = bridge.values(fitted, Y)
    total, weights = torch.zeros_like(outcomes[..., 0]), objective.weights
    for target, weight in zip(objective.wanted, weights, strict=True):
        share = target.desirability(outcomes[..., objective.names.index(target.name)])
        total = total + weight / sum(weights) * (share + LEAST_DESIRED).log()
    return total.exp()


def _goals(
    fitted: Fitted, objective: Objective, spread: Array, Y: Tensor, X: Tensor | None = None
) -> Tensor:
    """Utilities (..., k) over their spread (k,); X is part of BoTorch's call."""
    del X
    return bridge.utilities(fitted, objective, Y) / torch.as_tensor(spread)


def _without_rows(scalar: Scalar, Y: Tensor, X: Tensor | None = None) -> Tensor:
    """A utility as BoTorch calls it, which passes the rows X as well."""
    del X
    return scalar(Y)


def _excess(index: int, sign: float, level: float, Y: Tensor) -> Tensor:
    """How far draws Y (..., m) break a bound: negative where it is kept."""
    return sign * (Y[..., index] - level)


def _chunk(function: AcquisitionFunction) -> int:
    """How many rows to value at once, so that memory stays bounded."""
    match function:
        case logei.qLogNoisyExpectedHypervolumeImprovement():
            held = function.get_buffer("cell_lower_bounds").numel()  # draws, boxes, goals
        case logei.qLogExpectedHypervolumeImprovement():
            held = function.get_buffer("cell_lower_bounds").numel() * DRAWS
        case qLogNoisyExpectedImprovement():
            held = function.get_buffer("_full_X_baseline").shape[-2] ** 2
        case _:
            held = DRAWS
    return max(1, min(CHUNK, NUMBERS // held))
