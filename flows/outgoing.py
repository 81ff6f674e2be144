"""What goes out to a laboratory, rebuilt from the ledger whenever it is asked for."""

from collections.abc import Sequence
from pathlib import Path

from flows.folder import known
from flows.rig import load
from flows.typed import values
from loop.errors import SettingsError
from loop.people import editing
from loop.records import Candidate
from loop.run import decide, replay, waiting
from oracles.folder.files import write_whole
from oracles.folder.form import as_form
from oracles.folder.oracle import Folder
from oracles.folder.publishing import FORM, FORMS, forget


def laboratory(folder: Path) -> Folder:
    """The laboratory of a campaign folder; SettingsError where another oracle answers."""
    oracle = load(folder).rig.oracle
    match oracle:
        case Folder():
            return oracle
        case _:
            expected = "a laboratory, oracle.kind = 'folder'"
            raise SettingsError(f"{folder}: oracle.kind", expected, repr(oracle.declaration.name))


def edit(folder: Path, candidate: str, words: Sequence[str], reason: str, by: str) -> Candidate:
    """Change a line of the worklist, in the ledger and in worklist/; the candidate as it is now."""
    campaign, _ = known(folder)
    changes = values(words, campaign.problem.space)
    lab = laboratory(folder)
    after = decide(load(folder).rig, editing(candidate, changes, reason, by))
    lab.submit(waiting(after))
    return after.candidates[candidate]


def form(folder: Path, output: Path | None) -> tuple[Path, int]:
    """Write the workbook to fill in; where it is, and how many samples wait in it."""
    if output is None:
        ids, _ = rebuild(folder)
        return folder / "worklist" / FORM, len(ids)
    known(folder)
    lab = laboratory(folder)
    candidates = waiting(replay(load(folder).rig))
    try:
        write_whole(output, as_form(candidates, lab.space, lab.objective, lab.making))
    except OSError as error:
        remedy = "Close it in other programs, or choose another place."
        raise SettingsError(str(output), "a file to write", str(error.strerror), remedy) from error
    return output, len(candidates)


def rebuild(folder: Path) -> tuple[list[str], list[Path]]:
    """Write the worklist anew; the ids on it, and the files."""
    known(folder)
    lab = laboratory(folder)
    candidates = waiting(replay(load(folder).rig))
    paths = [folder / "worklist" / name for name in FORMS]
    forget(folder)
    lab.submit(candidates)
    return [each.id for each in candidates], paths
