"""How busy the workers are: two of them, evaluations of one second, proposing included.

    .venv/bin/python benchmarks/busy.py
    .venv/bin/python benchmarks/busy.py --evaluations 40 --batch 2 --prefect

A campaign folder is run as `athanor run --no-prefect` runs it: the ledger on disk, the Bayesian
proposer in two dimensions, each evaluation a guarded process of the function oracle that sleeps a
second and notes, by the clock of the machine, when its function began and ended. Busy is the share
of the workers' time, from the first beginning to the last end, that lies inside the function:
whatever the loop does besides (starting processes, recording, fitting, choosing) is idle time.
With --batch 2 no candidate waits, as it was by default before; with --prefect each evaluation is a
task of a Prefect flow. Prints the share and the median time between an end and the next beginning.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

os.environ.setdefault("OMP_NUM_THREADS", "1")

CAMPAIGN = """
name = "busy"
seed = {seed}
[[parameter]]
name = "x"
kind = "continuous"
low = 0
high = 1
[[parameter]]
name = "y"
kind = "continuous"
low = 0
high = 1
[[target]]
name = "z"
goal = "max"
[oracle]
kind = "function"
function = "measure.py:measure"
wall_s = 60
[stop]
evaluations = {evaluations}
[run]
workers = {workers}
{batch}
"""
MEASURE = """
import time
from pathlib import Path

def measure(x, y):
    began = time.monotonic()
    time.sleep({seconds})
    with Path({times!r}).open("a") as times:
        times.write(f"{{began}} {{time.monotonic()}}\\n")
    return -((x - 0.3) ** 2) - (y - 0.6) ** 2
"""


def main(
    *,
    evaluations: Annotated[int, typer.Option(min=2, help="The budget.")] = 200,
    workers: Annotated[int, typer.Option(min=1, help="Evaluations in flight.")] = 2,
    seconds: Annotated[float, typer.Option(help="That one takes.")] = 1.0,
    batch: Annotated[int | None, typer.Option(help="Candidates that may wait at once.")] = None,
    seed: Annotated[int, typer.Option(help="Of the campaign.")] = 0,
    prefect: Annotated[bool, typer.Option("--prefect", help="Through Prefect.")] = False,
) -> None:
    """Run the campaign and print how busy its workers were.

    Example: python benchmarks/busy.py --evaluations 40
    """
    with TemporaryDirectory() as name:
        folder, times = Path(name), Path(name) / "times.txt"
        stated = "" if batch is None else f"batch = {batch}"
        text = CAMPAIGN.format(seed=seed, evaluations=evaluations, workers=workers, batch=stated)
        (folder / "campaign.toml").write_text(text, encoding="utf-8")
        measure = MEASURE.format(seconds=seconds, times=str(times))
        (folder / "measure.py").write_text(measure, encoding="utf-8")
        began = time.perf_counter()
        run = [sys.executable, "-m", "flows.cli", "run", name]
        subprocess.run(run if prefect else [*run, "--no-prefect"], check=True)
        whole = time.perf_counter() - began
        lines = [line.split() for line in times.read_text(encoding="utf-8").splitlines()]
    spans = sorted((float(first), float(last)) for first, last in lines)
    if len(spans) != evaluations:
        sys.exit(f"expected {evaluations} evaluations, got {len(spans)}")
    report(spans, workers, whole)


def report(spans: list[tuple[float, float]], workers: int, whole: float) -> None:
    """Print the share of the time that the workers were at it, and how long they were not."""
    first, last = spans[0][0], max(end for _, end in spans)
    busy = sum(end - begin for begin, end in spans) / (workers * (last - first))
    free = [first] * workers
    gaps = []
    for begin, end in spans:  # whoever has been free longest is taken
        free.sort()
        gaps.append(begin - free[0])
        free[0] = end
    low, _, high = quantiles(gaps[workers:])
    print(f"{len(spans)} evaluations, {workers} workers: busy {busy:.1%}")
    print(f"from an end to the next beginning: median {median(gaps[workers:]):.3f} s, ", end="")
    print(f"quartiles {low:.3f} to {high:.3f} s, longest {max(gaps[workers:]):.2f} s")
    print(f"from the command to its end: {whole:.0f} s; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    typer.run(main)
