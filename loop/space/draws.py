"""Parameters one by one: encoded columns drawn from uniform numbers, and values counted and listed.

A composition is uniform on its simplex: the set of elements comes from the order of one coordinate
each, and the fractions are exponential variates over their sum (Devroye, Non-Uniform Random
Variate Generation, 1986, section V.2); where an upper bound cuts the simplex, what lies beyond is
projected onto it.
"""

from collections.abc import Sequence
from math import inf
from typing import assert_never

import numpy as np

from loop.space.composition import Composition
from loop.space.parameters import Categorical, Continuous, Discrete, Ordinal, Parameter
from loop.space.pool import Pool
from loop.space.values import Array


def coordinates(parameter: Parameter) -> int:
    """How many uniform numbers a draw of this parameter takes."""
    match parameter:
        case Continuous() | Discrete() | Ordinal() | Categorical() | Pool():
            return 1
        case Composition():
            return 2 * len(parameter.elements)
        case _:
            assert_never(parameter)


def draw(parameter: Parameter, u: Array) -> Array:
    """Uniform numbers u (n, coordinates) as encoded columns (n, width)."""
    match parameter:
        case Continuous():
            return u
        case Discrete():
            steps: Array = np.floor(u * parameter.count) / (parameter.count - 1)
            return steps
        case Ordinal() | Categorical():
            chosen: Array = parameter.table[np.floor(u[:, 0] * size(parameter)).astype(int)]
            return chosen
        case Composition():
            return _draw_composition(parameter, u)
        case Pool():
            rows: Array = parameter.X[np.floor(u[:, 0] * parameter.count).astype(int)]
            return rows
        case _:
            assert_never(parameter)


def draw_all(parameters: Sequence[Parameter], u: Array) -> Array:
    """Uniform numbers u (n, coordinates of all) as encoded columns (n, d), not yet snapped."""
    stops = np.cumsum([coordinates(parameter) for parameter in parameters])
    parts = np.split(u, stops[:-1], axis=1)
    return np.hstack([draw(p, part) for p, part in zip(parameters, parts, strict=True)])


def size(parameter: Parameter) -> float:
    """How many values it has; infinite where they vary continuously."""
    match parameter:
        case Discrete() | Pool():
            return parameter.count
        case Ordinal() | Categorical():
            return len(parameter.table)
        case Composition():
            return inf if parameter.count is None else parameter.count
        case Continuous():
            return inf
        case _:
            assert_never(parameter)


def listed(parameter: Parameter) -> Array:
    """All its values as encoded columns (size, width), in order; ValueError if infinitely many."""
    match parameter:
        case Discrete():
            return np.linspace(0.0, 1.0, parameter.count)[:, None]
        case Ordinal() | Categorical():
            return parameter.table
        case Composition() if parameter.pitch is not None:
            return np.array([parameter.encode(value) for value in parameter.grid()])
        case Pool():
            return parameter.X
        case Composition() | Continuous():
            raise ValueError(f"{parameter.name} is continuous: its values cannot be listed")
        case _:
            assert_never(parameter)


def _draw_composition(parameter: Composition, u: Array) -> Array:
    """Fractions (n, k), uniform on the simplex over a uniformly drawn set of elements."""
    k = len(parameter.elements)
    low = np.array(parameter.limits)[:, 0]
    rank = np.argsort(np.argsort(-(u[:, :k] + (low > 0)), axis=1), axis=1)
    weights = np.where(rank < parameter.most, -np.log1p(-u[:, k:]), 0.0)
    total = np.maximum(weights.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    fractions: Array = low + (1 - low.sum()) * weights / total
    return fractions
