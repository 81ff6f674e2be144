"""A month in a laboratory with habits, beside the same month in one without: what does chaos cost?

    .venv/bin/python benchmarks/chaotic_lab.py CROSSED_BARREL_CSV --seeds 20

The samples are the 600 crossed barrels of Gongora et al., Sci. Adv. 6, eaaz1708 (2020), each
crushed three times; a design that is not in the table is made as the nearest that is, and the rows
say so. Every day of a simulated month the laboratory makes what is new on the worklist, hands in
what is due, and one turn is taken; files carry the date of their day, and nobody sleeps.

The clean laboratory hands in one good file per sample on the next day. The chaotic one is seeded:
it is late by up to ten days, hands in one replicate first, sends files twice, mistypes a value by
ten and corrects the file later, writes another unit, a unit that cannot be converted, decimal
commas, rows in any order, ids that nobody knows, and fails to make a sample.
"""

import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import typer
from rich.progress import track
from scipy.stats import wilcoxon

from flows.inbox import accounts, total
from flows.rig import load
from journal import Journal
from loop.campaign import Campaign
from loop.run import Worker, replay, turn

PARAMETERS = ("n", "theta", "r", "t")
UNITS = ("", " [deg]", " [mm]", " [mm]")
CAMPAIGN = """
name = "crossed-barrel"
seed = {seed}
[[parameter]]
name = "n"
kind = "discrete"
low = 6
high = 12
step = 2
[[parameter]]
name = "theta"
kind = "discrete"
low = 0
high = 200
step = 25
unit = "deg"
[[parameter]]
name = "r"
kind = "discrete"
low = 1.5
high = 2.5
step = 0.1
unit = "mm"
[[parameter]]
name = "t"
kind = "discrete"
low = 0.7
high = 1.4
step = 0.35
unit = "mm"
[[target]]
name = "toughness"
unit = "J"
goal = "max"
[oracle]
kind = "folder"
repeats = 3
[stop]
evaluations = {evaluations}
[run]
batch = 6
"""
EPOCH = 1_600_000_000  # the first day of the month, in seconds of the files' clock
DAY = 86_400
PATIENCE = 200  # days after which a campaign that does not end would be a fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One file to be handed in on a day, with how many rows it has."""

    day: int
    name: str
    text: str
    rows: int


@dataclass(slots=True)
class Laboratory:
    """Makes samples and hands in files; `rng` is None where it has no habits."""

    designs: pd.Series
    rng: np.random.Generator | None
    known: set[str] = field(default_factory=set)
    due: list[Sheet] = field(default_factory=list)
    habits: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    means: dict[str, float] = field(default_factory=dict)

    def work(self, folder: Path, day: int) -> None:
        """A day: make what is new on the worklist, hand in what is due."""
        for row in pd.read_csv(folder / "worklist" / "worklist.csv").to_dict("records"):
            if row["candidate"] not in self.known:
                self.known.add(row["candidate"])
                self.due += self._made(row, day)
        for sheet in [each for each in self.due if each.day <= day]:
            self.due.remove(sheet)
            path = folder / "results" / sheet.name
            path.write_text(sheet.text, encoding="utf-8")
            os.utime(path, (EPOCH + day * DAY,) * 2)
            self.rows += sheet.rows

    def _made(self, row: Mapping[str, Any], day: int) -> list[Sheet]:
        grid = self.designs.index.to_frame().to_numpy(dtype=float)
        asked = [float(row[name + unit]) for name, unit in zip(PARAMETERS, UNITS, strict=True)]
        span = grid.max(axis=0) - grid.min(axis=0)
        nearest = int((((grid - asked) / span) ** 2).sum(axis=1).argmin())
        values, name = self.designs.iloc[nearest], str(row["candidate"])
        self.means[name] = float(np.mean(values))
        rows = [[name, str(k), f"{v!r}", *map(str, grid[nearest])] for k, v in enumerate(values, 1)]
        if self.rng is None:
            return [sheet(day + 1, name, rows)]
        return self._with_habits(self.rng, day, name, rows)

    def _with_habits(  # noqa: PLR0911 - one return per habit
        self, rng: np.random.Generator, day: int, name: str, rows: list[list[str]]
    ) -> list[Sheet]:
        habit = str(rng.choice(list(HABITS), p=list(HABITS.values())))
        self.habits[habit] = self.habits.get(habit, 0) + 1
        rng.shuffle(rows)
        soon = day + 1 + int(rng.integers(3))
        match habit:
            case "late":
                return [sheet(day + int(rng.integers(4, 11)), name, rows)]
            case "partial":
                return [sheet(soon, name, rows[:1]), sheet(soon + 2, name, rows)]
            case "twice":
                return [sheet(soon, name, rows), sheet(soon + 1, f"{name} copy", rows)]
            case "corrected":
                wrong = [[*rows[0][:2], str(10 * float(rows[0][2])), *rows[0][3:]], *rows[1:]]
                return [sheet(soon, name, wrong), sheet(soon + 3, name, rows)]
            case "other unit":
                scaled = [[*r[:2], repr(1000 * float(r[2])), *r[3:]] for r in rows]
                return [sheet(soon, name, scaled, unit="mJ")]
            case "wrong unit":
                return [sheet(soon, f"{name} a", rows, unit="mm"), sheet(soon + 1, name, rows)]
            case "decimal commas":
                return [sheet(soon, name, rows, mark=",")]
            case "unknown id":
                strange = [["9999-xyz", *r[1:]] for r in rows[:1]]
                return [sheet(soon, name, [*strange, *rows])]
            case "failed":
                self.means.pop(name)
                text = f"candidate,status,reason\n{name},failed,it broke off the plate\n"
                return [Sheet(day=soon, name=f"{name}.csv", text=text, rows=1)]
            case _:
                return [sheet(soon, name, rows)]


HABITS = {
    "none": 0.26,
    "late": 0.15,
    "partial": 0.12,
    "twice": 0.09,
    "corrected": 0.09,
    "other unit": 0.06,
    "wrong unit": 0.07,
    "decimal commas": 0.06,
    "unknown id": 0.05,
    "failed": 0.05,
}


def sheet(day: int, name: str, rows: list[list[str]], *, unit: str = "J", mark: str = ".") -> Sheet:
    """The file of a sample; with decimal commas its columns are parted by semicolons."""
    columns = [f"executed:{n}{u}" for n, u in zip(PARAMETERS, UNITS, strict=True)]
    header = ["candidate", "replicate", f"toughness [{unit}]", *columns]
    parted = ";" if mark == "," else ","
    lines = [parted.join(c.replace(".", mark) for c in row) for row in rows]
    text = "\n".join([parted.join(header), *lines]) + "\n"
    return Sheet(day=day, name=f"{name}.csv", text=text, rows=len(rows))


def month(table: Path, seed: int, evaluations: int, *, chaos: bool) -> dict[str, Any]:
    """A campaign to its end, and what came of it."""
    designs = pd.read_csv(table).groupby(list(PARAMETERS)).toughness.apply(list)
    lab = Laboratory(designs=designs, rng=np.random.default_rng(seed) if chaos else None)
    began = time.process_time()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "campaign.toml").write_text(CAMPAIGN.format(seed=seed, evaluations=evaluations))
        (folder / "results").mkdir()
        rig, day, ended = load(folder).rig, 0, 0
        while not ended or lab.due:
            campaign = turn(rig, Worker())
            ended = ended or (day if campaign.closed else 0)
            day += 1
            lab.work(folder, day)
            if day > PATIENCE:
                raise RuntimeError(f"seed {seed}: not closed after {PATIENCE} days")
        turn(rig, Worker())  # what came after the end is late, and welcome
        return told(replay(rig), lab, designs) | {
            "seed": seed,
            "lab": "chaotic" if chaos else "clean",
            "evaluations": evaluations,
            "days": ended,
            "cpu_s": round(time.process_time() - began, 1),
        }


def told(campaign: Campaign, lab: Laboratory, designs: pd.Series) -> dict[str, Any]:
    """The best, and whether every row is where it belongs."""
    means = designs.apply(np.mean)
    account = total(accounts(campaign))
    value = max(result.values["toughness"] for result in campaign.results)
    known = {result.candidate.id: result.values["toughness"] for result in campaign.results}
    wrong = [k for k, v in lab.means.items() if abs(known.get(k, np.inf) - v) > 1e-9 * abs(v)]
    return {
        "best": value,
        "rank": int((means > value + 1e-9).sum()) + 1,
        "handed_in": lab.rows,
        "balances": account.balances and account.rows == lab.rows,
        "wrong": len(wrong),
        "habits": lab.habits,
        **{n: getattr(account, n) for n in ("used", "duplicate", "superseded", "rejected")},
        "failed": len(campaign.failures),
    }


def main(
    table: Annotated[Path, typer.Argument(help="crossed_barrel.csv", exists=True)],
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds, from 0.")] = 20,
    evaluations: Annotated[int, typer.Option(min=1, help="The budget.")] = 60,
    out: Annotated[Path, typer.Option(help="Where results are kept.")] = Path("build/benchmarks"),
    *,
    summary: Annotated[bool, typer.Option("--summary", help="Only print what is there.")] = False,
) -> None:
    """Run both laboratories for every seed, and print the table.

    Example: python benchmarks/chaotic_lab.py ../shared/data/crossed_barrel.csv --seeds 20
    """
    journal = Journal(file=out / "chaotic_lab.jsonl", keys=("seed", "lab", "evaluations"))
    jobs = [
        (seed, chaos)
        for seed in range(seeds)
        for chaos in (False, True)
        if (seed, "chaotic" if chaos else "clean", evaluations) not in journal.done()
    ]
    for seed, chaos in track(jobs, "months in the laboratory", disable=summary):
        if not summary:
            journal.add(month(table, seed, evaluations, chaos=chaos))
    show([row for row in journal.rows() if row["evaluations"] == evaluations])


def show(rows: list[dict[str, Any]]) -> None:
    """The table in Markdown, and what it comes to."""
    frame = pd.DataFrame(rows).set_index(["seed", "lab"]).sort_index()
    clean, chaotic = (frame.xs(name, level="lab") for name in ("clean", "chaotic"))
    seeds = clean.index.intersection(chaotic.index)
    clean, chaotic = clean.loc[seeds], chaotic.loc[seeds]
    head = ["seed", "clean, J (rank)", "chaotic, J (rank)", "days", "rows in", "used", "duplicate"]
    head += ["superseded", "rejected", "failed samples", "balances"]
    print(f"| {' | '.join(head)} |\n|{' --- |' * len(head)}")
    for seed in seeds:
        a, b = clean.loc[seed], chaotic.loc[seed]
        print(
            f"| {seed} | {a.best:.2f} ({a['rank']}) | {b.best:.2f} ({b['rank']}) |"
            f" {a.days}, {b.days} | {b.handed_in} | {b.used} | {b.duplicate} | {b.superseded} |"
            f" {b.rejected} | {b.failed} | {'yes' if b.balances and a.balances else 'NO'} |"
        )
    for name, each in (("clean", clean), ("chaotic", chaotic)):
        low, middle, high = np.percentile(each.best, [25, 50, 75])
        print(f"\n{name}: median {middle:.2f} J, quartiles {low:.2f} to {high:.2f}; ", end="")
        print(
            f"{int((each['rank'] <= 30).sum())} of {len(seeds)} in the best 5 % of designs; ",
            end="",
        )
        print(f"{int(each.wrong.sum())} values that are not the table's")
    gap = chaotic.best - clean.best
    low, middle, high = np.percentile(gap, [25, 50, 75])
    chance = wilcoxon(gap).pvalue if gap.any() else 1.0
    print(
        f"\nchaotic - clean, paired: median {middle:.2f} J, quartiles {low:.2f} to {high:.2f}; ",
        end="",
    )
    print(f"Wilcoxon p = {chance:.2f}; CPU {frame.cpu_s.median():.0f} s a campaign")


if __name__ == "__main__":
    typer.run(main)
