"""Who chooses the next row of a pool: the methods of `pool_choice.py`, in one registry.

A method is opened once for a run, on a shuffled table without its answers, and is then asked for
one row after the other. Most are a function of arrays alone:

    ask(X, seen, y, seed) -> index    X (N, d) the pool, seen (n) tested rows, y (n,) to maximise

To add one, put it in METHODS, or into the METHODS of a file of its own and name it with --plug.
"""

import runpy
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from botorch.acquisition.analytic import LogExpectedImprovement
from botorch.fit import fit_gpytorch_mll
from botorch.models.gp_regression import SingleTaskGP
from botorch.models.utils.gpytorch_modules import get_covar_module_with_dim_scaled_prior
from botorch.optim.optimize import optimize_acqf_discrete
from gpytorch.mlls import ExactMarginalLogLikelihood
from sklearn.ensemble import RandomForestRegressor

import peers
from pools import Array, Table

Ask = Callable[[Array, Sequence[int], Array, int], int]
Asking = Callable[[Sequence[int], Array, int], int]  # of an opened method: seen, y, seed
Opener = Callable[[Table, int], Asking]  # of a table and the seed of the run

TREES = 100
WIDTH = 2.0  # standard deviations in the confidence bounds, as in the published LCB2


def at_random(X: Array, seen: Sequence[int], y: Array, seed: int) -> int:  # noqa: ARG001
    """Any untested row."""
    return int(np.random.default_rng(seed).choice(untested(len(X), seen)))


def neighbour(X: Array, seen: Sequence[int], y: Array, seed: int) -> int:
    """The untested row nearest to the best so far: a search without a model."""
    best = seen[_highest(y, seed)]
    rows = untested(len(X), seen)
    return int(rows[_highest(-((X[rows] - X[best]) ** 2).sum(axis=1), seed)])


def gp_lcb(X: Array, seen: Sequence[int], y: Array, seed: int) -> int:
    """BoTorch's SingleTaskGP with Matern-5/2 ARD; the highest mean + 2 sd (LCB2, maximising)."""
    torch.manual_seed(seed)
    kernel = get_covar_module_with_dim_scaled_prior(ard_num_dims=X.shape[1], use_rbf_kernel=False)
    model = SingleTaskGP(*_data(X, seen, y), covar_module=kernel)
    fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    rows = untested(len(X), seen)
    with torch.no_grad():
        posterior = model.posterior(torch.as_tensor(X[rows])[:, None, :])
        bound = posterior.mean + WIDTH * posterior.variance.sqrt()
    return int(rows[_highest(bound.flatten().numpy(), seed)])


def gp_logei(X: Array, seen: Sequence[int], y: Array, seed: int) -> int:
    """BoTorch as it comes: SingleTaskGP, LogEI over the best value, optimize_acqf_discrete."""
    torch.manual_seed(seed)
    model = SingleTaskGP(*_data(X, seen, y))
    fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    rows = untested(len(X), seen)
    value = LogExpectedImprovement(model, best_f=float(y.max()))
    choices = torch.as_tensor(X[rows])
    chosen, _ = optimize_acqf_discrete(value, q=1, choices=choices)
    return int(rows[(choices == chosen).all(dim=1).nonzero()[0, 0]])


def forest_lcb(X: Array, seen: Sequence[int], y: Array, seed: int) -> int:
    """A random forest of 100 trees; the highest mean + 2 sd over the trees."""
    forest = RandomForestRegressor(n_estimators=TREES, random_state=seed % 2**32).fit(
        X[list(seen)], y
    )
    rows = untested(len(X), seen)
    said = np.array([tree.predict(X[rows]) for tree in forest.estimators_])
    return int(rows[_highest(said.mean(axis=0) + WIDTH * said.std(axis=0), seed)])


def untested(count: int, seen: Sequence[int]) -> np.ndarray:
    """The rows not yet seen, in order (N - n,)."""
    left = np.ones(count, dtype=bool)
    left[list(seen)] = False
    return np.flatnonzero(left)


def alone(ask: Ask) -> Opener:
    """A method that needs nothing but arrays."""

    def opened(table: Table, seed: int) -> Asking:  # noqa: ARG001
        return lambda seen, y, seed: ask(table.X, seen, y, seed)

    return opened


METHODS: dict[str, Opener] = {
    "random": alone(at_random),
    "neighbour": alone(neighbour),
    "gp-lcb": alone(gp_lcb),
    "gp-logei": alone(gp_logei),
    "forest-lcb": alone(forest_lcb),
    "baybe": peers.pool("baybe"),
    "ax": peers.pool("ax"),
}


def method(name: str, plug: Path | None = None) -> Opener:
    """The method of this name; `athanor:<setting>=<value>,...` is Athanor set otherwise."""
    more: dict[str, Opener] = runpy.run_path(str(plug))["METHODS"] if plug else {}
    known = METHODS | more
    if name in known:
        return known[name]
    if name.partition(":")[0].partition("@")[0] == "athanor":
        import athanor

        return athanor.pool(name.partition("@")[0].partition(":")[2])
    raise KeyError(f"--method {name}: expected one of {', '.join([*known, 'athanor'])}")


def _data(X: Array, seen: Sequence[int], y: Array) -> tuple[torch.Tensor, torch.Tensor]:
    """What was seen as BoTorch takes it: (n, d) and (n, 1)."""
    return torch.as_tensor(X[list(seen)]), torch.as_tensor(y)[:, None]


def _highest(values: Array, seed: int) -> int:
    """The index of the highest value, ties broken at random."""
    return int(np.random.default_rng(seed).choice(np.flatnonzero(values == values.max())))
