"""Parameters: what they refuse, and that nothing is lost between a value and its columns."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop.designs import fresh
from loop.errors import SpaceError
from loop.space.composition import Composition
from loop.space.parameters import Categorical, Continuous, Discrete
from loop.space.space import SearchSpace
from tests.loop import strategies as some

T = Continuous(name="T", low=300.0, high=1200.0, unit="K")
RATE = Continuous(name="rate", low=1e-3, high=10.0, log=True)
TIME = Discrete(name="time", low=10.0, high=60.0, step=5.0, unit="min")
GAS = Categorical(name="gas", values=("Ar", "N2"))
ALLOY = Composition(name="alloy", elements=("Cu", "Au", "Pd"), at_most=2, step=0.05)
RICH = Composition(name="alloy", elements=("Cu", "Au", "Pd"), low={"Cu": 0.5}, high={"Au": 0.2})


def same(value, other):
    """Whether two values are the same but for rounding."""
    return value == (pytest.approx(other, abs=1e-9) if not isinstance(other, str) else other)


@given(data=st.data())
def test_decoding_what_was_encoded_gives_the_value(data):
    """decode(encode(x)) == x for every kind of parameter."""
    parameter = data.draw(some.parameters)
    value = data.draw(some.points(SearchSpace(parameters=(parameter,))))[parameter.name]
    assert same(parameter.decode(parameter.encode(value)), value)


@given(parameter=some.parameters, seed=some.seeds)
def test_whatever_is_decoded_is_legal(parameter, seed):
    """Any columns, also far outside, are decoded to a value that `check` accepts."""
    columns = np.random.default_rng(seed).normal(0.5, 2.0, size=len(parameter.labels))
    parameter.check(parameter.decode(columns.tolist()))


@given(parameter=some.parameters, seed=some.seeds)
def test_snapping_twice_changes_nothing(parameter, seed):
    """A legal row is left where it is."""
    X = np.random.default_rng(seed).normal(0.5, 1.0, size=(5, len(parameter.labels)))
    once = parameter.snap(X)
    assert parameter.snap(once) == pytest.approx(once, abs=1e-9)


@given(parameter=some.parameters, seed=some.seeds)
def test_a_snapped_row_is_what_its_value_encodes_to(parameter, seed):
    """The model sees the point that is asked, and not one beside it."""
    row = parameter.snap(np.random.default_rng(seed).random((1, len(parameter.labels))))[0]
    assert parameter.encode(parameter.decode(row.tolist())) == pytest.approx(row, abs=1e-9)


@given(parameter=some.parameters, seed=some.seeds)
def test_there_is_one_label_per_column(parameter, seed):
    """Labels name the columns, each once."""
    (row,) = fresh(SearchSpace(parameters=(parameter,)), 1, seed, set())
    assert len(set(parameter.labels)) == len(parameter.labels) == len(row)


@pytest.mark.parametrize(
    ("parameter", "value", "columns"),
    [
        (T, 300.0, (0.0,)),
        (T, 750.0, (0.5,)),
        (RATE, 0.1, (0.5,)),
        (TIME, 60.0, (1.0,)),
        (GAS, "N2", (0.0, 1.0)),
        (ALLOY, {"Pd": 0.25, "Cu": 0.75}, (0.75, 0.0, 0.25)),
    ],
)
def test_columns_are_as_the_table_says(parameter, value, columns):
    """One worked example per kind."""
    assert parameter.encode(value) == pytest.approx(columns)


@pytest.mark.parametrize(
    ("parameter", "value", "said"),
    [
        (T, 1500.0, r"space\.T: expected a value from 300 to 1200 K, got 1500 K"),
        (T, float("nan"), "a finite number, got nan"),
        (T, "hot", "a finite number, got 'hot'"),
        (RATE, 0.0, "from 0.001 to 10, got 0"),
        (TIME, 12.0, r"steps of 5 from 10, got 12\. The nearest is 10"),
        (TIME, 65.0, "from 10 to 60 min, got 65 min"),
        (GAS, "H2", "one of Ar, N2, got 'H2'"),
        (ALLOY, 0.5, "fractions by element"),
        (ALLOY, {"Cu": 0.5, "Pb": 0.5}, "elements among Cu, Au, Pd, got Pb"),
        (ALLOY, {"Cu": 0.5, "Au": 0.4}, r"fractions that sum to 1, got a sum of 0\.9"),
        (ALLOY, {"Cu": 0.4, "Au": 0.3, "Pd": 0.3}, "at most 2 elements, got 3"),
        (ALLOY, {"Cu": 0.52, "Au": 0.48}, r"alloy\.Cu: expected a multiple of 0\.05"),
        (RICH, {"Cu": 0.4, "Pd": 0.6}, r"alloy\.Cu: expected a value from 0\.5 to 1, got 0\.4"),
        (RICH, {"Cu": 0.5, "Au": 0.5}, r"alloy\.Au: expected a value from 0 to 0\.2"),
    ],
)
def test_an_illegal_value_is_refused_with_the_rule_it_breaks(parameter, value, said):
    """The message says where, which rule, and what was got."""
    with pytest.raises(SpaceError, match=said):
        parameter.check(value)


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_what_has_no_logarithm_is_refused(value):
    """A point as executed may lie outside the bounds, but zero is on no logarithmic scale."""
    with pytest.raises(SpaceError, match=r"space\.rate: expected a number above 0"):
        RATE.encode(value)


@pytest.mark.parametrize(
    ("low", "high", "log", "said"),
    [
        (2.0, 1.0, False, "low below high"),
        (1.0, 1.0, False, "low below high"),
        (0.0, float("inf"), False, "both finite"),
        (float("nan"), 1.0, False, "both finite"),
        (0.0, 1.0, True, r"space\.x\.low: expected a number above 0, because log = true"),
    ],
)
def test_an_empty_range_is_refused(low, high, log, said):
    """A continuous parameter has room between finite bounds."""
    with pytest.raises(SpaceError, match=said):
        Continuous(name="x", low=low, high=high, log=log)


@pytest.mark.parametrize("step", [0.3, 0.0, -0.5, 2.0, float("nan")])
def test_a_step_that_misses_the_upper_bound_is_refused(step):
    """A whole number of steps leads from low to high."""
    with pytest.raises(SpaceError, match=r"space\.x\.step: expected a step that divides 0 to 1"):
        Discrete(name="x", low=0.0, high=1.0, step=step)


@pytest.mark.parametrize("values", [("Ar",), ("Ar", "Ar"), ()])
def test_a_choice_needs_two_names(values):
    """One value is not a parameter, and a name that comes twice is a typing error."""
    with pytest.raises(SpaceError, match="two or more different names"):
        Categorical(name="gas", values=values)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"elements": ("Cu",)}, "two or more different elements"),
        ({"elements": ("Cu", "Cu")}, "two or more different elements"),
        ({"low": {"Pb": 0.1}}, r"alloy\.low: expected one of Cu, Au, Pd, got 'Pb'"),
        ({"high": {"Cu": 1.2}}, r"alloy\.high\.Cu: expected a fraction from 0 to 1"),
        ({"low": {"Cu": 0.6}, "high": {"Cu": 0.5}}, r"alloy\.low\.Cu: expected a fraction of at"),
        ({"at_most": 0}, "1 to 3 elements, got 0"),
        ({"at_most": 4}, "1 to 3 elements, got 4"),
        ({"step": 0.3}, "a step that divides 1 evenly"),
        (
            {"step": 0.5, "low": {"Cu": 0.1}, "high": {"Cu": 0.4}},
            r"alloy\.step: expected a step with a multiple from 0\.1 to 0\.4, .* got 0\.5",
        ),
        ({"step": 0.0}, "a step that divides 1 evenly"),
        ({"low": {"Cu": 0.6, "Au": 0.6}}, "the fractions cannot sum to 1"),
        ({"high": {"Cu": 0.3, "Au": 0.3, "Pd": 0.3}}, "the fractions cannot sum to 1"),
        ({"at_most": 2, "high": dict.fromkeys(("Cu", "Au", "Pd"), 0.4)}, "cannot sum to 1"),
        ({"at_most": 1, "low": {"Cu": 0.1, "Au": 0.1}}, "cannot sum to 1"),
        ({"step": 0.5, "low": {"Cu": 0.1, "Au": 0.1, "Pd": 0.1}}, "cannot sum to 1"),
    ],
)
def test_a_composition_that_cannot_be_is_refused(settings, said):
    """Bounds, count and step that leave nothing are noticed when they are written down."""
    with pytest.raises(SpaceError, match=said):
        Composition(**{"name": "alloy", "elements": ("Cu", "Au", "Pd"), **settings})


def test_room_is_found_among_elements_that_are_bounded_tightly():
    """With at most two elements, the largest ones give way to those that can fill the rest."""
    alloy = Composition(
        name="alloy", elements=("Cu", "Au", "Pd"), at_most=2, high={"Cu": 0.1, "Au": 0.1}
    )
    value = alloy.decode([0.5, 0.5, 0.0])
    alloy.check(value)
    assert value["Pd"] >= 0.9


def test_absent_elements_are_left_out():
    """A pure metal is written as one."""
    assert ALLOY.decode([0.0, 1.0, 0.0]) == {"Au": 1.0}


@pytest.mark.parametrize(
    ("settings", "pure"),
    [
        ({}, ["Cu", "Au", "Pd"]),
        ({"high": {"Au": 0.9}}, ["Cu", "Pd"]),
        ({"low": {"Pd": 0.3}}, ["Pd"]),
    ],
)
def test_of_one_element_at_a_time_there_are_as_many_as_may_be_pure(settings, pure):
    """Without a step too: the space is finite, and all of it is listed."""
    alloy = Composition(name="alloy", elements=("Cu", "Au", "Pd"), at_most=1, **settings)
    space = SearchSpace(parameters=(alloy,))
    points = space.decode(space.everything())
    assert space.size == len(pure)
    assert sorted(map(str, points)) == sorted(str({"alloy": {each: 1.0}}) for each in pure)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("water",), r"expected those of water, ethanol, got none of 'ethanol'\. Give every value"),
        (("water", "ethanol", "oil"), r"got those of 'oil' too"),
    ],
)
def test_descriptors_are_those_of_the_values(given, said):
    """None is missing and none is left over; the message says which."""
    descriptors = {value: (float(n),) for n, value in enumerate(given)}
    with pytest.raises(SpaceError, match=said):
        Categorical(name="solvent", values=("water", "ethanol"), descriptors=descriptors)
