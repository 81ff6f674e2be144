"""The surrogate: Gaussian processes that say what each target would be, and how sure they are.

Notation: X (n, d) encoded points, Y (n, m) outcomes in the targets' units with NaN where nothing
was measured, Yvar (n, m) variances of the outcomes with NaN where unknown. One independent
process per target, so that any subset of the targets may be missing anywhere. float64 throughout.

The processes, and every acquisition on them, see outcomes less their mean (m,) over their standard
deviation (m,). BoTorch's tolerances (least variance, smoothing of improvements and constraints) are
absolute numbers for outcomes of about one: conductivities of 1e-6 S/cm would vanish in them.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from math import nan
from typing import Literal, TypeAlias, cast

import numpy as np
import torch
from botorch.exceptions.errors import ModelFittingError
from botorch.exceptions.warnings import OptimizationWarning
from botorch.fit import fit_gpytorch_mll
from botorch.models.gp_regression import SingleTaskGP
from botorch.models.model_list_gp_regression import ModelListGP
from botorch.models.transforms.input import Normalize
from botorch.models.utils.gpytorch_modules import get_covar_module_with_dim_scaled_prior
from botorch.settings import validate_input_scaling
from gpytorch.mlls.exact_marginal_log_likelihood import ExactMarginalLogLikelihood
from linear_operator.utils.errors import NanError, NotPSDError

from loop.campaign import Campaign
from loop.parameters import Array
from loop.records import Prediction

Kernel: TypeAlias = Literal["matern", "rbf"]

LEAST_SPREAD = 1e-12  # of the largest outcome: below it, outcomes differ by rounding only
LEAST_NOISE = 1e-6  # of the outcomes' variance: below it a covariance matrix is not safely positive


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """What a model is fitted on; `ids` (n) are the candidates of the rows."""

    ids: tuple[str, ...]
    targets: tuple[str, ...]
    X: Array
    Y: Array
    Yvar: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A model of all targets. `cause` says what was not as it should be; empty if all is well.

    What the model says, times `scale` (m,) plus `shift` (m,), is in the units of the targets.
    """

    model: ModelListGP
    data: Data
    shift: Array
    scale: Array
    digest: str
    cause: str

    def single(self, index: int) -> SingleTaskGP:
        """The model of one target."""
        return cast("SingleTaskGP", self.model.models[index])

    def scaled(self, index: int, value: float) -> float:
        """A value of one target as the model sees it."""
        return float((value - self.shift[index]) / self.scale[index])

    def predict(self, x: Array) -> dict[str, Prediction]:
        """Mean and standard deviation of a measurement of every target at one point (d,)."""
        with torch.no_grad():
            posterior = self.model.posterior(torch.as_tensor(x)[None], observation_noise=True)
        mean = posterior.mean[0].detach().numpy() * self.scale + self.shift
        sd = posterior.variance[0].sqrt().detach().numpy() * self.scale
        return {
            target: Prediction(mean=m, sd=s)
            for target, m, s in zip(self.data.targets, mean.tolist(), sd.tolist(), strict=True)
        }


def training_data(campaign: Campaign) -> Data:
    """The measured results in the order in which they were asked, whenever they came."""
    results = campaign.results
    targets = campaign.problem.objective.names
    rows = [[r.values.get(t, nan) for t in targets] for r in results]
    errors = [[r.errors.get(t, nan) for t in targets] for r in results]
    shape = (len(results), len(targets))
    return Data(
        ids=tuple(r.candidate.id for r in results),
        targets=targets,
        X=campaign.problem.space.encode(r.point for r in results),
        Y=np.array(rows, dtype=np.float64).reshape(shape),
        Yvar=np.array(errors, dtype=np.float64).reshape(shape) ** 2,
    )


def fit(data: Data, bounds: Array, kernel: Kernel = "matern") -> Fitted:
    """Fit one SingleTaskGP per target; inputs are normalised by `bounds` (2, d), never by the data.

    Where the likelihood cannot be maximised, the target keeps its prior's hyperparameters, and
    `cause` says so. Every target needs one measured value at least.
    """
    models, causes, scales = [], [], []
    for index, target in enumerate(data.targets):
        known = np.isfinite(data.Y[:, index])
        shift, scale = _standard(data.Y[known, index])
        y, yvar = (data.Y[known, index] - shift) / scale, data.Yvar[known, index] / scale**2
        noise, cause = _noise(yvar, target)
        model = _gp(data.X[known], y, noise, bounds, kernel)
        causes += [cause, _train(model, target)]
        models.append(model)
        scales.append((shift, scale))
    model = ModelListGP(*models)
    shifts, sds = np.array(scales).T
    return Fitted(
        model=model.eval(),
        data=data,
        shift=shifts,
        scale=sds,
        digest=_digest(data, model),
        cause="; ".join(filter(None, causes)),
    )


def _standard(y: Array) -> tuple[float, float]:
    """Mean and standard deviation of outcomes y (n,); where they do not differ, mean and size."""
    size = float(np.abs(y).max())
    sd = float(np.std(y, ddof=1)) if len(y) > 1 else 0.0
    return float(y.mean()), sd if sd > LEAST_SPREAD * size else size or 1.0


def _gp(X: Array, y: Array, noise: Array | None, bounds: Array, kernel: Kernel) -> SingleTaskGP:
    d = X.shape[1]
    span = bounds.copy()
    span[1, span[0] == span[1]] += 1.0  # a column that cannot vary has no range to divide by
    # Points may be executed beyond the bounds, and outcomes that are all alike have no spread.
    with validate_input_scaling(state=False):
        return SingleTaskGP(
            torch.as_tensor(X),
            torch.as_tensor(y)[:, None],
            train_Yvar=None if noise is None else torch.as_tensor(noise)[:, None],
            covar_module=get_covar_module_with_dim_scaled_prior(
                ard_num_dims=d, use_rbf_kernel=kernel == "rbf"
            ),
            input_transform=Normalize(d, bounds=torch.as_tensor(span)),
            outcome_transform=None,
        )


def _noise(yvar: Array, target: str) -> tuple[Array | None, str]:
    """Variances (n,) where any are known, else None (to be inferred); what had to be assumed."""
    unknown = ~np.isfinite(yvar)
    if unknown.all():
        return None, ""
    filled = np.maximum(np.where(unknown, np.median(yvar[~unknown]), yvar), LEAST_NOISE)
    if not unknown.any():
        return filled, ""
    return (
        filled,
        f"{target}: {unknown.sum()} of {len(yvar)} standard errors unknown, the median is used",
    )


def _train(model: SingleTaskGP, target: str) -> str:
    """Maximise the marginal likelihood; what went wrong, or nothing."""
    start = {name: value.clone() for name, value in model.state_dict().items()}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", OptimizationWarning
            )  # each is a retry; the last one raises
            fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    except (ModelFittingError, NotPSDError, NanError) as error:
        model.load_state_dict(start)
        return f"{target}: the fit failed ({error}), prior hyperparameters are used"
    return ""


def _digest(data: Data, model: ModelListGP) -> str:
    """Twelve hexadecimal digits that change with any datum or hyperparameter."""
    digest = blake2b(digest_size=6)
    parts: Sequence[Array] = [data.X, data.Y, data.Yvar]
    for part in (*parts, *(p.detach().numpy() for p in model.parameters())):
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()
