"""Rounding to what can be made: legal or in finer steps, and never in silence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop.space.composition import Composition
from loop.space.parameters import Categorical, Continuous
from loop.space.rounding import rounded
from loop.space.rules import Expression, Linear
from loop.space.space import SearchSpace

T = Continuous(name="T", low=300.5, high=900.0, unit="K")
ALLOY = Composition(name="alloy", elements=("Cu", "Ni", "Zn"), low={"Zn": 0.05}, high={"Cu": 0.7})
GAS = Categorical(name="gas", values=("Ar", "N2"))
SPACE = SearchSpace(parameters=(T, GAS, ALLOY))
STEPS = {"T": 5.0, "alloy": 0.05}


@given(
    heat=st.floats(300.5, 900.0),
    parts=st.lists(st.floats(0.01, 1), min_size=3, max_size=3),
)
def test_what_is_rounded_is_legal_and_near(heat, parts):
    """Fractions sum to one, bounds hold, and no number moves by more than a step."""
    alloy = ALLOY.decode(parts)
    found, _ = rounded(SPACE, {"T": heat, "gas": "Ar", "alloy": alloy}, STEPS, set())
    SPACE.check(found)
    (before,), (after,) = (
        SPACE.encode([{"T": heat, "alloy": alloy, "gas": "Ar"}]),
        SPACE.encode([found]),
    )
    assert np.abs(after - before)[0] <= 5.0 / 599.5
    assert np.abs(after - before).max() <= 0.0501
    assert after[-3:].sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    ("heat", "step", "to", "said"),
    [
        (512.3456, 1.0, 512.0, ""),
        (512.3456, 0.01, 512.35, ""),
        (301.0, 5.0, 301.0, "T in steps of 0.5: rounded more coarsely it would break a rule"),
        (899.6, 1.0, 900.0, ""),
    ],
)
def test_a_bound_is_never_rounded_across(heat, step, to, said):
    """Where the nearest step lies outside, the point is told in finer steps, and that is said."""
    found, why = rounded(SearchSpace(parameters=(T,)), {"T": heat}, {"T": step}, set())
    assert (found["T"], why) == (to, said)


@pytest.mark.parametrize(
    "rule", [Linear(terms={"T": 1.0}, high=512.4), Expression(text="T <= 512.4")]
)
def test_a_constraint_is_never_rounded_across(rule):
    """512.39 K would become 513 K in steps of 3: it is 512.4 K, in steps of 0.3."""
    space = SearchSpace(parameters=(T,), constraints=(rule,))
    found, why = rounded(space, {"T": 512.39}, {"T": 3.0}, set())
    assert found["T"] == pytest.approx(512.4)
    assert why.startswith("T in steps of 0.3: ")


def test_a_point_that_is_taken_moves_one_step_aside():
    """Or else the model would measure one point again and again without meaning to."""
    space = SearchSpace(parameters=(T, GAS))
    taken = set(space.keys(space.encode([{"T": 510.0, "gas": "Ar"}])))
    found, why = rounded(space, {"T": 511.0, "gas": "Ar"}, {"T": 5.0}, taken)
    assert (found, why) == ({"T": 515.0, "gas": "Ar"}, "")


def test_where_there_is_no_room_beside_it_is_a_repeat():
    """And the reason of the candidate says so."""
    space = SearchSpace(parameters=(ALLOY,))
    point = {"alloy": {"Cu": 0.5, "Ni": 0.4, "Zn": 0.1}}
    taken = set(space.keys(space.encode([point])))
    wanted = {"alloy": {"Cu": 0.501, "Ni": 0.399, "Zn": 0.1}}
    assert rounded(space, wanted, {"alloy": 0.1}, taken) == (point, "a repeat, once rounded")
