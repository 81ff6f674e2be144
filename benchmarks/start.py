"""From `python script.py` to the first recommendation: the whole process, imports included.

    .venv/bin/python benchmarks/start.py --runs 7

The script (`first_ask.py`) reads a table of 1,000 candidates with six features, five of them
measured, and prints the next one. The methods take turns, after one run of each that is not counted
(it fills the file cache and compiles what is imported). Ax and BayBE run in the environment of
benchmarks/peers.txt, plain BoTorch in both: the interpreter's environment changes nothing else.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from rich.box import MARKDOWN
from rich.console import Console
from rich.progress import track
from rich.table import Table

import peers
from journal import quartiles, spread

SCRIPT = Path(__file__).with_name("first_ask.py")


def main(
    runs: Annotated[int, typer.Option(min=1, help="Runs of each that count.")] = 7,
    rows: Annotated[int, typer.Option(min=10, help="Candidates in the table.")] = 1000,
    method: Annotated[list[str] | None, typer.Option(help="Repeat for several.")] = None,
) -> None:
    """Run each in turn and print the medians.

    Example: python benchmarks/start.py --runs 3
    """
    own, theirs = sys.executable, str(peers.PYTHON)
    pythons = {"athanor": own, "botorch": own}
    if peers.present():
        pythons |= {"ax": theirs, "baybe": theirs}
    else:
        print(f"Without Ax and BayBE: {peers.INSTALL}")
    methods = [name for name in pythons if not method or name in method]
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in methods}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pool.csv"
        _table(rows).to_csv(path, index=False)
        for turn in track(range(runs + 1), "starting"):
            for name in methods:
                seconds = _timed([pythons[name], "-W", "ignore", str(SCRIPT), name, str(path)])
                spent[name] += [seconds] if turn else []
    shown = Table(box=MARKDOWN, title=f"to the first of {rows}, {runs} runs: median (quartiles)")
    for head in ("method", "wall s", "CPU s", "wall s - botorch", "CPU s - botorch"):
        shown.add_column(head)
    middle = {n: [quartiles(v)[1] for v in zip(*s, strict=True)] for n, s in spent.items()}
    for name in methods:
        wall, cpu = zip(*spent[name], strict=True)
        gaps = [a - b for a, b in zip(middle[name], middle.get("botorch", []), strict=False)]
        shown.add_row(name, spread(wall), spread(cpu), *(f"{gap:+.2f}" for gap in gaps))
    Console(width=120).print(shown)


def _table(rows: int) -> pd.DataFrame:
    """Candidates (rows, 6) and their values."""
    rng = np.random.default_rng(0)
    X = rng.random((rows, 6))
    frame = pd.DataFrame(X, columns=[f"x{column}" for column in range(6)])
    return frame.assign(y=-((X - 0.4) ** 2).sum(axis=1))


def _timed(command: list[str]) -> tuple[float, float]:
    """Wall and CPU seconds of a whole process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run(
        command,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu


if __name__ == "__main__":
    typer.run(main)
