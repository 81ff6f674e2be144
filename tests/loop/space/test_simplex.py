"""The simplex: projections are exact, and nearest."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop.space.composition import Composition
from loop.space.simplex import onto_simplex, shifts
from tests.loop import strategies as some

ALLOY = some.composition().filter(lambda drawn: drawn.most == len(drawn.elements))


def cases(alloy: Composition, seed: int):
    """Rows wanted (20, k), some with ties, near and far from the simplex; low, high (20, k)."""
    rng = np.random.default_rng(seed)
    wanted = rng.normal(0.3, rng.choice([0.1, 1.0, 10.0]), size=(20, len(alloy.elements)))
    wanted[::2] = np.round(wanted[::2], 1)
    low, high = (np.tile(each, (20, 1)) for each in np.array(alloy.limits).T)
    return wanted, low, high


@given(alloy=ALLOY, seed=some.seeds)
def test_the_shift_is_exact(alloy, seed):
    """Shifted and clipped, a row sums to one: the condition of the nearest row, to rounding."""
    wanted, low, high = cases(alloy, seed)
    x = np.clip(wanted + shifts(wanted, low, high), low, high)
    assert x.sum(axis=1) == pytest.approx(1.0, abs=1e-12)


@given(alloy=ALLOY, seed=some.seeds, other=some.seeds)
def test_a_projection_is_legal_and_nearest(alloy, seed, other):
    """Within the bounds, of sum one, and no legal row is nearer, but for traces rounded off."""
    wanted, low, high = cases(alloy, seed)
    x = onto_simplex(wanted, low, high)
    assert x.sum(axis=1) == pytest.approx(1.0, abs=1e-12)
    assert ((low - 1e-12 <= x) & (x <= high + 1e-12)).all()
    rival = onto_simplex(np.random.default_rng(other).random(wanted.shape), low, high)
    near, far = (((each - wanted) ** 2).sum(axis=1) for each in (x, rival))
    assert (near <= far + 1e-4 * (1 + np.abs(wanted).max())).all()


@pytest.mark.parametrize(("high", "expected"), [(0.25, 0.25), (0.2, 0.2)])
def test_where_the_bounds_leave_one_row_or_none_all_is_at_its_bound(high, expected):
    """Rounding may leave the sum of the upper bounds a little short of one."""
    wanted = np.array([[0.9, 0.1, 0.0, 0.0]])
    low, top = np.zeros((1, 4)), np.full((1, 4), high)
    assert np.clip(wanted + shifts(wanted, low, top), low, top) == pytest.approx(expected)


@given(wanted=st.lists(st.floats(-1, 2), min_size=2, max_size=6))
def test_a_row_on_the_simplex_is_left_alone(wanted):
    """What is legal stays what it is."""
    row = np.abs(np.array([wanted])) + 0.01
    row /= row.sum()
    low, high = np.zeros_like(row), np.ones_like(row)
    assert onto_simplex(row, low, high) == pytest.approx(row, abs=1e-12)
