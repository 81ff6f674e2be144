"""What results are worth beside one another: who contends, the front, and which is best."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from loop.front import balance, extent, nondominated, reference_point, share
from loop.objective import Objective
from loop.records import Candidate
from loop.space.values import Array, Point


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What is known of one candidate: replicates averaged, the point as it was executed.

    `errors` are standard errors of the means, absent where nothing tells them.
    """

    candidate: Candidate
    point: Point
    values: Mapping[str, float]
    errors: Mapping[str, float]
    repeats: Mapping[str, int]


def contending(objective: Objective, results: Sequence[Result]) -> tuple[Result, ...]:
    """Those that have every wanted target and keep every bound."""
    names = {target.name for target in objective.wanted}
    return tuple(r for r in results if names <= set(r.values) and objective.met(r.values))


def unbeaten(objective: Objective, results: Sequence[Result]) -> tuple[Result, ...]:
    """The contenders among them that no other beats in every wanted goal, in their order."""
    if not objective.lead.is_wish:
        return ()
    return _split(objective, contending(objective, results))[0]


def ranked(objective: Objective, results: Sequence[Result]) -> tuple[Result, ...]:
    """The contenders among them, best first; of several goals front after front, in their order.

    Where no answer is better than another, in their order.
    """
    contenders = contending(objective, results)
    by = _scores(objective, contenders)
    if by is not None:
        return tuple(contenders[i] for i in np.argsort(-by, kind="stable"))
    found: list[Result] = []
    while contenders and objective.lead.is_wish:
        front, contenders = _split(objective, contenders)
        found += front
    return (*found, *contenders)


def leading(objective: Objective, results: Sequence[Result]) -> tuple[Result, ...]:
    """The best of them, or the whole front where there is no one best."""
    if objective.way == "pareto":
        return unbeaten(objective, results)
    contenders = contending(objective, results)
    by = _scores(objective, contenders)
    return () if by is None or not contenders else (contenders[int(np.argmax(by))],)


def utilities(objective: Objective, results: Sequence[Result]) -> Array:
    """The utilities (n, m) of results that have every wanted target, a column each."""
    wanted = objective.wanted
    values = np.array([[r.values[target.name] for target in wanted] for r in results])
    columns = values.reshape(len(results), len(wanted)).T
    return np.array([t.utility(y) for t, y in zip(wanted, columns, strict=True)]).T


def amounts(objective: Objective, results: Sequence[Result]) -> Array:
    """How well it went with the first 1, 2, ... n of the results, or how well each is, (n,)."""
    by = _scores(objective, results)
    if by is not None:
        return by
    if objective.way != "pareto":
        return np.arange(1.0, len(results) + 1)
    U = utilities(objective, results)
    return share(U, reference_point(objective, U)) if len(U) else U[:, 0]


def _scores(objective: Objective, results: Sequence[Result]) -> Array | None:
    """By what one of the results (n,) is the best; None where none is."""
    match objective.way:
        case "single":
            return utilities(objective, results)[:, 0]
        case "scalar":
            U = utilities(objective, results)
            return balance(U, *extent(U), np.array(objective.weights)) if len(U) else U[:, 0]
        case "desirability":
            return np.array([objective.desirability(result.values) for result in results])
        case "pareto" | "learn" | "level":
            return None


def _split(
    objective: Objective, contenders: Sequence[Result]
) -> tuple[tuple[Result, ...], tuple[Result, ...]]:
    """The front of the contenders, and the others."""
    stays = nondominated(utilities(objective, contenders))
    pairs = list(zip(contenders, stays, strict=True))
    return tuple(r for r, on in pairs if on), tuple(r for r, on in pairs if not on)
