"""One thread of linear algebra, unless the environment says otherwise.

On a machine whose cores are at work, threads that wait for one another make the small matrices of
a fit a hundred times slower; and sums over threads depend on how many there are.
"""

import os
from contextlib import AbstractContextManager, nullcontext
from functools import cache

import scipy.linalg  # noqa: F401 - its library is to be there when it is looked for
from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[object]:
    """For as long as it is entered; where OMP_NUM_THREADS is set, nothing changes."""
    if "OMP_NUM_THREADS" in os.environ:
        return nullcontext()
    limiter: AbstractContextManager[object] = _libraries().limit(limits=1, user_api="blas")
    return limiter


@cache
def _libraries() -> ThreadpoolController:
    """Those of this process; to look for them takes milliseconds."""
    return ThreadpoolController()
