"""The health of the model: how well it would have predicted each outcome without having seen it.

It gates nothing: what it says stands on every candidate that the model chose, for people to judge.
"""

from collections.abc import Mapping
from dataclasses import replace
from math import sqrt

import numpy as np
from scipy.special import bdtr

from loop.choices import AGREES
from loop.designs import dimensions
from loop.records import Health
from loop.space.space import SearchSpace
from loop.space.values import Array
from loop.surrogate.outliers import outliers, scores
from loop.surrogate.portfolio import LEAST_SPREAD, Fitted

LEAST = 5  # outcomes: fewer are too few to judge by
Z95 = 1.96  # a normal distribution holds 95 % within so many standard deviations
CHANCE = 0.01  # fewer error bars hold than a right model's would once in a hundred times
CAREFUL = 0.5  # calibration below it: error bars are twice as wide as they need be
ALIKE = 1e-9  # columns, of their range, that differ by less are one value
WELL, LITTLE = 0.7, 0.1  # R2 from which a model predicts well, and below which hardly at all


def health(fitted: Fitted, units: Mapping[str, str]) -> Mapping[str, Health]:
    """The health of each target's expert. `units` are those of the targets."""
    strange = outliers(fitted)
    return {
        target: _health(fitted, index, units.get(target, ""), strange[target])
        for index, target in enumerate(fitted.data.targets)
    }


def _health(fitted: Fitted, index: int, unit: str, strange: tuple[str, ...]) -> Health:
    expert, z = fitted.experts[index], scores(fitted, index)
    mean, _ = expert.leave_one_out()
    off = expert.y - mean
    r2 = _r2(expert.y, off)
    known = Health(
        n=len(z),
        error=sqrt(float(np.mean(off**2))) * float(fitted.scale[index]),
        r2=r2,
        coverage=float(np.mean(np.abs(z) <= Z95)),
        calibration=sqrt(float(np.mean(z**2))),
        at_bounds=() if r2 is None else expert.at_bounds(fitted.data.columns),
        outliers=strange,
    )
    target = fitted.data.targets[index]
    rho = fitted.correlation.get(target, {})
    learns = " with " in expert.name
    return replace(
        known,
        says=sentence(known, target, unit),
        correlation=rho,
        stand_ins=tuple(agreement(target, name, r, used=learns) for name, r in rho.items()),
    )


def thin(fitted: Fitted, space: SearchSpace) -> str:
    """What the results are too few, or too alike, to tell a model; empty where that is nothing."""
    X, free = fitted.data.X, dimensions(space)
    varied = np.ptp(X, axis=0) > ALIKE
    still = [
        p.name
        for p in space.parameters
        if p.name not in space.fixed and not varied[space.slices[p.name]].any()
    ]
    few = f"{len(X)} points in {free} dimensions: fewer than two for each"
    same = f"never varied so far: {', '.join(still)}"
    return "; ".join([*([few] if len(X) < 2 * free else []), *([same] if still else [])])


def agreement(target: str, name: str, rho: float, *, used: bool) -> str:
    """What the fitted correlation of a stand-in with the real thing means, in one sentence."""
    learns = "the model learns from it" if used else "the model ignores it"
    said = f"{target} of {name} correlates at {rho:.2f} with the real thing, as fitted: {learns}."
    return said if rho >= AGREES else f"{name} and the real thing do not agree: {said}"


def is_bad(known: Health) -> bool:
    """Whether a model that has enough data predicts nothing, or is over-confident."""
    if known.n < LEAST or known.r2 is None:
        return False
    return known.r2 < LITTLE or _is_overconfident(known)


def _is_overconfident(known: Health) -> bool:
    """Whether fewer of its error bars hold than chance allows."""
    return bool(bdtr(round(known.coverage * known.n), known.n, 0.95) < CHANCE)


def sentence(known: Health, target: str, unit: str) -> str:
    """What the numbers mean, in one sentence: the first rule that holds decides.

    Too few outcomes; all equal; no better than a mean; error bars that hold too rarely for chance;
    else how well it predicts, and whether its error bars are much too wide.
    """
    off = f"{known.error:.3g} {unit}".rstrip()
    held = f"{100 * known.coverage:.0f} % of its error bars (95 %)"
    if known.n < LEAST:
        values = "1 value" if known.n == 1 else f"{known.n} values"
        return f"Too few data to judge the model of {target}: {values}, {LEAST} are needed."
    if known.r2 is None:
        return f"All {known.n} values of {target} are equal: there is nothing to predict yet."
    if known.r2 < LITTLE:
        return (
            f"The model does not predict {target} better than the mean of all values, off by {off}:"
            " choices are close to exploration."
        )
    if _is_overconfident(known):
        return (
            f"The model of {target} is over-confident: only {held} hold,"
            f" and an unseen sample would have been off by {off}."
        )
    how = "well" if known.r2 >= WELL else "roughly"
    wide = ", wider than they need be" if known.calibration < CAREFUL else ""
    return (
        f"The model predicts {target} {how}: an unseen sample would have been off by {off},"
        f" and {held} hold{wide}."
    )


def _r2(y: Array, off: Array) -> float | None:
    """1 - sum of off^2 over that of the mean of the other outcomes, for y, off (n,)."""
    spread = (y - y.mean()) * len(y) / max(len(y) - 1, 1)
    if len(y) < 2 or np.ptp(y) <= LEAST_SPREAD * np.abs(y).max():
        return None
    return float(1 - (off @ off) / (spread @ spread))
