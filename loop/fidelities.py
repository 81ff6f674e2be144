"""Fidelities: what stand-ins teach about the real thing, and which of them a point is asked of.

The point is chosen for what it is worth of the real thing. What is asked there is whatever removes
most of the real thing's variance for its cost: of a stand-in that which the joint model says, of
the real thing all but the noise. An outcome of a stand-in that does not go along with the real one
removes nothing, so that it is not asked.

A model learns from stand-ins only where it then predicts the real outcomes clearly better, each
left out, than every model that ignores them; until one does, the real thing gets its whole design.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, inf

import numpy as np

from loop.campaign import Campaign
from loop.choices import Expertise
from loop.designs import beside
from loop.records import REAL, Candidate, Fidelity
from loop.search.largest import APART
from loop.spending import price, spent
from loop.surrogate.data import Data, training_data
from loop.surrogate.gp import Kernel
from loop.surrogate.joint import LEAST, Joint, related
from loop.surrogate.learning import Samples
from loop.surrogate.portfolio import Expert, Fitted, log_density, standardised

KERNELS: Mapping[Expertise, tuple[Kernel, ...]] = {
    "auto": ("matern", "rbf"),
    "matern": ("matern",),
    "rbf": ("rbf",),
}
CHEAP = 0.5  # of what the real thing costs: a dearer stand-in begins no campaign
TOLD = 5  # real outcomes that tell whether a stand-in goes along, in however many dimensions
WIDE = 2  # times the design's size a stand-in is asked before a model, at most
EVIDENCE = 2.0  # log of how much likelier real outcomes must be, beside stand-ins, to learn of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The design of a campaign with stand-ins: so many of each fidelity, in this order."""

    counts: tuple[tuple[str, int], ...]


def plan(campaign: Campaign, initial: int) -> Plan:
    """A design that costs no more than `initial` real candidates, or hardly.

    Points of the real thing are among those of the stand-ins, so that both can be compared.
    """
    cheap = [each for each in _useful(campaign) if _ratio(campaign, each) <= CHEAP]
    if not cheap:
        return Plan(counts=((REAL, initial),))
    half = ceil(initial / 2)
    real = max(LEAST, min(half, TOLD))
    saved = max(0, initial - half) / len(cheap)
    counts = [
        (
            each.name,
            int(np.clip(saved / max(_ratio(campaign, each), 1e-9), initial, WIDE * initial)),
        )
        for each in cheap
    ]
    return Plan(counts=(*counts, (REAL, real)))


def informed(fitted: Fitted, campaign: Campaign, kind: Expertise) -> Fitted:
    """The fit, with experts that learn from stand-ins where those predict real outcomes better."""
    others = {each.name: training_data(campaign.at(each.name)) for each in _useful(campaign)}
    experts: list[Expert] = list(fitted.experts)
    correlation: dict[str, Mapping[str, float]] = {}
    for index, target in enumerate(fitted.data.targets):
        found = _joint(fitted, others, index, KERNELS.get(kind, ()))
        if found is None:
            continue
        correlation[target] = found.correlation
        gain = log_density(found) - log_density(experts[index])
        if gain * len(found.y) > EVIDENCE:
            experts[index] = _pending(found, fitted, campaign)
    return replace(fitted, experts=tuple(experts), correlation=correlation)


def is_learning(fitted: Fitted) -> bool:
    """Whether some expert learns from a stand-in."""
    return any(isinstance(each, Joint) for each in fitted.experts)


def asked_of(
    campaign: Campaign, fitted: Fitted, candidate: Candidate, budget: float | None
) -> Candidate:
    """The candidate, asked of what tells most about the real thing there for its cost."""
    left = inf if budget is None else budget - spent(campaign)
    row = campaign.problem.space.encode([candidate.point])
    best, most, said = REAL, _worth(fitted, row[0], None, campaign), ""
    for each in _useful(campaign):
        is_open = price(campaign, each.name) + price(campaign, REAL) <= left
        share = _share(fitted, row[0], each.name, campaign)
        worth = share / max(price(campaign, each.name), 1e-12)
        if is_open and worth > most and not _known(campaign.at(each.name), row[0]):
            best, most = each.name, worth
            real = campaign.problem.fidelity(REAL)
            times = price(campaign, REAL) / max(price(campaign, each.name), 1e-12)
            said = f"tells {share:.0%} of what {real.called} would, {times:.3g} times cheaper"
    return replace(candidate, fidelity=best, why=replace(candidate.why, asked=said))


def _useful(campaign: Campaign) -> list[Fidelity]:
    """The stand-ins that measure something wanted."""
    wanted = {target.name for target in campaign.problem.objective.wanted}
    return [each for each in campaign.problem.stand_ins if wanted & set(each.targets)]


def _ratio(campaign: Campaign, fidelity: Fidelity) -> float:
    """What a stand-in costs of what the real thing does; 1 where that is not known."""
    real = price(campaign, REAL)
    return price(campaign, fidelity.name) / real if real else 1.0


def _joint(
    fitted: Fitted, others: Mapping[str, Data], index: int, kernels: tuple[Kernel, ...]
) -> Joint | None:
    """The best joint process of a target; None where there is too little to fit one on."""
    real, _, _ = standardised(fitted.data, index, fitted.low, fitted.span)
    told: dict[str, Samples] = {}
    for name, data in others.items():
        if data.known(index).sum() >= LEAST:
            told[name], _, _ = standardised(data, index, fitted.low, fitted.span)
    if len(real.y) < LEAST or not told:
        return None
    found = []
    for kernel in kernels:
        try:
            found.append(related(real, told, kernel))
        except np.linalg.LinAlgError:
            continue
    return max(found, key=log_density) if found else None


def _pending(joint: Joint, fitted: Fitted, campaign: Campaign) -> Joint:
    """The process beside stand-ins that wait for an answer."""
    for name in joint.names:
        points = [each.point for each in campaign.pending if each.fidelity == name]
        if points:
            rows = campaign.problem.space.encode(points)
            joint = joint.joined_at(name, fitted.unit(rows))
    return joint


def _share(fitted: Fitted, x: np.ndarray, fidelity: str | None, campaign: Campaign) -> float:
    """The share of the variance of what is wanted that an outcome would remove, on average."""
    shares = []
    for target in campaign.problem.objective.wanted:
        expert = fitted.experts[fitted.data.targets.index(target.name)]
        if isinstance(expert, Joint):
            has = fidelity is None or fidelity in expert.names
            shares.append(expert.share(fitted.unit(x[None])[0], fidelity) if has else 0.0)
        elif fidelity is None:
            variance = float(expert.predict(fitted.unit(x[None]))[1][0])
            shares.append(variance / (variance + expert.noise))
        else:
            shares.append(0.0)
    return float(np.mean(shares))


def _worth(fitted: Fitted, x: np.ndarray, fidelity: None, campaign: Campaign) -> float:
    return _share(fitted, x, fidelity, campaign) / max(price(campaign, REAL), 1e-12)


def _known(view: Campaign, x: np.ndarray) -> bool:
    """Whether the point, or one as near as none, was asked of this fidelity."""
    low, high = view.problem.space.bounds
    gaps = np.abs((view.own_rows - x) / np.where(high > low, high - low, 1.0)).max(axis=1)
    return bool(gaps.min(initial=1.0) <= APART)


def with_chosen(fitted: Fitted, campaign: Campaign, chosen: list[Candidate]) -> Fitted:
    """The fit beside stand-ins that were chosen in this turn."""
    if not any(each.fidelity for each in chosen):
        return fitted
    now = beside(replace(campaign, candidates={}), chosen)
    experts = (
        _pending(each, fitted, now) if isinstance(each, Joint) else each for each in fitted.experts
    )
    return replace(fitted, experts=tuple(experts))
