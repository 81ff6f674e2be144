"""What candidates are worth: the seam between acquisitions and the search for the largest."""

from collections.abc import Callable
from dataclasses import dataclass

from loop.space.space import SearchSpace
from loop.space.values import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What candidates are worth: `at` values encoded rows X (k, d) as (k,), larger for better.

    `climb` moves feasible rows (n, d) of a space uphill along the gradient, to legal rows (n, d);
    None where there is no gradient.
    """

    name: str
    at: Callable[[Array], Array]
    climb: Callable[[SearchSpace, Array], Array] | None = None
