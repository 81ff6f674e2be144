"""What a model is fitted on: the measured results as numbers, repeated measurements pooled.

Notation: n distinct points as they were executed, m targets; X (n, d) encoded, Y (n, m) in the
targets' units, NaN where nothing was measured. Every point stands in one row, however often and
under however many candidates it was measured.

The variance of a value is known where every measurement of it came with a standard error. Where
none is known it is learnt, together for all, from the spread of repeated measurements and from what
the model cannot explain; where some are, each row keeps to what is known of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray

from loop.campaign import Campaign
from loop.records import Measured
from loop.space.space import SearchSpace
from loop.space.values import Array, Point


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Rows in the order of their columns, whoever was asked first; `ids` (n) who that was.

    `columns` (d) are the labels of X; `Yvar` (n, m) known variances of Y, else NaN; `counts` (n, m)
    how many measurements a value averages; `within` and `freedom` (m,) the sum of squares and the
    degrees of freedom of repeated measurements around their means, where variances are not known.
    """

    ids: tuple[str, ...]
    columns: tuple[str, ...]
    targets: tuple[str, ...]
    X: Array
    Y: Array
    Yvar: Array
    counts: Array
    within: Array
    freedom: Array

    def known(self, index: int) -> NDArray[np.bool_]:
        """Which rows have a value of this target (n,)."""
        return np.isfinite(self.Y[:, index])


@dataclass(slots=True)
class _Row:
    candidate: str
    point: Point
    measured: dict[str, list[Measured]]


def training_data(campaign: Campaign) -> Data:
    """The measured results of a campaign, whenever they came; nothing retracted."""
    targets = campaign.problem.objective.names
    rows, X = _rows(campaign)
    shape = (len(rows), len(targets))
    Y, Yvar, counts = np.full(shape, nan), np.full(shape, nan), np.ones(shape)
    within, freedom = np.zeros(len(targets)), np.zeros(len(targets))
    for n, row in enumerate(rows):
        for m, target in enumerate(targets):
            if answers := row.measured.get(target):
                values = np.array([each.values[target] for each in answers])
                repeats = np.array([each.repeats for each in answers], dtype=np.float64)
                Y[n, m], counts[n, m] = np.average(values, weights=repeats), repeats.sum()
                Yvar[n, m] = _known_variance(target, answers, repeats)
                if np.isnan(Yvar[n, m]):
                    within[m] += repeats @ (values - Y[n, m]) ** 2
                    freedom[m] += len(values) - 1
    return Data(
        ids=tuple(row.candidate for row in rows),
        columns=campaign.problem.space.columns,
        targets=targets,
        X=X,
        Y=Y,
        Yvar=Yvar,
        counts=counts,
        within=within,
        freedom=freedom,
    )


def identities(space: SearchSpace, points: Sequence[Point]) -> list[bytes]:
    """What makes each point the point it is: the id of a pool's row, else its encoded columns."""
    if space.pool is not None:
        return [str(space.complete(point)[space.pool.name]).encode() for point in points]
    return space.keys(space.encode(points))


def _rows(campaign: Campaign) -> tuple[list[_Row], Array]:
    """One row per distinct point, with all that was measured there, and its columns (n, d).

    In the order of their columns; where those are alike, of their ids.
    """
    space, answers = campaign.problem.space, list(_answers(campaign))
    marks = identities(space, [point for _, point, _, _ in answers])
    rows: dict[bytes, _Row] = {}
    for mark, (candidate, point, target, measured) in zip(marks, answers, strict=True):
        row = rows.setdefault(mark, _Row(candidate, point, {}))
        row.measured.setdefault(target, []).append(measured)
    found = [rows[mark] for mark in sorted(rows)]
    X = space.encode(row.point for row in found)
    order = np.lexsort(X.T[::-1])
    return [found[place] for place in order], X[order]


def _answers(campaign: Campaign) -> Iterator[tuple[str, Point, str, Measured]]:
    """Every value that holds: candidate, point as executed, target, answer; never as they came."""
    for candidate in campaign.own:
        if candidate.id in campaign.retracted:
            continue
        latest = campaign.latest(candidate.id)
        for (target, _), measured in sorted(latest.items(), key=lambda each: each[0]):
            point = candidate.point if measured.executed is None else measured.executed
            yield candidate.id, point, target, measured


def _known_variance(target: str, answers: Sequence[Measured], repeats: Array) -> float:
    """The variance of the mean of answers weighted by repeats, if each has a standard error."""
    errors = [each.errors.get(target) for each in answers]
    known = np.array([error for error in errors if error is not None])
    if len(known) < len(errors):
        return nan
    return float((repeats / repeats.sum()) ** 2 @ known**2)
