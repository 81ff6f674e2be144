"""Numbers and units as they are set in print: significant digits, a true minus, powers of ten."""

import re
from collections.abc import Callable, Mapping, Sequence
from math import ceil, floor, isfinite, log10

from markupsafe import Markup

from loop.objective import Bound
from loop.space.composition import Composition
from loop.space.parameters import Categorical, Continuous, Discrete, Ordinal, Parameter
from loop.space.pool import Pool
from loop.space.values import Value

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
BLANK = "\u00a0"  # no line breaks between a number and its unit
LARGE, SMALL = 1e6, 1e-3  # outside these a number reads better with a power of ten
ELEMENT = re.compile(r"[A-Z][a-z]?")


def number(value: float, digits: int = 4) -> str:
    """The value to so many significant digits, without trailing zeros."""
    if not isfinite(value):
        return str(value)
    if _is_extreme(value):
        mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
        return f"{_trimmed(mantissa).replace('-', '−')} × 10{_raised(power)}"
    decimals = max(0, digits - 1 - (floor(log10(abs(value))) if value else 0))
    return _trimmed(_fixed(value, decimals))


def with_error(value: float, error: float | None) -> str:
    """The value and its error, both to the place of the error's second significant digit."""
    if not error or not isfinite(error):
        return number(value)
    size = max(abs(value), error)
    if _is_extreme(size):
        power = floor(log10(size))
        return f"({with_error(value / 10.0**power, error / 10.0**power)}) × 10{_raised(str(power))}"
    decimals = max(0, 1 - floor(log10(error)))
    return f"{_fixed(value, decimals)} ± {_fixed(error, decimals)}"


def column(values: Sequence[float]) -> Callable[[float], str]:
    """How to write the numbers of one column: as many decimals for all as tell them apart."""
    ordered = sorted(values)
    count = len(ordered)
    if not ordered or _is_extreme(max(ordered, key=abs)):
        return number
    middle = ordered[(3 * count) // 4] - ordered[count // 4]
    spread = middle or ordered[-1] - ordered[0] or abs(ordered[0]) or 1.0
    return lambda value: _fixed(value, max(0, 3 - ceil(log10(spread))))


def unit(text: str) -> str:
    """A unit with its powers raised: `g/cm^3` as g/cm³."""
    raised = re.sub(r"(?:\^|\*\*)(-?\d+)", lambda m: m[1].translate(SUPERSCRIPTS), text)
    return raised.replace("angstrom", "Å").replace("degC", "°C").replace("*", "·")


def quantity(value: float, of: str, error: float | None = None) -> str:
    """A number with its unit."""
    return f"{with_error(value, error)}{BLANK}{unit(of)}".rstrip()


def limit(bound: Bound, of: str) -> str:
    """An outcome bound with its unit."""
    return f"{bound.target} {'≤' if bound.sense == '<=' else '≥'}{BLANK}{quantity(bound.value, of)}"


def percent(share: float) -> str:
    """A share of one, to a whole percent."""
    return f"{100 * share:.0f}{BLANK}%"


def label(name: str, of: str) -> str:
    """What stands at an axis or above a column: the name, and the unit in parentheses."""
    return f"{name} ({unit(of)})" if of else name


def setting(parameter: Parameter, value: Value) -> str | Markup:
    """A parameter's value, to a thousandth of its range, without its unit."""
    match parameter:
        case Categorical() | Pool():
            return str(value)
        case Composition():
            return formula(value) if isinstance(value, Mapping) else str(value)
        case Ordinal(is_named=True):
            return str(value)
        case Discrete() | Ordinal():
            return number(_plain(value), 12)
        case Continuous(log=True):
            return number(_plain(value), 3)
        case Continuous():
            return column((parameter.low, parameter.high))(_plain(value))


def formula(fractions: Mapping[str, float]) -> Markup:
    """A composition: Cu₀.₂₅Au₀.₇₅ of chemical elements, `water 0.25, ethanol 0.75` of others."""
    present = {name: fraction for name, fraction in fractions.items() if fraction > 0}
    if all(ELEMENT.fullmatch(name) for name in present):
        parts = [Markup("{}<sub>{}</sub>").format(n, fraction(x)) for n, x in present.items()]
        return Markup('<span class="formula">{}</span>').format(Markup().join(parts))
    return Markup(", ").join(f"{name} {fraction(x)}" for name, x in present.items())


def fraction(value: float) -> str:
    """A fraction to a thousandth, or to its first digit where that is smaller."""
    return number(round(value, 3)) if value >= 0.0005 else number(value, 1)


def stated(value: Value, parameter: Parameter) -> str | Markup:
    """A parameter's value with its unit, within a sentence."""
    match parameter:
        case Categorical() | Composition() | Pool():
            return setting(parameter, value)
        case Continuous() | Discrete() | Ordinal():
            return f"{setting(parameter, value)} {unit(parameter.unit)}".rstrip()


def moment(at: str) -> str:
    """A ledger time to the minute."""
    return f"{at[:10]} {at[11:16]} UTC" if re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d", at) else at


def _plain(value: Value) -> float:
    return float(value) if isinstance(value, float | int) else float("nan")


def _is_extreme(value: float) -> bool:
    return value != 0 and not SMALL <= abs(value) < LARGE


def _raised(power: str) -> str:
    return str(int(power)).translate(SUPERSCRIPTS)


def _fixed(value: float, decimals: int) -> str:
    text = f"{value:.{decimals}f}"
    return (text if text.strip("-0.") else text.lstrip("-")).replace("-", "−")


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text
