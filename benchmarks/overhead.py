"""What Prefect costs: the same campaign of trivial evaluations with it and without, and its memory.

    .venv/bin/python benchmarks/overhead.py
    .venv/bin/python benchmarks/overhead.py --evaluations 2000 --runs 1

A function that answers at once, points of the design, one in flight unless --workers says more; the
ledger is a file. `athanor run` and `athanor run --no-prefect` in turns, as processes; Prefect's
server is one of Athanor's own on an empty database, and runs before. Time is from the first
candidate begun to the last answer, as the ledger says it: starting is left out. CPU seconds are
those of the process that runs the campaign, and of the server, per evaluation. Memory is resident,
looked at every half second; the second half of a long campaign is compared with its middle.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import psutil
import typer
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

os.environ.setdefault("OMP_NUM_THREADS", "1")

from flows.folder import known
from journal import quartiles, spread
from loop.records import Observed, Started
from trivial import campaign

LOOK_S = 0.5
LIMIT_MS = 60.0  # that an evaluation may cost more with Prefect than without


@dataclass(kw_only=True)
class Run:
    """What a run took, per evaluation in milliseconds, and its resident memory in MB over time."""

    wall: float
    cpu: float
    server_cpu: float = 0.0
    memory: list[float] = field(default_factory=list)
    server_memory: list[float] = field(default_factory=list)


def main(
    evaluations: Annotated[int, typer.Option(min=20, help="The budget.")] = 200,
    runs: Annotated[int, typer.Option(min=1, help="Of each kind.")] = 5,
    workers: Annotated[int, typer.Option(min=1, help="Evaluations in flight.")] = 1,
) -> None:
    """Run the campaigns and print what an evaluation costs.

    Example: python benchmarks/overhead.py --evaluations 100 --runs 1
    """
    found: dict[str, list[Run]] = {"--no-prefect": [], "with Prefect": []}
    with TemporaryDirectory() as scratch, served(Path(scratch) / "prefect") as server:
        for number in range(runs):
            for name, made in found.items():
                folder = Path(scratch) / f"{number} {name}"
                made.append(measured(folder, evaluations, workers, server, name))
    tell(found, evaluations, workers)


@contextmanager
def served(home: Path) -> Iterator[psutil.Process]:
    """A server of Athanor's own, as its process."""
    home.mkdir()
    os.environ |= {"PREFECT_HOME": str(home), "PREFECT_API_URL": ""}
    os.environ.pop("PREFECT_API_URL")
    from flows.desk import desk
    from flows.serve import server, wait

    with server() as address:
        wait(address)
        noted = desk(home).server()
        if noted is None:
            sys.exit("Prefect's server has ended at once")
        yield psutil.Process(int(noted[1].split("/")[1]))


def measured(
    folder: Path, evaluations: int, workers: int, server: psutil.Process, name: str
) -> Run:
    """One campaign in a process of its own."""
    folder.mkdir()
    campaign(folder, evaluations=evaluations, run=f"workers = {workers}")
    command = [sys.executable, "-m", "flows.cli", "run", str(folder)]
    options = [name] if name.startswith("--") else []
    quiet = subprocess.DEVNULL
    before = spent(server)
    process = psutil.Popen([*command, *options], stdout=quiet, stderr=subprocess.STDOUT)
    run, cpu = Run(wall=0.0, cpu=0.0), 0.0
    while process.poll() is None:
        try:
            cpu = spent(process) or cpu  # what has just ended has none
            held = process.memory_info().rss / 1e6
            run.memory += [held] if held else []
        except psutil.Error:
            break
        run.server_memory.append(server.memory_info().rss / 1e6)
        time.sleep(LOOK_S)
    if process.wait() != 0:
        sys.exit(f"athanor run {' '.join(options)} ended with {process.returncode}")
    time.sleep(5 if not options else 0)  # what the server still writes down is its cost, too
    begun = [stamp(at) for at, event in entries(folder) if isinstance(event, Started)]
    ended = [stamp(at) for at, event in entries(folder) if isinstance(event, Observed)]
    if len(ended) != evaluations:
        sys.exit(f"expected {evaluations} answers, got {len(ended)}")
    run.wall = 1e3 * (ended[-1] - begun[0]) / evaluations
    run.cpu = 1e3 * cpu / evaluations
    run.server_cpu = 0.0 if options else 1e3 * (spent(server) - before) / evaluations
    return run


def entries(folder: Path) -> Sequence[tuple[str, object]]:
    """What the ledger holds."""
    return known(folder)[1]


def stamp(at: str) -> float:
    """Seconds of a time as the ledger writes it."""
    return datetime.fromisoformat(at).timestamp()


def spent(process: psutil.Process) -> float:
    """CPU seconds of a process so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def tell(found: dict[str, list[Run]], evaluations: int, workers: int) -> None:
    """The table, and whether the limits are kept."""
    title = f"{evaluations} trivial evaluations, {workers} in flight, {len(found['with Prefect'])} "
    title += f"runs: median (quartiles); load {os.getloadavg()[0]:.1f}"
    shown = Table(box=MARKDOWN, title=title)
    heads = ("", "wall ms", "CPU ms, start included", "server's CPU ms", "MB", "server's MB")
    for head in heads:
        shown.add_column(head)
    for name, runs in found.items():
        cells = [spread([getattr(r, key) for r in runs], 3) for key in ("wall", "cpu")]
        cells.append(spread([r.server_cpu for r in runs], 3) if runs[0].server_cpu else "")
        cells.append(spread([max(r.memory) for r in runs]))
        cells.append(spread([max(r.server_memory) for r in runs]) if runs[0].server_cpu else "")
        shown.add_row(name, *cells)
    console = Console(width=140)
    console.print(shown)
    pairs = zip(found["with Prefect"], found["--no-prefect"], strict=True)
    extra = [one.wall - other.wall for one, other in pairs]
    kept = "below" if quartiles(extra)[1] < LIMIT_MS else "NOT below"
    console.print(f"Prefect costs {spread(extra)} ms an evaluation, {kept} {LIMIT_MS:g}")
    for what, series in (("run", "memory"), ("server", "server_memory")):
        whole = getattr(found["with Prefect"][-1], series)
        ways = [whole[round((len(whole) - 1) * part)] for part in (0.25, 0.5, 0.75, 1.0)]
        said = ", ".join(f"{each:.0f}" for each in ways)
        console.print(f"memory of the {what} at each quarter of the last run: {said} MB")


if __name__ == "__main__":
    typer.run(main)
