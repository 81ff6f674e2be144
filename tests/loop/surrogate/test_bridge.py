"""The bridge to BoTorch: the same posterior on the other side."""

from typing import cast

import numpy as np
import pytest
import torch
from botorch.models.model_list_gp_regression import ModelListGP
from botorch.posteriors.gpytorch import GPyTorchPosterior

from loop.objective import Objective, Target
from loop.surrogate import bridge
from loop.surrogate.data import Data
from loop.surrogate.portfolio import fit

BOUNDS = np.array([[-1.0, 10.0, 0.0], [2.0, 30.0, 0.0]])  # the last column cannot vary


def fitted(kind, variance=np.nan, n=14):
    """A fit of two targets of different size, one of them missing in places."""
    rng = np.random.default_rng(5)
    X = BOUNDS[0] + rng.random((n, 3)) * (BOUNDS[1] - BOUNDS[0])
    Y = np.column_stack([np.sin(2 * X[:, 0]) + X[:, 1] / 9, 1e6 + 1e5 * X[:, 0] ** 2])
    Y[:3, 1] = np.nan
    data = Data(
        ids=tuple(map(str, range(n))),
        columns=("T", "t", "held"),
        targets=("a", "b"),
        X=X,
        Y=Y,
        Yvar=np.full((n, 2), variance) * [1, 1e10],
        counts=np.ones((n, 2)),
        within=np.zeros(2),
        freedom=np.zeros(2),
    )
    return fit(data, BOUNDS, kind)


def posterior_of(model, X):
    """What BoTorch says of rows."""
    with torch.no_grad():
        return bridge.model(model).posterior(torch.as_tensor(X))


def rows(*shape):
    """Encoded rows, some of them beyond the bounds."""
    drawn = np.random.default_rng(6).random((*shape, 3)) * 1.2 - 0.1
    return BOUNDS[0] + drawn * (BOUNDS[1] - BOUNDS[0])


@pytest.mark.parametrize("variance", [np.nan, 1e-12, 0.1])
@pytest.mark.parametrize("kind", ["matern", "rbf", "linear", "forest"])
def test_the_posterior_is_the_same(kind, variance):
    """Mean and covariance of every target at sets of rows are the expert's."""
    model, X = fitted(kind, variance), rows(4, 3)
    posterior = posterior_of(model, X)
    assert isinstance(bridge.model(model), ModelListGP) is (kind != "forest")
    for index, expert in enumerate(model.experts):
        mean, covariance = expert.joint(model.unit(X))
        assert posterior.mean[..., index].numpy() == pytest.approx(mean, abs=1e-6)
        diagonal = np.einsum("bii->bi", covariance)
        assert posterior.variance[..., index].numpy() == pytest.approx(diagonal, abs=2e-6)


def test_pending_points_cross_too():
    """What was joined to an expert is in the model."""
    joined, X = fitted("matern").joined(rows(2)), rows(5)
    variance = posterior_of(joined, X).variance
    assert variance[:, 0].numpy() == pytest.approx(
        joined.experts[0].predict(joined.unit(X))[1], abs=1e-6
    )


@pytest.mark.parametrize(("kind", "expected"), [("matern", True), ("forest", False)])
def test_only_processes_have_gradients(kind, expected):
    """A posterior mean can be climbed exactly where it is said so."""
    model, X = fitted(kind), torch.as_tensor(rows(2)).requires_grad_()
    mean = cast("GPyTorchPosterior", bridge.model(model).posterior(X[:, None])).mean
    assert bridge.has_gradient(model) is mean.requires_grad is expected


def test_utilities_are_in_the_units_of_their_targets():
    """Standardised outcomes come back as what was measured, and are judged as the targets say."""
    model = fitted("matern")
    goals = (Target(name="a", goal="match", value=1.0), Target(name="b", goal="min"))
    objective = Objective(targets=goals, combine="pareto")
    outcomes = torch.as_tensor((model.data.Y[3:] - model.shift) / model.scale)
    found = bridge.utilities(model, objective, outcomes).numpy()
    expected = [[-abs(a - 1.0), -b] for a, b in model.data.Y[3:]]
    assert found == pytest.approx(np.array(expected))
