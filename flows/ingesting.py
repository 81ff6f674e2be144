"""The laboratory's files taken in by themselves, or only judged: no turn, nothing proposed."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from flows.folder import known
from flows.outgoing import laboratory
from flows.returned import give_back
from flows.rig import load
from loop.campaign import Campaign
from loop.intake import Intake, Verdict
from loop.records import Receipt
from loop.run import record, replay
from oracles.folder.oracle import Folder
from oracles.folder.tables import book_of

LISTED = 200  # rows that a person still reads


def ingest(folder: Path, *, dry_run: bool, console: Console) -> list[Verdict]:
    """What is made of every row of the files that are new or have changed; recorded unless dry.

    While files are read, the console shows how many.
    """
    known(folder)
    rig, lab = load(folder).rig, laboratory(folder)
    campaign = replay(rig)
    lab = replace(lab, archives=not dry_run)
    lab.recall(campaign)
    receipts = list(_shown(lab, campaign, console))
    intake = Intake(campaign)
    for receipt in receipts:
        intake.ingest(receipt)
    if receipts and not dry_run:
        with console.status("Recording"):
            give_back(folder, record(rig, receipts), lab)
    return sorted(intake.verdicts, key=lambda each: (each.file, each.row))


def _shown(lab: Folder, campaign: Campaign, console: Console) -> Iterator[Receipt]:
    """The receipts of all files, each counted as it is read."""
    news = lab.news()
    with Progress(
        TextColumn("files read"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        bar = progress.add_task("", total=len(news))
        read: set[str] = set()
        for receipt in lab.read(news, campaign.pending):
            read.add(book_of(receipt.file))
            progress.update(bar, completed=len(read))
            yield receipt


def table(verdicts: Sequence[Verdict]) -> Table:
    """A line per row; of more rows than a person reads, those that are not simply new."""
    shown = Table(box=None, pad_edge=False)
    for title in ("file", "row", "candidate", "is", "why"):
        shown.add_column(title, justify="right" if title == "row" else "left")
    for each in _listed(verdicts):
        row = str(each.row) if each.row else "all"
        shown.add_row(each.file, row, each.candidate, each.what, each.reason)
    return shown


def summary(verdicts: Sequence[Verdict]) -> str:
    """How many rows are what, and how many the table leaves out."""
    if not verdicts:
        return "No file is new or has changed."
    counts = Counter(each.what for each in verdicts)
    said = ", ".join(f"{count} {what}" for what, count in counts.most_common())
    left_out = len(verdicts) - len(_listed(verdicts))
    return f"{said}; {left_out} rows are not listed: --json has all" if left_out else said


def _listed(verdicts: Sequence[Verdict]) -> Sequence[Verdict]:
    if len(verdicts) <= LISTED:
        return verdicts
    return [each for each in verdicts if each.what != "new" or each.reason][:LISTED]
