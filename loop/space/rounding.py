"""Points rounded to what a laboratory can set: a furnace to 1 K, a mixture to 0.5 %.

A rounded point is legal, or it is given in finer steps and that is said: nothing is rounded across
a constraint, and fractions still sum to one.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from itertools import product

import numpy as np

from loop.space.composition import Composition
from loop.space.parameters import Continuous, Parameter
from loop.space.simplex import onto_steps
from loop.space.space import SearchSpace
from loop.space.values import Point, Value

FINER = 7  # times that a resolution is divided by ten before a point is left as it is
SLACK = 1e-9  # of a bound in units of a step, for rounding
MOVED = 4  # numbers that are moved aside at once: 81 points
DIGITS = 12  # decimals beyond which 0.1 + 0.2 is 0.3


def rounded(
    space: SearchSpace, point: Point, resolution: Mapping[str, float], taken: AbstractSet[bytes]
) -> tuple[Point, str]:
    """The point in steps of `resolution` by parameter, and what is to be said of it.

    Where it is one of those `taken` (`SearchSpace.keys`), the nearest legal step that is not; where
    there is none, it is a repeat.
    """
    steps = {name: step for name, step in resolution.items() if name not in space.fixed}
    for _ in range(FINER):
        found = _stepped(space, point, steps)
        if space.contains(found):
            break
        steps = {name: step / 10 for name, step in steps.items()}
    else:
        return point, "not rounded: in any steps it would break a rule"
    said = "" if steps.items() <= resolution.items() else _finer(steps)
    if space.keys(space.encode([found]))[0] in taken:
        beside = _beside(space, found, point, steps, taken)
        return (beside, said) if beside is not None else (found, "a repeat, once rounded")
    return found, said


def _finer(steps: Mapping[str, float]) -> str:
    said = ", ".join(f"{name} in steps of {step:g}" for name, step in steps.items())
    return f"{said}: rounded more coarsely it would break a rule"


def _stepped(space: SearchSpace, point: Point, steps: Mapping[str, float]) -> Point:
    return {
        p.name: _step(p, point[p.name], steps[p.name]) if p.name in steps else point[p.name]
        for p in space.parameters
    }


def _step(parameter: Parameter, value: Value, step: float) -> Value:
    """The nearest multiple of the step; of a mixture, multiples that sum to one."""
    match parameter, value:
        case Continuous(), float() | int():
            return round(round(value / step) * step, DIGITS)
        case Composition(), Mapping():
            fractions = np.array([parameter.encode(value)])
            low, high = (np.where(fractions > 0, x, 0.0) for x in np.array(parameter.limits).T)
            least, most = np.ceil(low / step - SLACK), np.floor(high / step + SLACK)
            parts = onto_steps(fractions, least * step, most * step, step)[0].tolist()
            return {e: x for e, x in zip(parameter.elements, parts, strict=True) if x > 0}
        case _:
            return value


def _beside(
    space: SearchSpace,
    found: Point,
    point: Point,
    steps: Mapping[str, float],
    taken: AbstractSet[bytes],
) -> Point | None:
    """The legal point one step aside, in one number or several, that is nearest and not taken."""
    numbers = {
        name: value
        for name, value in found.items()
        if name in steps and name not in space.shared and not isinstance(value, str | Mapping)
    }
    shifted = (
        zip(numbers.items(), move, strict=False)
        for move in product((-1, 0, 1), repeat=min(len(numbers), MOVED))
    )
    asides: list[Point] = [
        {**found, **{n: round(x + shift * steps[n], DIGITS) for (n, x), shift in shifts}}
        for shifts in shifted
    ]
    free = [
        aside
        for aside in asides
        if space.contains(aside) and space.keys(space.encode([aside]))[0] not in taken
    ]
    if not free:
        return None
    gaps = np.linalg.norm(space.encode(free) - space.encode([point]), axis=1)
    return free[int(np.argmin(gaps))]
