"""A corpus of dirty files: each row is used, or comes back with a reason that helps."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from loop.campaign import Campaign
from loop.decisions import settling
from loop.records import Event, Ingested, Opened, Proposed
from oracles.folder.rejected import write_rejected
from tests.oracles.dirty import DIRTY, PLAUSIBLE
from tests.oracles.laboratory import ASKED, PROBLEM, drop, lab

OPEN: list[Event] = [Opened(problem=PROBLEM), Proposed(candidates=ASKED)]


def taken_in(folder, files):
    """What is recorded of files."""
    for file in files:
        drop(folder, file.content, file.name)
    oracle, campaign = lab(folder, plausible=PLAUSIBLE), Campaign.replay(PROBLEM, OPEN)
    oracle.recall(campaign)
    decided = settling(oracle.collect(ASKED))(campaign)
    events = [event for event in decided if isinstance(event, Ingested)]
    assert len(events) == len(decided)
    write_rejected(folder, events, oracle.tables)
    return events


def test_the_corpus_is_large():
    """A hundred and twenty were asked for."""
    assert len(DIRTY) >= 150
    assert len({each.what for each in DIRTY}) >= 150


@pytest.mark.parametrize("file", DIRTY, ids=lambda file: file.what)
def test_every_row_is_used_or_comes_back_with_a_reason(tmp_path, file):
    """Rows add up, or Ingested would refuse them; reasons are sentences, in rejected/ too."""
    events = taken_in(tmp_path, [file])
    assert bool(events) == file.taken
    assert all(
        isinstance(event, Ingested) for event in events
    )  # which refuses what does not add up
    assert sum(len(event.receipt.observations) for event in events) == file.used
    reasons = [each.reason for event in events for each in event.receipt.rejected]
    assert len(reasons) >= len(file.told)
    assert bool(reasons) == bool(file.told)
    for piece in file.told:
        assert any(piece in reason for reason in reasons), reasons
    assert not any(re.search(r"Traceback|Error\(|<class|0x[0-9a-f]{6}", each) for each in reasons)
    assert bool(list((tmp_path / "rejected").glob("*"))) == bool(reasons)


def test_what_goes_back_cannot_be_run_by_a_spreadsheet(tmp_path):
    """A cell that looks like a formula is guarded, and read as it was when it comes back."""
    (file,) = (each for each in DIRTY if each.what == "a formula in a note")
    taken_in(tmp_path, [file])
    (path,) = (tmp_path / "rejected").iterdir()
    assert ",'=cmd|" in path.read_text()


MEMORY = """
import resource, sys
from pathlib import Path
from tests.oracles.dirty import DIRTY
from tests.oracles.test_dirty import taken_in
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
taken_in(Path(sys.argv[1]), [f for f in DIRTY if f.what.startswith(sys.argv[2])])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("what", ["a bomb", "a megabyte in a cell", "random bytes"])
def test_memory_is_bounded(tmp_path, what):
    """A bomb is refused by what it declares, before it is unpacked."""
    command = [sys.executable, "-c", MEMORY, str(tmp_path), what]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 60_000  # kB
