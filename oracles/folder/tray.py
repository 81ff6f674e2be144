"""The files in results/: which are there, which have changed, and which are still being written.

A file is read when it has stopped changing: it is looked at several times, unless a marker
`<name>.done` stands beside it, its last change was not to its content (it was renamed or copied
here), or it is old. That is a hint and no proof, so only complete lines count whatever it says.

What was read is remembered in an index (name, size, times -> sha256), so that ten thousand old
files cost a glance each. The index is believed only where the ledger has the same sha256 for the
file; it may be deleted at any time.
"""

import errno
import json
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import sleep, time_ns
from typing import TypeAlias

from oracles.folder.files import write_changed

SKIPPED = (".tmp", ".part", ".crdownload", ".done", "~")
LOOKS = 3
FRESH_NS = 10_000_000_000  # what has not changed for ten seconds is not being written
RACY_NS = 2_000_000_000  # a file may change once more within the tick of its clock
MARKER = ".done"
# What is said of a folder that is not there, or whose share is not mounted or out of reach.
AWAY = frozenset(
    {
        errno.ENOENT,
        errno.ENOTDIR,
        errno.ENODEV,
        errno.ENXIO,
        errno.ESTALE,
        errno.ENOTCONN,
        errno.ETIMEDOUT,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
    }
)

State: TypeAlias = tuple[int, int, int, int]  # size, times of change in ns, inode


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file of results/. `trouble` says why it cannot be read, `is_done` that it is complete."""

    name: str
    place: str
    state: State
    trouble: str = ""
    is_done: bool = False

    @property
    def path(self) -> Path:
        """Where it stands; made when it is wanted, for most of many files are only looked at."""
        return Path(self.place)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What the index keeps of a file: its state as it was read, its sha256, and its receipts."""

    state: State
    sha256: str
    receipts: tuple[str, ...]


def found(results: Path, file_mb: float) -> list[Found]:
    """What stands in the folder, by name; nothing while it is not there, or its share is away."""
    try:
        entries = sorted(os.scandir(results), key=lambda entry: entry.name)
    except OSError as error:
        if error.errno in AWAY:
            return []
        raise
    names = {entry.name for entry in entries}
    seen = (_look(e, results, file_mb, names) for e in entries if _is_of_interest(e.name))
    return [each for each in seen if each is not None]


def _is_of_interest(name: str) -> bool:
    return not name.startswith((".", "~$")) and not name.casefold().endswith(SKIPPED)


def _look(entry: os.DirEntry[str], results: Path, mb: float, names: set[str]) -> Found | None:
    """The entry, with why it is no file to read; None where it has gone since."""
    trouble = ""
    try:
        here = entry.stat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(here.st_mode):
        trouble = "a folder: files are read in results/ itself, not in folders below it"
    elif entry.is_symlink() and not _is_within(entry.path, results):
        trouble = "a link that leads out of results/: put the file itself here"
    elif not stat.S_ISREG(here.st_mode):
        trouble = "no file but a device or a pipe"
    elif here.st_size > mb * 1e6:
        size = f"{here.st_size / 1e6:.0f} MB, and at most {mb:g} are read (oracle.file_mb)"
        trouble = f"{size}: send the table alone"
    return Found(
        name=entry.name,
        place=entry.path,
        state=_state(here),
        trouble=trouble,
        is_done=entry.name + MARKER in names,
    )


def _is_within(place: str, results: Path) -> bool:
    return Path(place).resolve().is_relative_to(results.resolve())


def _state(here: os.stat_result) -> State:
    return here.st_size, here.st_mtime_ns, here.st_ctime_ns, here.st_ino


def settled(files: Sequence[Found], settle_s: float) -> list[Found]:
    """The files that are not being written at present; waits for `settle_s` where one may be."""
    fresh = [each for each in files if settle_s and not each.trouble and _may_change(each)]
    moving: set[str] = set()
    for _ in range(LOOKS - 1) if fresh else ():
        sleep(settle_s / (LOOKS - 1))
        moving |= {each.name for each in fresh if not _is_still(each)}
    return [each for each in files if each.name not in moving]


def _may_change(file: Found) -> bool:
    _, changed, touched, _ = file.state
    is_old = min(time_ns() - touched, time_ns() - changed) > FRESH_NS
    was_moved = touched > changed  # its last change was of its name, not of its content
    return not (file.is_done or is_old or was_moved)


def _is_still(file: Found) -> bool:
    try:
        return _state(file.path.stat()) == file.state
    except OSError:
        return False


def content(file: Found) -> bytes | None:
    """The bytes of a file; None where it has gone, or has changed since it was looked at."""
    try:
        with file.path.open("rb") as stream:
            size, changed, _, node = _state(os.fstat(stream.fileno()))
            raw = stream.read(file.state[0] + 1)
    except FileNotFoundError:
        return None
    is_same = (size, changed, node) == (file.state[0], file.state[1], file.state[3])
    return raw if is_same and len(raw) == size else None


def read_index(path: Path, reading: str) -> dict[str, Read]:
    """The index; empty where there is none, or none that can be used."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        kept = raw["files"] if raw["reading"] == reading else {}
        return {
            name: Read(state=tuple(state), sha256=sha256, receipts=tuple(receipts))
            for name, (state, sha256, receipts) in kept.items()
        }
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return {}


def write_index(path: Path, reading: str, files: Mapping[str, Read]) -> None:
    """Remember what was read, unless it may have changed within the tick of its clock."""
    now = time_ns()
    kept = {
        name: (each.state, each.sha256, each.receipts)
        for name, each in sorted(files.items())
        if now - each.state[1] > RACY_NS
    }
    if kept:
        write_changed(path, json.dumps({"reading": reading, "files": kept}).encode())
