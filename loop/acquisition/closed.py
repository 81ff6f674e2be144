"""The acquisition: what a candidate is worth, from what the model expects of it and how surely.

    worth = log gain + sum of log P(bound kept) + log P(it can be made) - share * log cost

The gain is optimistic: mean plus twice the standard deviation of what is wanted, above the best the
model believes to have been reached (Srinivas et al., Gaussian Process Optimization in the Bandit
Setting, ICML 2010; the factor as in Liang et al., npj Comput. Mater. 7, 188, 2021): it finds many
good candidates soon, which is what a list is searched for. The one best point is found sooner by
expected improvement, which takes its place where a choice is open (`Ask.is_open`) and next to no
noise is learnt: docs/decisions/0005. Where a value or a window is to be met, nothing is better than
to meet it, and one deviation is enough.

Everything here is closed-form in means and standard deviations, so that a pool of a million rows is
scanned at the price of predicting it, with any expert. Beside pending points, the gain on each of
them counts as well. Any acquisition that needs joint draws is in `loop.acquisition.sampled`.

Notation: k rows X (k, d); mean, sd (k, m) of m targets in their units.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, assert_never

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from loop.acquisition.gains import log_improvement, log_kept, log_side, softened
from loop.acquisition.wishes import utility, wish
from loop.acquisition.worth import Worth
from loop.choices import Acquisition, Closed, Drawn
from loop.front import open_boxes, reference_point
from loop.objective import Objective
from loop.space.values import Array
from loop.surrogate.portfolio import Fitted, standard

Chance: TypeAlias = Callable[[Array], Array]  # encoded rows (k, d) -> a log factor (k,)

OPTIMISM = 2.0  # standard deviations above the mean: LCB2 of Liang et al. 2021
QUIET = 0.1  # of the variance of the outcomes: noise below it leaves the best in little doubt
MODEST = 1.0  # where a value is to be met: from 1.33 on, to be unsure of it beats a sure match
STRADDLE = 1.96  # half of a 95 % interval: Bryan et al., NIPS 2005, equation 3
COMPROMISES = 8  # between several goals, by which a pool is scanned for a front
SMOOTH = 0.05  # of the spread of the utility: below it a gain fades out instead of vanishing
SPREAD_OVER = 512  # points over which pure learning wants to be right
LEAST = 1e-9  # of the spread of the utility: a width below it is rounding
HARDLY = 1e-9  # a deviation that leaves a utility as that of its mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What an acquisition has to go by: the model, what is wanted, and what already waits.

    `pending` (p, d) are encoded rows; `factors` are added to the worth of every row. A choice
    `is_open` where neither a list nor failures limit it, and by default: not by name.
    """

    fitted: Fitted
    objective: Objective
    pending: Array
    factors: tuple[Chance, ...] = ()
    seed: int = 0
    is_open: bool = False


def worth(ask: Ask, how: Acquisition = "auto", region: Array | None = None) -> Worth:
    """The acquisition by this name, or the default for what is wanted.

    `region` (k, d) are rows over which pure learning wants to be right.
    """
    chosen = criterion(ask.objective, how)
    match chosen:
        case "ucb" if _is_plain(ask):
            return _improving(ask, "logei")
        case "ucb" | "logei":
            return _improving(ask, chosen)
        case "logehvi":
            return _covering(ask)
        case "variance":
            return _learning(ask, region)
        case "straddle":
            return _crossing(ask)
        case "qlogei" | "qlognei" | "qlognehvi" | "qlogparego":
            return _drawn(ask, chosen)
        case _:
            assert_never(chosen)


def proxies(ask: Ask, how: Acquisition = "auto", region: Array | None = None) -> list[Worth]:
    """Closed-form acquisitions by which a large pool is scanned for what `worth` then chooses from.

    For an acquisition by joint draws, the gains of as many different compromises between the goals.
    """
    chosen = criterion(ask.objective, how)
    if chosen in {"ucb", "logei", "variance", "straddle"}:
        return [worth(ask, chosen, region)]
    if len(ask.objective.wanted) == 1:
        return [_improving(ask, "ucb")]
    rng = np.random.default_rng(ask.seed)
    weights = rng.dirichlet(np.ones(len(ask.objective.wanted)), size=COMPROMISES)
    return [_improving(ask, "ucb", row) for row in weights]


def criterion(objective: Objective, how: Acquisition = "auto") -> Closed | Drawn:
    """The acquisition by this name, or the default for what is wanted."""
    if how != "auto":
        return how
    match objective.way:
        case "scalar" if objective.combine == "auto":
            return "qlogparego"
        case "single" | "scalar" | "desirability":
            return "ucb"
        case "pareto":
            return "logehvi"
        case "learn":
            return "variance"
        case "level":
            return "straddle"
        case _:
            assert_never(objective.way)


def _is_plain(ask: Ask) -> bool:
    """Whether the one best point is to be found, and nothing casts doubt on the best so far."""
    lead = ask.objective.lead
    if not ask.is_open or len(ask.pending) or ask.objective.way != "single":
        return False
    noise = ask.fitted.experts[ask.objective.names.index(lead.name)].noise
    return lead.goal in {"max", "min"} and noise < QUIET


def _improving(ask: Ask, how: Literal["ucb", "logei"], weights: Array | None = None) -> Worth:
    """The gain of one scalar utility; the chance to keep the bounds while nothing keeps them.

    Beside pending points, the least of the gains on the best that is believed and on each of those:
    what is sure to be no better than a pending point is not worth asking as well.
    """
    wanted = utility(ask.fitted, ask.objective, ask.seed, weights)
    mean, sd, kept = _believed(ask, ask.fitted.data.X)
    centres, _ = wanted(mean, sd)
    _, spread = standard(centres)
    if not kept.any():
        return _keeping(ask)
    best, rivals = float(centres[kept].max()), wanted(*ask.fitted.moments(ask.pending))
    is_met = ask.objective.way == "single" and ask.objective.lead.goal in {"match", "window"}
    optimism = MODEST if is_met else OPTIMISM

    def gain(above: Array, width: Array) -> Array:
        if how == "logei":
            return log_improvement(above, np.maximum(width, LEAST * spread), 0.0)
        return softened((above + optimism * width) / (SMOOTH * spread))

    def at(X: Array) -> Array:
        mean, sd = ask.fitted.moments(X)
        centre, width = wanted(mean, sd)
        least = gain(centre - best, width)
        for there, theirs, alike in zip(*rivals, _alike(ask, X), strict=True):
            apart = np.sqrt(np.maximum(width**2 + theirs**2 - 2 * alike * width * theirs, 0.0))
            least = np.minimum(least, gain(centre - there, apart))
        others = log_kept(ask.objective.bounds, ask.objective.names, mean, sd)
        total: Array = least + others + _factors(ask, X)
        return total

    return Worth(name={"ucb": "UCB", "logei": "LogEI"}[how], at=at)


def _keeping(ask: Ask) -> Worth:
    """The chance to keep every bound, beside pending points."""
    model = ask.fitted.joined(ask.pending)
    bounds, names = ask.objective.bounds, ask.objective.names

    def at(X: Array) -> Array:
        return log_kept(bounds, names, *model.moments(X)) + _factors(ask, X)

    return Worth(name="log P(feasible)", at=at)


def _alike(ask: Ask, X: Array) -> Array:
    """The correlation of what is wanted at pending rows with rows X (k, d), as (p, k)."""
    if len(ask.pending) == 0:
        return np.empty((0, len(X)))
    P, Z = ask.fitted.unit(ask.pending), ask.fitted.unit(X)
    found = []
    for target in ask.objective.wanted:
        expert = ask.fitted.experts[ask.objective.names.index(target.name)]
        one, other = expert.predict(P)[1], expert.predict(Z)[1]
        found.append(expert.shared(P, Z) / np.sqrt(one[:, None] * other))
    alike: Array = np.clip(np.mean(found, axis=0), -1.0, 1.0)
    return alike


def _covering(ask: Ask) -> Worth:
    """Log of the expected hypervolume improvement, the goals independent, in closed form.

    Yang et al., Efficient computation of expected hypervolume improvement using box decomposition
    algorithms, Journal of Global Optimization 75 (2019) 3, equation 18, over the boxes that the
    believed front leaves open; pending points count as if they turned out as expected.
    """
    wishes = [wish(ask.objective, target) for target in ask.objective.wanted]
    model = ask.fitted.joined(ask.pending)
    mean, sd, kept = _believed(ask, np.vstack([ask.fitted.data.X, ask.pending]))
    if not kept.any():
        return _keeping(ask)
    U = np.stack([each(mean, sd)[0] for each in wishes], axis=1)[kept]
    lower, upper = open_boxes(U, reference_point(ask.objective, U))

    def at(X: Array) -> Array:
        mean, sd = model.moments(X)
        sides = [
            log_side(*each(mean, sd), low, high)
            for each, low, high in zip(wishes, lower.T, upper.T, strict=True)
        ]
        volume: Array = logsumexp(np.sum(sides, axis=0), axis=1)
        others = log_kept(ask.objective.bounds, ask.objective.names, mean, sd)
        return volume + others + _factors(ask, X)

    return Worth(name="LogEHVI", at=at)


def _learning(ask: Ask, region: Array | None) -> Worth:
    """By how much the variance, averaged over `region`, would fall: log, summed over the targets.

    Cohn, Neural Network Exploration Using Optimal Experiment Design, Neural Networks 9 (1996) 1071:
    cov(s, x)^2 / (var(x) + noise), averaged over s.
    """
    model = ask.fitted.joined(ask.pending)
    over = model.unit(ask.fitted.data.X if region is None else region[:SPREAD_OVER])
    wanted = [ask.objective.names.index(t.name) for t in ask.objective.wanted]

    def at(X: Array) -> Array:
        total = np.zeros(len(X))
        for index in wanted:
            expert = model.experts[index]
            _, variance = expert.predict(model.unit(X))
            shared = expert.shared(over, model.unit(X))
            total += (shared**2).mean(axis=0) / (variance + expert.noise)
        return np.log(np.maximum(total, np.finfo(float).tiny)) + _factors(ask, X)

    return Worth(name="variance reduction", at=at)


def _crossing(ask: Ask) -> Worth:
    """Straddle: unsure on which side of the level (Bryan et al., NIPS 2005, equation 3)."""
    model = ask.fitted.joined(ask.pending)
    wanted = [(ask.objective.names.index(t.name), t.value) for t in ask.objective.wanted]

    def at(X: Array) -> Array:
        mean, sd = model.moments(X)
        gains = [
            (STRADDLE * sd[:, index] - np.abs(mean[:, index] - value)) / ask.fitted.scale[index]
            for index, value in wanted
            if value is not None
        ]
        return softened(np.max(gains, axis=0) / SMOOTH) + _factors(ask, X)

    return Worth(name="straddle", at=at)


def _drawn(ask: Ask, how: Drawn) -> Worth:
    """An acquisition by joint draws of the posterior, from BoTorch, with the factors on top."""
    from loop.acquisition.sampled import sampled  # noqa: PLC0415 - torch takes seconds to import

    drawn = sampled(ask.fitted, ask.objective, ask.pending, how, ask.seed)
    if not ask.factors:
        return drawn
    return Worth(name=drawn.name, at=lambda X: drawn.at(X) + _factors(ask, X), climb=drawn.climb)


def _believed(ask: Ask, X: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Means (n, m) at rows X (n, d), hardly a deviation, and which rows keep the bounds (n,).

    The mean and not the value: one lucky measurement sets no mark.
    """
    objective = ask.objective
    mean, _ = ask.fitted.moments(X)
    rows = (dict(zip(objective.names, row, strict=True)) for row in mean.tolist())
    kept = np.array([objective.met(row) for row in rows], dtype=bool)
    return mean, np.full_like(mean, HARDLY), kept


def _factors(ask: Ask, X: Array) -> Array:
    """The sum of the log factors at rows X (k, d), as (k,)."""
    return sum((factor(X) for factor in ask.factors), np.zeros(len(X)))
