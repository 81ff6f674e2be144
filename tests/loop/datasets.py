"""Data as a campaign would yield them, from plain arrays."""

import numpy as np

from loop.surrogate.data import Data


def data(X, *columns, Yvar=None):
    """One row each, of targets y, z, ...; NaN where nothing was measured, noise not known."""
    Y = np.stack(columns, axis=1)
    return Data(
        ids=tuple(f"row-{n}" for n in range(len(X))),
        columns=tuple(f"x{n}" for n in range(np.shape(X)[1])),
        targets=tuple("yzw"[: Y.shape[1]]),
        X=np.asarray(X, dtype=np.float64),
        Y=Y,
        Yvar=np.full(Y.shape, np.nan) if Yvar is None else Yvar,
        counts=np.ones(Y.shape),
        within=np.zeros(Y.shape[1]),
        freedom=np.zeros(Y.shape[1]),
    )
