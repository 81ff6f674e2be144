"""The surrogate: what each target would be anywhere, and how sure that is.

One independent expert per target, so that any subset of the targets may be missing anywhere.
Which kind of expert is decided for every target and every fit by what it would have predicted of
each outcome without having seen it. Experts see inputs between 0 and 1 of the space's bounds, never
of the data, and outcomes less their mean over their standard deviation; everything that leaves this
room is in the units of the targets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from math import log, pi
from typing import Protocol, Self, assert_never

import numpy as np

from loop.choices import Expertise
from loop.objective import DECIMALS
from loop.records import Prediction
from loop.space.values import Array
from loop.surrogate.data import Data
from loop.surrogate.gp import Kernel, Process
from loop.surrogate.learning import Samples, conditioned, learn, settled, start

PORTFOLIO: tuple[Kernel, ...] = ("matern", "rbf", "linear")  # measured: docs/decisions/0005
MANY = 400  # hyperparameters are learnt on this many rows: a fit costs n^3 thirty times over
LEAST_SPREAD = 1e-12  # of the largest outcome: below it, outcomes differ by rounding only


class Expert(Protocol):
    """What is known of one target, standardised. Rows X (k, d) are inputs between 0 and 1."""

    @property
    def name(self) -> str:
        """Its kind."""
        ...

    @property
    def y(self) -> Array:
        """The outcomes it was fitted on (n,)."""
        ...

    @property
    def noise(self) -> float:
        """The variance of one measurement."""
        ...

    def at_bounds(self, columns: Sequence[str]) -> tuple[str, ...]:
        """What the fit has driven to the end of its range; `columns` (d,) name the inputs."""
        ...

    def predict(self, X: Array) -> tuple[Array, Array]:
        """Mean and variance without noise: (k,), (k,)."""
        ...

    def joint(self, X: Array) -> tuple[Array, Array]:
        """Mean (b, q) and covariance (b, q, q) without noise of b sets of q rows X (b, q, d)."""
        ...

    def shared(self, X: Array, Z: Array) -> Array:
        """Covariance, without noise, between rows X (n, d) and Z (m, d), as (n, m)."""
        ...

    def leave_one_out(self) -> tuple[Array, Array]:
        """Mean and variance, noise included, of each outcome without having seen it: (n,), (n,)."""
        ...

    def joined(self, X: Array) -> Self:
        """The expert after outcomes at rows X that were just what it expects."""
        ...

    def digits(self) -> Array:
        """The numbers that it learnt (any,): the same numbers, the same expert."""
        ...


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """Experts for all targets. `cause` says what was not as it should be; empty if all is well.

    low, span (d,) scale inputs; shift, scale (m,) outcomes. `correlation` is that of each stand-in
    with the real thing, by target, where it was fitted. `outliers` names, per target, the
    candidates whose outcome the expert would not have believed.
    """

    experts: tuple[Expert, ...]
    data: Data
    low: Array
    span: Array
    shift: Array
    scale: Array
    cause: str = ""
    correlation: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def unit(self, X: Array) -> Array:
        """Encoded rows X (k, d) as experts see them."""
        scaled: Array = (X - self.low) / self.span
        return scaled

    def moments(self, X: Array) -> tuple[Array, Array]:
        """Mean and standard deviation, without noise, at rows X (k, d): (k, m), (k, m)."""
        Z = self.unit(X)
        found = [expert.predict(Z) for expert in self.experts]
        mean = np.stack([mean for mean, _ in found], axis=1)
        sd = np.sqrt(np.stack([variance for _, variance in found], axis=1))
        return mean * self.scale + self.shift, sd * self.scale

    def predict(self, x: Array) -> dict[str, Prediction]:
        """Mean and standard deviation of a measurement of every target at one point (d,)."""
        Z = self.unit(x[None])
        answers: dict[str, Prediction] = {}
        for index, (target, expert) in enumerate(zip(self.data.targets, self.experts, strict=True)):
            mean, variance = expert.predict(Z)
            answers[target] = Prediction(
                mean=float(mean[0] * self.scale[index] + self.shift[index]),
                sd=float(np.sqrt(variance[0] + expert.noise) * self.scale[index]),
            )
        return answers

    @property
    def standardised(self) -> "Fitted":
        """The same experts of outcomes without units: (y - shift) / scale."""
        data = replace(
            self.data,
            Y=np.round((self.data.Y - self.shift) / self.scale, DECIMALS),
            Yvar=np.round(self.data.Yvar / self.scale / self.scale, DECIMALS),
            within=np.round(self.data.within / self.scale / self.scale, DECIMALS),
        )
        return replace(
            self, data=data, shift=np.zeros_like(self.shift), scale=np.ones_like(self.scale)
        )

    def joined(self, X: Array) -> "Fitted":
        """Beside pending rows X (p, d): means stay, uncertainty shrinks around them."""
        if len(X) == 0:
            return self
        Z = self.unit(X)
        return replace(self, experts=tuple(expert.joined(Z) for expert in self.experts))

    @property
    def names(self) -> Mapping[str, str]:
        """The kind of expert by target."""
        return {t: e.name for t, e in zip(self.data.targets, self.experts, strict=True)}

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that change with any datum or hyperparameter."""
        digest = blake2b(digest_size=6)
        parts = [self.data.X, self.data.Y, self.data.Yvar, self.data.counts]
        for part in (*parts, *(expert.digits() for expert in self.experts)):
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()


def fit(data: Data, bounds: Array, kind: Expertise = "auto", seed: int = 0) -> Fitted:
    """The best expert of each target; every target needs one measured value at least.

    Inputs are scaled by `bounds` (2, d). Where a likelihood cannot be maximised, the expert keeps
    its prior's hyperparameters, and `cause` says so.
    """
    low, span = bounds[0], np.where(bounds[1] > bounds[0], bounds[1] - bounds[0], 1.0)
    experts, causes, scales = [], [], []
    for index, target in enumerate(data.targets):
        samples, shift, scale = standardised(data, index, low, span)
        expert, cause = _expert(samples, kind, seed)
        experts.append(expert)
        causes.append(f"{target}: {cause}" if cause else "")
        scales.append((shift, scale))
    shifts, sds = np.array(scales).T
    return Fitted(
        experts=tuple(experts),
        data=data,
        low=low,
        span=span,
        shift=shifts,
        scale=sds,
        cause="; ".join(filter(None, causes)),
    )


def standardised(data: Data, index: int, low: Array, span: Array) -> tuple[Samples, float, float]:
    """What an expert of a target is fitted on, and the shift and scale of its outcomes."""
    known = data.known(index)
    shift, scale = standard(data.Y[known, index])
    samples = Samples(
        X=(data.X[known] - low) / span,
        y=np.round((data.Y[known, index] - shift) / scale, DECIMALS),
        known=np.round(data.Yvar[known, index] / scale / scale, DECIMALS),  # scale^2 may overflow
        counts=data.counts[known, index],
        within=round(float(data.within[index]) / scale / scale, DECIMALS),
        freedom=float(data.freedom[index]),
    )
    return samples, shift, scale


def standard(y: Array) -> tuple[float, float]:
    """Mean and standard deviation of outcomes y (n,); where they do not differ, mean and size."""
    size = float(np.abs(y).max()) or 1.0
    share = y / size  # squares of outcomes may be too large, or too small, for a number
    sd = float(np.std(share, ddof=1)) if len(y) > 1 else 0.0
    return float(share.mean()) * size, (sd if sd > LEAST_SPREAD else 1.0) * size


def log_density(expert: Expert) -> float:
    """Mean log density of the outcomes, each without having been seen."""
    mean, variance = expert.leave_one_out()
    density = -0.5 * (log(2 * pi) + np.log(variance) + (expert.y - mean) ** 2 / variance)
    return float(density.mean())


def _expert(samples: Samples, kind: Expertise, seed: int) -> tuple[Expert, str]:
    """The expert of this kind, or the best of the portfolio; what went wrong, or nothing."""
    match kind:
        case "auto":
            found = [_process(samples, kernel) for kernel in PORTFOLIO]
            return max(found, key=lambda each: (not each[1], log_density(each[0])))
        case "matern" | "rbf" | "linear":
            return _process(samples, kind)
        case "forest":
            from loop.surrogate.forest import grow  # noqa: PLC0415 - scikit-learn, where it is wanted

            return grow(samples, seed), ""
        case "saas":
            from loop.surrogate.saas import sample  # noqa: PLC0415 - torch and jax, where they are wanted

            return sample(samples, seed), ""
        case _:
            assert_never(kind)


def _process(samples: Samples, kernel: Kernel) -> tuple[Process, str]:
    """A Gaussian process; with its prior's hyperparameters where the likelihood has no maximum."""
    few = samples if len(samples.y) <= MANY else samples.some(MANY)
    try:
        found = learn(few, kernel)
        return (found if few is samples else conditioned(found.hyper, samples)), ""
    except np.linalg.LinAlgError as error:
        prior = settled(start(samples, kernel), samples, kernel)
        return prior, f"the fit failed ({error}), prior hyperparameters are used"
