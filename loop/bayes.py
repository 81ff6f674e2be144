"""The Bayesian proposer: a design first, then the points that the model makes the most of."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from loop.acquisition.closed import criterion
from loop.campaign import Campaign
from loop.choices import Acquisition, Expertise
from loop.choosing import Choosing
from loop.cost import cost
from loop.designs import beside, design_size, fill
from loop.feasibility import feasibility
from loop.fidelities import asked_of, informed, is_learning, plan, with_chosen
from loop.health import thin
from loop.records import REAL, Candidate, Why, derive_seed
from loop.replicates import hinges
from loop.surrogate.data import Data, training_data
from loop.surrogate.outliers import downweighted
from loop.surrogate.portfolio import Fitted, fit
from loop.threads import one_thread

LEAST = 2  # measured values of a target without which there is nothing to fit


@dataclass(frozen=True, slots=True, kw_only=True)
class Bayes:
    """`initial` design points (2 d + 1, from 5 to 20, if None), then one model per turn.

    `cost` is an expression over parameters and columns of a pool, or `learnt` from durations;
    `budget` the evaluations of the campaign, by which cost matters less and less. Outcomes that the
    model would not have believed are said and, with `downweight`, weigh less. With `replicate`, the
    best point is measured again where its rank hinges on one value of known noise.
    """

    initial: int | None = None
    surrogate: Expertise = "auto"
    acquisition: Acquisition = "auto"
    cost: str | None = None
    budget: int | None = None
    money: float | None = None
    outliers: Literal["flag", "downweight"] = "flag"
    replicate: bool = True

    def propose(self, campaign: Campaign, count: int) -> Sequence[Candidate]:
        """`count` candidates, each with why it was chosen; Shortfall where there are no more."""
        with one_thread():
            return self._proposed(campaign, count)

    def _proposed(self, campaign: Campaign, count: int) -> Sequence[Candidate]:
        space = campaign.problem.space
        initial = self.initial if self.initial is not None else design_size(space)
        chosen = self._design(campaign, initial, count)
        if len(chosen) == count:
            return chosen
        data = training_data(campaign)
        measured = np.isfinite(data.Y).sum(axis=0)
        if measured.min(initial=len(data.ids)) < LEAST:
            short = data.targets[int(np.argmin(measured))]
            cause = f"fewer than two points with a value of {short}: space-filling"
            return fill(campaign, count, Why(origin="fallback", cause=cause), chosen)
        seed = derive_seed(campaign.problem.seed, campaign.turn, "model")
        try:
            fitted = self._fitted(campaign, data, seed)
        except np.linalg.LinAlgError as error:
            cause = f"no model can be fitted ({error}): space-filling"
            return fill(campaign, count, Why(origin="fallback", cause=cause), chosen)
        if campaign.problem.stand_ins and not is_learning(fitted):
            chosen += self._designed(campaign, ((campaign.fidelity, initial),), count, chosen)
        return self._by_model(campaign, count, fitted, chosen, seed)

    def _design(self, campaign: Campaign, initial: int, count: int) -> list[Candidate]:
        """Up to `count` space-filling candidates; of stand-ins first, where there are some."""
        is_real = campaign.fidelity == REAL
        counts = plan(campaign, initial).counts if is_real else ((campaign.fidelity, initial),)
        return self._designed(campaign, counts, count, ())

    def _designed(
        self,
        campaign: Campaign,
        counts: Sequence[tuple[str, int]],
        count: int,
        before: Sequence[Candidate],
    ) -> list[Candidate]:
        """What `counts` of fidelities still lack, `count` together with those `before`."""
        chosen = list(before)
        for fidelity, most in counts:
            view = beside(campaign, chosen).at(fidelity)
            known = sum(each.id not in view.vetoed for each in view.own)
            first = min(count - len(chosen), max(0, most - known))
            chosen = fill(view, len(chosen) + first, Why(origin="design"), chosen)
        return chosen[len(before) :]

    def _fitted(self, campaign: Campaign, data: Data, seed: int) -> Fitted:
        space = campaign.problem.space
        fitted = fit(data, space.bounds, self.surrogate, seed)
        if self.outliers == "downweight":
            fitted = fit(downweighted(data, fitted), space.bounds, self.surrogate, seed)
        cause = "; ".join(filter(None, [fitted.cause, thin(fitted, space)]))
        fitted = replace(fitted, cause=cause)
        has_stand_ins = campaign.fidelity == REAL and campaign.problem.stand_ins
        return informed(fitted, campaign, self.surrogate) if has_stand_ins else fitted

    def _by_model(
        self,
        campaign: Campaign,
        count: int,
        fitted: Fitted,
        chosen: Sequence[Candidate],
        seed: int,
    ) -> list[Candidate]:
        """The candidates after `chosen`, up to `count` together."""
        how = criterion(campaign.problem.objective, self.acquisition)
        chance = feasibility(campaign, how)
        price = cost(campaign, self.cost, self.budget)
        factors = [chance.log_chance] if chance else []
        if price is not None:
            factors += [price.factor] if price.rows is None else []
            fitted = replace(fitted, cause="; ".join(filter(None, [fitted.cause, price.cause])))
        choosing = Choosing(
            campaign=campaign,
            fitted=fitted,
            how=self.acquisition,
            is_warned=chance is not None,
            seed=seed,
            factors=tuple(factors),
            by_row=price.by_row if price else None,
        )
        found = list(chosen)
        hinge = hinges(campaign, fitted, fitted.data) if self.replicate else None
        again = choosing.again(hinge.candidate, hinge.cause, found) if hinge else None
        found += [again] if again else []
        while len(found) < count:
            if campaign.fidelity != REAL or not campaign.problem.stand_ins:
                found.append(choosing.next(found, count))
                continue
            now = replace(choosing, fitted=with_chosen(fitted, campaign, found))
            new, after = now.next(found, count), beside(campaign, found)
            found.append(asked_of(after, now.fitted, new, self.money))
        return found
