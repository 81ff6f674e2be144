"""A full disk, a folder that cannot be written, a locked ledger: the reason is said, nothing lost.

Real file systems of some megabytes, mounted for a test: that takes root on Linux, as containers
run tests, and is skipped elsewhere.
"""

import gc
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client

from flows.folder import known
from flows.serve import Address
from flows.waiting import why
from loop.records import Started
from tests.flows.conftest import CAMPAIGN
from tests.flows.test_prefect import flow_runs
from tests.flows.test_published import latest
from tests.flows.waits import answered, until

SIZE = "32m"
# Nothing is written but by Athanor, so that it is Athanor that meets the full disk.
MEASURE = "import time\ndef measure(x):\n    time.sleep(0.05)\n    return x\n"
LABORATORY = CAMPAIGN.replace(
    'kind = "function"\nfunction = "measure.py:measure"', 'kind = "folder"\nsettle_s = 0.0'
)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    if sys.platform != "linux" or shutil.which("mount") is None:
        pytest.skip("a disk is mounted by Linux")
    try:
        mount("-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", place)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no disk may be mounted here: {error.stderr.strip()}")
    yield place
    mount("--lazy", place, command="umount")


def mount(*words: object, command: str = "mount") -> None:
    """Mount something, or CalledProcessError with the reason."""
    said = [command, *map(str, words)]
    subprocess.run(said, check=True, capture_output=True, text=True)


@dataclass(frozen=True)
class Journaled:
    """A small disk that turns read-only in mid-run, as after an error: `remount` cannot do that."""

    image: Path
    place: Path

    def put_in(self) -> None:
        """Check it, and mount it to be written."""
        with suppress(subprocess.CalledProcessError):  # it says so where it has mended something
            mount("-p", self.image, command="e2fsck")
        mount("-o", "loop", self.image, self.place)

    def break_down(self) -> None:
        """Let it find an error in itself: whatever is being written then fails."""
        mount("-o", "remount,abort", self.place)

    def take_out(self) -> None:
        """Unmount it, once nobody has a file of it open."""
        gc.collect()  # a database that nobody needs any more is closed
        mount(self.place, command="umount")


@pytest.fixture
def journaled(tmp_path: Path) -> Iterator[Journaled]:
    """A disk with a journal, in a file."""
    made = Journaled(image=tmp_path / "image", place=tmp_path / "disk")
    made.place.mkdir()
    if sys.platform != "linux" or shutil.which("mkfs.ext4") is None:
        pytest.skip("a disk with a journal is made by Linux's mkfs.ext4")
    try:
        mount("-q", made.image, SIZE, command="mkfs.ext4")
        made.put_in()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no disk may be mounted here: {error.stderr.strip()}")
    yield made
    mount("--lazy", made.place, command="umount")


@pytest.fixture
def on_disk(disk: Path) -> Callable[..., Path]:
    """Makes a campaign folder on the small disk."""
    return partial(made_in, disk)


def made_in(place: Path, text: str = CAMPAIGN, **changes: object) -> Path:
    """A campaign folder in there."""
    folder = place / "campaign"
    folder.mkdir()
    said = {"evaluations": 30, "batch": 2, "workers": 2, "proposer": "design"} | changes
    (folder / "campaign.toml").write_text(text.format(**said))
    (folder / "measure.py").write_text(MEASURE)
    return folder


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """The disk, while somebody else's file takes all of it."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            with suppress(OSError):
                while True:
                    file.write(b"x" * size)
    yield
    ballast.unlink()


@contextmanager
def read_only(disk: Path) -> Iterator[None]:
    """The disk, while it is mounted read-only, as after an error."""
    mount("-o", "remount,ro", disk)
    yield
    mount("-o", "remount,rw", disk)


def require_whole(folder, before, evaluations=30):
    """What was on record still is; every candidate has one answer, and the budget is exact."""
    campaign, entries = known(folder)
    assert entries[: len(before)] == before
    answers = {name: len(said) for name, said in campaign.observations.items()}
    assert answers == dict.fromkeys(campaign.candidates, 1)
    assert campaign.answered == evaluations
    assert campaign.closed == f"budget: {evaluations} evaluations"


def test_a_full_disk_ends_a_run_with_the_reason(on_disk, disk, start, athanor):
    """What could not be recorded is asked again once there is room, and is all that is."""
    folder = on_disk()
    process = start("run", folder, "--no-prefect")
    until(lambda: answered(folder) >= 4)
    with full(disk):
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 3
        assert "got database or disk is full. Free some space there, and run it again" in said
        assert "what is on record is safe" in said
        assert "Traceback" not in said
        assert "Now: the disk is full: 0 MB are free in" in athanor("status", folder).out
        before = known(folder)[1]
        assert athanor("run", folder, "--no-prefect").code == 3
        assert known(folder)[1] == before
    assert athanor("run", folder, "--no-prefect").code == 0
    require_whole(folder, before)
    begun = sum(isinstance(event, Started) for _, event in known(folder)[1])
    assert begun <= 30 + 2


def test_a_stopped_campaign_is_read_on_a_full_disk(on_disk, disk, athanor):
    """Its ledger was closed: SQLite has no room for what it shares with others, and needs none."""
    folder = on_disk(evaluations=3)
    assert athanor("run", folder, "--no-prefect").code == 0
    with full(disk):
        assert "3 of 3 evaluations" in athanor("status", folder).out
        said = athanor("stop", folder)
        assert said.code == 3
        assert "has free space; what is on record is safe" in said.err


@pytest.mark.slow
@pytest.mark.xdist_group("prefect")
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_a_served_campaign_says_that_the_disk_is_full_and_goes_on(prefect, on_disk, disk, start):
    """Its run, its overview and its deployment say so; with room again it goes on by itself."""
    folder = on_disk(evaluations=40)
    start("serve", folder, "--start", "--every", "3600")
    until(lambda: answered(folder) >= 4, 120)
    with full(disk):
        until(lambda: "disk is full. Free some space there" in " ".join(messages(folder)))
        before = known(folder)[1]
        until(lambda: "the disk is full: 0 MB are free" in overview(prefect, folder))
        until(lambda: "the disk is full: 0 MB are free" in description(folder))
    until(lambda: known(folder)[0].closed, 120)
    require_whole(folder, before, 40)
    until(lambda: "ended: budget: 40 evaluations" in messages(folder))
    assert "**Now:** ended: budget: 40 evaluations" in overview(prefect, folder)


def messages(folder: Path) -> list[str]:
    """What the runs of a campaign say of why it does not move."""
    return [str(run.state and run.state.message) for run in flow_runs(folder)]


def overview(prefect: Address, folder: Path) -> str:
    """The overview of a campaign."""
    return str(latest(prefect, "overview", folder)["data"])


def description(folder: Path) -> str:
    """What the page of its deployment says."""
    with get_client(sync_client=True) as client:
        made = client.read_deployments()
    return " ".join(str(d.description) for d in made if d.parameters.get("folder") == str(folder))


def test_a_laboratory_takes_its_files_when_there_is_room_again(on_disk, disk, athanor):
    """A file that came while the disk was full is taken in whole, once, by a later turn."""
    folder = on_disk(LABORATORY, evaluations=2)
    assert athanor("turn", folder, "--no-prefect").code == 0
    names = list(known(folder)[0].candidates)
    rows = "".join(f"{name},{number}.5\n" for number, name in enumerate(names))
    (folder / "results").mkdir(exist_ok=True)
    (folder / "results" / "a.csv").write_text("candidate,y [GPa]\n" + rows)
    with full(disk):
        before = known(folder)[1]
        said = athanor("turn", folder, "--no-prefect")
        assert said.code == 3
        assert "is safe" in said.err
        assert "the disk is full" in athanor("status", folder).out
        assert known(folder)[1] == before
    assert athanor("turn", folder, "--no-prefect").code == 0
    require_whole(folder, before, 2)
    assert len(list((folder / "archive").iterdir())) == 1


@pytest.mark.parametrize("command", ["run", "turn"])
def test_a_folder_that_cannot_be_written_is_left_as_it_is(on_disk, disk, athanor, command):
    """It is read all the same: where it stands, and why nothing moves; later it goes on."""
    folder = on_disk()
    athanor("turn", folder, "--no-prefect")
    before = known(folder)[1]
    with read_only(disk):
        said = athanor(command, folder, "--no-prefect")
        assert said.code == 3
        assert "athanor: " in said.err
        assert "ritable" in said.err
        told = athanor("status", folder).out
        assert f"nothing can be written in {folder}: its disk is mounted read-only" in told
        assert athanor("export", folder).out.startswith("candidate,status")
    assert athanor("run", folder, "--no-prefect").code == 0
    require_whole(folder, before)


def test_a_disk_that_turns_read_only_in_mid_run_ends_it_with_the_reason(journaled, start, athanor):
    """What was on record is there when the disk has been mended, and the campaign goes on."""
    folder = made_in(journaled.place, evaluations=12)
    mount(*folder.iterdir(), command="sync")  # what a person wrote long ago
    process = start("run", folder, "--no-prefect")
    until(lambda: answered(folder) >= 4)
    before = known(folder)[1]
    journaled.break_down()
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "is writable and has free space; what is on record is safe" in said
    told = athanor("status", folder).out
    assert f"nothing can be written in {folder}: its disk is mounted read-only" in told
    assert athanor("run", folder, "--no-prefect").code == 3
    journaled.take_out()
    journaled.put_in()
    assert athanor("run", folder, "--no-prefect").code == 0
    require_whole(folder, before, 12)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """The ledger's file, while another program is writing to it."""
    other = sqlite3.connect(folder / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.close()


@pytest.mark.parametrize("seconds", [2, pytest.param(30, marks=pytest.mark.slow)])
def test_a_lock_is_waited_for(make, start, seconds):
    """Half a minute is borne; meanwhile the status says what is waited for."""
    folder = make(evaluations=20, batch=2, seconds=0.05)
    process = start("run", folder, "--no-prefect")
    until(lambda: answered(folder) >= 4)
    with locked(folder):
        time.sleep(seconds)
        assert "another program holds the ledger's file" in why(*known(folder), folder)
        assert process.poll() is None
        before = known(folder)[1]
    assert process.wait(60) == 0
    require_whole(folder, before, 20)
    assert sum(isinstance(event, Started) for _, event in known(folder)[1]) == 20


def test_a_lock_that_is_never_let_go_is_said(make, athanor):
    """After the patience that the ledger's address states, and not a word sooner."""
    folder = make(evaluations=4)
    athanor("turn", folder, "--no-prefect")
    text = (folder / "campaign.toml").read_text()
    (folder / "campaign.toml").write_text(f"{text}ledger = 'sqlite:///ledger.db?timeout=0.5'\n")
    with locked(folder):
        before, began = known(folder)[1], time.monotonic()
        said = athanor("run", folder, "--no-prefect")
        assert time.monotonic() - began > 0.5
        assert said.code == 3
        assert "got database is locked. Another program holds it: let that end" in said.err
    assert athanor("run", folder, "--no-prefect").code == 0
    require_whole(folder, before, 4)
