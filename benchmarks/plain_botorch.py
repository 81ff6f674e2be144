"""Plain BoTorch on a space, as its tutorials do it.

One target: SingleTaskGP, LogEI over the best value (qLogNEI where there is noise), optimize_acqf
with 10 restarts from 512 points. Mixed: MixedSingleTaskGP, optimize_acqf_mixed_alternating as it
comes. A mixture of at most k parts: one optimisation for each choice of k, the others fixed at
zero, under the equality, each from 2 restarts of 102 points. Two targets: a ModelListGP and
qLogNEHVI of 128 draws, with the baseline pruned, towards the given reference point.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import torch
from botorch.acquisition.acquisition import AcquisitionFunction
from botorch.acquisition.analytic import LogExpectedImprovement
from botorch.acquisition.logei import qLogNoisyExpectedImprovement
from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
from botorch.fit import fit_gpytorch_mll
from botorch.models.gp_regression import SingleTaskGP
from botorch.models.gp_regression_mixed import MixedSingleTaskGP
from botorch.models.model_list_gp_regression import ModelListGP
from botorch.optim.optimize import optimize_acqf, optimize_acqf_mixed
from botorch.optim.optimize_mixed import optimize_acqf_mixed_alternating
from botorch.sampling.normal import SobolQMCNormalSampler
from gpytorch.mlls import ExactMarginalLogLikelihood, SumMarginalLogLikelihood
from torch import Tensor

from pools import Array
from problems import Function, Parameter, Point

RESTARTS, RAW, DRAWS = 10, 512, 128
FACES = 5  # each face of a simplex gets a fifth of these: there are ten of them


def point(function: Function, points: Sequence[Point], Y: Array, seed: int) -> dict[str, Any]:
    """The next point after `points` with values Y (n, m)."""
    torch.manual_seed(seed)
    X = torch.tensor([_row(function, each) for each in points], dtype=torch.float64)
    value = _value(function, X, torch.as_tensor(Y))
    return _point(function, _maximised(function, value)[0])


def _value(function: Function, X: Tensor, Y: Tensor) -> AcquisitionFunction:
    """The acquisition on a fitted model."""
    if Y.shape[1] > 1:
        model = ModelListGP(*(SingleTaskGP(X, Y[:, [index]]) for index in range(Y.shape[1])))
        fit_gpytorch_mll(SumMarginalLogLikelihood(model.likelihood, model))
        return qLogNoisyExpectedHypervolumeImprovement(
            model,
            ref_point=list(function.worst),
            X_baseline=X,
            sampler=SobolQMCNormalSampler(torch.Size([DRAWS])),
            prune_baseline=True,
        )
    kinds = [parameter.kind for parameter in function.parameters]
    categories = [index for index, kind in enumerate(kinds) if kind == "category"]
    single = MixedSingleTaskGP(X, Y, cat_dims=categories) if categories else SingleTaskGP(X, Y)
    fit_gpytorch_mll(ExactMarginalLogLikelihood(single.likelihood, single))
    if function.noise:
        return qLogNoisyExpectedImprovement(single, X_baseline=X, prune_baseline=True)
    return LogExpectedImprovement(single, best_f=Y.max())


def _maximised(function: Function, value: AcquisitionFunction) -> Tensor:
    """The row (1, d) of the highest value."""
    kinds = [parameter.kind for parameter in function.parameters]
    if "fractions" in kinds:
        (mix,) = function.parameters
        count = len(mix.values)
        row, _ = optimize_acqf_mixed(
            value,
            bounds=torch.tensor([[0.0] * count, [1.0] * count], dtype=torch.float64),
            q=1,
            num_restarts=RESTARTS // FACES,
            raw_samples=RAW // FACES,
            fixed_features_list=[
                dict.fromkeys(set(range(count)) - set(kept), 0.0)
                for kept in combinations(range(count), int(mix.high))
            ],
            equality_constraints=[
                (torch.arange(count), torch.ones(count, dtype=torch.float64), 1.0)
            ],
        )
        return row
    tops = [len(p.values) - 1.0 if p.kind == "category" else 1.0 for p in function.parameters]
    bounds = torch.tensor([[0.0] * len(tops), tops], dtype=torch.float64)
    if set(kinds) == {"real"}:
        row, _ = optimize_acqf(value, bounds, q=1, num_restarts=RESTARTS, raw_samples=RAW)
        return row
    steps = {
        index: np.linspace(0, 1, int(p.high - p.low) + 1).tolist()
        for index, p in enumerate(function.parameters)
        if p.kind == "integer"
    }
    choices = {
        index: list(map(float, range(len(p.values))))
        for index, p in enumerate(function.parameters)
        if p.kind == "category"
    }
    row, _ = optimize_acqf_mixed_alternating(
        value, bounds, discrete_dims=steps, cat_dims=choices, q=1
    )
    return row


def _row(function: Function, point: Point) -> list[float]:
    """Numbers scaled to 0..1, categories by their index, fractions as they are."""
    return [number for parameter in function.parameters for number in _numbers(parameter, point)]


def _numbers(parameter: Parameter, point: Mapping[str, Any]) -> list[float]:
    match parameter.kind:
        case "real" | "integer":
            width = parameter.high - parameter.low
            return [(point[parameter.name] - parameter.low) / width]
        case "category":
            return [float(parameter.values.index(point[parameter.name]))]
        case "fractions":
            return [float(point[name]) for name in parameter.values]


def _point(function: Function, row: Tensor) -> dict[str, Any]:
    """What `_row` makes numbers of."""
    numbers = iter(row.tolist())
    found: dict[str, Any] = {}
    for parameter in function.parameters:
        match parameter.kind:
            case "real":
                width = parameter.high - parameter.low
                found[parameter.name] = parameter.low + next(numbers) * width
            case "integer":
                width = parameter.high - parameter.low
                found[parameter.name] = round(parameter.low + next(numbers) * width)
            case "category":
                found[parameter.name] = parameter.values[round(next(numbers))]
            case "fractions":
                shares = np.clip([next(numbers) for _ in parameter.values], 0.0, 1.0)
                shares[shares < 1e-6] = 0.0
                found |= dict(zip(parameter.values, (shares / shares.sum()).tolist(), strict=True))
    return found
