"""Whether the incumbent should be measured again, because its rank hinges on one noisy value.

The largest of many noisy values is large partly by luck: a second measurement of it tells more
about which candidate is best than another candidate does, and keeps people from following a fluke.
"""

from dataclasses import dataclass

import numpy as np

from loop.campaign import Campaign
from loop.space.values import Array
from loop.surrogate.data import Data, identities
from loop.surrogate.portfolio import Fitted

ENOUGH = 3  # measurements of one point: from then on its mean is known better than the model
EVERY = 5  # candidates between two replicates at least: at most a fifth of a budget
SURE = 0.75  # probability of being better than the runner-up from which nothing hinges on it
DRAWS = 2048  # of the two outcomes, for a goal that is not linear: 1 % in a probability


@dataclass(frozen=True, slots=True, kw_only=True)
class Hinge:
    """The candidate whose point should be measured again, and why."""

    candidate: str
    cause: str


def hinges(campaign: Campaign, fitted: Fitted, data: Data) -> Hinge | None:
    """What to measure again now; None where nothing hinges on it.

    Only for one goal, and only where all of this holds:

    - the noise of the incumbent, the best measured point that keeps every bound, is known: it came
      with standard errors, or repeated measurements of any point differ;
    - its point was measured and asked fewer than ENOUGH times, and is not pending;
    - none of the last EVERY - 1 candidates was a replicate;
    - the model, which knows that noise, gives it a probability below SURE of being really better
      than the runner-up, the best other measured point by the model's mean.
    """
    objective = campaign.problem.objective
    rows = _contenders(campaign, data)
    recent = campaign.own[1 - EVERY :]
    if objective.way != "single" or len(rows) < 2:
        return None
    if any(each.why.origin == "replicate" for each in recent):
        return None
    lead, index = objective.lead, data.targets.index(objective.lead.name)
    best = rows[int(np.argmax(lead.utility(data.Y[rows, index])))]
    is_noisy = data.within[index] > 0 or data.Yvar[best, index] > 0
    if not is_noisy or data.counts[best, index] >= ENOUGH:
        return None
    if not _may_be_asked(campaign, data.ids[best]):
        return None
    others = [row for row in rows if row != best]
    mean, _ = fitted.moments(data.X[others])
    second = others[int(np.argmax(lead.utility(mean[:, index])))]
    better, worse = lead.utility(_drawn(fitted, index, data.X[[best, second]])).T
    chance = float(np.mean(better > worse))
    if chance >= SURE:
        return None
    said = f"best after {_times(data.counts[best, index])}"
    cause = f"{data.ids[best]} is {said}, better than {data.ids[second]} with probability"
    return Hinge(candidate=data.ids[best], cause=f"{cause} {chance:.2f} only: measured again")


def _contenders(campaign: Campaign, data: Data) -> list[int]:
    """The rows whose pooled values are known to keep every bound."""
    objective = campaign.problem.objective
    known = data.known(data.targets.index(objective.lead.name))
    met = [
        objective.met({t: y for t, y in zip(data.targets, row, strict=True) if np.isfinite(y)})
        for row in data.Y.tolist()
    ]
    found: list[int] = np.flatnonzero(known & np.array(met, dtype=bool)).tolist()
    return found


def _may_be_asked(campaign: Campaign, candidate: str) -> bool:
    """Whether the point of a candidate was asked fewer than ENOUGH times, and is not pending."""
    known = [each for each in campaign.own if each.id not in campaign.vetoed]
    made = {result.candidate.id: result.point for result in campaign.results}
    points = [made.get(each.id, each.point) for each in known]
    marks = dict(
        zip((each.id for each in known), identities(campaign.problem.space, points), strict=True)
    )
    alike = [each for each, mark in marks.items() if mark == marks[candidate]]
    waiting = {each.id for each in campaign.pending}
    return len(alike) < ENOUGH and not waiting & set(alike)


def _drawn(fitted: Fitted, index: int, X: Array) -> Array:
    """Joint draws (DRAWS, q) of the true values of a target at rows X (q, d), in its unit."""
    mean, covariance = fitted.experts[index].joint(fitted.unit(X)[None])
    normal = np.random.default_rng(0).standard_normal((DRAWS, len(X)))
    values, vectors = np.linalg.eigh(covariance[0])
    spread = vectors * np.sqrt(np.maximum(values, 0.0))
    drawn: Array = (mean[0] + normal @ spread.T) * fitted.scale[index] + fitted.shift[index]
    return drawn


def _times(count: float) -> str:
    return "one measurement" if count <= 1 else f"{count:.0f} measurements"
