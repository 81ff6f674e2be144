"""Several goals at once: the front, the hypervolume it covers, its reference point, a balance."""

from itertools import combinations

import numpy as np
import pytest
import torch
from botorch.utils.multi_objective.hypervolume import Hypervolume
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from loop.front import balance, covered, extent, nondominated, reference_point, share
from loop.objective import Objective, Target

HARD, CHEAP = Target(name="hardness"), Target(name="cost", goal="min")
NEAR = Target(name="gap", goal="match", value=3.0)


@st.composite
def utilities(draw, most=12):
    """A few results by two to four goals, on a grid so that many of them tie."""
    shape = (draw(st.integers(1, most)), draw(st.integers(2, 4)))
    return draw(arrays.arrays(np.float64, shape, elements=st.integers(0, 5).map(float)))


@given(U=utilities())
def test_the_front_is_what_no_other_beats(U):
    """As the definition says, pair by pair; equal results do not beat one another."""
    beaten = [any((v >= u).all() and (v > u).any() for v in U) for u in U]
    assert nondominated(U).tolist() == [not each for each in beaten]


def by_inclusion(U, r):
    """The hypervolume as a sum over all subsets: the volume of a union of boxes."""
    total = 0.0
    for size in range(1, len(U) + 1):
        for some in combinations(U, size):
            total -= (-1) ** size * np.prod(np.maximum(np.min(some, axis=0) - r, 0.0))
    return total


@given(U=utilities(most=7), foot=st.integers(-1, 3))
def test_the_hypervolume_is_that_of_the_union_of_boxes(U, foot):
    """After each result, by inclusion and exclusion; ties and results below r are no trouble."""
    r = np.full(U.shape[1], foot - 0.5)
    expected = [by_inclusion(U[: count + 1], r) for count in range(len(U))]
    assert covered(U, r) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("goals", [2, 3, 4])
def test_the_hypervolume_is_botorchs(goals):
    """An independent implementation gives the same number."""
    U, r = np.random.default_rng(goals).random((60, goals)), np.full(goals, 0.1)
    front = torch.as_tensor(U[nondominated(U)])
    assert covered(U, r)[-1] == pytest.approx(Hypervolume(torch.as_tensor(r)).compute(front))


@given(U=utilities(), scale=st.sampled_from([1e-3, 2.5, 1e4]))
def test_the_share_only_grows_and_has_no_unit(U, scale):
    """From 0 to 1, never falling, and the same in other units."""
    r = reference_point(Objective(targets=_targets(U), combine="pareto"), U)
    found = share(U, r)
    assert (np.diff(found) >= 0).all()
    assert ((found >= 0) & (found <= 1 + 1e-12)).all()
    assert share(scale * U - 7.0, scale * r - 7.0) == pytest.approx(found, abs=1e-9)


def test_a_reference_that_nothing_reaches_covers_nothing():
    """0 rather than a division by a box without a volume."""
    assert share(np.array([[1.0, 2.0]]), np.array([0.0, 2.0])).tolist() == [0.0]


def test_the_reference_point_is_the_users_or_below_the_nadir():
    """In utilities: a tenth of the front's range below its worst; what was stated, as stated."""
    U = np.array([[1.0, -2.0], [3.0, -6.0], [0.0, -9.0]])
    stated = Objective(targets=(HARD, CHEAP), combine="pareto", reference={"cost": 8.0})
    assert reference_point(stated, U) == pytest.approx([0.8, -8.0])
    near = Objective(targets=(HARD, NEAR), combine="pareto", reference={"gap": 3.5})
    assert reference_point(near, U) == pytest.approx([0.8, -0.5])


@pytest.mark.parametrize(
    ("rows", "width"),
    [
        ([[2.0, 3.0], [1.0, 1.0]], [1.0, 2.0]),
        ([[2.0, -3.0]], [2.0, 3.0]),
        ([[0.0, 0.0]], [1.0, 1.0]),
    ],
)
def test_a_front_without_width_takes_another_scale(rows, width):
    """That of all results, else the size of the values, else 1."""
    assert extent(np.array(rows))[1].tolist() == width


def test_the_balance_prefers_what_lacks_least():
    """1 at the best of every goal; the middle beats the extremes; a weight shifts it."""
    U, ends = np.array([[0.0, 1.0], [0.6, 0.6], [1.0, 0.0], [1.0, 1.0]]), (np.zeros(2), np.ones(2))
    even = balance(U, *ends, np.ones(2))
    assert even[3] == 1.0
    assert np.argsort(even)[::-1][:2].tolist() == [3, 1]
    assert balance(U, *ends, np.array([9.0, 1.0]))[2] > balance(U, *ends, np.array([9.0, 1.0]))[1]


def test_a_long_campaign_takes_no_time():
    """Three thousand results by four goals, front and hypervolume after each."""
    U = np.random.default_rng(0).normal(size=(3000, 4))
    assert nondominated(U).sum() < 200
    assert share(U, np.full(4, -1.0))[-1] < 1


def _targets(U):
    return tuple(Target(name=f"y{column}") for column in range(U.shape[1]))
