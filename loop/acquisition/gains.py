"""Gains in closed form: logarithms of what normal outcomes promise, exact far into their tails.

Notation: y ~ N(mean, sd^2); arrays of any shape, elementwise where nothing else is said.
"""

import numpy as np
from scipy.special import erfcx, log_ndtr, ndtr

from loop.objective import Bound
from loop.space.values import Array

TAIL = -1e3  # below it, log(1 - |u| sqrt(pi / 2) erfcx) has lost its digits: -2 log |u| is left
FAINT = -30.0  # below it, log(softplus) is its argument to all digits


def log_improvement(mean: Array, sd: Array, best: Array | float) -> Array:
    """Log E[max(y - best, 0)] of y ~ N(mean, sd^2), elementwise and exact far into the tail.

    Ament et al., Unexpected Improvements to Expected Improvement, NeurIPS 2023, equations 9 and 14.
    """
    u = (mean - best) / sd
    value = np.empty_like(u)
    near = u > -1
    v = u[near]
    value[near] = np.log(np.exp(-0.5 * v**2) / np.sqrt(2 * np.pi) + v * np.exp(log_ndtr(v)))
    w = u[~near]
    with np.errstate(divide="ignore", invalid="ignore"):
        inner = np.log1p(-np.sqrt(np.pi / 2) * np.abs(w) * erfcx(-w / np.sqrt(2)))
    inner = np.where(w < TAIL, -2 * np.log(np.abs(w)), inner)
    value[~near] = -0.5 * w**2 - 0.5 * np.log(2 * np.pi) + inner
    return value + np.log(sd)


def log_kept(bounds: tuple[Bound, ...], names: tuple[str, ...], mean: Array, sd: Array) -> Array:
    """Log P(every bound is kept), the targets independent, as (k,)."""
    total = np.zeros(len(mean))
    for bound in bounds:
        index = names.index(bound.target)
        sign = 1.0 if bound.sense == "<=" else -1.0
        total += log_ndtr(sign * (bound.value - mean[:, index]) / sd[:, index])
    return total


def log_side(mean: Array, sd: Array, lower: Array, upper: Array) -> Array:
    """Log E[the part of the sides lower..upper (k,) that lies below y ~ N(mean, sd^2)] (n, k)."""
    ends, place = np.unique(np.concatenate([lower, upper]), return_inverse=True)
    gains = np.full((len(mean), len(ends)), -np.inf)
    for column, end in enumerate(ends):
        if np.isfinite(end):
            gains[:, column] = log_improvement(mean, sd, end)
    low, high = gains[:, place[: len(lower)]], gains[:, place[len(lower) :]]
    with np.errstate(divide="ignore"):  # a side that cannot be reached at all
        side: Array = low + np.log(-np.expm1(np.minimum(high - low, -1e-15)))
    return side


def outside(mean: Array, sd: Array, low: float, high: float) -> tuple[Array, Array]:
    """Mean and standard deviation of how far y ~ N(mean, sd^2) lies outside low..high, exact.

    Below and above are two rectified normals of which one is 0 wherever the other is not.
    """
    below, vary = _rectified((low - mean) / sd)
    above, varies = _rectified((mean - high) / sd)
    variance = np.maximum(vary + varies - 2 * below * above, 0.0)
    return sd * (below + above), sd * np.sqrt(variance)


def _rectified(a: Array) -> tuple[Array, Array]:
    """Mean and variance of max(a + e, 0) of e ~ N(0, 1), also where a is far from 0."""
    far = np.abs(a)
    tail, density = ndtr(-far), np.exp(-0.5 * far**2) / np.sqrt(2 * np.pi)
    less = np.maximum(density - far * tail, 0.0)  # the mean of max(e - |a|, 0)
    vary = np.maximum((far**2 + 1) * tail - far * density - less**2, 0.0)
    return np.maximum(a, 0.0) + less, np.where(a > 0, 1 - 2 * tail, 0.0) + vary


def softened(gain: Array) -> Array:
    """Log softplus: log(gain) where it is large, the gain itself where it is far below zero."""
    soft = np.logaddexp(0.0, gain)
    with np.errstate(divide="ignore"):
        return np.where(gain > FAINT, np.log(soft), gain)
