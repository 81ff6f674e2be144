"""An oracle of the user's own: made of what [oracle] says, and written to start from."""

from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path

from flows.folder import create
from flows.tables.oracle import OwnTable
from loop.errors import OracleError, SettingsError
from loop.protocols import Declaration, Oracle
from oracles.function import load


def instance(table: OwnTable, folder: Path) -> Oracle:
    """The user's oracle; OracleError where it is none, or does not take its settings."""
    where = f"oracle.oracle {table.oracle!r}"
    kind = load(table.oracle, folder, "oracle.oracle")
    try:
        made = kind(**table.settings)
        declared, methods = made.declaration, (made.submit, made.collect)
    # A class of the user may raise anything while it is made.
    except Exception as error:
        got = f"{type(error).__name__}: {error}"
        remedy = "Correct [oracle.settings], or the class."
        expected = "a class that takes these settings, with declaration, submit and collect"
        raise OracleError(where, expected, got, remedy) from error
    if not (isinstance(declared, Declaration) and all(map(callable, methods))):
        expected = "a Declaration, and methods submit and collect"
        raise OracleError(where, expected, repr(declared), "Correct the class.")
    oracle: Oracle = made
    return oracle


def begin(folder: Path, name: str, schema: str) -> Path:
    """A campaign folder with an oracle of that name to start from; the oracle's file."""
    name = name.removesuffix(".py")
    is_free = name.isidentifier() and not iskeyword(name) and find_spec(name) is None
    if not is_free or name != name.lower() or name.startswith("test_"):
        expected = "a name for a module of your own, such as my_oracle"
        raise SettingsError("--oracle", expected, repr(name), "Choose another name.")
    title = "".join(word.capitalize() for word in name.split("_"))
    create(folder, "own", schema, {"my_oracle": name, "MyOracle": title})
    return folder / f"{name}.py"
