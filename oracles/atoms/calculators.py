"""A calculator by name: `package.module:Class`, or `/path/file.py:name`, and its keyword settings.

A setting that is itself an object is written as a mapping with the key `class`:

    [oracle.settings.profile]
    class = "ase.calculators.espresso:EspressoProfile"
    command = "pw.x"
    pseudo_dir = "/usr/share/espresso/pseudo"

Without a profile ASE's own configuration file tells the program: the one of whoever runs the
campaign, or one that belongs to the campaign.
"""

import sys
from collections.abc import Iterator, Mapping
from hashlib import sha256
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path, PurePath
from shlex import split
from shutil import which
from types import ModuleType
from typing import Any

from ase.calculators.calculator import BadConfiguration, BaseCalculator
from ase.config import cfg

from loop.errors import OracleError
from oracles.atoms import espresso, gpaw
from oracles.atoms.failures import Refusal, refuse
from oracles.atoms.retries import merged

CONFIG = "ase.ini"  # ASE's configuration, in the attempt folder
# Debian's packages of programs that ASE drives.
PACKAGES = {
    "abinit": "abinit",
    "cp2k": "cp2k",
    "lmp": "lammps",
    "nwchem": "nwchem",
    "psi4": "psi4",
    "pw.x": "quantum-espresso",
    "xtb": "xtb",
}
DATA = "quantum-espresso-data"  # and of its pseudopotentials
# What calculators compute only where they are told to, and every relaxation needs.
NEEDED: Mapping[str, Mapping[str, Any]] = {
    "espresso": {"input_data": {"tprnfor": True, "tstress": True}},
}
# Keywords with which calculators are told where to write.
PLACES = ("directory", "label", "outdir", "wfcdir")
# What keywords of pw.x and of VASP must not be other than, and why: pw.x told to `relax` gave an
# energy for silicon with atoms 0.07 angstrom off.
OURS = "the energy must be of the atoms that are asked for"
HONEST: Mapping[str, tuple[Any, str]] = {
    "calculation": ("scf", OURS),
    "nsw": (0, OURS),
    "scf_must_converge": (True, "an energy that has not converged is none"),
}


def load(path: str) -> Any:  # noqa: ANN401  (a class or a factory of any package)
    """What `package.module:name` or `file.py:name` names; OracleError where it does not import."""
    module, colon, name = path.rpartition(":")
    where, expected = "oracle.calculator", "an importable 'package.module:Class'"
    if not (module and colon and name):
        raise OracleError(where, expected, repr(path), "For example 'ase.calculators.emt:EMT'.")
    file = Path(module)
    if file.suffix == ".py" and not file.is_file():
        raise OracleError(where, f"a file {file.name} in the campaign folder", "no such file")
    try:
        return getattr(_executed(file) if file.suffix == ".py" else import_module(module), name)
    # A module of the user may raise anything while it is imported.
    except (Exception, SystemExit) as error:
        got = f"{path!r} ({type(error).__name__}: {error})"
        raise OracleError(where, expected, got, "Install or correct it.") from error


def _executed(file: Path) -> ModuleType:
    """The file as a module of its own, which may import its neighbours while it is executed.

    They are forgotten then: two campaigns in one process may both have a `beside.py`.
    """
    name = f"{file.stem} {file.parent}"  # that nobody imports
    spec = spec_from_file_location(name, file)
    assert spec is not None  # noqa: S101  (of a file that ends with .py)
    assert spec.loader is not None  # noqa: S101
    module = sys.modules[name] = module_from_spec(spec)
    before = set(sys.modules)
    sys.path.append(str(file.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(file.parent))
        for each in set(sys.modules) - before:
            origin = getattr(sys.modules[each], "__file__", None)
            if origin and Path(origin).parent == file.parent:
                del sys.modules[each]
    return module


def make(path: str, settings: Mapping[str, Any], folder: Path) -> BaseCalculator:
    """A fresh calculator, what it needs being there; Refusal, as invalid_input, otherwise.

    `folder` is the attempt folder, whose ASE configuration counts where it has one.
    """
    cfg.parser.read(folder / CONFIG)
    needed = next((each for name, each in NEEDED.items() if name in path.lower()), {})
    try:
        keywords = _value(merged(needed, settings))
        calculator = load(path)(**keywords)
    except Refusal:
        raise
    except BadConfiguration as error:
        raise refuse("bad_input", f"{path}: {error}") from error
    except Exception as error:
        said = f"{path} cannot be made from its settings ({type(error).__name__}: {error})"
        raise Refusal("invalid_input", said, "bad_input") from error
    if not isinstance(calculator, BaseCalculator):
        said = f"{path} makes a {type(calculator).__name__}, not an ASE calculator"
        raise Refusal("invalid_input", said, "bad_input")
    _require_programs(calculator)
    _require_pseudopotentials(calculator)
    return calculator


def require_own_folder(settings: Mapping[str, Any]) -> None:
    """OracleError where the settings name a folder that every evaluation would write in.

    Quantum ESPRESSO runs that shared one returned wrong energies, and no error, in 3 of 4.
    """
    for key, value in _entries(settings):
        place = PurePath(value) if key in PLACES and isinstance(value, str) else PurePath()
        if place.is_absolute() or ".." in place.parts:
            expected = "a path inside the attempt folder, because evaluations must not share one"
            raise OracleError(f"oracle.settings, {key}", expected, repr(value), "Leave it out.")


def require_honest(settings: Mapping[str, Any]) -> None:
    """OracleError where the settings let a program give other energies than it is asked for."""
    for key, value in _entries(settings):
        wanted, why = HONEST.get(key.lower(), (value, ""))
        if value != wanted:
            expected = f"{wanted!r}, because {why}"
            raise OracleError(f"oracle.settings, {key}", expected, repr(value), "Leave it out.")


def _entries(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _entries(value)
        else:
            yield key, value


def _require_programs(calculator: BaseCalculator) -> None:
    """Refuse a calculator whose program, or the launcher of its program, is not installed."""
    command = getattr(getattr(calculator, "profile", None), "command", None)
    words = split(command) if isinstance(command, str) else []
    for word in words:
        program = PurePath(word).name
        if (word == words[0] or program in PACKAGES) and which(word) is None:
            package = PACKAGES.get(program)
            remedy = f"Debian has it in the package {package}" if package else "install it"
            raise refuse("missing_program", f"{word}, of the command {command!r}; {remedy}")


def _require_pseudopotentials(calculator: BaseCalculator) -> None:
    """Refuse a calculator whose pseudopotential files do not exist."""
    place = getattr(getattr(calculator, "profile", None), "pseudo_dir", None)
    files = getattr(calculator, "parameters", {}).get("pseudopotentials", {})
    if place is None:
        return
    for symbol, file in files.items():
        if not (Path(place) / file).is_file():
            said = f"{symbol}: no pseudopotential {file} in {place}; {_remedy(Path(place), symbol)}"
            raise refuse("no_parameters", said)


def _remedy(place: Path, symbol: str) -> str:
    """What there is for the element, or where to get some."""
    if not place.is_dir():
        debian = place == Path(espresso.DEBIAN)
        return f"Debian has it in the package {DATA}" if debian else "there is no such folder"
    there = sorted(file.name for file in place.iterdir() if _is_of(file.name, symbol))
    return f"for {symbol} there is {', '.join(there) or 'none'}"


def _is_of(name: str, symbol: str) -> bool:
    """Whether a pseudopotential file is called by this element: Si.pz-vbc.UPF, O_US.van."""
    return name.startswith(symbol) and not name[len(symbol) : len(symbol) + 1].isalpha()


def versions(path: str, settings: Mapping[str, Any]) -> dict[str, str]:
    """Versions of ASE, NumPy, and the calculator's package or program, where it states one.

    Of a file the beginning of its sha256.
    """
    found = {}
    module = Path(path.rpartition(":")[0])
    if module.suffix == ".py":
        found[module.name] = sha256(module.read_bytes()).hexdigest()[:12]
    match path, settings:
        case espresso.PATH, {"command": str(command)}:
            found["pw.x"] = espresso.version(command)
        case gpaw.PATH, {"python": str(python)}:
            found["gpaw"] = gpaw.version(python)
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
