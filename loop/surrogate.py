"""The surrogate: Gaussian processes that say what each target would be, and how sure they are.

Notation: X (n, d) encoded points, Y (n, m) outcomes in the targets' units with NaN where nothing
was measured, Yvar (n, m) variances of the outcomes with NaN where unknown. One independent
process per target, so that any subset of the targets may be missing anywhere. float64 throughout.
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
from botorch.models.transforms.outcome import Standardize
from botorch.models.utils.gpytorch_modules import get_covar_module_with_dim_scaled_prior
from gpytorch.mlls.exact_marginal_log_likelihood import ExactMarginalLogLikelihood
from linear_operator.utils.errors import NanError, NotPSDError

from loop.campaign import Campaign
from loop.parameters import Array
from loop.records import Prediction

Kernel: TypeAlias = Literal["matern", "rbf"]

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
    """A model of all targets. `cause` says what was not as it should be; empty if all is well."""

    model: ModelListGP
    data: Data
    digest: str
    cause: str

    def single(self, index: int) -> SingleTaskGP:
        """The model of one target."""
        return cast("SingleTaskGP", self.model.models[index])

    def predict(self, x: Array) -> dict[str, Prediction]:
        """Mean and standard deviation of a measurement of every target at one point (d,)."""
        with torch.no_grad():
            posterior = self.model.posterior(torch.as_tensor(x)[None], observation_noise=True)
        mean, sd = posterior.mean[0].tolist(), posterior.variance[0].sqrt().tolist()
        return {t: Prediction(mean=mean[i], sd=sd[i]) for i, t in enumerate(self.data.targets)}


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
    models, causes = [], []
    for index, target in enumerate(data.targets):
        known = np.isfinite(data.Y[:, index])
        noise, cause = _noise(data.Y[known, index], data.Yvar[known, index], target)
        model = _gp(data.X[known], data.Y[known, index], noise, bounds, kernel)
        causes += [cause, _train(model, target)]
        models.append(model)
    model = ModelListGP(*models)
    cause = "; ".join(filter(None, causes))
    return Fitted(model=model.eval(), data=data, digest=_digest(data, model), cause=cause)


def _gp(X: Array, y: Array, noise: Array | None, bounds: Array, kernel: Kernel) -> SingleTaskGP:
    d = X.shape[1]
    span = bounds.copy()
    span[1, span[0] == span[1]] += 1.0  # a column that cannot vary has no range to divide by
    return SingleTaskGP(
        torch.as_tensor(X),
        torch.as_tensor(y)[:, None],
        train_Yvar=None if noise is None else torch.as_tensor(noise)[:, None],
        covar_module=get_covar_module_with_dim_scaled_prior(
            ard_num_dims=d, use_rbf_kernel=kernel == "rbf"
        ),
        input_transform=Normalize(d, bounds=torch.as_tensor(span)),
        outcome_transform=Standardize(1),
    )


def _noise(y: Array, yvar: Array, target: str) -> tuple[Array | None, str]:
    """Variances (n,) where any are known, else None (to be inferred); what had to be assumed."""
    unknown = ~np.isfinite(yvar)
    if unknown.all():
        return None, ""
    floor = LEAST_NOISE * max(float(np.var(y)), np.finfo(float).tiny)
    filled = np.maximum(np.where(unknown, np.median(yvar[~unknown]), yvar), floor)
    if not unknown.any():
        return filled, ""
    return (
        filled,
        f"{target}: {unknown.sum()} of {len(y)} standard errors unknown, the median is used",
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
