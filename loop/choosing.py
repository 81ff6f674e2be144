"""Choosing by one model: candidate after candidate, each beside the pending and those before it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from loop.acquisition.closed import Ask, Chance, proxies, worth
from loop.campaign import Campaign
from loop.choices import Acquisition
from loop.designs import beside, fill, fresh, shared, shortfall
from loop.errors import ObjectiveError
from loop.health import health
from loop.objective import Objective
from loop.ranking import utilities
from loop.records import Candidate, Health, Why, derive_seed
from loop.search.largest import Asked, best_of, largest, scan
from loop.space.pool import Index, Pool
from loop.space.space import SearchSpace
from loop.space.values import Array, Point, ordered
from loop.surrogate.portfolio import Fitted

NEAR_BEST = 3  # this many of the best observed points are searched around
REGION = 512  # points over which pure learning wants to be right


@dataclass(frozen=True, kw_only=True)
class Choosing:
    """One model, and the candidates that are chosen by it.

    `by_row` (N,) is added to the worth of the rows of a pool: what their features do not tell.
    `is_warned` says that failures speak against some regions.
    """

    campaign: Campaign
    fitted: Fitted
    how: Acquisition
    seed: int
    factors: tuple[Chance, ...] = ()
    by_row: Array | None = None
    is_warned: bool = False

    def next(self, chosen: Sequence[Candidate], count: int) -> Candidate:
        """The candidate after `chosen`, valued beside the pending and those; Shortfall of none."""
        campaign = beside(self.campaign, chosen)
        space = shared(campaign.problem.space, chosen)
        seed = derive_seed(self.seed, len(chosen))
        ask = self._ask(campaign, seed)
        if space.pool is not None and not space.fixed:
            found = self._from_pool(ask, campaign, space.pool)
        else:
            found = self._from_space(ask, campaign, space)
        if found is None and (space.pool is None or not _free(campaign, space.pool).any()):
            raise shortfall(space, count, len(chosen))
        if found is None or not np.isfinite(found[3]):
            cause = "the acquisition is not a finite number anywhere: space-filling"
            why = Why(origin="fallback", cause=cause)
            return fill(self.campaign, len(chosen) + 1, why, chosen)[-1]
        point, row, name, amount = found
        why = self._why(row, name, amount, seed)
        return Candidate(id=campaign.ids(1)[0], point=point, why=why)

    def again(self, candidate: str, cause: str, chosen: Sequence[Candidate]) -> Candidate | None:
        """The point of a candidate once more, because of the noise of what was measured there.

        As it was executed, else as it was asked; None where the space now allows neither.
        """
        campaign = beside(self.campaign, chosen)
        space = shared(campaign.problem.space, chosen)
        made = {result.candidate.id: result.point for result in campaign.results}
        points = (made[candidate], space.complete(campaign.candidates[candidate].point))
        point = next((each for each in points if space.contains(each)), None)
        if point is None:
            return None
        row = space.encode([point])[0]
        why = replace(self._why(row, "", None, self.seed), origin="replicate", cause=cause)
        return Candidate(id=campaign.ids(1)[0], point=point, why=why)

    def _from_space(
        self, ask: Ask, campaign: Campaign, space: SearchSpace
    ) -> tuple[Point, Array, str, float] | None:
        points = [c.point for c in campaign.own]
        X = space.encode([*points, *(r.point for r in campaign.results)])
        value = worth(ask, self.how, self._region)
        found = largest(
            value, space, _near(campaign), Asked(X=X, keys=set(space.keys(X))), ask.seed
        )
        if found is None:
            return None
        row, amount = found
        return space.decode(row[None])[0], row, value.name, amount

    def _from_pool(
        self, ask: Ask, campaign: Campaign, pool: Pool
    ) -> tuple[Point, Array, str, float] | None:
        rows = self._shortlist[_free(campaign, pool)[self._shortlist]]
        value = worth(ask, self.how, self._region)
        more = None if self.by_row is None else self.by_row[rows]
        found = best_of(value, pool.X[rows], ask.seed, more)
        if found is None:
            return None
        index, amount = found
        return pool.points([int(rows[index])])[0], pool.X[rows[index]], value.name, amount

    @cached_property
    def _shortlist(self) -> Index:
        """Rows of the pool, none asked before this turn, among which its candidates are chosen."""
        pool = self.campaign.problem.space.pool
        if pool is None:
            raise TypeError("a shortlist is of a pool")
        worths = proxies(self._ask(self.campaign, self.seed), self.how, self._region)
        return scan(worths, pool, _free(self.campaign, pool), self.seed, self.by_row)

    def _ask(self, campaign: Campaign, seed: int) -> Ask:
        fitted, objective = self._question
        space = campaign.problem.space
        return Ask(
            fitted=fitted,
            objective=objective,
            pending=ordered(
                space.encode(c.point for c in campaign.pending if c.fidelity == campaign.fidelity)
            ),
            factors=self.factors,
            seed=seed,
            is_open=self.how == "auto" and space.pool is None and not self.is_warned,
        )

    @cached_property
    def _question(self) -> tuple[Fitted, Objective]:
        """The model and the objective, without units: these change no choice."""
        objective, fitted = self.campaign.problem.objective, self.fitted
        try:
            bare = objective.standardised(fitted.shift.tolist(), fitted.scale.tolist())
        except ObjectiveError:  # two of its numbers are alike beside how far outcomes spread
            return fitted, objective
        return fitted.standardised, bare

    @cached_property
    def _region(self) -> Array:
        """Rows of the space over which pure learning wants to be right."""
        space = self.campaign.problem.space
        if space.pool is None:
            return fresh(space, REGION, self.seed, set())
        rng = np.random.default_rng(self.seed)
        return space.pool.X[rng.permutation(space.pool.count)[:REGION]]

    @cached_property
    def _health(self) -> Mapping[str, Health]:
        return health(self.fitted, self.campaign.problem.objective.units)

    def _why(self, row: Array, acquisition: str, value: float | None, seed: int) -> Why:
        """Why the encoded point `row` (d,) was chosen."""
        data = self.fitted.data
        gaps = np.sqrt(((data.X - row) ** 2).sum(axis=1))
        closest = int(np.argmin(gaps))
        return Why(
            origin="model",
            cause=self.fitted.cause,
            acquisition=acquisition,
            value=value,
            predicted=self.fitted.predict(row),
            nearest=data.ids[closest],
            distance=float(gaps[closest]),
            model=self.fitted.digest,
            surrogate=self.fitted.names,
            health=self._health,
            seed=seed,
        )


def _free(campaign: Campaign, pool: Pool) -> NDArray[np.bool_]:
    """Which rows of the pool (N,) were neither asked nor made."""
    space = campaign.problem.space
    points = [each.point for each in campaign.own]
    points += [each.point for each in campaign.results]
    free = np.ones(pool.count, dtype=bool)
    free[pool.rows_of(space.complete(point)[pool.name] for point in points)] = False
    return free


def _near(campaign: Campaign) -> Array:
    """The best observed points (k, d) of those that keep the bounds; all where none is best."""
    contenders = campaign.contenders
    is_ranked = len(contenders) > 0 and campaign.problem.objective.lead.is_wish
    results = contenders if is_ranked else campaign.results
    X = campaign.problem.space.encode(result.point for result in results)
    if is_ranked:
        U = utilities(campaign.problem.objective, contenders)
        best = {int(i) for u in U.T for i in np.lexsort([*X.T[::-1], -u])[:NEAR_BEST]}
        X = X[sorted(best)]
    return ordered(X)
