"""A calculator by name: `package.module:Class` and its keyword settings.

A setting that is itself an object is written as a mapping with the key `class`:

    [oracle.settings.profile]
    class = "ase.calculators.espresso:EspressoProfile"
    command = "pw.x"
"""

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ase.calculators.calculator import BaseCalculator

from loop.errors import OracleError
from oracles.atoms.failures import Refusal


def load(path: str) -> Any:  # noqa: ANN401  (a class or a factory of any package)
    """What `package.module:name` names; OracleError where it does not import."""
    module, colon, name = path.partition(":")
    where, expected = "oracle.calculator", "an importable 'package.module:Class'"
    if not (module and colon and name):
        raise OracleError(where, expected, repr(path), "For example 'ase.calculators.emt:EMT'.")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        got = f"{path!r} ({error})"
        raise OracleError(where, expected, got, "Install or correct it.") from error


def make(path: str, settings: Mapping[str, Any]) -> BaseCalculator:
    """A fresh calculator; whatever its constructor raises is about the settings: invalid_input."""
    try:
        calculator = load(path)(**{key: _value(value) for key, value in settings.items()})
    except Exception as error:
        said = f"{path} cannot be made from its settings ({type(error).__name__}: {error})"
        raise Refusal("invalid_input", said) from error
    if not isinstance(calculator, BaseCalculator):
        said = f"{path} makes a {type(calculator).__name__}, not an ASE calculator"
        raise Refusal("invalid_input", said)
    return calculator


def versions(path: str) -> dict[str, str]:
    """Versions of ASE, NumPy, and the calculator's package, where it states one."""
    found = {}
    for package in ("ase", "numpy", path.partition(":")[0].partition(".")[0]):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _value(setting: Any) -> Any:  # noqa: ANN401  (settings are JSON)
    match setting:
        case {"class": str(path), **keywords}:
            return load(path)(**{str(key): _value(value) for key, value in keywords.items()})
        case Mapping():
            return {key: _value(value) for key, value in setting.items()}
        case list() | tuple():
            return [_value(value) for value in setting]
        case _:
            return setting
