"""How busy the workers are: two of them, evaluations of one second, proposing included.

    .venv/bin/python benchmarks/busy.py
    .venv/bin/python benchmarks/busy.py --evaluations 40 --batch 2 --oracle function --prefect

A campaign folder is run as `athanor run --no-prefect` runs it: the ledger on disk, the Bayesian
proposer over three elements, each evaluation a guarded process of the atoms oracle, in which a
calculator sleeps a second and notes how long it was at it. Busy is the share of the workers' time
in which they are at an evaluation, from when it is Started and as long as the ledger says: its
process, its folder and its checks included, records, fits and choices not. The first two of each
worker, whose processes have to be started, are left out. Overhead is what an evaluation takes
beside its calculator, in the median.
With --batch 2 no candidate waits; with --oracle function a Python function in a warm process is
asked; with --prefect each evaluation is a task of a Prefect flow.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

os.environ.setdefault("OMP_NUM_THREADS", "1")

from flows.folder import known
from loop.records import Event, Observed, Started

SECONDS = 1.0  # that an evaluation takes
CAMPAIGN = """
name = "busy"
seed = {seed}
[[parameter]]
name = "alloy"
kind = "composition"
elements = ["Cu", "Ni", "Pd"]
step = 0.03125
[[target]]
name = "total_energy"
unit = "eV/atom"
goal = "min"
[oracle]
{oracle}
wall_s = 60
[stop]
evaluations = {evaluations}
[run]
workers = {workers}
{batch}
"""
ORACLES = {
    "atoms": """kind = "atoms"
calculator = "sleepy:Sleeps"
relax = "positions"
fmax = 100.0
structure = {kind = "random-alloy", composition = "alloy"}""",
    "function": """kind = "function"
function = "sleepy.py:measure\"""",
}
SLEEPY = """
import time
from pathlib import Path

def note(began):
    with Path({times!r}).open("a") as times:
        times.write(f"{{began}} {{time.monotonic()}}\\n")
"""
CALCULATOR = """
from ase.calculators.emt import EMT

class Sleeps(EMT):
    def calculate(self, *arguments, **keywords):
        began = time.monotonic()
        super().calculate(*arguments, **keywords)
        time.sleep({seconds})
        note(began)
"""
FUNCTION = """
def measure(alloy):
    began = time.monotonic()
    time.sleep({seconds})
    note(began)
    return -alloy.get("Cu", 0) * alloy.get("Pd", 0)
"""


class Kind(StrEnum):
    """The oracles whose processes are measured."""

    atoms = "atoms"
    function = "function"


def main(
    *,
    evaluations: Annotated[int, typer.Option(min=2, help="The budget.")] = 200,
    workers: Annotated[int, typer.Option(min=1, help="Evaluations in flight.")] = 2,
    batch: Annotated[int | None, typer.Option(help="Candidates that may wait at once.")] = None,
    seed: Annotated[int, typer.Option(help="Of the campaign.")] = 0,
    oracle: Annotated[Kind, typer.Option(help="Who sleeps.")] = Kind.atoms,
    prefect: Annotated[bool, typer.Option("--prefect", help="Through Prefect.")] = False,
) -> None:
    """Run the campaign and print how busy its workers were.

    Example: python benchmarks/busy.py --evaluations 40
    """
    with TemporaryDirectory() as name:
        folder, times = Path(name), Path(name) / "times.txt"
        stated = "" if batch is None else f"batch = {batch}"
        text = CAMPAIGN.format(
            seed=seed,
            evaluations=evaluations,
            workers=workers,
            batch=stated,
            oracle=ORACLES[oracle],
        )
        (folder / "campaign.toml").write_text(text, encoding="utf-8")
        sleepy = SLEEPY + {"atoms": CALCULATOR, "function": FUNCTION}[oracle]
        sleepy = sleepy.format(seconds=SECONDS, times=str(times))
        (folder / "sleepy.py").write_text(sleepy, encoding="utf-8")
        began = time.perf_counter()
        run = [sys.executable, "-m", "flows.cli", "run", name]
        path = os.environ | {"PYTHONPATH": name}  # a calculator is a module like any other
        subprocess.run(run if prefect else [*run, "--no-prefect"], check=True, env=path)
        whole = time.perf_counter() - began
        lines = [line.split() for line in times.read_text(encoding="utf-8").splitlines()]
        campaign, entries = known(folder)
    inside = [float(last) - float(first) for first, last in lines]
    spans = at_work(entries)
    if not len(inside) == len(spans) == len(campaign.results) == evaluations:
        sys.exit(f"expected {evaluations} evaluations, got {len(inside)}, {len(spans)} on record")
    took = [end - begin for begin, end in spans]
    print(f"{evaluations} evaluations, {workers} workers: busy {busy(spans, workers):.1%}")
    print(f"overhead of an evaluation: {median(took) - median(inside):.3f} s, the longest ", end="")
    print(f"{max(took) - median(inside):.2f} s")
    print(f"from the command to its end: {whole:.0f} s; load {os.getloadavg()[0]:.1f}")


def at_work(entries: Sequence[tuple[str, Event]]) -> list[tuple[float, float]]:
    """When each evaluation began and ended, in seconds, in the order of beginning."""
    began: dict[str, float] = {}
    spans = []
    for at, event in entries:
        match event:
            case Started(candidate=candidate):
                began[candidate] = datetime.fromisoformat(at).timestamp()
            case Observed(observation=answer):
                begin = began[answer.candidate]
                spans.append((begin, begin + (answer.source.seconds or 0.0)))
            case _:
                pass
    return sorted(spans)


def busy(spans: Sequence[tuple[float, float]], workers: int) -> float:
    """The share of the workers' time in these spans, once each has had two."""
    first, last = spans[2 * workers][0], max(end for _, end in spans)
    inside = sum(max(0.0, end - max(begin, first)) for begin, end in spans)
    return inside / (workers * (last - first))


if __name__ == "__main__":
    typer.run(main)
