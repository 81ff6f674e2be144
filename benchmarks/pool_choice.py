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

import json
import math
import os
import time
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
import typer
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

import choosers
import compositions
import peers
from journal import Journal, geometric, ratio, spread
from pools import HALF, MOST, SETS
from pools import Table as Pool
from pools import load as load_measured

ROOT = Path(__file__).parents[1]
EARLY = (20, 50, 100)  # evaluations after which the enhancement is read
FREE = ("random", "neighbour")  # these never give up: it costs nothing to run them to the end
AT_LEAST = 50  # evaluations of every run, so that the enhancement can be read there
KEYS = ("set", "method", "seed", "at_most", "until")
PEERS = ("baybe", "ax")
DEFAULT = ("random", "neighbour", "gp-lcb", "gp-logei", "forest-lcb", "baybe", "ax", "athanor")


class Until(StrEnum):
    """The share of the top at which a run ends."""

    HALF = "half"
    MOST = "most"

    @property
    def share(self) -> float:
        """As a number."""
        return HALF if self is Until.HALF else MOST


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
        ROOT / "benchmarks/results/pool_choice.jsonl"
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
    methods = method or list(DEFAULT)
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


def furthest(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of every run the result that goes to 80 %, or else the one that ends at half."""
    by_share = sorted(rows, key=lambda row: Until(row["until"]).share)
    return list({(row["set"], row["method"], row["seed"]): row for row in by_share}.values())


def load(folder: Path, name: str) -> Pool:
    """The pool of this name."""
    return (compositions.load if name in compositions.SETS else load_measured)(folder, name)


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


def report(rows: list[dict[str, Any]], data: Path, against: str) -> None:
    """A table per set, the geometric means, and everyone against one method, seed by seed."""
    console = Console(width=150)
    accelerations: dict[str, dict[str, dict[float, float]]] = {}
    for name in dict.fromkeys(row["set"] for row in rows):
        found = [row for row in rows if row["set"] == name]
        if found:
            table = load(data, name)
            size, best = len(table.y), int(table.top.sum())
            found += _published(data) if name == "crossed_barrel" else []
            accelerations[name] = _of_set(console, name, found, size, best)
    _means(console, accelerations)
    _paired(console, rows, against, data)


def _of_set(
    console: Console, name: str, rows: list[dict[str, Any]], size: int, best: int
) -> dict[str, dict[float, float]]:
    """Print one set; the median acceleration of each method at each share."""
    title = f"{name}: {size} designs, {best} in the top 5 %"
    shown = Table(box=MARKDOWN, title=title)
    for head in (
        "method",
        "seeds (to 80 %)",
        "AF at half",
        "AF at 80 %",
        *(f"EF at {n}" for n in EARLY),
    ):
        shown.add_column(head)
    shown.add_column("CPU s per ask")
    medians: dict[str, dict[float, float]] = {}
    for method in sorted({row["method"] for row in rows}):
        runs = [row for row in rows if row["method"] == method]
        far = [row for row in runs if row["until"] == Until.MOST]
        faster = {
            share: [_acceleration(row, share, size, best) for row in those]
            for share, those in ((HALF, runs), (MOST, far))
        }
        medians[method] = {s: float(np.median(faster[s])) if faster[s] else 0.0 for s in faster}
        shown.add_row(
            method,
            f"{len(runs)} ({len(far)})",
            *(spread(faster[share]) if faster[share] else "-" for share in (HALF, MOST)),
            *(_enhanced(runs, n, size, best) for n in EARLY),
            spread([row["cpu"] / (row["evaluations"] - 2) for row in runs], 2),
        )
    console.print(shown)
    return medians


def _acceleration(row: dict[str, Any], share: float, size: int, best: int) -> float:
    """How many times sooner than random search; zero where the run gave up before."""
    wanted = int(np.ceil(share * best))
    if len(row["hits"]) < wanted:
        return 0.0
    at_random = wanted * (size + 1) / (best + 1)
    return float(at_random / row["hits"][wanted - 1])


def _enhanced(rows: list[dict[str, Any]], n: int, size: int, best: int) -> str:
    """The enhancement after n evaluations; not read where a run, for having found enough, ended."""
    if min(row["evaluations"] for row in rows) < n:
        return "-"
    return spread([np.searchsorted(row["hits"], n, "right") / best * size / n for row in rows], 2)


def _published(data: Path) -> list[dict[str, Any]]:
    """The authors' own runs of GP-Matern52-LCB2 on the crossed barrels, as results."""
    text = (data / "crossed_barrel_published_topcount.json").read_text(encoding="utf-8")
    return [
        {
            "method": "published GP LCB2",
            "evaluations": len(counts),
            "hits": (1 + np.flatnonzero(np.diff(counts, prepend=0))).tolist(),
            "cpu": math.nan,
            "until": Until.MOST,
        }
        for counts in json.loads(text)["runs"]
    ]


def _means(console: Console, accelerations: dict[str, dict[str, dict[float, float]]]) -> None:
    """Print the geometric means over the sets of the methods that ran on all of them."""
    shown = Table(
        box=MARKDOWN, title=f"Geometric mean of the medians over {len(accelerations)} sets"
    )
    for head in ("method", "AF at half", "AF at 80 %"):
        shown.add_column(head)
    of = list(accelerations.values())
    for method in sorted(set.intersection(*(set(medians) for medians in of)) if of else ()):
        shown.add_row(method, *(_mean([m[method][share] for m in of]) for share in (HALF, MOST)))
    best = {s: [max(v[s] for v in medians.values()) for medians in of] for s in (HALF, MOST)}
    shown.add_row("best of all, set by set", *(_mean(best[share]) for share in (HALF, MOST)))
    console.print(shown)


def _mean(accelerations: list[float]) -> str:
    return f"{geometric(accelerations):.2f}" if all(accelerations) else "-"


def _paired(console: Console, rows: list[dict[str, Any]], against: str, data: Path) -> None:
    """Print evaluations to half of the top of each method over those of `against`, by seed."""
    names = list(dict.fromkeys(row["set"] for row in rows))
    runs = {(row["set"], row["method"], row["seed"]): row for row in rows}
    title = f"evaluations to half of the top / those of {against}: geometric mean, 90 % interval"
    shown = Table(box=MARKDOWN, title=title)
    for head in ("method", *names, "all"):
        shown.add_column(head)
    best = {name: int(np.ceil(HALF * load(data, name).top.sum())) for name in names}
    for method in sorted({row["method"] for row in rows} - {against}):
        pairs = {
            name: [
                (_needed(row, best[name]), _needed(runs[name, against, seed], best[name]))
                for (s, m, seed), row in runs.items()
                if (s, m) == (name, method) and (name, against, seed) in runs
            ]
            for name in names
        }
        pooled = [pair for name in names for pair in pairs[name]]
        shown.add_row(method, *(_cell(pairs[name]) for name in names), _cell(pooled))
    console.print(shown)


def _needed(row: dict[str, Any], wanted: int) -> float:
    """Evaluations to find so many of the top; where the run gave up, those that it made."""
    return float(row["hits"][wanted - 1] if len(row["hits"]) >= wanted else row["evaluations"])


def _cell(pairs: list[tuple[float, float]]) -> str:
    if not pairs:
        return "-"
    low, middle, high = ratio([a for a, _ in pairs], [b for _, b in pairs])
    return f"{middle:.2f} ({low:.2f} - {high:.2f})"


if __name__ == "__main__":
    typer.run(main)
