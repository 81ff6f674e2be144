"""What `pool_choice.py` prints: acceleration and enhancement, and everyone beside one method."""

import json
import math
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from compositions import table
from journal import geometric, ratio, spread
from pools import HALF, MOST

EARLY = (20, 50, 100)  # evaluations after which the enhancement is read
WIDE = 170  # characters of a printed table


class Until(StrEnum):
    """The share of the top at which a run ends."""

    HALF = "half"
    MOST = "most"

    @property
    def share(self) -> float:
        """As a number."""
        return HALF if self is Until.HALF else MOST


def furthest(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of every run the result that goes to 80 %, or else the one that ends at half."""
    by_share = sorted(rows, key=lambda row: Until(row["until"]).share)
    return list({(row["set"], row["method"], row["seed"]): row for row in by_share}.values())


def report(rows: list[dict[str, Any]], data: Path, against: str) -> None:
    """A table per set, the geometric means, and everyone against one method, seed by seed."""
    console = Console(width=WIDE)
    accelerations: dict[str, dict[str, dict[float, float]]] = {}
    for name in dict.fromkeys(row["set"] for row in rows):
        found = [row for row in rows if row["set"] == name]
        if found:
            pool = table(data, name)
            size, best = len(pool.y), int(pool.top.sum())
            found += _published(data) if name == "crossed_barrel" else []
            accelerations[name] = _of_set(console, name, found, size, best)
    _means(console, accelerations)
    for share in (HALF, MOST):
        _paired(console, rows, against, data, share)


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


def _paired(
    console: Console, rows: list[dict[str, Any]], against: str, data: Path, share: float
) -> None:
    """Print evaluations to a share of the top of each method over those of `against`, by seed.

    Under `all` every set has the same seeds.
    """
    far = {(row["set"], row["method"], row["seed"]): row for row in rows if _goes_to(row, share)}
    names = list(dict.fromkeys(name for name, _, _ in far))
    best = {name: int(np.ceil(share * table(data, name).top.sum())) for name in names}
    title = (
        f"evaluations to {share:.0%} of the top / those of {against}: geometric mean, 90 % interval"
    )
    shown = Table(box=MARKDOWN, title=title)
    for head in ("method", *names, "all", "seeds of all"):
        shown.add_column(head)
    others = sorted({method for _, method, _ in far} - {against})
    for method in others:
        pairs = {
            name: {
                seed: (_needed(far[name, method, seed], best[name]), _needed(row, best[name]))
                for (s, m, seed), row in far.items()
                if (s, m) == (name, against) and (name, method, seed) in far
            }
            for name in names
        }
        seeds = set.intersection(*(set(each) for each in pairs.values()))
        pooled = [each[seed] for each in pairs.values() for seed in sorted(seeds)]
        cells = [_cell(list(pairs[name].values())) for name in names]
        shown.add_row(method, *cells, _cell(pooled), str(len(seeds)))
    if others:
        console.print(shown)


def _goes_to(row: dict[str, Any], share: float) -> bool:
    """Whether a run was to go to this share of the top."""
    return Until(row["until"]).share >= share


def _needed(row: dict[str, Any], wanted: int) -> float:
    """Evaluations to find so many of the top; where the run gave up, those that it made."""
    return float(row["hits"][wanted - 1] if len(row["hits"]) >= wanted else row["evaluations"])


def _cell(pairs: list[tuple[float, float]]) -> str:
    if not pairs:
        return "-"
    low, middle, high = ratio([a for a, _ in pairs], [b for _, b in pairs])
    return f"{middle:.2f} ({low:.2f} - {high:.2f})"
