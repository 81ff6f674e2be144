"""Values as they are typed after a command: `T=900 solvent=water alloy.Cu=0.5 alloy.Ni=0.5`.

Numbers are in the parameter's unit. A composition is typed whole, fraction by fraction; what is
left out of it is absent.
"""

from collections.abc import Mapping, Sequence

from flows.refusal import nearest
from loop.errors import SpaceError
from loop.space.composition import Composition
from loop.space.parameters import Categorical, Continuous, Discrete, Ordinal, Parameter
from loop.space.pool import Pool
from loop.space.space import SearchSpace
from loop.space.values import Value
from loop.units import convert


def values(words: Sequence[str], space: SearchSpace) -> dict[str, Value]:
    """The parameters that the words name, each with its value; SpaceError for the first slip."""
    said: dict[str, str] = {}
    for word in words:
        label, equals, text = word.partition("=")
        if not equals or not text:
            raise SpaceError(repr(word), "parameter=value, such as T=900", repr(word))
        if label in said:
            raise SpaceError(repr(word), f"one value of {label}", f"{said[label]} and {text}")
        said[label] = text
    unknown = [label for label in said if label not in _labels(space)]
    if unknown:
        known = ", ".join(_labels(space))
        remedy = nearest(unknown[0], _labels(space))
        raise SpaceError(repr(unknown[0]), f"one of {known}", "no such parameter", remedy)
    read = {p.name: _value(p, said) for p in space.parameters if _own(p) & set(said)}
    for parameter in space.parameters:
        if parameter.name in read:
            parameter.check(read[parameter.name])
    return read


def _labels(space: SearchSpace) -> list[str]:
    """What may stand before an equals sign."""
    return [label for parameter in space.parameters for label in sorted(_own(parameter))]


def _own(parameter: Parameter) -> set[str]:
    match parameter:
        case Composition():
            return {f"{parameter.name}.{element}" for element in parameter.elements}
        case _:
            return {parameter.name}


def _value(parameter: Parameter, said: dict[str, str]) -> Value:
    """What was said of this parameter."""
    match parameter:
        case Composition():
            fractions = {
                element: _number(said[label], label, "")
                for element in parameter.elements
                if (label := f"{parameter.name}.{element}") in said
            }
            return {element: x for element, x in fractions.items() if x != 0}
        case Continuous() | Discrete():
            return _number(said[parameter.name], parameter.name, parameter.unit)
        case Ordinal() if not parameter.is_named:
            return _number(said[parameter.name], parameter.name, parameter.unit)
        case Ordinal() | Categorical() | Pool():
            return said[parameter.name]


def _number(text: str, label: str, unit: str) -> float:
    try:
        return float(text)
    except ValueError:
        wanted = f"a number in {unit}" if unit else "a number"
        remedy = "Write the number alone, with a decimal point."
        raise SpaceError(label, wanted, repr(text), remedy) from None


def measured(words: Sequence[str], units: Mapping[str, str]) -> dict[str, float]:
    """Values of targets, such as `hardness=7.1` or `hardness=7100 MPa`, in the targets' `units`."""
    said: dict[str, float] = {}
    for word in words:
        name, equals, text = (part.strip() for part in word.partition("="))
        if not equals or name not in units or name in said:
            expected = f"a value, once, of {', '.join(units)}, such as {next(iter(units))}=7.1"
            raise SpaceError(repr(word), expected, repr(word), nearest(name, units))
        number, _, unit = text.partition(" ")
        value = _number(number, name, units[name])
        said[name] = convert(value, unit.strip() or units[name], units[name], name)
    return said
