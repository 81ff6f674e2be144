"""A month in a laboratory with habits, beside the same month in one without: what does chaos cost?

    .venv/bin/python benchmarks/chaotic_lab.py CROSSED_BARREL_CSV --seeds 20

The samples are the 600 crossed barrels of Gongora et al., Sci. Adv. 6, eaaz1708 (2020), each
crushed three times; a design that is not in the table is made as the nearest that is, and the rows
say so. Every day of a simulated month the laboratory makes what is new on the worklist, hands in
what is due, and one turn is taken; files carry the date of their day, and nobody sleeps. What is
compared is what was found when the month ends; files that come later are late, and accounted for.

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
from journal import Journal, difference
from loop.campaign import Campaign
from loop.run import Worker, replay, turn
from tests.flows.barrels import Printer, campaign, printer, written

EPOCH = 1_600_000_000  # the first day of the month, in seconds of the files' clock
DAY = 86_400
MONTH = 30  # days: what has not been found by then does not count
BATCH = 12  # samples that wait at a time: a printer's plate


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

    printer: Printer
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
        self.hand_in(folder, day)

    def hand_in(self, folder: Path, day: int) -> None:
        """Write the files that are due by that day."""
        for sheet in [each for each in self.due if each.day <= day]:
            self.due.remove(sheet)
            path = folder / "results" / sheet.name
            path.write_text(sheet.text, encoding="utf-8")
            os.utime(path, (EPOCH + day * DAY,) * 2)
            self.rows += sheet.rows

    def _made(self, row: Mapping[str, Any], day: int) -> list[Sheet]:
        made = self.printer.make(row)
        name, rows = made.candidate, made.rows
        self.means[name] = float(np.mean(made.toughness))
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
    """The file of a sample, to be handed in on a day."""
    text = written(rows, unit=unit, mark=mark)
    return Sheet(day=day, name=f"{name}.csv", text=text, rows=len(rows))


def month(table: Path, seed: int, evaluations: int, *, chaos: bool) -> dict[str, Any]:
    """A campaign to its end or that of the month, and what came of it."""
    made = printer(table)
    lab = Laboratory(printer=made, rng=np.random.default_rng(seed) if chaos else None)
    began = time.process_time()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        asked = campaign(seed=seed, evaluations=evaluations, batch=BATCH)
        (folder / "campaign.toml").write_text(asked)
        (folder / "results").mkdir()
        rig, ended = load(folder).rig, None
        turn(rig, Worker())
        for day in range(1, MONTH + 1):
            lab.work(folder, day)
            if turn(rig, Worker()).closed and ended is None:
                ended = day
        found = best(replay(rig), made)
        for day in sorted({each.day for each in lab.due}):
            lab.hand_in(folder, day)
        turn(rig, Worker())
        return (
            found
            | balance(replay(rig), lab)
            | {
                "seed": seed,
                "lab": "chaotic" if chaos else "clean",
                "evaluations": evaluations,
                "days": ended,
                "cpu_s": round(time.process_time() - began, 1),
            }
        )


def best(campaign: Campaign, made: Printer) -> dict[str, Any]:
    """The best that is known, and its rank among all designs."""
    value = max(result.values["toughness"] for result in campaign.results)
    return {
        "best": value,
        "rank": int((made.means > value + 1e-9).sum()) + 1,
        "answered": campaign.answered,
    }


def balance(campaign: Campaign, lab: Laboratory) -> dict[str, Any]:
    """Whether every row is where it belongs, and every value that of the table."""
    account = total(accounts(campaign))
    known = {result.candidate.id: result.values["toughness"] for result in campaign.results}
    wrong = [k for k, v in lab.means.items() if abs(known.get(k, np.inf) - v) > 1e-9 * abs(v)]
    return {
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
    rows = [row for row in journal.rows() if row["evaluations"] == evaluations]
    show([row for row in rows if row["seed"] < seeds], noise(table))


def noise(table: Path) -> float:
    """How far the mean of three barrels of a good design may be off: its standard error, J."""
    designs = printer(table).designs
    good = designs[designs.apply(np.mean) >= designs.apply(np.mean).quantile(0.95)]
    return float(good.apply(lambda each: np.std(each, ddof=1) / np.sqrt(len(each))).median())


def show(rows: list[dict[str, Any]], off: float) -> None:
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
            f" {a.days:g}, {b.days:g} | {b.handed_in} | {b.used} | {b.duplicate} |"
            f" {b.superseded} | {b.rejected} | {b.failed} |"
            f" {'yes' if b.balances and a.balances else 'NO'} |"
        )
    for name, each in (("clean", clean), ("chaotic", chaotic)):
        low, middle, high = np.percentile(each.best, [25, 50, 75])
        print(
            f"\n{name}: median {middle:.2f} J, quartiles {low:.2f} to {high:.2f};"
            f" {int((each['rank'] <= 30).sum())} of {len(seeds)} in the best 5 % of designs;"
            f" {int((each.answered == each.evaluations).sum())} of {len(seeds)} ended within"
            f" {MONTH} days, the last on day {each.days.max():g};"
            f" {int(each.wrong.sum())} values that are not the table's"
        )
    low, middle, high = difference(chaotic.best, clean.best)
    gap = chaotic.best - clean.best
    chance = wilcoxon(gap).pvalue if gap.any() else 1.0
    print(
        f"\nchaotic - clean, paired, {len(seeds)} seeds: mean {middle:+.2f} J, 90 % interval"
        f" {low:+.2f} to {high:+.2f} (bootstrap); Wilcoxon p = {chance:.2f};"
        f" {int((gap > 0).sum())} better, {int((gap < 0).sum())} worse, {int((gap == 0).sum())}"
        f" the same. The mean of three barrels of a good design is known to {off:.1f} J."
    )
    print(f"\nCPU {frame.cpu_s.median():.1f} s a campaign")


if __name__ == "__main__":
    typer.run(main)
