"""The demo's campaign against as many points of its own space-filling design, seed by seed.

    .venv/bin/python benchmarks/demo_vs_design.py --seeds 10

Both run the demo's own campaign.toml, with the same oracle, budget, batch and bounds, in the same
process; only the proposer differs. The random ordering of each alloy derives from the seed as well.
Prints a table in Markdown: the best bulk modulus that keeps the density bound, the number of
evaluations after which the model first passed the design's final best, and the seconds of each.
"""

import json
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import typer
from rich.progress import track

from flows import plain
from flows.folder import create
from flows.rig import load
from flows.settings import schema
from loop.campaign import Campaign
from loop.designs import Design
from loop.run import Worker, replay


def main(seeds: Annotated[int, typer.Option(min=1, help="How many seeds, from 0.")] = 10) -> None:
    """Run both for every seed and print the table.

    Example: python benchmarks/demo_vs_design.py --seeds 3
    """
    rows = [compare(seed) for seed in track(range(seeds), "demo against its design")]
    print("| seed | model, GPa | design, GPa | passed its best after | model, s | design, s |")
    print("| --- | --- | --- | --- | --- | --- |")
    for seed, (model, design, passed, seconds, other) in enumerate(rows):
        after = "never" if passed is None else f"{passed} evaluations"
        print(f"| {seed} | {model:.1f} | {design:.1f} | {after} | {seconds:.0f} | {other:.0f} |")
    model, design = (np.array([row[column] for row in rows]) for column in (0, 1))
    print(f"\nThe model is better in {(model > design).sum()} of {seeds} seeds.")
    for name, best in (("model", model), ("design", design), ("model / design", model / design)):
        low, middle, high = np.percentile(best, [25, 50, 75])
        print(f"{name}: median {middle:.4g}, quartiles {low:.4g} to {high:.4g}")


def compare(seed: int) -> tuple[float, float, int | None, float, float]:
    """Best of the model and of the design, when one passed the other, the seconds of both."""
    found, seconds = run(seed, design=False)
    other, other_seconds = run(seed, design=True)
    mark = bulk_modulus(other)
    trace = [value if value is not None else 0.0 for _, value in found.trace]
    passed = next((i for i, value in enumerate(trace, start=1) if value > mark), None)
    return bulk_modulus(found), mark, passed, seconds, other_seconds


def run(seed: int, *, design: bool) -> tuple[Campaign, float]:
    """The demo's campaign with this seed, in a folder that is thrown away, and its seconds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "demo"
        create(folder, "alloy", json.dumps(schema()))
        file = folder / "campaign.toml"
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace("\nseed = 0\n", f"\nseed = {seed}\n"), encoding="utf-8")
        setup = load(folder)
        if design:
            setup = replace(setup, rig=replace(setup.rig, proposer=Design()))
        began = time.perf_counter()
        plain.run(setup, Worker())
        return replay(setup.rig), time.perf_counter() - began


def bulk_modulus(campaign: Campaign) -> float:
    """The best that keeps the density bound, GPa; zero where none does."""
    return campaign.best.values["bulk_modulus"] if campaign.best else 0.0


if __name__ == "__main__":
    typer.run(main)
