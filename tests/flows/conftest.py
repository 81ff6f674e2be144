"""Campaign folders with a function as oracle, the athanor command, and a Prefect server."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from prefect.context import refresh_global_settings_context

from flows.cli import main
from flows.folder import known
from flows.serve import Address, connected, server, wait

ROOT = Path(__file__).parents[2]
CAMPAIGN = """
name = "test"
[[parameter]]
name = "x"
kind = "continuous"
low = 0
high = 1
[[target]]
name = "y"
unit = "GPa"
goal = "max"
[oracle]
kind = "function"
function = "measure.py:measure"
[proposer]
kind = "{proposer}"
[stop]
evaluations = {evaluations}
[run]
batch = {batch}
workers = {workers}
"""
# Every call is noted when it begins and ends, so that a test can count what really happened.
MEASURE = """
import time
from pathlib import Path

CALLS = Path(__file__).with_name("calls.txt")

def note(word, x):
    with CALLS.open("a") as calls:
        calls.write(f"{{word}} {{x!r}}\\n")

def measure(x):
    note("begin", x)
    time.sleep({seconds})
    note("end", x)
    return 100 - 50 * (x - 0.3) ** 2
"""


def campaign_folder(folder: Path, *, seconds: float = 0.0, **changes: object) -> Path:
    """Make a campaign folder; every evaluation takes so many seconds."""
    folder.mkdir()
    said = {"evaluations": 6, "batch": 1, "proposer": "design"} | changes
    text = CAMPAIGN.format(**{"workers": said["batch"]} | said)
    (folder / "campaign.toml").write_text(text)
    (folder / "measure.py").write_text(MEASURE.format(seconds=seconds))
    return folder


def lab(folder: Path, run: str = "", **changes: object) -> Path:
    """A laboratory's campaign, two samples at a time."""
    text = CAMPAIGN.replace('function = "measure.py:measure"\n', "")
    text = text.replace('kind = "function"', 'kind = "folder"')
    said = {"proposer": "design", "evaluations": 6, "batch": 2, "workers": 1} | changes
    (folder / "results").mkdir(parents=True)
    (folder / "campaign.toml").write_text(text.format(**said) + run)
    return folder


def answer(folder: Path, name: str, count: int = 2) -> None:
    """What a laboratory hands in of what waits."""
    rows = [f"{each.id},{each.point['x']}\n" for each in known(folder)[0].pending[:count]]
    (folder / "results" / name).write_text("candidate,y [GPa]\n" + "".join(rows))


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """Makes a campaign folder."""

    def make(name: str = "campaign", *, seconds: float = 0.0, **changes: object) -> Path:
        return campaign_folder(tmp_path / name, seconds=seconds, **changes)

    return make


@pytest.fixture
def athanor(capsys) -> Callable[..., SimpleNamespace]:
    """Runs a command in this process: its exit code, stdout and stderr."""

    def athanor(*arguments: object) -> SimpleNamespace:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return SimpleNamespace(code=ended.value.code, out=said.out, err=said.err)

    return athanor


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the command as a process of its own; what still runs at the end is killed."""
    with processes() as start:
        yield start


@contextmanager
def processes() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """As `start`, for as long as the block lasts."""
    started = []

    def start(*arguments: object, **settings: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.cli", *map(str, arguments)],
            cwd=ROOT,
            env=os.environ | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    try:
        yield start
    finally:
        for process in started:
            end(process)


def end(process: subprocess.Popen[str]) -> None:
    """Kill a process and its children, which may be stopped and would keep its output open."""
    if process.poll() is None:
        whole = psutil.Process(process.pid)
        for each in (*whole.children(recursive=True), whole):
            with suppress(psutil.NoSuchProcess):
                each.kill()
    process.communicate()


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory) -> Iterator[Path]:
    """A home of Prefect's own for the session, with nothing configured."""
    before = os.environ.copy()
    home = tmp_path_factory.mktemp("prefect")
    os.environ.pop("PREFECT_API_URL", None)
    os.environ["PREFECT_HOME"] = str(home)
    refresh_global_settings_context()
    yield home
    os.environ.clear()
    os.environ |= before
    refresh_global_settings_context()


@pytest.fixture(scope="session")
def prefect(prefect_home: Path) -> Iterator[Address]:  # noqa: ARG001  (it sets the home)
    """A server, started by our own code, to which this process is connected."""
    with server() as address:
        wait(address)
        with connected(address):
            yield address
