"""Which kind of failure an exception of a calculator is.

Calculators raise whatever they like (almost never ASE's own CalculationFailed or SCFError), so this
table is the one place where their exceptions get a meaning. What it does not name is `crashed`.
"""

from subprocess import CalledProcessError, TimeoutExpired

import numpy as np
from ase.calculators.calculator import (
    BadConfiguration,
    CalculatorSetupError,
    InputError,
    PropertyNotImplementedError,
    SCFError,
)
from ase.data import chemical_symbols

from loop.records import Kind


class Refusal(Exception):
    """An evaluation that has no value, with its kind from the closed list."""

    def __init__(self, kind: Kind, message: str) -> None:
        """Keep both; `str()` is the message."""
        super().__init__(message)
        self.kind = kind


# The first line that fits counts: PropertyNotImplementedError is a NotImplementedError.
EXPECTED: tuple[tuple[type[Exception], Kind, str], ...] = (
    (PropertyNotImplementedError, "invalid_input", "the calculator does not offer this property"),
    (NotImplementedError, "invalid_input", "the calculator cannot treat this"),
    (CalculatorSetupError, "invalid_input", "the calculator cannot be set up"),
    (InputError, "invalid_input", "the calculator refused its input"),
    (BadConfiguration, "invalid_input", "the calculator is not configured"),
    (FileNotFoundError, "invalid_input", "a program or a parameter file is missing"),
    (PermissionError, "invalid_input", "a program or a file may not be used"),
    (SCFError, "not_converged", "the self-consistent cycle did not converge"),
    (TimeoutError, "timeout", "the calculator gave up waiting"),
    (TimeoutExpired, "timeout", "the calculator gave up waiting"),
    (np.linalg.LinAlgError, "invalid_output", "the forces give no sensible step"),
    (FloatingPointError, "invalid_output", "the calculator produced no number"),
)
# Exceptions of packages that need not be installed, by class name.
EXPECTED_BY_NAME: dict[str, Kind] = {"KohnShamConvergenceError": "not_converged"}
# Exit statuses of programs that document or show a meaning (Quantum ESPRESSO: measured, 6.7).
EXIT_STATUS: dict[tuple[str, int], Kind] = {
    ("pw.x", 1): "invalid_input",
    ("pw.x", 2): "not_converged",
}
TIMEOUT_STATUS = 124  # what coreutils' `timeout` exits with


def refusal(error: Exception) -> Refusal:
    """The refusal that an exception raised during a calculation amounts to."""
    said = f"{type(error).__name__}: {error}"
    if isinstance(error, Refusal):
        return error
    for expected, kind, meaning in EXPECTED:
        if isinstance(error, expected):
            return Refusal(kind, f"{meaning} ({said})")
    if isinstance(error, CalledProcessError):
        return Refusal(_of_exit_status(error), said)
    # Espresso without a pseudopotential for an element: KeyError('Fe').
    if isinstance(error, KeyError) and error.args and error.args[0] in chemical_symbols:
        return Refusal("invalid_input", f"no parameters for the element {error.args[0]} ({said})")
    return Refusal(EXPECTED_BY_NAME.get(type(error).__name__, "crashed"), said)


def _of_exit_status(error: CalledProcessError) -> Kind:
    if error.returncode == TIMEOUT_STATUS:
        return "timeout"
    command = error.cmd if isinstance(error.cmd, str) else " ".join(map(str, error.cmd))
    for (program, status), kind in EXIT_STATUS.items():
        if program in command and status == error.returncode:
            return kind
    return "crashed"
