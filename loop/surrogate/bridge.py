"""From experts to BoTorch: one model of all targets, for acquisitions that draw from a posterior.

A Gaussian process becomes a SingleTaskGP with the same kernel, hyperparameters, mean and noise, and
is not fitted again; it has gradients. Any other expert becomes a model whose posterior is the joint
Gaussian that the expert states; it has none. Inputs are encoded rows, as the space has them;
outcomes are standardised, as experts see them, because BoTorch's tolerances are absolute numbers.

Notation: X (..., q, d) encoded rows; Y (..., m) standardised outcomes, one column per target.
"""

from typing import assert_never

import numpy as np
import torch
from botorch.models.gp_regression import SingleTaskGP
from botorch.models.model import Model
from botorch.models.model_list_gp_regression import ModelListGP
from botorch.models.transforms.input import Normalize
from botorch.posteriors.gpytorch import GPyTorchPosterior
from botorch.settings import validate_input_scaling
from gpytorch.distributions.multitask_multivariate_normal import MultitaskMultivariateNormal
from gpytorch.distributions.multivariate_normal import MultivariateNormal
from gpytorch.kernels.kernel import Kernel
from gpytorch.kernels.linear_kernel import LinearKernel
from gpytorch.kernels.matern_kernel import MaternKernel
from gpytorch.kernels.rbf_kernel import RBFKernel
from gpytorch.kernels.scale_kernel import ScaleKernel
from gpytorch.means.constant_mean import ConstantMean
from torch import Tensor

from loop.objective import Objective
from loop.space.values import Array
from loop.surrogate.gp import Hyper, Process
from loop.surrogate.portfolio import Expert, Fitted

JITTER = 1e-6  # on the covariance of an expert that is no process: a few trees span few dimensions


class Stated(Model):
    """Independent experts as one model, by the joint Gaussian of each. It has no gradient."""

    def __init__(self, fitted: Fitted) -> None:
        """Of all experts of a fit."""
        super().__init__()
        self._fitted = fitted

    @property
    def num_outputs(self) -> int:
        """One per target."""
        return len(self._fitted.experts)

    @property
    def batch_shape(self) -> torch.Size:
        """None: there is one model of each target."""
        return torch.Size()

    def posterior(  # type: ignore[override]  # nothing but this is asked of it
        self, X: Tensor, posterior_transform: None = None, **_: object
    ) -> GPyTorchPosterior:
        """The joint posterior, without noise, of all targets at rows X (..., q, d)."""
        rows = self._fitted.unit(X.detach().numpy())
        normals = [_normal(expert, rows) for expert in self._fitted.experts]
        if len(normals) == 1:
            return GPyTorchPosterior(normals[0])
        return GPyTorchPosterior(MultitaskMultivariateNormal.from_independent_mvns(normals))


def model(fitted: Fitted) -> Model:
    """One BoTorch model of all targets: encoded rows in, standardised outcomes out."""
    processes = [expert for expert in fitted.experts if isinstance(expert, Process)]
    if len(processes) < len(fitted.experts):
        return Stated(fitted)
    return ModelListGP(*(_gp(process, fitted.low, fitted.span) for process in processes))


def has_gradient(fitted: Fitted) -> bool:
    """Whether every expert is a process, so that acquisitions can be climbed."""
    return all(isinstance(expert, Process) for expert in fitted.experts)


def values(fitted: Fitted, Y: Tensor) -> Tensor:
    """Standardised outcomes Y (..., m) in the units of the targets."""
    return Y * torch.as_tensor(fitted.scale) + torch.as_tensor(fitted.shift)


def utilities(fitted: Fitted, objective: Objective, Y: Tensor) -> Tensor:
    """Utilities (..., k) of the k wanted targets, in their units, of standardised Y (..., m)."""
    outcomes = values(fitted, Y)
    columns = [
        target.utility(outcomes[..., objective.names.index(target.name)])
        for target in objective.wanted
    ]
    return torch.stack(columns, dim=-1)


def _gp(process: Process, low: Array, span: Array) -> SingleTaskGP:
    """The same process in BoTorch, on encoded rows; of `linear`, centred in the same way."""
    d = process.X.shape[1]
    # Points may be executed beyond the bounds, and outcomes that are all alike have no spread.
    with validate_input_scaling(state=False):
        gp = SingleTaskGP(
            torch.as_tensor(process.X * span + low),
            torch.as_tensor(process.y)[:, None],
            train_Yvar=torch.as_tensor(process.variances)[:, None],
            covar_module=_kernel(process.hyper),
            mean_module=_mean(process.hyper),
            input_transform=Normalize(
                d,
                bounds=torch.as_tensor(np.array([low, low + span])),
                center=0.0 if process.hyper.kernel == "linear" else 0.5,
            ),
            outcome_transform=None,
        )
    gp.requires_grad_(requires_grad=False)
    return gp.eval()


def _mean(hyper: Hyper) -> ConstantMean:
    mean = ConstantMean().double()
    mean.initialize(constant=hyper.mean)
    return mean


def _kernel(hyper: Hyper) -> Kernel:
    """The kernel with these hyperparameters. Doubles first: a float would be rounded for good."""
    lengths = torch.as_tensor(hyper.lengths)[None]
    match hyper.kernel:
        case "linear":
            linear = LinearKernel(ard_num_dims=len(hyper.lengths)).double()
            linear.variance = lengths**2
            return linear
        case "matern":
            stationary: Kernel = MaternKernel(nu=2.5, ard_num_dims=len(hyper.lengths))
        case "rbf":
            stationary = RBFKernel(ard_num_dims=len(hyper.lengths))
        case _:
            assert_never(hyper.kernel)
    scaled = ScaleKernel(stationary).double()
    stationary.lengthscale = lengths
    scaled.outputscale = torch.as_tensor(hyper.scale)
    return scaled


def _normal(expert: Expert, X: Array) -> MultivariateNormal:
    """The joint Gaussian of an expert at sets of rows X (..., q, d)."""
    *batch, q, d = X.shape
    mean, covariance = expert.joint(X.reshape(-1, q, d))
    covariance = covariance + JITTER * np.eye(q)
    return MultivariateNormal(
        torch.as_tensor(mean.reshape(*batch, q)), torch.as_tensor(covariance.reshape(*batch, q, q))
    )
