"""Choosing well on real pools: how soon each method finds the best 5 % of measured tables.

    .venv/bin/python benchmarks/pool_choice.py --seeds 30 --workers 2
    .venv/bin/python benchmarks/pool_choice.py --summary
    .venv/bin/python benchmarks/pool_choice.py --kept

The five tables of the claim are in `pools.py`; --kept takes those of `compositions.py` instead, on
which the defaults were decided.

Two random starts, then one row at a time until a share of the top 5 % (--until: half, or most,
which is 80 %) and 50 evaluations are reached, or --at-most evaluations: a run that gave up counts
as never (acceleration 0) in the medians, and as the evaluations that it made in the paired ratios,
which then are bounds. A run to 80 % goes on from the run to half, where that is there: the rows
that it chose are kept, and every choice has a seed of its own.
Every method sees the same shuffled rows, the same starts and the same features (numbers scaled by
the pool's range, categories one-hot; BayBE gets the published columns and encodes them the same
way). A design that was measured several times is one row with the mean of its values.

Acceleration and enhancement are those of Liang et al. 2021 (npj Comput. Mater. 7, 188):
AF(top share) = n of random search / n of the method to reach the share, EF(n) = share found by
the method / share found by random search after n. Random search enters by its expectation: the
k-th of K top rows among N comes at k (N + 1) / (K + 1), and n draws find n K / N.

Ax has no interface for a pool: the acquisition of its default model is evaluated at every untested
row. Peers need the environment of benchmarks/peers.txt. CPU seconds are of one thread.
"""

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
import typer

import choosers
import compositions
import peers
from compositions import table as load
from journal import RESULTS, Journal, dated
from pool_report import Until, furthest, report
from pools import SETS

ROOT = Path(__file__).parents[1]
FREE = ("random", "neighbour")  # these never give up: it costs nothing to run them to the end
AT_LEAST = 50  # evaluations of every run, so that the enhancement can be read there
KEYS = ("set", "method", "seed", "at_most", "until")
PEERS = ("baybe", "ax")
DEFAULT = ("random", "neighbour", "gp-lcb", "gp-logei", "forest-lcb", "baybe", "ax", "athanor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run: a method on a set with a seed; `begun` are rows that were chosen, in `cpu` s."""

    set: str
    method: str
    seed: int
    at_most: int
    until: Until
    data: Path
    plug: Path | None
    begun: tuple[int, ...] = (0, 1)
    cpu: float = 0.0


def main(  # noqa: PLR0913
    method: Annotated[list[str] | None, typer.Option(help="Repeat for several.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Repeat for several.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds.")] = 30,
    first: Annotated[int, typer.Option(help="The first seed.")] = 0,
    at_most: Annotated[int, typer.Option(help="Evaluations after which a run gives up.")] = 400,
    until: Annotated[Until, typer.Option(help="The share of the top to reach.")] = Until.MOST,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    data: Annotated[Path, typer.Option(help="Folder of the tables.")] = ROOT / "../shared/data",
    out: Annotated[Path, typer.Option(help="Results; what is there is not run again.")] = (
        RESULTS / "pool_choice.jsonl"
    ),
    plug: Annotated[Path | None, typer.Option(help="A file with METHODS of its own.")] = None,
    against: Annotated[str, typer.Option(help="Whom the others are compared with.")] = "athanor",
    *,
    kept: Annotated[bool, typer.Option("--kept", help="The sets kept back.")] = False,
    summary: Annotated[bool, typer.Option("--summary", help="Only print what is there.")] = False,
) -> None:
    """Run what is missing, then print acceleration and enhancement.

    Example: python benchmarks/pool_choice.py --method gp-lcb --method athanor --seeds 5
    """
    journal = Journal(file=out, keys=KEYS)
    sets = set_ or list(compositions.SETS if kept else SETS)
    methods, against = [dated(name) for name in method or DEFAULT], dated(against)
    if not peers.present():
        print(f"Without peers ({', '.join(PEERS)}): {peers.INSTALL}")
        methods = [name for name in methods if name not in PEERS]
    failures: list[str] = []
    if not summary:
        wanted = [
            Job(set=s, method=m, seed=i, at_most=at_most, until=until, data=data, plug=plug)
            for i in range(first, first + seeds)
            for s in sets
            for m in methods
        ]
        jobs = missing(wanted, list(journal.rows()))
        failures = journal.run(play, jobs, workers, "choosing")
    rows = [row for row in journal.rows() if row["at_most"] == at_most and row["set"] in sets]
    report(furthest(rows), data, against)
    for failure in failures:
        print("failed:", failure)
    if failures:
        raise typer.Exit(1)


def missing(jobs: list[Job], rows: list[dict[str, Any]]) -> list[Job]:
    """The jobs whose result is not there; those to 80 % go on from where one to half ended."""
    there = {tuple(row[key] for key in KEYS): row for row in rows}
    found = []
    for job in jobs:
        name = (job.set, job.method, job.seed, job.at_most)
        half = there.get((*name, Until.HALF))
        if (*name, Until.MOST) in there or (job.until is Until.HALF and half):
            continue
        begun = half and half["seen"]
        found.append(replace(job, begun=tuple(begun), cpu=half["cpu"]) if half and begun else job)
    return found


def play(job: Job) -> dict[str, Any]:
    """One run; `hits` are the evaluations, from 1, at which a row of the top was found."""
    torch.set_num_threads(1)
    table = load(job.data, job.set).shuffled(job.seed)
    ask = choosers.method(job.method, job.plug)(table, job.seed)
    top, seen = table.top, list(job.begun)
    hits, cpu, wall = [n for n, row in enumerate(seen, start=1) if top[row]], job.cpu, 0.0
    most = len(table.y) if job.method in FREE else min(job.at_most, len(table.y))
    while _goes_on(len(seen), len(hits) / top.sum(), job.until, most):
        before, began = time.process_time(), time.perf_counter()
        index = ask(seen, table.y[seen], job.seed * 100_003 + len(seen))
        cpu += getattr(ask, "cpu", time.process_time() - before)
        wall += time.perf_counter() - began
        if index in seen:
            raise ValueError(f"{job.method} chose row {index} of {job.set} again")
        seen.append(index)
        hits += [len(seen)] if top[index] else []
    return {
        "set": job.set,
        "method": job.method,
        "seed": job.seed,
        "at_most": job.at_most,
        "until": job.until,
        "evaluations": len(seen),
        "hits": hits,
        "seen": [] if job.method in FREE else seen,
        "cpu": round(cpu, 3),
        "wall": round(wall, 3),
    }


def _goes_on(count: int, share: float, until: Until, at_most: int) -> bool:
    return count < at_most and (share < until.share or count < AT_LEAST)


if __name__ == "__main__":
    typer.run(main)
