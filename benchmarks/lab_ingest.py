"""How long a laboratory's files take: a hundred thousand rows at once, and ten thousand old files.

    python benchmarks/lab_ingest.py

Each case runs in a process of its own, on one thread, in a folder that it makes: the rows are those
of ten replicates per sample, in files of equal size. Measured are CPU and wall-clock seconds of the
turn, the peak of the resident memory of the whole process, and what of it the imports had taken.
An old file has been read and recorded before, and its turn is taken by a process that remembers
nothing.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

REPLICATES = 10
CASES = ((25_000, 1_000), (50_000, 1_000), (100_000, 1_000), (20_000, 10_000))
WHAT = {
    "ingest": "the turn that takes them in",
    "old": "the first turn of a process, all of them old",
    "again": "the next turn of that process",
}


def main() -> None:
    """Every case, as a line of a table."""
    print("| rows | files | what | CPU s | wall s | MB | of imports |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for rows, files in CASES:
        with TemporaryDirectory() as folder:
            child("make", folder, rows, files)
            for what, named in WHAT.items():
                took = " | ".join(map(str, child(what, folder, rows, files)))
                print(f"| {rows:,} | {files:,} | {named} | {took} |", flush=True)


def child(*arguments: object) -> list[float]:
    """What a process of its own says."""
    command = [sys.executable, __file__, *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    measured: list[float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def make(folder: Path, rows: int, files: int) -> None:
    """A campaign that has asked for its samples, and the files that answer."""
    from flows.rig import load
    from loop.campaign import candidate_id
    from loop.records import Candidate, Opened, Proposed, Why
    from tests.flows.furnace import campaign

    samples = rows // REPLICATES
    (folder / "campaign.toml").write_text(campaign(evaluations=samples, batch=samples))
    rig = load(folder).rig
    asked = tuple(
        Candidate(
            id=candidate_id(rig.problem, number),
            point={"T": 300 + 600 * number / samples},
            why=Why(origin="manual"),
        )
        for number in range(1, samples + 1)
    )
    opened = Opened(problem=rig.problem, settings=rig.settings)
    rig.ledger.append([opened, Proposed(candidates=asked)], after=0)
    (folder / "results").mkdir()
    lines = [
        f"{asked[n % samples].id},{n // samples},{100 + n % 977 / 7:.4f},Ada" for n in range(rows)
    ]
    each, then = rows // files, time.time() - 3600
    for number in range(files):
        body = "\n".join(lines[number * each : (number + 1) * each])
        path = folder / "results" / f"{number:05d}.csv"
        path.write_text(f"candidate,replicate,strength [MPa],operator\n{body}\n")
        os.utime(path, (then, then))
    print(json.dumps([]))


def turn(folder: Path, rows: int, files: int) -> None:
    """Take one turn, and say what it took."""
    from flows.laboratory import take
    from flows.rig import load
    from loop.run import Worker

    imported, setup = peak(), load(folder)
    if sys.argv[1] == "again":
        take(setup, Worker())
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    after = take(setup, Worker())
    taken = sum(len(event.receipt.observations) for event in after.ingested)
    if taken != rows or len(after.ingested) != files:
        sys.exit(f"expected {rows} rows of {files} files, got {taken} of {len(after.ingested)}")
    spent = (time.process_time() - cpu_s, time.perf_counter() - wall_s)
    print(json.dumps([*(round(each, 2) for each in spent), round(peak()), round(imported)]))


def peak() -> float:
    """The largest memory that this process had so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    else:
        works: dict[str, Callable[[Path, int, int], None]] = {
            "make": make,
            "ingest": turn,
            "old": turn,
            "again": turn,
        }
        works[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
