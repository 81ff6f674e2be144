"""The physics table: properties of metals and alloys by EMT, beside values found otherwise.

    python benchmarks/physics.py              prints the page, and says what deviates
    python benchmarks/physics.py --write      writes it to docs/physics.md

Every number comes through the atoms oracle as a campaign asks for it, in a process of its own;
silicon and aluminium by Quantum ESPRESSO and GPAW where those are installed (`dft_physics`).
Beside it stands the same potential's value, made by hand with ASE and without this code, and for
lattice constants and bulk moduli the measured one.
"""

import platform
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from dft_physics import section
from loop.records import Candidate, Failed, Why
from loop.space.values import Point
from oracles.atoms.builders import Builder
from oracles.atoms.oracle import AtomsOracle
from oracles.atoms.prototypes import Prototype
from oracles.atoms.slabs import Surface
from oracles.atoms.structures import BulkElement, RandomAlloy

PAGE = Path(__file__).parents[1] / "docs" / "physics.md"
FMAX = 0.001  # eV/angstrom
ORDERINGS = 5
HOST = BulkElement(element="x", lattice="fcc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A property, how it is titled and printed, and how far from the reference is too far."""

    name: str
    title: str
    digits: int
    within: float


COLUMNS = (
    Column(name="lattice_constant", title="a [Å]", digits=3, within=0.001),
    Column(name="bulk_modulus", title="B [GPa]", digits=0, within=1.0),
    Column(name="c11", title="C11 [GPa]", digits=0, within=1.0),
    Column(name="c12", title="C12 [GPa]", digits=0, within=1.0),
    Column(name="c44", title="C44 [GPa]", digits=0, within=1.0),
    Column(name="surface_energy", title="γ(111) [J/m²]", digits=2, within=0.01),
    Column(name="vacancy_energy", title="E vacancy [eV]", digits=2, within=0.01),
)
ALONE = {  # found, and with no reference by hand
    "bulk_modulus_derivative": ("B'", 1),
    "shear_modulus": ("G [GPa]", 0),
    "pugh_ratio": ("B/G", 2),
    "cohesive_energy": ("E cohesion [eV]", 2),
    "density": ("ρ [g/cm³]", 2),
    "phonon_stable": ("stable", 0),
}
# By hand: EMT of ASE 3.29, 7-point Birch-Murnaghan, stress differences, 107 atoms.
REFERENCE: Mapping[str, Sequence[float]] = {
    "Al": (3.994, 39, 53, 33, 36, 0.71, 0.95),
    "Cu": (3.590, 134, 173, 115, 90, 1.04, 1.22),
    "Ag": (4.064, 100, 126, 87, 54, 0.55, 0.85),
    "Au": (4.056, 174, 197, 163, 47, 0.51, 0.74),
    "Ni": (3.487, 174, 230, 149, 147, 1.70, 1.90),
    "Pd": (3.879, 179, 216, 161, 73, 0.67, 0.93),
    "Pt": (3.922, 277, 318, 258, 79, 0.75, 1.02),
}
# Lattice constant and bulk modulus at room temperature, as ASE's and Kittel's tables have them.
MEASURED: Mapping[str, tuple[float, float]] = {
    "Al": (4.05, 76),
    "Cu": (3.615, 140),
    "Ag": (4.086, 104),
    "Au": (4.078, 173),
    "Ni": (3.524, 186),
    "Pd": (3.891, 181),
    "Pt": (3.924, 278),
}
ORDERED = {("Cu", "Au"): -7.8, ("Cu", "Pd"): -35.4, ("Cu", "Pt"): -118, ("Ni", "Pt"): -139,
           ("Pd", "Pt"): -4.9}  # fmt: skip
RANDOM = {("Cu", "Au"): (16.6, 14.6), ("Pd", "Pt"): (-5.6, -5.4), ("Cu", "Pd"): (-19.3, -20.9),
          ("Ag", "Pd"): (26.8, 27.5), ("Ag", "Cu"): (41.7, 40.1)}  # fmt: skip


@dataclass(slots=True)
class Bench:
    """The campaign folder that keeps the references, and what deviates from the values by hand."""

    folder: Path
    deviations: list[str]

    def ask(self, builder: Builder, point: Point, *names: str, number: int = 1) -> dict[str, float]:
        """The properties of one candidate; SystemExit where the oracle has no answer."""
        oracle = AtomsOracle(
            folder=self.folder,
            structure=builder,
            properties={name: name for name in names},
            fmax=FMAX,
        )
        why = Why(origin="manual")
        (answer,) = oracle.collect([Candidate(id=f"{number:04d}-phy", point=point, why=why)])
        if isinstance(answer, Failed):
            sys.exit(f"{builder}: {answer.kind}: {answer.message}")
        return dict(answer.values)

    def compare(self, what: str, found: float, reference: float, within: float) -> None:
        """Note a value that is farther from its reference than it should be."""
        if abs(found - reference) > within:
            self.deviations.append(f"{what}: {found:.4g}, by hand {reference:g}")


def main(
    *, write: Annotated[bool, typer.Option("--write", help="Write docs/physics.md.")] = False
) -> None:
    """Make the page; exit 1 where a value deviates from the one by hand."""
    with TemporaryDirectory() as folder:
        bench = Bench(Path(folder), [])
        page = "\n".join(_page(bench)) + "\n"
    if write:
        PAGE.write_text(page, encoding="utf-8")
    else:
        print(page)
    for deviation in bench.deviations:
        print(f"deviates: {deviation}", file=sys.stderr)
    raise typer.Exit(bool(bench.deviations))


def _page(bench: Bench) -> Iterator[str]:
    start = time.perf_counter()
    yield (
        "# Physics\n\nMade by `python benchmarks/physics.py --write` with ASE "
        f"{version('ase')}, pymatgen {version('pymatgen')}, Python {platform.python_version()}: "
        "every number through the atoms oracle, as a campaign asks for it, with ASE's EMT "
        "(K. W. Jacobsen, P. Stoltze, J. K. Nørskov, Surf. Sci. 366, 394 (1996)), and by real DFT "
        "where that is installed.\n"
    )
    yield from _metals(bench)
    yield from _ordered(bench)
    yield from _random(bench)
    yield from _adsorption(bench)
    yield from section(bench.folder, bench.deviations)
    yield f"\nAll of it: {time.perf_counter() - start:.0f} s of wall time."


def _metals(bench: Bench) -> Iterator[str]:
    yield (
        "## Seven fcc metals\n\nIn each cell: Athanor / the same potential by hand with ASE, "
        "without this code; for a and B also the measured value. Al's bulk modulus is the "
        "potential's own failure.\n"
    )
    yield _row("", *(column.title for column in COLUMNS), "seconds")
    yield _row(*["---"] * (len(COLUMNS) + 2))
    others = []
    for symbol, reference in REFERENCE.items():
        start = time.perf_counter()
        names = [column.name for column in COLUMNS]
        found = bench.ask(HOST, {"x": symbol}, *names, *ALONE)
        seconds = time.perf_counter() - start
        others.append((symbol, found))
        cells = []
        for column, by_hand in zip(COLUMNS, reference, strict=True):
            value = found[column.name]
            bench.compare(f"{symbol} {column.title}", value, by_hand, column.within)
            cells.append(f"{value:.{column.digits}f} / {by_hand:.{column.digits}f}")
        a, modulus = MEASURED[symbol]
        cells[:2] = [f"{cells[0]} ({a:g})", f"{cells[1]} ({modulus:g})"]
        yield _row(symbol, *cells, f"{seconds:.1f}")
    yield "\nWhat else is found of them, in the same evaluations:\n"
    yield _row("", *(title for title, _ in ALONE.values()))
    yield _row(*["---"] * (len(ALONE) + 1))
    for symbol, found in others:
        yield _row(symbol, *(f"{found[name]:.{n}f}" for name, (_, n) in ALONE.items()))


def _ordered(bench: Bench) -> Iterator[str]:
    yield "\n## Formation energies of L1_0 alloys, meV/atom\n"
    yield _row("", "Athanor", "by hand")
    yield _row("---", "---", "---")
    for (a, b), by_hand in ORDERED.items():
        builder = Prototype(prototype="L1_0", sites={"A": a, "B": b})
        found = 1000 * bench.ask(builder, {}, "formation_energy")["formation_energy"]
        bench.compare(f"L1_0 {a}{b}", found, by_hand, 0.5)
        yield _row(f"{a}{b}", f"{found:.1f}", f"{by_hand:g}")


def _random(bench: Bench) -> Iterator[str]:
    yield (
        f"\n## Formation energies of random alloys, meV/atom\n\n{ORDERINGS} orderings of 32 atoms "
        "each, mean ± standard deviation; by hand at 32 and at 108 atoms. A quasirandom cell of 32 "
        "has the pairs of an endless alloy: one of it is worth several random ones.\n"
    )
    yield _row("", "random, 32", "quasirandom, 32", "by hand, 32", "by hand, 108")
    yield _row(*["---"] * 5)
    for (a, b), (small, large) in RANDOM.items():
        cells = []
        for ordering in ("random", "quasirandom"):
            builder = RandomAlloy(composition="x", ordering=ordering)
            mean, deviation = _spread(bench, builder, {"x": {a: 0.5, b: 0.5}})
            cells.append(f"{mean:.1f} ± {deviation:.1f}")
        yield _row(f"{a}{b}", *cells, f"{small:g}", f"{large:g}")


def _spread(bench: Bench, builder: RandomAlloy, point: Point) -> tuple[float, float]:
    found = [
        1000 * bench.ask(builder, point, "formation_energy", number=n)["formation_energy"]
        for n in range(ORDERINGS)
    ]
    mean = sum(found) / ORDERINGS
    return mean, (sum((each - mean) ** 2 for each in found) / (ORDERINGS - 1)) ** 0.5


def _adsorption(bench: Bench) -> Iterator[str]:
    yield (
        "\n## Adsorption energies on (111), fcc site, eV\n\nFrom O₂ and CO, on 2×2×4 slabs; by "
        "hand over six metals -0.29 to -0.42 (O) and -0.40 to -0.61 (CO). The range is far "
        "narrower than nature's: a check of the plumbing, and no chemistry.\n"
    )
    metals = [symbol for symbol in REFERENCE if symbol != "Al"]
    yield _row("", *metals)
    yield _row(*["---"] * (len(metals) + 1))
    for adsorbate, low, high in (("O", -0.43, -0.28), ("CO", -0.62, -0.39)):
        builder = Surface(host=HOST, facet="fcc111", adsorbate=adsorbate, site="fcc")
        cells = []
        for symbol in metals:
            found = bench.ask(builder, {"x": symbol}, "adsorption_energy")["adsorption_energy"]
            middle, half = (low + high) / 2, (high - low) / 2
            bench.compare(f"{adsorbate} on {symbol}", found, middle, half)
            cells.append(f"{found:.2f}")
        yield _row(adsorbate, *cells)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    typer.run(main)
