"""Asking from a pool: seconds per ask and peak memory of N candidates against n observations.

    .venv/bin/python benchmarks/pool_speed.py --quick       the sizes that the claims are about
    .venv/bin/python benchmarks/pool_speed.py               N 1e3 to 1e6, n 10 to 1000, d 6 and 20
    .venv/bin/python benchmarks/pool_speed.py --summary

Every case is a fresh process (`speed_case.py`), one at a time, with the same random pool and the
same observations for all methods, beside plain BoTorch (SingleTaskGP and optimize_acqf_discrete)
and BayBE (its Campaign with the default recommender, in the environment of benchmarks/peers.txt).
A method that needs longer than --patience is not asked for more rows, observations or features.

`prepare` is what happens once in a campaign (BayBE's space, Athanor's pool and its replay), `ask`
what every turn costs, the fit included; `fit` is told apart where the method lets one. The peak is
above the resident size after the imports and a small ask, and includes the pool. CPU seconds are
of --threads threads; `--limit 2` runs each case in a process that may allocate 2 GB (RLIMIT_DATA:
what it allocates itself, without the libraries that are mapped from files).
"""

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import MARKDOWN
from rich.console import Console
from rich.progress import track
from rich.table import Table

import peers
from journal import RESULTS, Journal, dated, quartiles, spread

CASE = Path(__file__).with_name("speed_case.py")
KEYS = ("method", "rows", "seen", "features", "batch", "seed", "threads", "limit")
METHODS = ("athanor", "botorch", "baybe")
OWN = dated("athanor")
ROWS, SEEN, FEATURES = (1_000, 10_000, 100_000, 1_000_000), (10, 50, 200, 500, 1000), (6, 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is asked of whom."""

    method: str
    rows: int
    seen: int
    features: int = 6
    batch: int = 1
    seed: int = 0
    threads: int = 1
    limit: float = 0.0

    def beyond(self, other: "Case") -> bool:
        """Whether it is at least as hard as another, for the same method."""
        mine, others = (
            (self.rows, self.seen, self.features),
            (other.rows, other.seen, other.features),
        )
        return self.method == other.method and all(
            a >= b for a, b in zip(mine, others, strict=True)
        )


def main(  # noqa: PLR0913
    method: Annotated[list[str] | None, typer.Option(help="Repeat for several.")] = None,
    rows: Annotated[list[int] | None, typer.Option(help="N; repeat for several.")] = None,
    seen: Annotated[list[int] | None, typer.Option(help="n; repeat for several.")] = None,
    features: Annotated[list[int] | None, typer.Option(help="d; repeat for several.")] = None,
    batch: Annotated[int, typer.Option(help="Candidates per ask.")] = 1,
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each case.")] = 3,
    threads: Annotated[int, typer.Option(min=1, help="Threads of BLAS and torch.")] = 1,
    limit: Annotated[float, typer.Option(help="GB that a process may allocate; 0: any.")] = 0.0,
    patience: Annotated[float, typer.Option(help="Seconds after which a case is ended.")] = 300.0,
    out: Annotated[Path, typer.Option(help="Results; what is there is not run again.")] = (
        RESULTS / "pool_speed.jsonl"
    ),
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Only what the claims are about.")] = False,
    summary: Annotated[bool, typer.Option("--summary", help="Only print what is there.")] = False,
) -> None:
    """Run what is missing, then print seconds, memory and ratios.

    Example: python benchmarks/pool_speed.py --quick --repeats 1
    """
    journal = Journal(file=out, keys=KEYS)
    methods = [dated(name) for name in method or METHODS]
    if "baybe" in methods and not peers.present():
        print(f"Without BayBE: {peers.INSTALL}")
        methods.remove("baybe")
    if not summary:
        cases = (
            _claims(methods, repeats, threads)
            if quick
            else [
                Case(
                    method=m,
                    rows=N,
                    seen=n,
                    features=d,
                    batch=batch,
                    seed=i,
                    threads=threads,
                    limit=limit,
                )
                for d, N, n, i, m in product(
                    features or FEATURES, rows or ROWS, seen or SEEN, range(repeats), methods
                )
                if n < N
            ]
        )
        run(cases, journal, patience)
    report(list(journal.rows()))


def _claims(methods: list[str], repeats: int, threads: int) -> list[Case]:
    """N = 1e5, n = 200 for all; N = 1e6, n = 200, a batch of 4 for Athanor, in 2 GB too."""
    seeds = range(repeats)
    cases = [
        Case(method=m, rows=100_000, seen=200, seed=i, threads=threads)
        for i in seeds
        for m in methods
    ]
    if OWN in methods:
        cases += [
            Case(
                method=OWN,
                rows=1_000_000,
                seen=200,
                batch=4,
                seed=i,
                threads=threads,
                limit=limit,
            )
            for limit in (0.0, 2.0)
            for i in seeds
        ]
    return cases


def run(cases: list[Case], journal: Journal, patience: float) -> None:
    """Run the cases one after the other, each in its own process, and write them down."""
    done = journal.done()
    too_long = [
        Case(**{key: row[key] for key in journal.keys})
        for row in journal.rows()
        if "gave_up" in row
    ]
    for case in track(cases, "asking"):
        if tuple(getattr(case, key) for key in journal.keys) in done:
            continue
        if any(case.beyond(other) for other in too_long):
            continue
        said = _run(case, patience)
        journal.add(asdict(case) | said)
        if "gave_up" in said:
            too_long.append(case)


def _run(case: Case, patience: float) -> dict[str, Any]:
    """What the process of a case says; `gave_up` says why there is nothing."""
    python = str(peers.PYTHON) if case.method == "baybe" else sys.executable
    options = [text for name in KEYS[1:] for text in (f"--{name}", str(getattr(case, name)))]
    try:
        ended = subprocess.run(
            [python, "-W", "ignore", str(CASE), case.method.partition("@")[0], *options],
            capture_output=True,
            text=True,
            timeout=patience,
            check=False,
            env=os.environ | {"OMP_NUM_THREADS": str(case.threads)},
        )
    except subprocess.TimeoutExpired:
        return {"gave_up": f"after {patience:g} s"}
    if ended.returncode:
        return {"gave_up": (ended.stderr.strip().splitlines() or ["killed"])[-1][:200]}
    said: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return said


def report(rows: list[dict[str, Any]]) -> None:
    """One line per case; the ratios are of the medians of the CPU seconds of an ask."""
    shown = Table(box=MARKDOWN, title="asking from a pool: median (quartiles)")
    heads = (
        "N",
        "n",
        "d",
        "q",
        "threads",
        "limit GB",
        "method",
        "runs",
        "prepare CPU s",
        "fit CPU s",
    )
    for head in (*heads, "ask CPU s", "ask wall s", "peak MB", "/ athanor"):
        shown.add_column(head)
    settings = ("rows", "seen", "features", "batch", "threads", "limit")
    groups: dict[tuple[Any, ...], dict[str, list[dict[str, Any]]]] = {}
    for row in rows:
        here = groups.setdefault(tuple(row[name] for name in settings), {})
        here.setdefault(row["method"], []).append(row)
    for key, by_method in sorted(groups.items()):
        base = [row["ask_cpu"] for row in by_method.get(OWN, []) if "ask_cpu" in row]
        for method, runs in sorted(by_method.items()):
            shown.add_row(*(f"{value:g}" for value in key), method, *_cells(runs, base))
    Console(width=170).print(shown)
    for text in sorted(
        {f"{r['method']}, N {r['rows']}: {r['gave_up']}" for r in rows if "gave_up" in r}
    ):
        print("gave up:", text)


def _cells(runs: list[dict[str, Any]], base: list[float]) -> list[str]:
    """The numbers of one case and method."""
    ended = [row for row in runs if "ask_cpu" in row]
    if not ended:
        return [str(len(runs)), "-", "-", "gave up", "-", "-", "-"]
    fits = [row["fit_cpu"] for row in ended if "fit_cpu" in row]
    asks = [row["ask_cpu"] for row in ended]
    return [
        str(len(ended)),
        spread([row["prepare_cpu"] for row in ended], 2),
        spread(fits, 2) if fits else "-",
        spread(asks, 2),
        spread([row["ask_wall"] for row in ended], 2),
        spread([row["peak_mb"] for row in ended], 3),
        f"{quartiles(asks)[1] / quartiles(base)[1]:.2f}" if base else "-",
    ]


if __name__ == "__main__":
    typer.run(main)
