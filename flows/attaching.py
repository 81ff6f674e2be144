"""Past data from a file into the ledger: each row used once, or rejected with its reason."""

from collections import Counter
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from flows.outgoing import laboratory
from flows.rig import load
from loop.campaign import Campaign
from loop.decisions import opening
from loop.errors import SettingsError
from loop.past import Batch, attached, attaching, known_already
from loop.people import Consequences
from loop.records import Attached, Ingested, Receipt
from loop.run import Rig, begin, decide, replay
from oracles.folder.files import write_whole
from oracles.folder.oracle import Folder
from oracles.folder.past import past, without_ids
from oracles.folder.rejected import archived, write_rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """What became of the rows of a file, and what that changes."""

    rows: int
    attached: tuple[str, ...]
    duplicates: int
    rejected: tuple[tuple[str, int, str, str], ...]
    files: tuple[str, ...]
    changed: Consequences
    campaign: Campaign

    @property
    def reasons(self) -> Counter[str]:
        """How many rows were rejected for which column and kind of reason."""
        return Counter(
            f"{column}: {reason}" if column else reason for _, _, column, reason in self.rejected
        )


def attach(folder: Path, file: Path, reason: str, by: str, *, dry_run: bool) -> Attachment:
    """Attach a file of past data, or only say what that would do."""
    lab, rig = laboratory(folder), load(folder).rig
    batches = _read(lab, file)
    before = _opened(rig, dry_run=dry_run)
    decision = attaching(batches, reason, by)
    events = decision(before)
    duplicates = known_already(before, batches)
    files: tuple[Path, ...] = ()
    if not dry_run:
        files = _keep(folder, file, batches, lab)
        decide(rig, decision)
    return Attachment(
        rows=sum(len(batch.rows) for batch in batches),
        attached=tuple(c.id for e in events if isinstance(e, Attached) for c in e.candidates),
        duplicates=duplicates,
        rejected=tuple(
            (batch.file, each.row, each.column, each.reason)
            for batch in batches
            for each in batch.rejected
        ),
        files=tuple(map(str, files)),
        changed=attached(before, events),
        campaign=before.extended(events),
    )


def _opened(rig: Rig, *, dry_run: bool) -> Campaign:
    """The campaign, opened where nothing has happened yet; in memory only, where dry."""
    if not dry_run:
        return begin(rig)
    campaign = replay(rig)
    return campaign.extended(opening(rig.problem, rig.settings, rig.by)(campaign))


def _read(lab: Folder, file: Path) -> list[Batch]:
    try:
        content = file.read_bytes()
    except OSError as error:
        got = str(error.strerror)
        raise SettingsError(str(file), "a file to read", got, "Name another.") from error
    digest = sha256(content).hexdigest()
    rows = past(lab, file.name, content, digest)
    return [Batch(file=name, sha256=digest, rows=each) for name, each in rows.items()]


def _keep(folder: Path, file: Path, batches: list[Batch], lab: Folder) -> tuple[Path, ...]:
    """Archive the file, and give back in rejected/ what could not be used."""
    for batch in batches:
        path = archived(folder, batch.file, batch.sha256)
        if not path.is_file():
            write_whole(path, file.read_bytes())
    refused = [
        Ingested(
            receipt=Receipt(
                file=batch.file,
                sha256=batch.sha256,
                rows=sum(each.row > 0 for each in batch.rejected),
                rejected=batch.rejected,
                reading="past",
            )
        )
        for batch in batches
    ]
    return write_rejected(folder, refused, without_ids(lab).tables)
