"""The command line answers at once."""

import subprocess
import sys
from statistics import median
from time import perf_counter

import pytest

from flows.cli import main
from tests.flows.folders import hill

HEAVY = ("torch", "prefect", "pandas", "ase", "pymatgen", "pint", "botorch", "matplotlib")


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """A campaign that has run."""
    folder = hill(tmp_path_factory.mktemp("ended"))
    with pytest.raises(SystemExit, match="0"):
        main(["run", str(folder), "--no-prefect"])
    return folder


def seconds(*arguments):
    """How long a command takes, as a whole process."""
    began = perf_counter()
    command = [sys.executable, "-m", "flows.cli", *arguments]
    subprocess.run(command, check=True, capture_output=True)
    return perf_counter() - began


def test_help_is_instant():
    """`athanor --help` takes less than a second."""
    assert median(seconds("--help") for _ in range(5)) < 1.0


def test_status_is_instant(ended):
    """`athanor status` takes less than a second."""
    assert median(seconds("status", str(ended)) for _ in range(5)) < 1.0


def test_status_imports_nothing_heavy(ended):
    """By structure: what is slow to import is not imported."""
    code = (
        "import sys; from flows.cli import app\n"
        f"app(['status', {str(ended)!r}], standalone_mode=False)\n"
        f"print(sorted(set({HEAVY}) & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.splitlines()[-1] == "[]"
