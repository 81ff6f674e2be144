"""Other settings for a self-consistent cycle that did not converge, at most two.

Ours change how the cycle is run and not what it converges to: more steps, slower mixing. Smearing
changes the energy, so only whoever asks for it gets it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from loop.errors import OracleError

MOST = 2
GPAW: Sequence[Mapping[str, Any]] = (
    {"maxiter": 1000, "mixer": {"beta": 0.02, "nmaxold": 5, "weight": 100.0}},
    {"maxiter": 2000, "mixer": {"beta": 0.005, "nmaxold": 8, "weight": 100.0}},
)
# By a part of `package.module:Class`. Espresso takes a key of any section at the top of
# `input_data`, where it counts more than the same key in its section.
LADDERS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "espresso": (
        {"input_data": {"electron_maxstep": 300, "mixing_beta": 0.3}},
        {
            "input_data": {
                "electron_maxstep": 500,
                "mixing_beta": 0.1,
                "mixing_mode": "local-TF",
                "mixing_ndim": 12,
            }
        },
    ),
    "oracles.atoms.gpaw": tuple({"keywords": each} for each in GPAW),
    "gpaw": GPAW,
}


def ladder(
    calculator: str, asked: Sequence[Mapping[str, Any]] | None
) -> Sequence[Mapping[str, Any]]:
    """The changes to the settings that are tried, in order: those asked for, else the table's."""
    if asked is not None:
        if len(asked) > MOST:
            raise OracleError(
                "oracle.retry", f"at most {MOST}", str(len(asked)), "Choose the best."
            )
        return asked
    return next((every for name, every in LADDERS.items() if name in calculator.lower()), ())


def merged(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with the changes, table by table."""
    both = dict(settings)
    for key, change in changes.items():
        match both.get(key), change:
            case Mapping() as own, Mapping():
                both[key] = merged(own, change)
            case _:
                both[key] = change
    return both
