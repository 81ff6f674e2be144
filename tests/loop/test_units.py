"""Units: known ones convert, unknown ones are refused, and nothing else ever happens."""

from re import escape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loop.errors import UnitError
from loop.units import convert, require


@pytest.mark.parametrize("unit", ["", "K", "degC", "GPa", "g/cm^3", "eV/atom", "%", "K/min", "1/h"])
def test_units_of_a_laboratory_are_known(unit):
    """What a materials scientist writes is accepted."""
    require(unit, "target.y")
    assert convert(2.5, unit, unit, "target.y") == 2.5


@pytest.mark.parametrize("unit", ["GPaa", "hardness", "K/", "3 GPa", "g/cm^^3", "(", "*", "1/0"])
def test_an_unknown_unit_is_refused_with_its_place(unit):
    """The message names where the unit stood, and a few that would have done."""
    with pytest.raises(UnitError, match=r"target\.y: expected a unit of measurement such as 'GPa'"):
        require(unit, "target.y")


@given(text=st.text("GPa/^*%() 0123K°µeV\"'[]{}\n,:;#@=+-.", max_size=6))
@example(text="''")
def test_any_text_is_a_unit_or_a_unit_error(text):
    """No typing error in a campaign file surfaces as an error of the parser of units."""
    try:
        require(text, "target.y")
    except UnitError as error:
        assert repr(text) in str(error)  # noqa: PT017 - any text: most raise, some do not


@pytest.mark.parametrize(
    ("value", "unit", "wanted", "expected"),
    [
        (25.0, "degC", "K", 298.15),
        (1.0, "GPa", "MPa", 1000.0),
        (7.5, "g/cm^3", "kg/m^3", 7500.0),
        (50.0, "%", "", 0.5),
        (1.0, "eV/atom", "meV/atom", 1000.0),
        (2.0, "h", "min", 120.0),
    ],
)
def test_values_convert(value, unit, wanted, expected):
    """A value arrives in the unit that the campaign states."""
    assert convert(value, unit, wanted, "here") == pytest.approx(expected)


@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_the_same_unit_leaves_a_value_untouched(value):
    """No rounding where there is nothing to convert."""
    assert convert(value, "degC", "degC", "here") == value


@given(value=st.floats(-200.0, 2000.0))
def test_converting_back_gives_the_value(value):
    """Conversion with an offset is undone by its inverse."""
    kelvin = convert(value, "degC", "K", "here")
    assert convert(kelvin, "K", "degC", "here") == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize(("unit", "wanted"), [("K", "GPa"), ("eV", "eV/atom/K"), ("", "g/cm^3")])
def test_another_dimension_is_refused(unit, wanted):
    """The message says which unit would do."""
    with pytest.raises(UnitError, match=f"a value in {escape(repr(wanted))} or"):
        convert(1.0, unit, wanted, "row 3")


def test_where_no_unit_is_wanted_none_is_named():
    """Nobody is told to state a value in an empty unit."""
    with pytest.raises(
        UnitError, match=r"a plain number .*got a value in 'GPa'.*leave the unit out"
    ):
        convert(3.0, "GPa", "", "hardness [GPa]")
