"""Meeting a value: how soon a candidate is found that measures what it should.

    .venv/bin/python benchmarks/matching.py --seeds 5 --workers 2
    .venv/bin/python benchmarks/matching.py --summary

On what is kept back from other decisions: the pools of `compositions.py`, without the one whose
numbers are distances already, and the functions of `problems.KEPT`. The value to be met is a
quantile of all there is, of a function of 512 points. By name, --problem takes the others of
`problems` with one target and those of `pools.py` as well: MODEST was chosen without them.

Pools: two random starts, one row at a time, until half of the 5 % that come nearest is found, or
AT_MOST evaluations; the result is how many there were. Functions: the starts and LATER points more;
the result is how far off the nearest is, over the spread of the function.

`athanor` is told of the goal. `closest` and `botorch` are what one does without one: Athanor, and
plain BoTorch with LogEI, are given -|y - value| to be maximised, which has a kink where it matters.
CPU seconds are of one thread.
"""

import os
import time
import warnings
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
import typer
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table as Printed

import athanor
import choosers
import compositions
import plain_botorch
from journal import RESULTS, Journal, dated, ratio, spread
from loop.objective import Target
from pools import HALF, Array
from problems import FUNCTIONS, KEPT

ROOT = Path(__file__).parents[1]
POOLS = tuple(name for name in compositions.SETS if name != "expt_gap")
METHODS = ("random", "botorch", "closest", "athanor")
QUANTILES = (0.5, 0.85)
AT_MOST = 150  # evaluations of a run in a pool
LATER = 20  # evaluations of a function after its starts
FLOOR = 1e-3  # of the spread: nearer to the value than this, nobody is better
EVERY = FUNCTIONS | KEPT
KEYS = ("problem", "quantile", "method", "seed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run: a method, with a seed, on a pool or a function and one value to be met there."""

    problem: str
    quantile: float
    method: str
    seed: int
    data: Path


def main(  # noqa: PLR0913
    method: Annotated[list[str] | None, typer.Option(help="Repeat for several.")] = None,
    problem: Annotated[list[str] | None, typer.Option(help="Repeat for several.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds.")] = 5,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    data: Annotated[Path, typer.Option(help="Folder of the tables.")] = ROOT / "../shared/data",
    out: Annotated[Path, typer.Option(help="Results; what is there is not run again.")] = (
        RESULTS / "matching.jsonl"
    ),
    against: Annotated[str, typer.Option(help="Whom the others are compared with.")] = "athanor",
    *,
    summary: Annotated[bool, typer.Option("--summary", help="Only print what is there.")] = False,
) -> None:
    """Run what is missing, then print evaluations and distances.

    Example: python benchmarks/matching.py --problem branin --method athanor --seeds 3
    """
    journal = Journal(file=out, keys=KEYS)
    chosen, failures = problem or [*KEPT, *POOLS], list[str]()
    if not summary:
        done = journal.done()
        jobs = [
            Job(problem=p, quantile=q, method=m, seed=seed, data=data)
            for seed in range(seeds)
            for p in chosen
            for q in QUANTILES
            for m in map(dated, method or METHODS)
            if (p, q, m, seed) not in done
        ]
        failures = journal.run(play, jobs, workers, "meeting")
    report([row for row in journal.rows() if row["problem"] in chosen], dated(against))
    for failure in failures:
        print("failed:", failure)
    if failures:
        raise typer.Exit(1)


def play(job: Job) -> dict[str, Any]:
    """One run: its result, and the CPU seconds of all its asks."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # BoTorch's, of an optimisation that it starts again
    result, cpu = (_on_function if job.problem in EVERY else _in_pool)(job)
    return {
        **{key: getattr(job, key) for key in KEYS},
        "result": float(f"{result:.6g}"),
        "cpu": round(cpu, 3),
    }


def _in_pool(job: Job) -> tuple[float, float]:
    """Evaluations until half of the nearest are found, AT_MOST at most, and CPU seconds."""
    table = compositions.table(job.data, job.problem).shuffled(job.seed)
    y = table.y
    value = float(np.quantile(y, job.quantile))
    near = replace(table, y=-np.abs(y - value))
    name, _, settings = job.method.partition("@")[0].partition(":")
    match name:
        case "athanor":
            wanted = Target(name="y", goal="match", value=value)
            ask: Any = athanor.pool(settings, wanted)(table, job.seed)
        case "closest":
            ask, y = athanor.pool(settings)(near, job.seed), near.y
        case _:
            known = {"botorch": "gp-logei"}
            ask, y = choosers.method(known.get(name, name), None)(near, job.seed), near.y
    seen, cpu = [0, 1], 0.0
    while len(seen) < AT_MOST and near.top[seen].sum() < HALF * near.top.sum():
        before = time.process_time()
        seen.append(ask(seen, y[seen], job.seed * 100_003 + len(seen)))
        cpu += getattr(ask, "cpu", time.process_time() - before)
    return float(len(seen)), cpu


def _on_function(job: Job) -> tuple[float, float]:
    """How far off the nearest true value is, over the spread of the function; CPU seconds."""
    function = EVERY[job.problem]
    everywhere = np.array([function.value(point)[0] for point in function.design(512, 99)])
    value, wide = float(np.quantile(everywhere, job.quantile)), float(np.std(everywhere))
    points = function.design(function.starts, job.seed)
    later = function.design(1024, job.seed)
    Y = [function.measured(point, job.seed * 1009 + n) for n, point in enumerate(points)]
    name, _, settings = job.method.partition("@")[0].partition(":")
    wanted = Target(name=function.targets[0], goal="match", value=value)
    told = athanor.space(function, settings, job.seed, wanted if name == "athanor" else None)

    def ask(Y: Array, seed: int) -> Any:
        off = -np.abs(Y - value)
        match name:
            case "random":
                return later[len(points)]
            case "botorch":
                return plain_botorch.point(function, points, off, seed)
            case "athanor" | "closest":
                return told(points, Y if name == "athanor" else off, seed)
            case _:
                raise KeyError(f"--method {name}: expected one of {', '.join(METHODS)}")

    cpu = 0.0
    while len(points) < function.starts + LATER:
        before = time.process_time()
        point = ask(np.array(Y), job.seed * 100_003 + len(points))
        cpu += time.process_time() - before
        Y.append(function.measured(point, job.seed * 1009 + len(points)))
        points.append(point)
    true = np.array([function.value(point)[0] for point in points])
    return float(np.abs(true - value).min() / wide), cpu


def report(rows: list[dict[str, Any]], against: str) -> None:
    """A table for pools and one for functions, each with everyone against one method."""
    console = Console(width=150)
    for is_pool, title in ((True, "pools: evaluations"), (False, "functions: off by, of spread")):
        found = [row for row in rows if (row["problem"] not in EVERY) is is_pool]
        if found:
            _print(console, title, found, against)


def _print(console: Console, title: str, rows: list[dict[str, Any]], against: str) -> None:
    runs = {tuple(row[key] for key in KEYS): max(row["result"], FLOOR) for row in rows}
    methods = sorted({row["method"] for row in rows})
    shown = Printed(box=MARKDOWN, title=title)
    for head in ("problem", "value at", *methods):
        shown.add_column(head)
    rows.sort(key=lambda row: (row["problem"], row["quantile"]))
    for (problem, quantile), group in groupby(rows, lambda r: (r["problem"], r["quantile"])):
        mine = list(group)
        by = {m: [row["result"] for row in mine if row["method"] == m] for m in methods}
        shown.add_row(
            problem, f"{quantile:.0%}", *(spread(x, 2) if x else "-" for x in by.values())
        )
    cells = []
    for method in methods:
        pairs = [
            (x, runs[p, q, against, seed])
            for (p, q, m, seed), x in runs.items()
            if m == method and (p, q, against, seed) in runs
        ]
        low, middle, high = ratio(*zip(*pairs, strict=True)) if pairs else (np.nan,) * 3
        cells.append(f"{middle:.2f} ({low:.2f} - {high:.2f})")
    shown.add_row(f"all / {against}", "", *cells)
    console.print(shown)


if __name__ == "__main__":
    typer.run(main)
