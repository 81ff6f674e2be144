"""Outliers: outcomes that a model would not have believed; weighted down only on request.

A real discovery looks like an outlier too: nothing is left out, and by default nothing is changed.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from loop.space.values import Array
from loop.surrogate.data import Data
from loop.surrogate.portfolio import Fitted

LEAST = 10  # outcomes: among fewer, a single one pulls the model along and cannot stand out
LIMIT = 3.0  # standard deviations: 1 in 370 by chance


def scores(fitted: Fitted, index: int) -> Array:
    """Measured minus predicted over its standard deviation, of every outcome of a target, (n,).

    Predicted without that outcome, noise included, so that a fair model has scores of size 1.
    """
    expert = fitted.experts[index]
    mean, variance = expert.leave_one_out()
    found: Array = (expert.y - mean) / np.sqrt(variance)
    return found


def outliers(fitted: Fitted) -> Mapping[str, tuple[str, ...]]:
    """The candidates whose score is beyond LIMIT, by target; none among fewer than LEAST.

    An outlier may drag a close neighbour along, whose prediction rests on it.
    """
    return {
        target: tuple(fitted.data.ids[row] for row in _rows(fitted, index))
        for index, target in enumerate(fitted.data.targets)
    }


def downweighted(data: Data, fitted: Fitted) -> Data:
    """The data that `fitted` was fitted on, with outliers of less weight.

    The variance of an outlier becomes the square of how far it lay off, (y - mean)^2: at least
    LIMIT^2 = 9 times what the model took it for, so that it lies within one standard deviation.
    """
    Yvar = data.Yvar.copy()
    for index in range(len(data.targets)):
        expert, rows = fitted.experts[index], _rows(fitted, index)
        mean, _ = expert.leave_one_out()
        off = np.full(len(data.ids), np.nan)
        off[data.known(index)] = (expert.y - mean) * fitted.scale[index]
        Yvar[rows, index] = off[rows] ** 2
    return replace(data, Yvar=Yvar)


def _rows(fitted: Fitted, index: int) -> list[int]:
    """The rows of the data that are outliers of a target."""
    z = scores(fitted, index)
    if len(z) < LEAST:
        return []
    found: list[int] = np.flatnonzero(fitted.data.known(index))[np.abs(z) > LIMIT].tolist()
    return found
