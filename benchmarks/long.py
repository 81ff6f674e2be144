"""Long campaigns: seconds per ask after n = 100 to 3000 observations, and what a short cut costs.

    .venv/bin/python benchmarks/long.py                                      seconds
    .venv/bin/python benchmarks/long.py --cost --method athanor --method athanor-whole
    .venv/bin/python benchmarks/long.py --summary
    .venv/bin/python benchmarks/long.py --cost --summary

Seconds: one ask after n Sobol points of a function of `problems`, and from a pool of 5,000 rows
(`speed_case.py`, the space of which is a table), the fit apart where the method lets one. BoTorch
is plain BoTorch as its tutorials do it.

Cost: every method goes on from the same --seen observations for --more evaluations, as in
`continuous.py`; the regret of each is compared with the first method's, seed by seed.
`athanor-whole` learns its hyperparameters on every row instead of on 400 of them.
CPU seconds are of one thread.
"""

import os
import time
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
import typer
from rich.box import MARKDOWN
from rich.console import Console
from rich.progress import track
from rich.table import Table

import pool_speed
from continuous import opened
from journal import RESULTS, Journal, dated, difference, spread
from problems import FUNCTIONS

SEEN = (100, 300, 600, 1000, 2000, 3000)
POOL = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is run: methods on a function, and where it is written."""

    methods: list[str]
    function: str
    seeds: int
    out: Path


def main(  # noqa: PLR0913
    method: Annotated[list[str] | None, typer.Option(help="Repeat for several.")] = None,
    function: Annotated[str, typer.Option(help="One of problems.py.")] = "hartmann6n",
    seen: Annotated[list[int] | None, typer.Option(help="n; repeat for several.")] = None,
    more: Annotated[int, typer.Option(min=1, help="Evaluations after these, for --cost.")] = 20,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds.")] = 3,
    out: Annotated[Path, typer.Option(help="Folder of results; what is there is kept.")] = (
        RESULTS
    ),
    patience: Annotated[float, typer.Option(help="Seconds for a case of the pool.")] = 300.0,
    *,
    cost: Annotated[bool, typer.Option("--cost", help="Compare regrets.")] = False,
    summary: Annotated[bool, typer.Option("--summary", help="Only print what is there.")] = False,
) -> None:
    """Run what is missing, then print it.

    Example: python benchmarks/long.py --seen 100 --seen 1000 --seeds 1
    """
    methods = [dated(name) for name in method or ("athanor", "botorch")]
    plan = Plan(methods=methods, function=function, seeds=seeds, out=out)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # BoTorch's, of an optimisation that it starts again
    if cost:
        costs(plan, seen[0] if seen else 600, more, summary=summary)
    else:
        speeds(plan, tuple(seen or SEEN), patience, summary=summary)


def speeds(plan: Plan, seen: tuple[int, ...], patience: float, *, summary: bool) -> None:
    """Seconds per ask on the function and from the pool."""
    keys = ("function", "method", "seen", "seed")
    journal = Journal(file=plan.out / "long_speed.jsonl", keys=keys)
    done = journal.done()
    jobs = [
        (plan.function, method, n, seed)
        for n in seen
        for seed in range(plan.seeds)
        for method in plan.methods
    ]
    for job in track([] if summary else jobs, "asking"):
        if job not in done:
            journal.add(dict(zip(keys, job, strict=True)) | once(*job))
    console = Console(width=120)
    shown = Table(box=MARKDOWN, title="one ask after n observations: median (quartiles)")
    for head in ("function", "n", "method", "runs", "ask CPU s", "ask wall s"):
        shown.add_column(head)
    rows = list(journal.rows())
    for key in sorted({(row["function"], row["seen"], row["method"]) for row in rows}):
        mine = [row for row in rows if (row["function"], row["seen"], row["method"]) == key]
        cells = (spread([row[name] for row in mine], 2) for name in ("cpu", "wall"))
        shown.add_row(key[0], str(key[1]), key[2], str(len(mine)), *cells)
    console.print(shown)
    pools = Journal(file=plan.out / "long_pool.jsonl", keys=pool_speed.KEYS)
    cases = [
        pool_speed.Case(method=method, rows=POOL, seen=n, seed=seed)
        for n in seen
        for seed in range(plan.seeds)
        for method in plan.methods
        if method.partition("@")[0] in pool_speed.METHODS
    ]
    if not summary:
        pool_speed.run(cases, pools, patience)
    pool_speed.report(list(pools.rows()))


def once(name: str, method: str, seen: int, seed: int) -> dict[str, float]:
    """Seconds of one ask after so many observations; a small one before it does not count."""
    function = replace(FUNCTIONS[name], starts=2)
    few = function.design(16, seed)
    opened(method, function, seed)(few, np.array([function.value(point) for point in few]), seed)
    points = function.design(seen, seed)
    Y = np.array([function.measured(p, seed * 10_007 + n) for n, p in enumerate(points)])
    ask = opened(method, function, seed)
    cpu, wall = time.process_time(), time.perf_counter()
    function.check(ask(points, Y, seed))
    spent = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    said: dict[str, float] = {key: getattr(ask, key, value) for key, value in spent.items()}
    return said


def costs(plan: Plan, seen: int, more: int, *, summary: bool) -> None:
    """Regrets after `more` evaluations that follow the same `seen`, against the first method's."""
    keys = ("function", "method", "seen", "more", "seed")
    journal = Journal(file=plan.out / "long_cost.jsonl", keys=keys)
    done = journal.done()
    jobs = [
        (plan.function, method, seen, more, seed)
        for seed in range(plan.seeds)
        for method in plan.methods
    ]
    for job in track([] if summary else jobs, "searching"):
        if job not in done:
            journal.add(dict(zip(keys, job, strict=True)) | carried_on(*job))
    rows = [
        row
        for row in journal.rows()
        if (row["function"], row["seen"], row["more"]) == (plan.function, seen, more)
    ]
    title = f"{plan.function}: regret {more} evaluations after {seen}: median (quartiles)"
    shown = Table(box=MARKDOWN, title=title)
    first = plan.methods[0]
    for head in ("method", "seeds", "before", "after", f"after - {first}", "ask CPU s"):
        shown.add_column(head)
    base = {row["seed"]: row["regret"] for row in rows if row["method"] == first}
    for method in sorted({row["method"] for row in rows}):
        mine = [row for row in rows if row["method"] == method]
        pairs = [(row["regret"], base[row["seed"]]) for row in mine if row["seed"] in base]
        gap = difference(*zip(*pairs, strict=True)) if pairs else None
        shown.add_row(
            method,
            str(len(mine)),
            *(spread([row[name] for row in mine], 2) for name in ("before", "regret")),
            "{1:.2g} ({0:.2g} - {2:.2g})".format(*gap) if gap else "-",
            spread([row["cpu_ask"] for row in mine], 2),
        )
    Console(width=140).print(shown)


def carried_on(name: str, method: str, seen: int, more: int, seed: int) -> dict[str, Any]:
    """The regret before and after, and the seconds per ask."""
    function = FUNCTIONS[name]
    points = function.design(seen, seed)
    ask = opened(method, replace(function, starts=2), seed)
    Y = [function.measured(point, seed * 10_007 + n) for n, point in enumerate(points)]
    cpu = []
    for number in range(seen, seen + more):
        before = time.process_time()
        point = ask(points, np.array(Y), seed * 100_003 + number)
        cpu.append(getattr(ask, "cpu", time.process_time() - before))
        function.check(point)
        points.append(point)
        Y.append(function.measured(point, seed * 10_007 + number))
    regret = function.regret(np.array([function.value(point) for point in points]))
    return {"before": regret[seen - 1], "regret": regret[-1], "cpu_ask": float(np.median(cpu))}


if __name__ == "__main__":
    typer.run(main)
