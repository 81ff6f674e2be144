"""Spending: what candidates have cost, in the campaign's own unit, and what the next one costs.

A candidate costs what its fidelity states, once for each attempt at it and once at least: also one
that waits, for it is as good as spent. Where hours are measured, those of its answers come on top;
of one that waits, the mean of what others at its fidelity took.
"""

from math import inf

from loop.campaign import Campaign, is_past
from loop.records import Candidate

HOUR_S = 3600.0
ROUNDING = 1e-9  # ten times 0.1 is 1


def spent(campaign: Campaign) -> float:
    """What all candidates have cost, or will when they are answered."""
    return sum(charge(campaign, candidate) for candidate in campaign.candidates.values())


def charge(campaign: Campaign, candidate: Candidate) -> float:
    """What one candidate has cost; nothing where it was refused before any, or is past data."""
    if is_past(candidate):
        return 0.0
    fidelity = campaign.problem.fidelity(candidate.fidelity)
    attempts = campaign.attempts.get(candidate.id, 0)
    tries = attempts if candidate.id in campaign.vetoed else max(1, attempts)
    if not fidelity.measured or not tries:
        return tries * fidelity.cost
    hours = _hours(campaign, candidate)
    return tries * fidelity.cost + (_mean(campaign, candidate.fidelity) if hours is None else hours)


def price(campaign: Campaign, fidelity: str) -> float:
    """What the next candidate of a fidelity will cost; measured hours are those of the mean."""
    stated = campaign.problem.fidelity(fidelity)
    return stated.cost + (_mean(campaign, fidelity) if stated.measured else 0.0)


def left(campaign: Campaign, budget: float | None) -> float:
    """What of the budget may still be spent; without one there is no end to it."""
    return inf if budget is None else budget - spent(campaign)


def pays(campaign: Campaign, fidelity: str, budget: float | None) -> bool:
    """Whether what is left of the budget pays for one more candidate of a fidelity."""
    return price(campaign, fidelity) <= left(campaign, budget) * (1 + ROUNDING)


def _mean(campaign: Campaign, fidelity: str) -> float:
    """The mean hours of the answered candidates of a fidelity; 0 before the first."""
    own = [each for each in campaign.candidates.values() if each.fidelity == fidelity]
    known = [hours for each in own if (hours := _hours(campaign, each)) is not None]
    return sum(known) / len(known) if known else 0.0


def _hours(campaign: Campaign, candidate: Candidate) -> float | None:
    """What the answers to a candidate say that they took; None where none says anything."""
    answers = campaign.observations.get(candidate.id, ())
    known = [each.source.seconds for each in answers if each.source.seconds is not None]
    return sum(known) / HOUR_S if known else None
