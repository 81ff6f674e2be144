"""Choosing well where there is no list: continuous, mixed and mixture spaces, and two objectives.

    .venv/bin/python benchmarks/continuous.py --seeds 20 --workers 2
    .venv/bin/python benchmarks/continuous.py --summary
    .venv/bin/python benchmarks/continuous.py --kept --mixed --noisy

Forty evaluations one at a time, the first ones the same Sobol points for every method; `problems`
has the functions, and what regret means there. `botorch` is plain BoTorch as its tutorials do it;
Ax and BayBE are asked with their defaults, in the environment of benchmarks/peers.txt. Ax takes
neither the equality nor the cardinality of a mixture: its points are projected (`peer_worker`).
CPU seconds are of one thread.
"""

import os
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
import typer
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

import peers
import plain_botorch
from journal import RESULTS, Journal, dated, difference, ratio, spread
from pools import Array
from problems import FUNCTIONS, KEPT, MIXED, NOISY, Function, Point

METHODS = ("sobol", "botorch", "baybe", "ax", "athanor")
PEERS = ("baybe", "ax")
KNOWN = FUNCTIONS | KEPT | MIXED | NOISY
FLOOR = 1e-3  # of the regret of the starts: closer to the best than this, nobody is better

Next = Callable[[Sequence[Point], Array, int], Point]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run: a method on a function with a seed."""

    function: str
    method: str
    seed: int
    evaluations: int


def main(  # noqa: PLR0913
    method: Annotated[list[str] | None, typer.Option(help="Repeat for several.")] = None,
    function: Annotated[list[str] | None, typer.Option(help="Repeat for several.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds.")] = 20,
    first: Annotated[int, typer.Option(help="The first seed.")] = 0,
    evaluations: Annotated[int, typer.Option(help="Evaluations of a run.")] = 40,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    out: Annotated[Path, typer.Option(help="Results; what is there is not run again.")] = (
        RESULTS / "continuous.jsonl"
    ),
    against: Annotated[str, typer.Option(help="Whom the others are compared with.")] = "athanor",
    *,
    kept: Annotated[bool, typer.Option("--kept", help="The functions kept back.")] = False,
    mixed: Annotated[bool, typer.Option("--mixed", help="The mixed ones kept back.")] = False,
    noisy: Annotated[bool, typer.Option("--noisy", help="The noisy ones kept back.")] = False,
    summary: Annotated[bool, typer.Option("--summary", help="Only print what is there.")] = False,
) -> None:
    """Run what is missing, then print regrets and seconds.

    Example: python benchmarks/continuous.py --function hartmann6 --method botorch --seeds 3
    """
    journal = Journal(file=out, keys=("function", "method", "seed", "evaluations"))
    methods, against = [dated(name) for name in method or METHODS], dated(against)
    back = [(KEPT, kept), (MIXED, mixed), (NOISY, noisy)]
    chosen = [name for some, is_wanted in back if is_wanted for name in some]
    functions = function or chosen or list(FUNCTIONS)
    if not peers.present():
        print(f"Without peers ({', '.join(PEERS)}): {peers.INSTALL}")
        methods = [name for name in methods if name not in PEERS]
    failures: list[str] = []
    if not summary:
        done = journal.done()
        jobs = [
            Job(function=f, method=m, seed=seed, evaluations=evaluations)
            for seed in range(first, first + seeds)
            for f in functions
            for m in methods
            if (f, m, seed, evaluations) not in done
        ]
        failures = journal.run(play, jobs, workers, "searching")
    rows = [row for row in journal.rows() if row["evaluations"] == evaluations]
    report([row for row in rows if row["function"] in functions], against)
    for failure in failures:
        print("failed:", failure)
    if failures:
        raise typer.Exit(1)


def play(job: Job) -> dict[str, Any]:
    """One run: the regret after every evaluation, and the CPU seconds of every ask."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # BoTorch's, of an optimisation that it starts again
    function = KNOWN[job.function]
    ask = opened(job.method, function, job.seed)
    points = function.design(function.starts, job.seed)
    Y = [function.measured(point, job.seed * 1009 + n) for n, point in enumerate(points)]
    cpu = []
    began = time.perf_counter()
    while len(points) < job.evaluations:
        before = time.process_time()
        point = ask(points, np.array(Y), job.seed * 100_003 + len(points))
        cpu.append(getattr(ask, "cpu", time.process_time() - before))
        function.check(point)
        Y.append(function.measured(point, job.seed * 1009 + len(points)))
        points.append(point)
    regret = function.regret(np.array([function.value(point) for point in points]))
    return {
        "function": job.function,
        "method": job.method,
        "seed": job.seed,
        "evaluations": job.evaluations,
        "regret": [float(f"{each:.6g}") for each in regret],
        "cpu_ask": round(float(np.median(cpu)), 4),
        "cpu": round(sum(cpu), 3),
        "wall": round(time.perf_counter() - began, 3),
    }


def opened(method: str, function: Function, seed: int) -> Next:
    """The method, ready to be asked; `athanor:<setting>=<value>,...` is Athanor set otherwise."""
    name, _, settings = method.partition("@")[0].partition(":")
    match name:
        case "sobol":
            later = function.design(1024, seed)
            return lambda points, Y, seed: later[len(points)]  # noqa: ARG005
        case "botorch":
            return lambda points, Y, seed: plain_botorch.point(function, points, Y, seed)
        case "baybe" | "ax":
            return peers.space(name, function.told, seed)
        case "athanor" | "athanor-whole":
            import athanor

            athanor.learn_on_all(yes=name == "athanor-whole")
            return athanor.space(function, settings, seed)
        case _:
            raise KeyError(f"--method {method}: expected one of {', '.join(METHODS)}")


def report(rows: list[dict[str, Any]], against: str) -> None:
    """A table per function, and everyone's seconds over those of one method."""
    console = Console(width=150)
    for name, function in KNOWN.items():
        found = [row for row in rows if row["function"] == name]
        if found:
            _of_function(console, function, found, against)


def _of_function(
    console: Console, function: Function, rows: list[dict[str, Any]], against: str
) -> None:
    """Print one function."""
    kind = "share of the hypervolume missing" if len(function.worst) > 1 else "regret"
    shown = Table(box=MARKDOWN, title=f"{function.name}: {kind}, {function.starts} starts")
    heads = ["method", "seeds", "half-way", "at the end", f"- {against}", f"/ {against}"]
    for head in (*heads, "CPU s per ask", f"CPU / {against}"):
        shown.add_column(head)
    runs = {(row["method"], row["seed"]): row for row in rows}
    for method in sorted({row["method"] for row in rows}):
        mine = [row for row in rows if row["method"] == method]
        pairs = [(r, runs[against, r["seed"]]) for r in mine if (against, r["seed"]) in runs]
        shown.add_row(
            method,
            str(len(mine)),
            spread([row["regret"][(row["evaluations"] + function.starts) // 2] for row in mine], 2),
            spread([row["regret"][-1] for row in mine], 2),
            *_compared(pairs, function.starts),
            spread([row["cpu_ask"] for row in mine], 2),
            _cell(*ratio(*zip(*((a["cpu_ask"], b["cpu_ask"]) for a, b in pairs), strict=True)))
            if pairs and min(row["cpu_ask"] for pair in pairs for row in pair) > 0
            else "-",
        )
    console.print(shown)


def _compared(pairs: list[tuple[dict[str, Any], dict[str, Any]]], starts: int) -> tuple[str, str]:
    """Mean difference and geometric mean ratio of the last regrets, with 90 % intervals."""
    if not pairs:
        return "-", "-"
    gaps = difference([a["regret"][-1] for a, _ in pairs], [b["regret"][-1] for _, b in pairs])
    floors = [FLOOR * max(b["regret"][starts - 1], 1e-9) for _, b in pairs]
    times = ratio(
        [max(a["regret"][-1], low) for (a, _), low in zip(pairs, floors, strict=True)],
        [max(b["regret"][-1], low) for (_, b), low in zip(pairs, floors, strict=True)],
    )
    return _cell(*gaps), _cell(*times)


def _cell(low: float, middle: float, high: float) -> str:
    return f"{middle:.2g} ({low:.2g} - {high:.2g})"


if __name__ == "__main__":
    typer.run(main)
