"""Two settings of Quantum ESPRESSO in one campaign: does the coarse one save the fine one's time?

    python benchmarks/espresso_pairs.py compute     # 20 minutes of CPU; needs pw.x
    python benchmarks/espresso_pairs.py replay      # minutes; draws docs/fidelities.svg

A search for the structure of silicon, as random structure searching begins it (Pickard and Needs,
J. Phys. Condens. Matter 23 (2011) 053201): 200 cells of two atoms, drawn from a Sobol sequence, of
which all is free: the volume, five numbers of the shape, by which the vectors of the primitive fcc
cell are stretched and sheared, and the place (u, v, w) of the second atom in fractions of the cell.
Cells with atoms nearer than 2.1 angstrom are left out before anything is computed. Wanted is the
cell of least energy per atom by the fine settings. `compute` asks `pw.x` for the energy of each as
it is, by both settings, each in a folder of its own, and writes them with the CPU seconds that they
took to the table that `replay` reads.

`replay` runs campaigns whose oracles are that table, by the fine settings alone and beside the
coarse ones, until the fine settings have seen the best cell of all, and adds the CPU seconds of
everything asked for. On one pool every seed takes the same course, so that each has 160 cells of
its own, drawn by it.
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
features = ["volume", "stretch_x", "stretch_y", "shear_xy", "shear_xz", "shear_yz", "u", "v", "w"]

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
CELLS = 200
SHARE = 160  # of them in one campaign
SEED = 11  # of the sequence that the cells are from
NEAREST = 2.1  # angstrom
RANGES = {
    "volume": (14.0, 26.0),  # angstrom^3 per atom; that of diamond is 20
    "stretch_x": (-0.12, 0.12),
    "stretch_y": (-0.12, 0.12),
    "shear_xy": (-0.12, 0.12),
    "shear_xz": (-0.12, 0.12),
    "shear_yz": (-0.12, 0.12),
    "u": (0.0, 0.5),
    "v": (0.0, 1.0),
    "w": (0.0, 1.0),
}

app = typer.Typer(help=__doc__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Cut-off of the wave functions in Ry, points of the grid along each reciprocal vector."""

    cutoff_ry: float
    grid: int


COARSE = Settings(cutoff_ry=8, grid=4)
FINE = Settings(cutoff_ry=20, grid=8)


def cell(row: Array) -> Atoms:
    """Two atoms of silicon in a cell of these RANGES."""
    volume, x, y, xy, xz, yz, *place = row
    half = volume ** (1 / 3)  # of the edge of the cube of eight atoms
    strain = np.array([[1 + x, xy, xz], [xy, 1 + y, yz], [xz, yz, 1 - x - y]])
    strain /= np.linalg.det(strain) ** (1 / 3)
    edges = half * (1 - np.eye(3)) @ strain
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
    """The cells that are asked for, (CELLS, 9)."""
    rows = scale(Sobol(len(RANGES), rng=SEED).random_base2(13), *zip(*RANGES.values(), strict=True))
    rows = rows.round(4)
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
    return dict(zip(RANGES, map(float, row), strict=True)) | found


@app.command()
def compute(workers: Annotated[int, typer.Option(min=1)] = 2) -> None:
    """Ask Quantum ESPRESSO, and write the table; where it is cut off it goes on.

    Example: python benchmarks/espresso_pairs.py compute --workers 1
    """
    TABLE.parent.mkdir(exist_ok=True)
    lines = pd.read_csv(TABLE).to_dict("records") if TABLE.exists() else []
    rest = drawn()[len(lines) :]
    with ProcessPoolExecutor(workers) as pool, typer.progressbar(length=len(rest)) as bar:
        for line in pool.map(both, rest):
            lines.append(line)
            pd.DataFrame(lines).round(6).to_csv(TABLE, index=False)
            bar.update(1)


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
