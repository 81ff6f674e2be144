"""Units of measurement: the one place that asks pint.

Values are stored in the unit that the campaign states; conversion happens once, at the border.
"""

from functools import cache
from tokenize import TokenError

import pint

from loop.errors import UnitError

# pint reads a unit with Python's own tokenizer, and asserts where nothing comes of it.
UNREADABLE = (
    pint.PintError,
    TokenError,
    AssertionError,
    AttributeError,
    TypeError,
    ValueError,
    ZeroDivisionError,
)


@cache
def _registry() -> pint.UnitRegistry[float]:
    registry: pint.UnitRegistry[float] = pint.UnitRegistry()
    registry.define("atom = 1")  # energies per atom: eV/atom
    return registry


def require(unit: str, where: str) -> None:
    """Raise UnitError unless `unit` is known; the empty string is a plain number."""
    try:
        _registry().parse_units(unit)
    except UNREADABLE as error:
        raise UnitError(
            where,
            "a unit of measurement such as 'GPa', 'g/cm^3', 'eV/atom' or '%'",
            repr(unit),
            "Write the unit as pint spells it.",
        ) from error


def convert(value: float, unit: str, wanted: str, where: str) -> float:
    """The value in `wanted`, given in `unit`; UnitError where the dimensions differ."""
    if unit == wanted:
        return value
    require(unit, where)
    require(wanted, where)
    try:
        return float(_registry().Quantity(value, unit).to(wanted).magnitude)
    except pint.DimensionalityError as error:
        plain = f"a value in {wanted!r}" if wanted else "a plain number"
        raise UnitError(
            where,
            f"{plain} or a unit that converts to it",
            f"a value in {unit!r}",
            f"State it in {wanted!r}." if wanted else "It has no unit here: leave the unit out.",
        ) from error
