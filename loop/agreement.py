"""How stand-ins and the real thing went together, as far as both were measured at one point."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import correlation, pstdev

from loop.campaign import Campaign
from loop.choices import AGREES

COMPARED = 3  # points measured by both, below which nothing is said


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """The correlation `rho` of a target between two fidelities, by their names for people.

    `pairs` are the values of `one` and `other` at the same points.
    """

    one: str
    other: str
    target: str
    pairs: Sequence[tuple[float, float]]
    rho: float

    @property
    def text(self) -> str:
        """In a sentence, which is loud where they do not agree."""
        agree = "agree" if self.rho >= AGREES else "DO NOT AGREE"
        return (
            f"{self.one} and {self.other} {agree} on {self.target}: correlation {self.rho:.2f} at"
            f" {len(self.pairs)} points measured by both"
        )


def agreements(campaign: Campaign) -> list[Agreement]:
    """Of any two fidelities and each target, where enough was measured by both."""
    found = []
    for real, other in combinations(campaign.views, 2):
        for target in campaign.problem.objective.names:
            pairs = _both(other, real, target)
            sides = list(zip(*pairs, strict=True))
            if len(pairs) < COMPARED or min(map(pstdev, sides)) == 0:
                continue
            one, two = (campaign.problem.fidelity(each.fidelity).called for each in (other, real))
            rho = correlation(*sides)
            found.append(Agreement(one=one, other=two, target=target, pairs=pairs, rho=rho))
    return found


def _both(one: Campaign, other: Campaign, target: str) -> list[tuple[float, float]]:
    """The values of a target at the points that have one of each fidelity."""
    space = one.problem.space
    sides = [[r for r in view.results if target in r.values] for view in (one, other)]
    keyed = [
        dict(zip(space.keys(space.encode(r.point for r in side)), side, strict=True))
        for side in sides
    ]
    return [
        (result.values[target], keyed[1][key].values[target])
        for key, result in keyed[0].items()
        if key in keyed[1]
    ]
