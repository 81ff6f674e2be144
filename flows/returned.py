"""What goes back to a laboratory: rows that it must mend, and what its files disagree about."""

import csv
from io import StringIO
from pathlib import Path

from flows.inbox import Dispute, disputes
from loop.campaign import Campaign
from oracles.folder.cells import guarded
from oracles.folder.files import write_changed
from oracles.folder.oracle import Folder
from oracles.folder.rejected import write_rejected

CONFLICTS = "conflicts.csv"
HEADER = ("candidate", "target", "replicate", "file and row", "says", "not used because")
BECAUSE = "correct the file that is wrong, or tell whoever runs the campaign which is right"


def give_back(folder: Path, campaign: Campaign, lab: Folder) -> None:
    """Write rejected/ as the ledger has it."""
    write_rejected(folder, campaign.ingested, lab.tables)
    tell_conflicts(folder, campaign)


def tell_conflicts(folder: Path, campaign: Campaign) -> None:
    """Write what is not used because files disagree; where nothing is, there is no such file."""
    path = folder / "rejected" / CONFLICTS
    torn = disputes(campaign)
    if torn:
        write_changed(path, _content(torn))
    else:
        path.unlink(missing_ok=True)


def _content(torn: list[Dispute]) -> bytes:
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for each in torn:
        for place, value in each.claims:
            others = " and ".join(other for other, _ in each.claims if other != place)
            reason = f"{others} says otherwise: {BECAUSE}"
            told = (each.candidate, each.target, each.replicate, place, value, reason)
            writer.writerow(map(guarded, told))
    return text.getvalue().encode()
