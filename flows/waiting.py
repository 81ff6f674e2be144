"""Why a campaign is not moving: one sentence, from its events and what this machine knows."""

import errno
import os
import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryFile

from flows.folder import ledger_url, read
from flows.worker import HOST, lives_here
from loop.campaign import Campaign
from loop.database import is_locked
from loop.people import because
from loop.records import Candidate, Event, Paused, Proposed

RUN = {"function", "table", "atoms", "command"}  # oracles that nobody asks but a run of ours
LEAST_MB = 20  # below this much free space a ledger may not be able to grow


def why(campaign: Campaign, entries: Sequence[tuple[str, Event]], folder: Path) -> str:
    """What it waits for, since when, and what would make it go on."""
    if campaign.closed is not None:
        return f"ended: {campaign.closed}"
    if hindered := _hindered(folder):
        return hindered
    if campaign.paused is not None:
        since = next(at for at, event in reversed(entries) if isinstance(event, Paused))
        what = "stopped" if campaign.paused.stop else "paused"
        on = "athanor run, or resume," if campaign.paused.stop else "athanor resume"
        return f"{what} since {day(since)}: {because(campaign.paused)}; {on} goes on"
    if campaign.running:
        return _evaluating(campaign)
    if campaign.pending:
        return _waiting(campaign, entries, folder)
    return "nothing waits for an answer: the next turn proposes"


def disk_trouble(folder: Path) -> str:
    """Why nothing more may fit on its disk; empty where all is well."""
    if _is_read_only(folder):
        return f"nothing can be written in {folder}: its disk is mounted read-only"
    free = shutil.disk_usage(folder).free / 1e6
    return f"the disk is full: {free:.0f} MB are free in {folder}" if free < LEAST_MB else ""


def _hindered(folder: Path) -> str:
    """What keeps the ledger from growing; empty where nothing does."""
    if trouble := disk_trouble(folder):
        return trouble
    if is_locked(ledger_url(folder, read(folder))):
        return "another program holds the ledger's file, and writers wait for it"
    return ""


def _is_read_only(folder: Path) -> bool:
    """Whether its disk is: mounted so, or since an error, which not every system calls mounted."""
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return True
    try:
        TemporaryFile(dir=folder).close()
    except OSError as error:
        return error.errno == errno.EROFS
    return False


def _evaluating(campaign: Campaign) -> str:
    """Who is at what; a worker of this host that is gone is told apart."""
    workers = {each: started.worker for each, started in campaign.running.items()}
    gone = [each for each, who in workers.items() if _is_gone(who)]
    if len(gone) == len(workers):
        return f"{', '.join(gone)} in flight when its worker ended; athanor run goes on"
    said = f"{len(workers) - len(gone)} in flight: {_named(workers, gone)}"
    return f"{said}; the worker of {', '.join(gone)} is gone" if gone else said


def _named(workers: Mapping[str, str], gone: Sequence[str]) -> str:
    return ", ".join(f"{each} by {who}" for each, who in workers.items() if each not in gone)


def _is_gone(worker: str) -> bool:
    return worker.startswith(f"{HOST}/") and not lives_here(worker)


def _waits_for_a_run(folder: Path) -> bool:
    """Whether what is asked can be answered by a run of ours alone."""
    oracles = read(folder).get("oracle")
    tables = oracles if isinstance(oracles, list) else [oracles]
    return all(isinstance(table, dict) and table.get("kind") in RUN for table in tables)


def _waiting(campaign: Campaign, entries: Sequence[tuple[str, Event]], folder: Path) -> str:
    """How many results are missing of those asked together, since when; what people must mend."""
    first, pending = campaign.pending[0], campaign.pending
    if _waits_for_a_run(folder):
        pool = read(folder).get("run", {}).get("pool")
        to = f"hands them to workers of the pool {pool!r} (athanor worker)" if pool else "goes on"
        return f"{len(pending)} proposed and not begun; athanor run {to}"
    since, together = _asked(first, entries)
    whole = max(len(together), len(pending))
    said = [f"waiting for {len(pending)} of {whole} results since {day(since)}"]
    refused = rejected(campaign)
    if refused:
        said.append(f"{'1 row' if refused == 1 else f'{refused} rows'} rejected, in rejected/")
    if campaign.torn:
        said.append(f"files disagree about {', '.join(campaign.torn)}: athanor lab resolve")
    return "; ".join(said)


def _asked(
    candidate: Candidate, entries: Sequence[tuple[str, Event]]
) -> tuple[str, Sequence[Candidate]]:
    """When the candidate was asked, and all that were asked since."""
    since, together = entries[-1][0], list[Candidate]()
    for at, event in entries:
        if isinstance(event, Proposed):
            if candidate.id in {each.id for each in event.candidates}:
                since = at
            if together or since == at:
                together += event.candidates
    return since, together


def rejected(campaign: Campaign) -> int:
    """How many rows of the files as they are now could not be used."""
    latest = {each.receipt.file: each for each in campaign.ingested}
    return sum(r.row > 0 for each in latest.values() for r in each.receipt.rejected)


def day(at: str) -> str:
    """A time for people, in this machine's zone: `Tue 24 Nov, 14:05`."""
    return f"{datetime.fromisoformat(at).astimezone():%a %d %b, %H:%M}"
