"""What goes out to a laboratory, rebuilt from the ledger whenever it is asked for."""

from collections.abc import Sequence
from pathlib import Path

from flows.folder import known
from flows.rig import load
from flows.several import parts
from flows.typed import values
from loop.campaign import Campaign
from loop.errors import SettingsError
from loop.people import editing
from loop.records import Candidate
from loop.run import Rig, decide, replay, waiting
from oracles.folder.files import write_whole
from oracles.folder.form import as_form
from oracles.folder.oracle import Folder
from oracles.folder.publishing import FORM, FORMS, forget


def laboratory(folder: Path) -> Folder:
    """The laboratory of a campaign folder; SettingsError where only other oracles answer."""
    rig = load(folder).rig
    for part in parts(rig.awaited, rig.problem):
        if isinstance(part.oracle, Folder):
            return part.oracle
    expected, got = "a laboratory, oracle.kind = 'folder'", repr(rig.oracle.declaration.name)
    raise SettingsError(f"{folder}: oracle.kind", expected, got)


def _lines(rig: Rig, campaign: Campaign) -> Sequence[Candidate]:
    """What the laboratory is to make now."""
    return () if rig.awaited is None else waiting(rig.awaited, campaign)


def edit(folder: Path, candidate: str, words: Sequence[str], reason: str, by: str) -> Candidate:
    """Change a line of the worklist, in the ledger and in worklist/; the candidate as it is now."""
    campaign, _ = known(folder)
    changes = values(words, campaign.problem.space)
    lab = laboratory(folder)
    rig = load(folder).rig
    after = decide(rig, editing(candidate, changes, reason, by))
    lab.recall(after)
    lab.submit(_lines(rig, after))
    return after.candidates[candidate]


def form(folder: Path, output: Path | None) -> tuple[Path, int]:
    """Write the workbook to fill in; where it is, and how many samples wait in it."""
    if output is None:
        ids, _ = rebuild(folder)
        return folder / "worklist" / FORM, len(ids)
    known(folder)
    lab = laboratory(folder)
    rig = load(folder).rig
    campaign = replay(rig)
    lab.recall(campaign)
    candidates = _lines(rig, campaign)
    try:
        write_whole(output, as_form(candidates, lab.space, lab.objective, lab.to_make))
    except OSError as error:
        remedy = "Close it in other programs, or choose another place."
        raise SettingsError(str(output), "a file to write", str(error.strerror), remedy) from error
    return output, len(candidates)


def rebuild(folder: Path) -> tuple[list[str], list[Path]]:
    """Write the worklist anew; the ids on it, and the files."""
    known(folder)
    lab = laboratory(folder)
    rig = load(folder).rig
    campaign = replay(rig)
    lab.recall(campaign)
    candidates = _lines(rig, campaign)
    paths = [folder / "worklist" / name for name in FORMS]
    forget(folder)
    lab.submit(candidates)
    return [each.id for each in candidates], paths
