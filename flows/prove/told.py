"""The proof in the terminal: a bar while it runs, and the table of what became of every kill."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from flows.prove.child import world
from flows.prove.invariants import INVARIANTS
from flows.prove.points import points
from flows.prove.proof import Proof

SHOWN = 20  # broken invariants that a terminal lists


@contextmanager
def proved(folder: Path, random_kills: int) -> Iterator[Callable[[], object]]:
    """A bar on stderr over points and random kills, for as long as the block lasts."""
    with Progress(
        TextColumn("killing"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as progress:
        bar = progress.add_task("", total=len(points(world(folder))) + random_kills)
        yield lambda: progress.advance(bar)


def table(proof: Proof) -> RenderableType:
    """Every point with what became of it, and the six sentences with whether they held."""
    shown = Table(box=None, pad_edge=False)
    for name in ("killed when", "passed", "first", "second"):
        shown.add_column(name)
    for row in proof.rows:
        shown.add_row(row.point, str(row.passed), row.first, row.second)
    done = f"{proof.kills} kills, {proof.random_kills} of them at random instants"
    said = [f"{done}; {proof.ledger}; a {proof.world}; {proof.seconds:.0f} s"]
    for each in INVARIANTS:
        held = not any(f": {each}: " in found for found in proof.broken)
        said.append(f"{'holds ' if held else 'BROKEN'}  {each}")
    said += [f"not reached: {each}" for each in proof.unreached]
    said += proof.broken[:SHOWN]
    more = len(proof.broken) - SHOWN
    return Group(shown, "", *said, *([f"and {more} more"] if more > 0 else []))
