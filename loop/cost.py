"""Cost: what a candidate costs, so that a dear one is asked only where it is worth it.

Either stated, as an expression over parameters and columns of a pool in any unit of money or time,
or learnt from how long past answers took. It counts in full at the start and no longer at the end
of the budget, by cost-cooling: worth / cost^a, where a is the share of the budget that is left
(Lee, Perrone, Archambeau and Seeger, Cost-aware Bayesian Optimization, arXiv:2003.10870, 2020,
section 3). A constant a = 1 goes on buying what is cheap.

Notation: k encoded rows X (k, d); costs (k,) relative to the geometric mean of what was asked.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from loop.campaign import Campaign
from loop.errors import SettingsError, SpaceError
from loop.space.expressions import quantity
from loop.space.pool import Pool
from loop.space.space import SearchSpace
from loop.space.values import Array, Point, written
from loop.surrogate.learning import Samples, learn, settled, start

LEARNT = "learnt"
WHERE = "proposer.cost"
FEW = 5  # durations: fewer say nothing about what makes an answer slow
MANY = 400  # durations that are learnt from, the newest: a fit costs n^3 some thirty times
LOOKED_AT = 1000  # points at which a stated cost must be one
LEAST_SPREAD = 1e-9  # of log durations: below it they do not differ


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What candidates cost. `share` of the budget is left; `cause` says why all cost the same.

    `log_cost` gives log costs (k,) of encoded rows X (k, d), on average 0 over what was asked;
    `rows` (N,) are those of the rows of a pool, two of which may have the same features.
    """

    share: float
    log_cost: Callable[[Array], Array]
    cause: str = ""
    rows: Array | None = None

    @property
    def by_row(self) -> Array | None:
        """What to add to the log worth of the rows of a pool (N,), where those are known."""
        return None if self.rows is None else -self.share * self.rows

    def factor(self, X: Array) -> Array:
        """What to add to a log worth at encoded rows X (k, d), as (k,): - share * log cost."""
        return -self.share * self.log_cost(X)


def cost(campaign: Campaign, how: str | None, budget: int | None) -> Cost | None:
    """What candidates cost, by an expression or `learnt` from durations; None where `how` is None.

    `budget` is the number of evaluations; without one, cost counts in full throughout. SpaceError
    for an expression with a name that is no number of the space.
    """
    if how is None:
        return None
    share = 1.0 if budget is None else max(0.0, 1 - campaign.answered / budget)
    if how != LEARNT:
        pool = campaign.problem.space.pool
        if pool is not None:
            rows = _listed(campaign, how, pool)
            return Cost(share=share, log_cost=lambda X: rows[pool.nearest(X)], rows=rows)
        return Cost(share=share, log_cost=_stated(campaign, how))
    durations = list(_durations(campaign))[-MANY:]
    if len(durations) < FEW:
        cause = f"{len(durations)} durations known, {FEW} are needed: all cost the same"
        return Cost(share=share, log_cost=lambda X: np.zeros(len(X)), cause=cause)
    return Cost(share=share, log_cost=_learnt(campaign.problem.space, durations))


def require_cost(how: str | None, space: SearchSpace) -> None:
    """Raise SpaceError or SettingsError unless a stated cost is a number above 0 in all the space.

    Looked at in every row of a pool, elsewhere in up to LOOKED_AT points, the same ones each time.
    """
    if how is None or how == LEARNT:
        return
    if space.pool is not None:
        _of_pool(how, space.pool)
    else:
        low, high = space.bounds
        drawn = np.random.default_rng(0).random((LOOKED_AT, len(low)))
        X = space.repair(low + drawn * (high - low))
        _positive(how, space, X[space.meets(X)])


def _stated(campaign: Campaign, text: str) -> Callable[[Array], Array]:
    """Log of the expression, less its mean over what was asked."""
    space = campaign.problem.space
    asked = space.encode(each.point for each in campaign.own)
    centre = np.log(_positive(text, space, asked)).mean() if len(asked) else 0.0
    return lambda X: np.log(_positive(text, space, X)) - centre


def _listed(campaign: Campaign, text: str, pool: Pool) -> Array:
    """Log costs of the rows of a pool (N,), less their mean over what was asked."""
    logs = np.log(_of_pool(text, pool))
    asked = pool.rows_of(each.point[pool.name] for each in campaign.own)
    centred: Array = logs - logs[asked].mean() if len(asked) else logs
    return centred


def _of_pool(text: str, pool: Pool) -> Array:
    """The costs of the rows of a pool (N,); LoopError where one is none."""
    stated = quantity(text, WHERE)
    for name in stated.names:
        if name not in pool.beside:
            known = ", ".join(pool.beside) or f"{pool.name}.column"
            raise SpaceError(WHERE, f"terms among {known}", repr(name), "Name a column so.")
    costs = np.broadcast_to(stated.values(pool.beside), pool.count)
    wrong = np.flatnonzero(~(np.isfinite(costs) & (costs > 0)))
    if len(wrong):
        raise _free_of_charge(text, "every row", costs[wrong[0]], pool.points(wrong[:1])[0])
    return costs


def _free_of_charge(text: str, where: str, cost: float, point: Point) -> SettingsError:
    return SettingsError(
        f"{WHERE} {text!r}",
        f"a number above 0 in {where}",
        f"{cost:g} at {written(point)}",
        "Add what every candidate costs.",
    )


def _positive(text: str, space: SearchSpace, X: Array) -> Array:
    """The costs (k,) at rows X (k, d); SettingsError where one is none."""
    costs = space.values(text, X, WHERE)
    wrong = np.flatnonzero(~(np.isfinite(costs) & (costs > 0)))
    if len(wrong):
        (point,) = space.decode(X[wrong[:1]])
        raise _free_of_charge(text, "all the space", costs[wrong[0]], point)
    return costs


def _learnt(space: SearchSpace, durations: list[tuple[Point, float]]) -> Callable[[Array], Array]:
    """The mean of a Gaussian process on log seconds, less their mean."""
    low, high = space.bounds
    span = np.where(high > low, high - low, 1.0)
    logs = np.log([seconds for _, seconds in durations])
    centre, spread = logs.mean(), logs.std()
    if spread < LEAST_SPREAD:
        return lambda X: np.zeros(len(X))
    samples = Samples(
        X=(space.encode(point for point, _ in durations) - low) / span,
        y=(logs - centre) / spread,
        known=np.full(len(logs), np.nan),
        counts=np.ones(len(logs)),
    )
    try:
        process = learn(samples, "matern")
    except np.linalg.LinAlgError:  # the prior's lengthscales are as good a guess of a cost
        process = settled(start(samples, "matern"), samples, "matern")
    return lambda X: process.predict((X - low) / span)[0] * spread


def _durations(campaign: Campaign) -> Iterator[tuple[Point, float]]:
    """Point as executed, and seconds, of every candidate whose newest answer says how long."""
    for result in campaign.results:
        seconds = campaign.measurements(result.candidate.id)[-1].source.seconds
        if seconds is not None and seconds > 0:
            yield result.point, seconds
