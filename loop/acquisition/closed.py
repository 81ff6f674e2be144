"""The acquisition: what a candidate is worth, from what the model expects of it and how surely.

    worth = log gain + sum of log P(bound kept) + log P(it can be made) - share * log cost

The gain is optimistic: mean plus twice the standard deviation of what is wanted, above the best the
model believes to have been reached (Srinivas et al., Gaussian Process Optimization in the Bandit
Setting, ICML 2010; the factor as in Liang et al., npj Comput. Mater. 7, 188, 2021). Expected
improvement is there by name. On the published data sets the optimistic gain found good candidates
faster and did not get stuck where few data make a model too sure (docs/decisions/0005).

Everything here is closed-form in means and standard deviations, so that a pool of a million rows is
scanned at the price of predicting it, with any expert; beside pending points, the model is told
that they will turn out as it expects (`Fitted.joined`). Several goals at once, and any acquisition
that needs joint draws, are in `loop.acquisition.sampled`.

Notation: k rows X (k, d); mean, sd (k, m) of m targets in their units; U (k,) a scalar utility.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, assert_never

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, log_ndtr, logsumexp, ndtri
from scipy.stats import qmc

from loop.acquisition.worth import Worth
from loop.choices import Acquisition, Closed, Drawn
from loop.errors import ObjectiveError
from loop.front import balance, extent, open_boxes, reference_point
from loop.objective import Bound, Objective, Target
from loop.space.parameters import Array
from loop.surrogate.portfolio import Fitted

Chance: TypeAlias = Callable[[Array], Array]  # encoded rows (k, d) -> a log factor (k,)

OPTIMISM = 2.0  # standard deviations above the mean: LCB2 of Liang et al. 2021
STRADDLE = 1.96  # half of a 95 % interval: Bryan et al., NIPS 2005, equation 3
COMPROMISES = 8  # between several goals, by which a pool is scanned for a front
DRAWS = 64  # quasi-Monte-Carlo draws of a utility that is not linear in the targets
SMOOTH = 0.05  # of the spread of the utility: below it a gain fades out instead of vanishing
SPREAD_OVER = 512  # points over which pure learning wants to be right
TAIL = -1e3  # below it, log(1 - |u| sqrt(pi / 2) erfcx) has lost its digits: -2 log |u| is left


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What an acquisition has to go by: the model, what is wanted, and what already waits.

    `pending` (p, d) are encoded rows; `factors` are added to the worth of every row.
    """

    fitted: Fitted
    objective: Objective
    pending: Array
    factors: tuple[Chance, ...] = ()
    seed: int = 0


def worth(ask: Ask, how: Acquisition = "auto", region: Array | None = None) -> Worth:
    """The acquisition by this name, or the default for what is wanted.

    `region` (k, d) are rows over which pure learning wants to be right.
    """
    chosen = _default(ask.objective) if how == "auto" else how
    match chosen:
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
    chosen = _default(ask.objective) if how == "auto" else how
    if chosen in {"ucb", "logei", "variance", "straddle"}:
        return [worth(ask, chosen, region)]
    if len(ask.objective.wanted) == 1:
        return [_improving(ask, "ucb")]
    rng = np.random.default_rng(ask.seed)
    weights = rng.dirichlet(np.ones(len(ask.objective.wanted)), size=COMPROMISES)
    return [_improving(ask, "ucb", row) for row in weights]


def log_improvement(mean: Array, sd: Array, best: float) -> Array:
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


def _default(objective: Objective) -> Closed | Drawn:
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


def _improving(ask: Ask, how: Literal["ucb", "logei"], weights: Array | None = None) -> Worth:
    """The gain of one scalar utility; the chance to keep the bounds while nothing keeps them."""
    utility = _utility(ask, weights)
    believed, spread = _believed(ask, utility)
    model = ask.fitted.joined(ask.pending)
    names, bounds = ask.objective.names, ask.objective.bounds

    def at(X: Array) -> Array:
        mean, sd = model.moments(X)
        total = log_kept(bounds, names, mean, sd) + _factors(ask, X)
        if believed is None:
            return total
        centre, width = utility(mean, sd)
        if how == "logei":
            return total + log_improvement(centre, width, believed)
        return total + _softened((centre + OPTIMISM * width - believed) / (SMOOTH * spread))

    if believed is None:
        return Worth(name="log P(feasible)", at=at)
    return Worth(name={"ucb": "UCB", "logei": "LogEI"}[how], at=at)


def _covering(ask: Ask) -> Worth:
    """Log of the expected hypervolume improvement, the goals independent, in closed form.

    Yang et al., Efficient computation of expected hypervolume improvement using box decomposition
    algorithms, Journal of Global Optimization 75 (2019) 3, equation 18, over the boxes that the
    believed front leaves open; pending points count as if they turned out as expected.
    """
    wishes = [_wish(ask, target) for target in ask.objective.wanted]
    model = ask.fitted.joined(ask.pending)
    names, bounds = ask.objective.names, ask.objective.bounds
    mean, sd, kept = _known(ask)
    U = np.stack([wish(mean, sd)[0] for wish in wishes], axis=1)[kept]
    boxes = open_boxes(U, reference_point(ask.objective, U)) if len(U) else None

    def at(X: Array) -> Array:
        mean, sd = model.moments(X)
        others = log_kept(bounds, names, mean, sd) + _factors(ask, X)
        if boxes is None:
            return others
        sides = [
            _log_side(*wish(mean, sd), low, high)
            for wish, low, high in zip(wishes, boxes[0].T, boxes[1].T, strict=True)
        ]
        volume: Array = logsumexp(np.sum(sides, axis=0), axis=1)
        return volume + others

    return Worth(name="log P(feasible)" if boxes is None else "LogEHVI", at=at)


def _log_side(mean: Array, sd: Array, lower: Array, upper: Array) -> Array:
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
        return _softened(np.max(gains, axis=0) / SMOOTH) + _factors(ask, X)

    return Worth(name="straddle", at=at)


def _drawn(ask: Ask, how: Drawn) -> Worth:
    """An acquisition by joint draws of the posterior, from BoTorch, with the factors on top."""
    from loop.acquisition.sampled import sampled  # noqa: PLC0415 - torch takes seconds to import

    drawn = sampled(ask.fitted, ask.objective, ask.pending, how, ask.seed)
    if not ask.factors:
        return drawn
    return Worth(name=drawn.name, at=lambda X: drawn.at(X) + _factors(ask, X), climb=drawn.climb)


def _utility(ask: Ask, weights: Array | None) -> Callable[[Array, Array], tuple[Array, Array]]:
    """From means and deviations (k, m) to the mean and deviation (k,) of one scalar utility."""
    objective = ask.objective
    names = [objective.names.index(t.name) for t in objective.wanted]
    lead = objective.wanted[0]
    if objective.way == "single":
        return _wish(ask, lead)
    draws = ndtri(qmc.Sobol(len(names), rng=np.random.default_rng(ask.seed)).random(DRAWS))
    scalar = _scalar(ask, weights)

    def drawn(mean: Array, sd: Array) -> tuple[Array, Array]:
        values = mean[None, :, names] + draws[:, None, :] * sd[None, :, names]
        found = scalar(values)
        return found.mean(axis=0), found.std(axis=0) + 1e-12

    return drawn


def _wish(ask: Ask, target: Target) -> Callable[[Array, Array], tuple[Array, Array]]:
    """From means and deviations (k, m) to those of the utility of one target, (k,) and (k,)."""
    index = ask.objective.names.index(target.name)
    if target.goal in {"max", "min"}:
        return lambda mean, sd: (target.utility(mean[:, index]), sd[:, index])
    draws = ndtri(qmc.Sobol(1, rng=np.random.default_rng(ask.seed)).random(DRAWS))

    def drawn(mean: Array, sd: Array) -> tuple[Array, Array]:
        found = target.utility(mean[None, :, index] + draws * sd[None, :, index])
        return found.mean(axis=0), found.std(axis=0) + 1e-12

    return drawn


def _scalar(ask: Ask, weights: Array | None) -> Callable[[Array], Array]:
    """One number for wanted values (..., w) in their units: larger for better, as (...)."""
    objective = ask.objective
    match objective.way:
        case "desirability":
            return lambda Y: objective.desirability(
                {t.name: Y[..., i] for i, t in enumerate(objective.wanted)}
            )
        case "scalar" | "pareto":
            mean, _ = ask.fitted.moments(ask.fitted.data.X)
            U = _utilities(
                objective, mean[:, [objective.names.index(t.name) for t in objective.wanted]]
            )
            nadir, width = extent(U)
            shares = np.array(objective.weights) if weights is None else weights
            return lambda Y: balance(
                _utilities(objective, Y).reshape(-1, len(shares)), nadir, width, shares
            ).reshape(Y.shape[:-1])
        case "single" | "learn" | "level":
            raise ObjectiveError("objective", "several goals that are ranked", objective.way)
        case _:
            assert_never(objective.way)


def _utilities(objective: Objective, Y: Array) -> Array:
    """Utilities of wanted values (..., w), one by one."""
    return np.stack([t.utility(Y[..., i]) for i, t in enumerate(objective.wanted)], axis=-1)


def _believed(
    ask: Ask, utility: Callable[[Array, Array], tuple[Array, Array]]
) -> tuple[float | None, float]:
    """The best utility that the model believes of a point that keeps the bounds; spread of all.

    Of observed points, and of pending ones, which turn out as it expects (Ginsbourger et al.,
    Kriging Is Well-Suited to Parallelize Optimization, 2010, section 4.2): nothing is gained by
    asking for those again. The mean and not the value: one lucky measurement sets no mark.
    """
    mean, sd, kept = _known(ask)
    centre, _ = utility(mean, sd)
    spread = float(np.std(centre[: len(ask.fitted.data.X)])) or 1.0
    return (float(centre[kept].max()) if kept.any() else None), spread


def _known(ask: Ask) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Means (n, m) of observed and pending rows, hardly a deviation, and which keep the bounds."""
    objective = ask.objective
    mean, _ = ask.fitted.moments(np.vstack([ask.fitted.data.X, ask.pending]))
    rows = (dict(zip(objective.names, row, strict=True)) for row in mean.tolist())
    return mean, np.full_like(mean, 1e-9), np.array([objective.met(row) for row in rows])


def _factors(ask: Ask, X: Array) -> Array:
    """The sum of the log factors at rows X (k, d), as (k,)."""
    return sum((factor(X) for factor in ask.factors), np.zeros(len(X)))


def _softened(gain: Array) -> Array:
    """Log softplus: log(gain) where it is large, the gain itself where it is far below zero."""
    soft = np.logaddexp(0.0, gain)
    with np.errstate(divide="ignore"):
        return np.where(gain > -30, np.log(soft), gain)
