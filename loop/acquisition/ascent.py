"""A BoTorch acquisition function as a worth: valued in parts, climbed along its gradient.

Nothing of it is left behind: random numbers are our own, and what BoTorch warns of without need is
kept in. Notation: X (k, d) encoded rows.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from botorch.acquisition.acquisition import AcquisitionFunction
from botorch.optim.optimize import optimize_acqf
from gpytorch.settings import max_cholesky_size
from linear_operator.utils.warnings import NumericalWarning
from torch import Tensor

from loop.space.moves import inside, kept, rules
from loop.space.space import SearchSpace
from loop.space.values import Array

CHUNK = 512  # rows valued at once at most
GRADIENT_STEPS = 50  # iterations of a gradient ascent at most
EXACT = 100_000  # observations up to which a covariance is factorised, never approximated


@contextmanager
def apart(seed: int) -> Iterator[None]:
    """Random numbers of our own, exact factors, and no word on what needs none."""
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings(), max_cholesky_size(EXACT):
        warnings.simplefilter("ignore", NumericalWarning)  # a jitter of 1e-8
        # Some draws of a model have no feasible point where its mean has one: qLogNEI copes.
        warnings.filterwarnings("ignore", "When all training points are infeasible")
        warnings.filterwarnings("ignore", "Optimization failed")  # what it reached still counts
        torch.manual_seed(seed)
        yield


def at(function: AcquisitionFunction, chunk: int, seed: int, X: Array) -> Array:
    """The value of the function at each row of X (k, d), as (k,)."""
    with torch.no_grad(), apart(seed):
        parts = [function(part[:, None]) for part in torch.as_tensor(X).split(chunk)]
    values: Array = torch.cat(parts).numpy() if parts else np.empty(0)
    return values


def climb(function: AcquisitionFunction, seed: int, space: SearchSpace, starts: Array) -> Array:
    """Each feasible start (n, d) after a gradient ascent that keeps its choices, or as it was."""
    kinds: dict[tuple[tuple[int, float], ...], list[int]] = {}
    for index, x in enumerate(starts):
        kinds.setdefault(tuple(kept(space, x).items()), []).append(index)
    ends = starts.copy()
    with apart(seed):
        for still, rows in kinds.items():
            if len(still) < starts.shape[1]:
                ends[rows] = _ascend(function, space, dict(still), starts[rows])
    ends = inside(space, starts, ends)
    values = at(function, CHUNK, seed, np.vstack([starts, ends])).reshape(2, -1)
    return np.where((values[1] > values[0])[:, None], ends, starts)


def _ascend(
    function: AcquisitionFunction, space: SearchSpace, still: dict[int, float], starts: Array
) -> Array:
    """Where L-BFGS-B, or SLSQP under linear rules, arrives from starts (n, d).

    SLSQP takes them one by one: together, the first that is done stops the others.
    """
    law = rules(space, still)
    together = 1 if len(law.equal) or len(law.above) else len(starts)
    best, _ = optimize_acqf(
        function,
        torch.as_tensor(space.bounds),
        q=1,
        num_restarts=len(starts),
        batch_initial_conditions=torch.as_tensor(starts)[:, None],
        fixed_features=still or None,
        inequality_constraints=_sparse(law.above, law.least) or None,
        equality_constraints=_sparse(law.equal, law.level) or None,
        options={"maxiter": GRADIENT_STEPS, "batch_limit": together},
        return_best_only=False,
    )
    ends: Array = best[:, 0].numpy()
    return ends


def _sparse(rows: Array, numbers: Array) -> list[tuple[Tensor, Tensor, float]]:
    """Rows and numbers as BoTorch takes them: indices, coefficients, number."""
    return [
        (torch.as_tensor(np.flatnonzero(row)), torch.as_tensor(row[row != 0]), float(number))
        for row, number in zip(rows, numbers, strict=True)
    ]
