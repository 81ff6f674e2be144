"""A campaign on real DFT from start to end: the template `dft`, and a cut-off that cannot be.

    .venv/bin/python benchmarks/dft.py

Needs Debian's packages quantum-espresso and quantum-espresso-data. It runs `athanor init`, `check`
and `run --no-prefect` as a person would, two evaluations in flight, after the cut-offs of the
template got one of 1 Ry: fewer plane waves than bands, which `pw.x` refuses. Prints the
values, the failures and the seconds; exit 1 unless all of it was as it should be.
"""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from tempfile import mkdtemp
from typing import Annotated

import typer

os.environ.setdefault("OMP_NUM_THREADS", "1")

from flows.folder import known
from loop.campaign import Campaign
from loop.records import Event, Observed, Started

LEVELS = [1, 14, 16, 18, 20, 22]  # Ry: the first is too low for anything
LEAST = 12  # evaluations


def main(
    *,
    folder: Annotated[Path | None, typer.Option(help="Where; else a new one in /tmp.")] = None,
    evaluations: Annotated[int, typer.Option(min=LEAST, help="The budget.")] = 14,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another course.")] = 0,
) -> None:
    """Run the campaign and print what came of it.

    Example: python benchmarks/dft.py --seed 1
    """
    place = folder or Path(mkdtemp(prefix="athanor-dft-")) / "campaign"
    athanor("init", place, "--template", "dft")
    file = place / "campaign.toml"
    text = file.read_text(encoding="utf-8")
    for old, new in (
        (
            'kind = "discrete"\nlow = 14\nhigh = 26\nstep = 4 ',
            f'kind = "ordinal"\nlevels = {LEVELS} ',
        ),
        ("evaluations = 12", f"evaluations = {evaluations}"),
        ("seed = 0", f"seed = {seed}"),
    ):
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")
    athanor("check", place, "--no-evaluate")
    began = time.perf_counter()
    code = athanor("run", place, "--no-prefect")
    seconds = time.perf_counter() - began
    campaign, entries = known(place)
    print("\n".join(table(campaign)))
    both = in_flight(event for _, event in entries)
    print(
        f"\n{campaign.answered} evaluations in {seconds:.0f} s, {both} at once at most; "
        f"closed: {campaign.closed}; {place}"
    )
    kinds = Counter(failed.kind for _, failed in campaign.failures)
    is_well = code == 0 and both == 2 and len(campaign.results) + kinds.total() == evaluations
    raise typer.Exit(0 if is_well and kinds["infeasible"] >= 1 else 1)


def athanor(*arguments: object) -> int:
    """Run a command; its exit code. SystemExit where it could not even begin."""
    words = [sys.executable, "-m", "flows.cli", *map(str, arguments)]
    code = subprocess.run(words, check=False).returncode
    if code > 1:
        sys.exit(code)
    return code


def table(campaign: Campaign) -> list[str]:
    """Every answer in Markdown, with its seconds."""
    rows = ["| Si | cut-off, Ry | a, angstrom | s | |", "| --- | --- | --- | --- | --- |"]
    for candidate in campaign.candidates.values():
        if candidate.id not in campaign.observations:
            continue
        answer = campaign.observations[candidate.id][-1]
        share = dict(candidate.point["alloy"]).get("Si", 0.0)  # type: ignore[arg-type]
        result = next((r for r in campaign.results if r.candidate == candidate), None)
        value = f"{result.values['lattice_constant']:.3f}" if result else ""
        failed = next((f.message for c, f in campaign.failures if c == candidate), "")
        cells = [f"{share:g}", f"{candidate.point['cutoff']:g}", value]
        rows.append(f"| {' | '.join(cells)} | {answer.source.seconds:.1f} | {failed[:70]} |")
    return rows


def in_flight(events: Iterable[Event]) -> int:
    """How many evaluations ran at once, at most."""
    running: set[str] = set()
    most = 0
    for event in events:
        match event:
            case Started(candidate=candidate):
                running.add(candidate)
            case Observed(observation=answer):
                running.discard(answer.candidate)
            case _:
                pass
        most = max(most, len(running))
    return most


if __name__ == "__main__":
    typer.run(main)
