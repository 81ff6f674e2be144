"""Two settings of Quantum ESPRESSO in one campaign: does the coarse one save the fine one's time?

    python benchmarks/espresso_pairs.py compute     # a minute or two of CPU; needs pw.x
    python benchmarks/espresso_pairs.py replay      # seconds; draws docs/fidelities.svg

A search for the structure of silicon: 100 cells of two atoms, of which an edge a, its stretch c/a
along z and the place (u, v, w) of the second atom in fractions of the primitive fcc cell were drawn
from a Sobol sequence, cells with atoms nearer than 2.1 angstrom left out before anything was
computed. Wanted is the cell of least energy per atom by the fine settings. `compute` asks `pw.x`
for the energy of each as it is, by both settings, each in a folder of its own, and writes them with
the CPU seconds that they took to the table that `replay` reads.

`replay` runs campaigns whose oracles are that table, by the fine settings alone and beside the
coarse ones, until the fine settings have seen the best cell of all, and adds the CPU seconds of
everything asked for. On one pool every seed takes the same course, so that each has 80 cells of its
own, drawn by it.
"""

import os
import subprocess
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Annotated

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import typer
from ase import Atoms
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from scipy.stats import bootstrap
from scipy.stats.qmc import Sobol, scale

from flows.rig import load
from loop.run import turns
from loop.space.values import Array
from oracles.atoms.espresso import Espresso

TABLE = Path(__file__).with_name("results") / "espresso_pairs.csv"
FIGURE = Path(__file__).parents[1] / "docs" / "fidelities.svg"
CAMPAIGN = """
name = "silicon"
seed = {seed}

[[parameter]]
name = "cell"
kind = "pool"
file = "cells.csv"
id = "cell"
features = ["a", "c_over_a", "u", "v", "w"]

[[target]]
name = "energy"
goal = "min"

[[oracle]]
name = "fine"
kind = "table"
file = "cells.csv"
columns = {{ energy = "fine" }}
cost = 1
{coarse}
[stop]
evaluations = 1000
"""
BESIDE = """
[[oracle]]
name = "coarse"
kind = "table"
file = "cells.csv"
columns = {{ energy = "coarse" }}
approximates = true
cost = {cost:.4f}
"""
CELLS = 100
SHARE = 80  # of them in one campaign
NEAREST = 2.1  # angstrom
LOW = [4.6, 0.8, 0.0, 0.0, 0.0]
HIGH = [5.9, 1.25, 0.5, 1.0, 1.0]
NAMES = ["a", "c_over_a", "u", "v", "w"]

app = typer.Typer(help=__doc__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Cut-off of the wave functions in Ry, points of the grid along each reciprocal vector."""

    cutoff_ry: float
    grid: int


COARSE = Settings(cutoff_ry=10, grid=2)
FINE = Settings(cutoff_ry=20, grid=4)


def cell(row: Array) -> Atoms:
    """Two atoms of silicon in the primitive cell of a stretched fcc lattice."""
    a, ratio, *place = row
    half = a / 2
    edges = [[0, half, half * ratio], [half, 0, half * ratio], [half, half, 0]]
    atoms = Atoms("Si2", cell=edges, pbc=True)
    atoms.set_scaled_positions([[0, 0, 0], place])
    return atoms


def closest(atoms: Atoms) -> float:
    """The least distance between atoms, of neighbouring cells too."""
    shifts = np.array(list(product((-1, 0, 1), repeat=3))) @ atoms.cell.array
    apart = np.concatenate([shifts, shifts + atoms.positions[1] - atoms.positions[0]])
    distances = np.linalg.norm(apart, axis=1)
    return float(distances[distances > 1e-9].min())


def drawn() -> Array:
    """The cells that are asked for, (CELLS, 5)."""
    rows = scale(Sobol(len(NAMES), rng=0).random_base2(12), LOW, HIGH).round(4)
    return np.array([row for row in rows if closest(cell(row)) >= NEAREST][:CELLS])


def asked(row: Array, settings: Settings) -> tuple[float, float]:
    """Energy in eV per atom, NaN where `pw.x` came to none, and CPU seconds."""
    before = getrusage(RUSAGE_CHILDREN)
    atoms = cell(row)
    with TemporaryDirectory() as folder:
        atoms.calc = Espresso(
            pseudopotentials={"Si": "Si.pz-vbc.UPF"},
            cutoff_ry=settings.cutoff_ry,
            k_grid=[settings.grid] * 3,
            smearing="gaussian",
            directory=folder,
        )
        try:
            energy = atoms.get_potential_energy() / len(atoms)
        except subprocess.CalledProcessError:
            energy = float("nan")
    after = getrusage(RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return float(energy), float(spent)


def both(row: Array) -> dict[str, float]:
    """One line of the table."""
    coarse, fine = asked(row, COARSE), asked(row, FINE)
    found = {"coarse": coarse[0], "coarse_s": coarse[1], "fine": fine[0], "fine_s": fine[1]}
    return dict(zip(NAMES, map(float, row), strict=True)) | found


@app.command()
def compute(workers: Annotated[int, typer.Option(min=1)] = 2) -> None:
    """Ask Quantum ESPRESSO, and write the table.

    Example: python benchmarks/espresso_pairs.py compute --workers 1
    """
    with ProcessPoolExecutor(workers) as pool, typer.progressbar(length=CELLS) as bar:
        lines = []
        for line in pool.map(both, drawn()):
            lines.append(line)
            bar.update(1)
    TABLE.parent.mkdir(exist_ok=True)
    pd.DataFrame(lines).round(6).to_csv(TABLE, index=False)


def known() -> pd.DataFrame:
    """The table's cells for which both settings came to an energy."""
    frame = pd.read_csv(TABLE)
    frame.insert(0, "cell", [f"si-{number}" for number in range(1, len(frame) + 1)])
    return frame.dropna().reset_index(drop=True)


def course(frame: pd.DataFrame, seed: int, *, has_coarse: bool) -> tuple[Array, Array]:
    """CPU seconds spent (n,) and eV per atom above the best cell (n,), until it is found."""
    cost = frame["coarse_s"].mean() / frame["fine_s"].mean()
    text = CAMPAIGN.format(seed=seed, coarse=BESIDE.format(cost=cost) if has_coarse else "")
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "campaign.toml").write_text(text, encoding="utf-8")
        frame.to_csv(folder / "cells.csv", index=False)
        for campaign in turns(load(folder).rig):
            best = campaign.best
            if best and best.values["energy"] <= frame["fine"].min() + 1e-9:
                break
        by_name = frame.set_index("cell")
        seconds, energies = [], []
        for each in campaign.candidates.values():
            answered = by_name.loc[str(each.point["cell"])]
            seconds.append(answered["coarse_s" if each.fidelity else "fine_s"])
            energies.append(np.inf if each.fidelity else answered["fine"])
    return np.cumsum(seconds), np.minimum.accumulate(np.array(energies)) - frame["fine"].min()


@app.command()
def replay(
    first: Annotated[int, typer.Option(min=0, help="The first seed.")] = 100,
    seeds: Annotated[int, typer.Option(min=2, help="How many.")] = 20,
    figure: Annotated[Path, typer.Option(help="Where it is drawn.")] = FIGURE,
) -> None:
    """Print what finding the best cell costs, with and without the coarse settings.

    Example: python benchmarks/espresso_pairs.py replay --seeds 5
    """
    frame = known()
    pools = [(seed, frame.sample(SHARE, random_state=seed)) for seed in range(first, first + seeds)]
    alone = [course(pool, seed, has_coarse=False) for seed, pool in pools]
    beside = [course(pool, seed, has_coarse=True) for seed, pool in pools]
    drawn_to(figure, frame, {"fine alone": alone, "beside coarse": beside})
    correlation = frame["coarse"].corr(frame["fine"])
    print(
        f"{len(frame)} cells; a fine one {frame['fine_s'].mean():.2f} s of CPU on average, a "
        f"coarse one {frame['coarse_s'].mean():.2f} s; their energies correlate at "
        f"{correlation:.3f}"
    )
    for label, within in (("the best cell", 0.0), ("within 0.02 eV per atom of it", 0.02)):
        ends = [[_until(each, within) for each in some] for some in (alone, beside)]
        ratios = np.array(ends[1]) / np.array(ends[0])
        low, high = bootstrap((ratios,), np.median, rng=0).confidence_interval
        print(f"{label}: alone {_said(ends[0])} s, beside {_said(ends[1])} s of CPU")
        print(
            f"  ratios, seed by seed: {_said(ratios)}, bootstrap of the median {low:.2f} to "
            f"{high:.2f}; a third or less in {(ratios <= 1 / 3).sum()} of {seeds}"
        )


def _until(course: tuple[Array, Array], within: float) -> float:
    """CPU seconds until a cell that near the best was seen by the fine settings."""
    seconds, above = course
    return float(seconds[np.flatnonzero(above <= within + 1e-9)[0]])


def _said(values: list[float] | Array) -> str:
    low, middle, high = quantiles(list(values), n=4, method="inclusive")
    return f"{middle:.3g} ({low:.3g} to {high:.3g})"


def drawn_to(
    path: Path, frame: pd.DataFrame, courses: dict[str, list[tuple[Array, Array]]]
) -> None:
    """Draw the pair of energies, and how the best fell: medians and quartiles over the seeds."""
    plt.rcParams["svg.hashsalt"] = "athanor"
    _, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    best = frame["fine"].min()
    left.plot(frame["coarse"] - frame["coarse"].min(), frame["fine"] - best, ".", color="0.4")
    left.set(xlabel="coarse, eV per atom above its least", ylabel="fine, the same")
    for (label, some), colour in zip(courses.items(), ("C1", "C0"), strict=True):
        _fallen(right, label, some, colour)
    right.set(xlabel="CPU seconds of pw.x", ylabel="best so far, eV per atom above the best cell")
    right.legend(frameon=False)
    plt.savefig(path, metadata={"Date": None})


def _fallen(axes: Axes, label: str, some: list[tuple[Array, Array]], colour: str) -> None:
    grid = np.linspace(0, max(seconds[-1] for seconds, _ in some), 400)
    values = []
    for seconds, above in some:
        at = np.searchsorted(seconds, grid, side="right") - 1
        values.append(np.where(at < 0, np.inf, above[np.maximum(at, 0)]))
    low, middle, high = np.quantile(
        np.where(np.isinf(values), np.nan, values), [0.25, 0.5, 0.75], axis=0
    )
    axes.plot(grid, middle, color=colour, label=label)
    axes.fill_between(grid, low, high, color=colour, alpha=0.2, linewidth=0)


if __name__ == "__main__":
    app()
