"""A mixture of processes: the moments that the law of total variance gives it."""

from dataclasses import replace

import numpy as np
import pytest

from loop.surrogate.gp import NOISY, Hyper, Process
from loop.surrogate.mixture import Mixture

ROWS = np.random.default_rng(1).random((4, 2))


def mixture():
    """Three processes on the same data that disagree on everything else."""
    rng = np.random.default_rng(0)
    X, y = rng.random((9, 2)), rng.standard_normal(9)
    return Mixture(
        parts=tuple(
            Process(
                hyper=Hyper(kernel="matern", lengths=lengths, noise=n, mean=n, scale=2 + n),
                X=X,
                y=y,
                variances=np.full(9, n),
            )
            for n, lengths in zip((0.1, 0.3, 0.5), rng.random((3, 2)) + 0.2, strict=True)
        )
    )


def test_a_mixture_of_one_is_that_one():
    """Every answer of a single part is its own."""
    only = mixture().parts[0]
    same = Mixture(parts=(only,))
    assert np.array(same.predict(ROWS)) == pytest.approx(np.array(only.predict(ROWS)))
    assert np.array(same.leave_one_out()) == pytest.approx(np.array(only.leave_one_out()))
    assert same.shared(ROWS, ROWS) == pytest.approx(only.shared(ROWS, ROWS))


def test_its_moments_are_those_of_its_draws():
    """Mean and variance of outcomes drawn from parts drawn at random."""
    rng, parts = np.random.default_rng(2), mixture().parts
    mean, variance = mixture().predict(ROWS)
    said = np.array([part.predict(ROWS) for part in parts])[rng.integers(3, size=200_000)]
    draws = rng.normal(said[:, 0], np.sqrt(said[:, 1]))
    assert mean == pytest.approx(draws.mean(axis=0), abs=0.02)
    assert variance == pytest.approx(draws.var(axis=0), rel=0.02)


def test_joint_and_shared_agree_with_single_predictions():
    """The joint's mean, diagonal and off-diagonal are what the others say."""
    (mean,), (covariance,) = mixture().joint(ROWS[None])
    assert mean == pytest.approx(mixture().predict(ROWS)[0])
    assert np.diag(covariance) == pytest.approx(mixture().predict(ROWS)[1])
    assert covariance == pytest.approx(mixture().shared(ROWS, ROWS))


def test_joining_keeps_the_mean_and_shrinks_the_variance():
    """Pending points change nothing but how sure it is."""
    before, after = mixture().predict(ROWS), mixture().joined(ROWS[:1]).predict(ROWS)
    assert after[0] == pytest.approx(before[0])
    assert (after[1] <= before[1] + 1e-12).all()
    assert after[1][0] < before[1][0]


def test_it_shows_what_it_learnt():
    """Its noise is that of its parts on average, and its digits are all of theirs."""
    assert mixture().noise == pytest.approx(0.3)
    assert len(mixture().digits()) == 3 * (2 + 3)


def test_it_is_at_its_bounds_where_most_parts_are():
    """Noise that explains all is told, a name that speaks of noise is none, nor is one draw."""
    part = mixture().parts[0]
    loud, short = (
        replace(part, hyper=replace(part.hyper, **change))
        for change in ({"noise": 100.0}, {"noise": 1e-4, "lengths": np.full(2, 0.02)})
    )
    named = ["noise level", "T"]
    assert Mixture(parts=(loud, loud, short)).at_bounds(named) == (NOISY,)
    assert Mixture(parts=(loud, short, short)).at_bounds(named) == ()
