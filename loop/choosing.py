"""Choosing by one model: candidate after candidate, each beside the pending and those before it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from loop.acquisition.closed import Ask, Chance, proxies, worth
from loop.campaign import Campaign
from loop.choices import Acquisition
from loop.designs import fresh, shortfall
from loop.health import health
from loop.records import Candidate, Health, Why, derive_seed
from loop.search.largest import Asked, best_of, largest, scan
from loop.space.parameters import Array, Point
from loop.space.pool import Index, Pool
from loop.space.space import SearchSpace
from loop.surrogate.portfolio import Fitted

NEAR_BEST = 3  # this many of the best observed points are searched around
REGION = 512  # points over which pure learning wants to be right


@dataclass(frozen=True, kw_only=True)
class Choosing:
    """One model, and the candidates that are chosen by it."""

    campaign: Campaign
    fitted: Fitted
    how: Acquisition
    seed: int
    factors: tuple[Chance, ...] = ()

    def next(self, chosen: Sequence[Candidate], count: int) -> Candidate:
        """The candidate after `chosen`, valued beside the pending and those; Shortfall of none."""
        campaign = beside(self.campaign, chosen)
        space = shared(campaign.problem.space, chosen)
        seed = derive_seed(self.seed, len(chosen))
        ask = Ask(
            fitted=self.fitted,
            objective=campaign.problem.objective,
            pending=space.encode(c.point for c in campaign.pending),
            factors=self.factors,
            seed=seed,
        )
        if space.pool is not None and not space.fixed:
            found = self._from_pool(ask, campaign, space.pool)
        else:
            found = self._from_space(ask, campaign, space)
        if found is None:
            raise shortfall(space, count, len(chosen))
        point, row, name, amount = found
        why = self._why(row, name, amount, seed)
        return Candidate(id=campaign.ids(1)[0], point=point, why=why)

    def again(self, candidate: str, cause: str, chosen: Sequence[Candidate]) -> Candidate:
        """The point of a candidate once more, because of the noise of what was measured there."""
        campaign = beside(self.campaign, chosen)
        made = {result.candidate.id: result.point for result in campaign.results}
        point = made[candidate]
        row = campaign.problem.space.encode([point])[0]
        why = replace(self._why(row, "", None, self.seed), origin="replicate", cause=cause)
        return Candidate(id=campaign.ids(1)[0], point=point, why=why)

    def _from_space(
        self, ask: Ask, campaign: Campaign, space: SearchSpace
    ) -> tuple[Point, Array, str, float] | None:
        points = [c.point for c in campaign.candidates.values()]
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
        free = np.ones(pool.count, dtype=bool)
        space = campaign.problem.space
        asked = [space.complete(c.point)[pool.name] for c in campaign.candidates.values()]
        free[pool.rows_of(asked)] = False
        rows = self._shortlist[free[self._shortlist]]
        value = worth(ask, self.how, self._region)
        found = best_of(value, pool.X[rows], ask.seed)
        if found is None:
            return None
        index, amount = found
        return pool.points([int(rows[index])])[0], pool.X[rows[index]], value.name, amount

    @cached_property
    def _shortlist(self) -> Index:
        """Rows of a pool, none asked before this turn, among which its candidates are chosen."""
        space, campaign = self.campaign.problem.space, self.campaign
        if space.pool is None:
            raise TypeError
        free = np.ones(space.pool.count, dtype=bool)
        asked = [space.complete(c.point)[space.pool.name] for c in campaign.candidates.values()]
        free[space.pool.rows_of(asked)] = False
        ask = Ask(
            fitted=self.fitted,
            objective=campaign.problem.objective,
            pending=space.encode(c.point for c in campaign.pending),
            factors=self.factors,
            seed=self.seed,
        )
        return scan(proxies(ask, self.how, self._region), space.pool, free, self.seed)

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


def beside(campaign: Campaign, chosen: Sequence[Candidate]) -> Campaign:
    """The campaign as it will be when the chosen have been asked."""
    return replace(campaign, candidates={**campaign.candidates, **{c.id: c for c in chosen}})


def shared(space: SearchSpace, chosen: Sequence[Candidate]) -> SearchSpace:
    """The space for the rest of a batch: what its candidates share is held."""
    if not chosen or not space.shared:
        return space
    return space.holding({name: chosen[0].point[name] for name in space.shared})


def _near(campaign: Campaign) -> Array:
    """The best observed points (k, d): those that keep the bounds, else the newest."""
    contenders = list(campaign.contenders)
    if contenders and campaign.problem.objective.lead.is_wish:
        U = campaign.utilities(contenders)
        best = {int(i) for column in U.T for i in np.argsort(-column, kind="stable")[:NEAR_BEST]}
        contenders = [contenders[i] for i in sorted(best)]
    results = contenders or list(campaign.results)
    return campaign.problem.space.encode(r.point for r in results[-4 * NEAR_BEST :])
