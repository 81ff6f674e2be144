"""Seconds from `athanor run` to its first evaluation: with a server running, and with none.

    python benchmarks/first_evaluation.py [REPEATS]

Without a server, the home of Prefect's is new: its database is made, too, which is the slower case.
With one, the run joins what `athanor ui` has started. Wall clock: of a quiet machine, or say so.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from trivial import campaign

MEASURE = """
import time
from pathlib import Path

def measure(x):
    with Path(__file__).with_name("began").open("a") as file:
        file.write(f"{time.time()}\\n")
    return x
"""
ATHANOR = [sys.executable, "-m", "flows.cli"]


def first(home: Path) -> float:
    """Seconds until the first evaluation of a new campaign begins."""
    home.parent.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=home.parent))
    campaign(folder, evaluations=2, measure=MEASURE)
    began = time.time()
    subprocess.run([*ATHANOR, "run", folder], env=settings(home), check=True, capture_output=True)
    return float((folder / "began").read_text().splitlines()[0]) - began


def settings(home: Path) -> dict[str, str]:
    """The environment in which that Prefect home is used, and no server is configured."""
    kept = {key: value for key, value in os.environ.items() if key != "PREFECT_API_URL"}
    return kept | {"PREFECT_HOME": str(home), "OMP_NUM_THREADS": "1"}


def main(repeats: int) -> None:
    """Measure both, and print them."""
    with tempfile.TemporaryDirectory() as place:
        none = [first(Path(place) / f"home-{i}" / "prefect") for i in range(repeats)]
        home = Path(place) / "shared" / "prefect"
        with subprocess.Popen([*ATHANOR, "ui", "--no-browser"], env=settings(home)) as server:
            first(home)  # the server is there once a run has ended
            running = [first(home) for _ in range(repeats)]
            server.terminate()
    for what, took in (("no server", none), ("a server running", running)):
        spread = f"{min(took):.1f} to {max(took):.1f} s of {repeats}"
        print(f"{what}: median {median(took):.1f} s, {spread}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
