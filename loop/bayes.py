"""The Bayesian proposer: a design first, then the points that a Gaussian process values most."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from linear_operator.utils.warnings import NumericalWarning

from loop.acquisition import maximise, worth
from loop.campaign import Campaign
from loop.designs import fill, shortfall
from loop.parameters import Array, Composition
from loop.records import Candidate, Why, derive_seed
from loop.space import SearchSpace
from loop.surrogate import Fitted, Kernel, fit, training_data

NEAR_BEST = 3  # this many of the best observed points are searched around


@dataclass(frozen=True, slots=True, kw_only=True)
class Bayes:
    """`initial` design points (2 d + 1, from 5 to 20, if None), then one model per turn."""

    initial: int | None = None
    kernel: Kernel = "matern"

    def propose(self, campaign: Campaign, count: int) -> Sequence[Candidate]:
        """`count` candidates, each with why it was chosen; Shortfall where there are no more."""
        initial = self.initial if self.initial is not None else design_size(campaign.problem.space)
        first = min(count, max(0, initial - len(campaign.candidates)))
        if first:
            chosen = fill(campaign, first, Why(origin="design"))
            return chosen if first == count else [*chosen, *self._rest(campaign, count, chosen)]
        return self._rest(campaign, count, [])

    def _rest(self, campaign: Campaign, count: int, chosen: Sequence[Candidate]) -> list[Candidate]:
        """The candidates after `chosen`, up to `count` together, by the model."""
        data = training_data(campaign)
        measured = np.isfinite(data.Y).sum(axis=0)
        if measured.min(initial=len(data.ids)) < 2:
            short = data.targets[int(np.argmin(measured))]
            why = Why(
                origin="fallback", cause=f"fewer than two measured values of {short}: space-filling"
            )
            return fill(campaign, count, why)[len(chosen) :]
        seed = derive_seed(campaign.problem.seed, campaign.turn, "model")
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore", NumericalWarning)  # a jitter of 1e-8: nothing to say
            # Some draws of a model have no feasible point where its mean has one: qLogNEI copes.
            warnings.filterwarnings("ignore", "When all training points are infeasible")
            torch.manual_seed(seed)
            fitted = fit(data, campaign.problem.space.bounds, self.kernel)
            return _choose(campaign, fitted, count, chosen, seed)


def design_size(space: SearchSpace) -> int:
    """How many points to look at before a model is asked: 2 d + 1 of d free dimensions, 5 to 20."""
    free = len(space.columns) - sum(isinstance(p, Composition) for p in space.parameters)
    return min(max(2 * free + 1, 5), 20)


def _choose(
    campaign: Campaign, fitted: Fitted, count: int, chosen: Sequence[Candidate], seed: int
) -> list[Candidate]:
    """Candidates one after the other, each valued beside the pending and those before it."""
    space, objective = campaign.problem.space, campaign.problem.objective
    X = space.encode(c.point for c in (*campaign.candidates.values(), *chosen))
    pending = space.encode(c.point for c in (*campaign.pending, *chosen))
    taken = set(space.keys(X))
    candidates: list[Candidate] = []
    for number in range(len(chosen), count):
        turn_seed = derive_seed(seed, number)
        value = worth(fitted, objective, pending, alone=count == 1, seed=turn_seed)
        found = maximise(value, space, _near(campaign), taken, turn_seed)
        if found is None:
            raise shortfall(space, count, number)
        row, amount = found
        why = _why(fitted, row, value.name, amount, turn_seed)
        point = space.decode(row[None])[0]
        candidates.append(Candidate(id=campaign.ids(count)[number], point=point, why=why))
        taken.update(space.keys(row[None]))
        pending = np.vstack([pending, row])
    return candidates


def _near(campaign: Campaign) -> Array:
    """The best observed points (k, d), those that keep the bounds first."""
    lead = campaign.problem.objective.lead
    pool = campaign.contenders or [r for r in campaign.results if lead.name in r.values]
    best = sorted(pool, key=lambda result: -lead.sign * result.values[lead.name])[:NEAR_BEST]
    return campaign.problem.space.encode(result.point for result in best)


def _why(fitted: Fitted, row: Array, acquisition: str, value: float, seed: int) -> Why:
    """Why the encoded point `row` (d,) was chosen."""
    gaps = np.sqrt(((fitted.data.X - row) ** 2).sum(axis=1))
    closest = int(np.argmin(gaps))
    return Why(
        origin="model",
        cause=fitted.cause,
        acquisition=acquisition,
        value=value,
        predicted=fitted.predict(row),
        nearest=fitted.data.ids[closest],
        distance=float(gaps[closest]),
        model=fitted.digest,
        seed=seed,
    )
