"""What it costs to hand an evaluation out: one of no duration, wherever it is evaluated.

    .venv/bin/python benchmarks/handed_out.py

The median time from one answer to the next, by one worker, as the ledger has it; and the time from
the command to the first answer, a running server given. A process for each evaluation is not
measured here: every one would cost about the time to the first.
"""

import subprocess
import sys
import tempfile
from contextlib import ExitStack
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import quantiles
from time import time
from typing import Annotated

import typer

from flows.folder import known
from flows.serve import connected, server, wait
from loop.records import Observed
from trivial import campaign

WHERE = {"this process": "", "Dask": "dask = true", "a pool": 'pool = "handed-out"'}
Seconds = list[float]


def main(count: Annotated[int, typer.Option(help="Evaluations each.")] = 60) -> None:
    """Print a table: where, median and quartiles of a step in s, time to the first answer in s."""
    with server() as address:
        wait(address)
        with connected(address):
            print("| evaluated by | s for each: median (quartiles) | s to the first |")
            print("| --- | --- | --- |")
            for where, stated in WHERE.items():
                first, steps = run(stated, count)
                low, middle, high = quantiles(steps, n=4)
                print(f"| {where} | {middle:.3f} ({low:.3f} to {high:.3f}) | {first:.1f} |")


def run(stated: str, count: int) -> tuple[float, Seconds]:
    """Seconds to the first answer, and from each answer to the next."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as processes:
        folder = Path(name)
        campaign(folder, evaluations=count, run=f"batch = 4\n{stated}")
        start = time()
        if "pool" in stated:
            worker = processes.enter_context(athanor("worker", folder))
            processes.callback(worker.terminate)
        athanor("run", folder).wait()
        entries = known(folder)[1]
        at = [datetime.fromisoformat(at) for at, event in entries if isinstance(event, Observed)]
        steps = [(later - earlier).total_seconds() for earlier, later in pairwise(at)]
        return at[0].timestamp() - start, steps


def athanor(command: str, folder: Path) -> subprocess.Popen[bytes]:
    """The command as a process of its own."""
    words = [sys.executable, "-m", "flows.cli", command, str(folder)]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    typer.run(main)
