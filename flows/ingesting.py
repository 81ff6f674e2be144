"""The laboratory's files taken in by themselves, or only judged: no turn, nothing proposed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.table import Table

from flows.folder import known
from flows.outgoing import laboratory
from flows.rig import load
from loop.intake import Intake, Verdict
from loop.run import record, replay
from oracles.folder.rejected import write_rejected


def ingest(folder: Path, *, dry_run: bool) -> list[Verdict]:
    """What is made of every row of the files that are new or have changed; recorded unless dry."""
    known(folder)
    rig, lab = load(folder).rig, laboratory(folder)
    campaign = replay(rig)
    lab = replace(lab, archives=not dry_run)
    lab.recall(campaign)
    receipts = lab.collect(campaign.pending)
    intake = Intake(campaign)
    for receipt in receipts:
        intake.ingest(receipt)
    if receipts and not dry_run:
        after = record(rig, receipts)
        write_rejected(folder, after.ingested, lab.tables)
    return intake.verdicts


def table(verdicts: Sequence[Verdict]) -> Table:
    """A line per row; rows of which nothing is to be said are only counted, below."""
    shown = Table(box=None, pad_edge=False)
    for title in ("file", "row", "candidate", "is", "why"):
        shown.add_column(title, justify="right" if title == "row" else "left")
    for each in verdicts:
        row = str(each.row) if each.row else "all"
        shown.add_row(each.file, row, each.candidate, each.what, each.reason)
    return shown


def summary(verdicts: Sequence[Verdict]) -> str:
    """How many rows are what."""
    if not verdicts:
        return "No file is new or has changed."
    counts = Counter(each.what for each in verdicts)
    return ", ".join(f"{count} {what}" for what, count in counts.most_common())
