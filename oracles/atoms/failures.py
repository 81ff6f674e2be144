"""Which cause, and so which kind of failure, an exception of a calculator has.

Calculators raise whatever they like (almost never ASE's own CalculationFailed or SCFError), and
programs end with a status and say why in a file. The tables here are the one place where all that
gets a meaning: by exception, by exit status, by the program's own words. What they do not name is
`crashed`.
"""

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from re import MULTILINE, search
from signal import Signals
from subprocess import CalledProcessError, TimeoutExpired
from traceback import walk_tb
from types import TracebackType
from typing import Literal, TypeAlias

import numpy as np
from ase.calculators.calculator import (
    BadConfiguration,
    CalculationFailed,
    CalculatorSetupError,
    InputError,
    PropertyNotImplementedError,
    ReadError,
    SCFError,
)
from ase.data import chemical_symbols

from loop.records import Kind

Cause: TypeAlias = Literal[
    "scf",
    "bad_input",
    "no_parameters",
    "missing_program",
    "missing_file",
    "not_offered",
    "killed",
    "timeout",
    "out_of_memory",
    "output",
    "parser",
    "no_number",
    "",  # none of these
]
# Kind of the failure, and how a message about it begins.
CAUSES: dict[Cause, tuple[Kind, str]] = {
    "scf": ("not_converged", "the self-consistent cycle did not converge"),
    "bad_input": ("invalid_input", "the calculator refused its input"),
    "no_parameters": ("invalid_input", "no parameters"),
    "missing_program": ("invalid_input", "a program is not installed"),
    "missing_file": ("invalid_input", "a program or a parameter file is missing"),
    "not_offered": ("invalid_input", "the calculator does not offer this property"),
    "killed": ("crashed", "a program was killed"),
    "timeout": ("timeout", "the calculator gave up waiting"),
    "out_of_memory": ("crashed", "out of memory"),
    "output": ("crashed", "it wrote more than oracle.output_mb"),
    "parser": ("invalid_output", "the calculator's output could not be read"),
    "no_number": ("invalid_output", "the calculator produced no number"),
    "": ("crashed", "unexpected"),
}


class Refusal(Exception):
    """An evaluation that has no value, with its kind from the closed list."""

    def __init__(self, kind: Kind, message: str, cause: Cause = "") -> None:
        """Keep all; `str()` is the message."""
        super().__init__(message)
        self.kind = kind
        self.cause = cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What stands in a program's output (a regular expression) when it fails of a cause."""

    calculator: str  # part of `package.module:Class`; empty for any
    pattern: str
    cause: Cause


# The first line that fits counts: PropertyNotImplementedError is a NotImplementedError.
BY_TYPE: tuple[tuple[type[Exception], Cause], ...] = (
    (PropertyNotImplementedError, "not_offered"),
    (NotImplementedError, "no_parameters"),
    (CalculatorSetupError, "bad_input"),
    (InputError, "bad_input"),
    (BadConfiguration, "bad_input"),
    (FileNotFoundError, "missing_file"),
    (PermissionError, "missing_file"),
    (SCFError, "scf"),
    (ReadError, "parser"),
    (TimeoutError, "timeout"),
    (TimeoutExpired, "timeout"),
    (MemoryError, "out_of_memory"),
    (np.linalg.LinAlgError, "no_number"),
    (FloatingPointError, "no_number"),
)
# Exceptions by calculator and class name, because their packages need not be installed. GPAW raises
# NameError for an unknown functional and TypeError for an unknown keyword.
BY_NAME: tuple[tuple[str, str, Cause], ...] = (
    ("", "KohnShamConvergenceError", "scf"),
    ("gpaw", "NameError", "bad_input"),
    ("gpaw", "TypeError", "bad_input"),
    ("gpaw", "FileNotFoundError", "no_parameters"),
    ("emt", "NotImplementedError", "no_parameters"),
)
# What programs write, most telling first. Quantum ESPRESSO: as version 6.7 prints it.
BY_WORDS: tuple[Said, ...] = (
    Said(calculator="espresso", pattern=r"convergence NOT achieved.*", cause="scf"),
    Said(calculator="espresso", pattern=r"too many bands are not converged", cause="scf"),
    Said(calculator="espresso", pattern=r".*(readpp|\.UPF).*not found.*", cause="no_parameters"),
    Said(
        calculator="",
        pattern=r".*(?i:out of memory|cannot allocate|bad_alloc|not enough memory).*",
        cause="out_of_memory",
    ),
    Said(calculator="espresso", pattern=r"Maximum CPU time exceeded", cause="timeout"),
    Said(
        calculator="espresso",
        pattern=r"Error in routine (?!.*diag)[^\n]*\n[^\n]*",
        cause="bad_input",
    ),
)
# What an exit status means, where the words say nothing: of shells and `timeout`, and by program
# (Quantum ESPRESSO 6.7: measured).
BY_STATUS: tuple[tuple[str, int, Cause], ...] = (
    ("", 124, "timeout"),
    ("", 126, "missing_program"),
    ("", 127, "missing_program"),
    ("pw.x", 1, "bad_input"),
    ("pw.x", 2, "scf"),
)
SIGNAL_STATUS = 128  # a shell exits with this plus the signal that its command died of
# What reading a damaged or empty output file ends in.
UNREADABLE = (
    ValueError,
    IndexError,
    KeyError,
    AttributeError,
    AssertionError,
    EOFError,
    RuntimeError,
    StopIteration,
    TypeError,
    FileNotFoundError,
)


def refuse(cause: Cause, said: str) -> Refusal:
    """The refusal of a cause, with what was said."""
    kind, meaning = CAUSES[cause]
    return Refusal(kind, f"{meaning} ({said})" if cause else said, cause)


def refusal(error: BaseException, calculator: str = "", words: str = "") -> Refusal:
    """The refusal that an exception raised during a calculation amounts to.

    `calculator` is `package.module:Class`, `words` the end of what its programs have written.
    """
    if isinstance(error, Refusal):
        return error
    said = f"{type(error).__name__}: {error}"
    if _status(error) is not None or _reading(error):
        found = _by_words(calculator, words)
        if found:
            cause, line = found
            return refuse(cause, f"{line}; {said}")
    cause = _cause(error, calculator)
    if cause == "no_parameters" and isinstance(error, KeyError):
        said = f"element {error.args[0]}; {said}"
    return refuse(cause, said)


def _cause(error: BaseException, calculator: str) -> Cause:
    """By the status of a program, by where it was raised, by its type, in this order."""
    status = _status(error)
    if status is not None:
        return _of_exit_status(*status)
    if _reading(error):
        return "parser"
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return "output"
    return _of_name(type(error).__name__, calculator) or _by_type(error)


def named(name: str, calculator: str) -> Cause:
    """The cause of an exception that another Python has raised, by the name of its class."""
    found = _of_name(name, calculator)
    return found or next((cause for kind, cause in BY_TYPE if kind.__name__ == name), "")


def _of_name(name: str, calculator: str) -> Cause:
    for where, expected, cause in BY_NAME:
        if where in calculator.lower() and name == expected:
            return cause
    return ""


def _by_type(error: BaseException) -> Cause:
    if isinstance(error, FileNotFoundError) and _starting(error):
        return "missing_program"
    # Espresso without a pseudopotential for an element: KeyError('Fe').
    if isinstance(error, KeyError) and error.args and error.args[0] in chemical_symbols:
        return "no_parameters"
    return next((cause for kind, cause in BY_TYPE if isinstance(error, kind)), "")


def _by_words(calculator: str, words: str) -> tuple[Cause, str] | None:
    for each in BY_WORDS:
        found = each.calculator in calculator.lower() and search(each.pattern, words, MULTILINE)
        if found:
            return each.cause, " ".join(found.group().split())
    return None


def _status(error: BaseException) -> tuple[str, int] | None:
    """Command and exit status, where the error is that of a program."""
    match error:
        case CalledProcessError(cmd=str(command), returncode=int(status)):
            return command, status
        case CalledProcessError(cmd=words, returncode=int(status)):
            return " ".join(map(str, words)), status
        case CalculationFailed(__cause__=CalledProcessError() as cause):
            return _status(cause)
        case CalculationFailed():  # of the calculators that ASE starts in a shell
            found = search(r'command "(.*)" failed in .* with error code (-?\d+)', str(error))
            return (found[1], int(found[2])) if found else None
    return None


def _of_exit_status(command: str, returned: int) -> Cause:
    for program, status, cause in BY_STATUS:
        if program in command and status == returned:
            return cause
    if returned < 0 or returned - SIGNAL_STATUS in set(Signals):
        return "killed"
    return ""


def _reading(error: BaseException) -> bool:
    """Whether it was raised while a calculator read what its program had written."""
    return isinstance(error, UNREADABLE) and any(
        name == "read_results" or (module.startswith("ase.io.") and name.startswith("read"))
        for module, name in _places(error.__traceback__)
    )


def _starting(error: BaseException) -> bool:
    """Whether it was raised while a program was to be started."""
    return any(module == "subprocess" for module, _ in _places(error.__traceback__))


def _places(traceback: TracebackType | None) -> Iterator[tuple[str, str]]:
    """Module and function of every frame, outermost first."""
    for frame, _ in walk_tb(traceback):
        yield str(frame.f_globals.get("__name__")), frame.f_code.co_name
