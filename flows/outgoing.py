"""What goes out to a laboratory, rebuilt from the ledger whenever it is asked for."""

from pathlib import Path

from flows.folder import known
from flows.rig import load
from loop.errors import SettingsError
from loop.run import replay, waiting
from oracles.folder.oracle import Folder
from oracles.folder.publishing import FORMS


def laboratory(folder: Path) -> Folder:
    """The laboratory of a campaign folder; SettingsError where another oracle answers."""
    oracle = load(folder).rig.oracle
    match oracle:
        case Folder():
            return oracle
        case _:
            expected = "a laboratory, oracle.kind = 'folder'"
            raise SettingsError(f"{folder}: oracle.kind", expected, repr(oracle.declaration.name))


def rebuild(folder: Path) -> tuple[list[str], list[Path]]:
    """Write the worklist anew; the ids on it, and the files."""
    known(folder)
    lab = laboratory(folder)
    candidates = waiting(replay(load(folder).rig))
    paths = [folder / "worklist" / name for name in FORMS]
    for path in paths:
        path.unlink(missing_ok=True)
    lab.submit(candidates)
    return [each.id for each in candidates], paths
