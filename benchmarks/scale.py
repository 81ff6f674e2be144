"""What a turn costs late in a long campaign: CPU and wall time per turn, by how many are answered.

A function of two numbers, answered at once; the design proposes one point a turn; the ledger is a
file; what a flow run logs of a turn is worked out too. `--evaluations 10000` takes about five
minutes on a machine that does nothing else.
"""

import json
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.progress import track

from flows.listing import observations
from flows.saying import changes
from flows.watching.contents import contents
from loop.campaign import Campaign
from loop.designs import Design
from loop.ledger import Ledger
from loop.objective import Objective, Target
from loop.records import Problem
from loop.run import Rig, turns
from loop.space.parameters import Continuous
from loop.space.space import SearchSpace
from loop.stopping import StopRules
from oracles.function import Function

HILL = "def measure(a, b):\n    return -((a - 0.7) ** 2) - (b - 0.2) ** 2\n"


def rig(folder: Path, evaluations: int) -> Rig:
    """The campaign, in a folder."""
    (folder / "hill.py").write_text(HILL)
    (folder / "campaign.toml").write_text('name = "scale"\n')
    axes = tuple(Continuous(name=name, low=0.0, high=1.0) for name in "ab")
    space = SearchSpace(parameters=axes)
    objective = Objective(targets=(Target(name="y"),))
    return Rig(
        problem=Problem(name="scale", space=space, objective=objective),
        ledger=Ledger(f"sqlite:///{folder / 'ledger.db'}", "scale"),
        oracle=Function(
            function="hill.py:measure", space=space, objective=objective, folder=folder
        ),
        proposer=Design(),
        rules=StopRules(evaluations=evaluations),
    )


def marks(folder: Path, evaluations: int, every: int) -> Iterator[tuple[int, float, float]]:
    """Answered so far, CPU seconds and wall seconds, after every so many turns."""
    yield 0, time.process_time(), time.monotonic()
    before: Campaign | None = None
    for campaign in track(turns(rig(folder, evaluations)), total=evaluations):
        if before is not None:
            list(changes(before, campaign))
        before = campaign
        if campaign.answered and campaign.answered % every == 0:
            yield campaign.answered, time.process_time(), time.monotonic()


def main(
    evaluations: int = 10_000,
    every: int = 500,
    *,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Measure it."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        found = {answered: (cpu, wall) for answered, cpu, wall in marks(folder, evaluations, every)}
        again = rig(folder, evaluations)
        began = time.process_time()
        campaign = again.ledger.replay(again.problem)
        replayed = time.process_time() - began
        rows = len(json.dumps(observations(campaign)))
        entries = again.ledger.entries()
        began = time.process_time()
        shown = contents(campaign, entries, folder, again.rules, lambda kind: f"./{kind}")
        written = time.process_time() - began
    steps = [
        {
            "answered": after,
            "cpu_ms": 1e3 * (found[after][0] - found[before][0]) / (after - before),
            "wall_ms": 1e3 * (found[after][1] - found[before][1]) / (after - before),
        }
        for before, after in pairwise(found)
    ]
    sizes = {kind: len(str(content["data"])) for kind, content in shown.items()}
    if as_json:
        said = {"turns": steps, "replay_cpu_s": replayed, "table_bytes": rows}
        print(json.dumps({**said, "artifact_bytes": sizes, "artifacts_cpu_s": written}))
        return
    for step in steps:
        print(
            "{answered:6d} answered  {cpu_ms:6.1f} ms CPU  {wall_ms:6.1f} ms a turn".format(**step)
        )
    print(f"replayed from the start in {replayed:.2f} s CPU; observations: {rows / 1e6:.1f} MB")
    said = ", ".join(f"{kind} {size / 1e3:.0f} kB" for kind, size in sizes.items())
    print(f"artifacts of Prefect's UI in {written:.2f} s CPU: {said}")


if __name__ == "__main__":
    typer.run(main)
