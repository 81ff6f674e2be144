"""The worlds of the proof: a machine and a laboratory that answer at once, and keep a tally.

No calculator runs and nobody is asked for a sample: what is proved is the memory of the campaign.
The answer to a candidate follows from its id, so that a campaign that was killed and one that was
not must come to know the same.
"""

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from io import StringIO
from pathlib import Path
from time import sleep

from loop.objective import Objective
from loop.protocols import Declaration
from loop.records import Candidate, Failed, Measured, Observation, Source
from oracles.folder.columns import titled
from oracles.folder.files import write_whole

WORK_S = 0.003
NOBODY = "9999-zzz"  # an id that no campaign has given


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """An oracle that evaluates; every fourth candidate cannot be made."""

    folder: Path
    objective: Objective

    @property
    def declaration(self) -> Declaration:
        """Asking twice is harmless, and is counted."""
        return Declaration(name="machine", measures=self.objective.units)

    def submit(self, candidates: Sequence[Candidate]) -> None:
        """Nothing has to be told."""

    def collect(self, pending: Sequence[Candidate]) -> list[Observation]:
        """Work on every candidate."""
        return [self._answer(candidate) for candidate in pending]

    def work(self, candidate: str) -> None:
        """Take a while; whoever counts the lines of calls.txt knows how often it was done."""
        note(self.folder / "calls.txt", candidate)
        sleep(WORK_S)

    def _answer(self, candidate: Candidate) -> Observation:
        self.work(candidate.id)
        source = Source(oracle="machine")
        if number(candidate.id, "") % 4 == 0:
            message = "the proof has every fourth refused"
            return Failed(candidate=candidate.id, kind="infeasible", message=message, source=source)
        values = {name: float(number(candidate.id, name)) for name in self.objective.names}
        return Measured(candidate=candidate.id, values=values, source=source)


def hand_in(folder: Path, objective: Objective) -> None:
    """Be the laboratory: answer the worklist, a file per candidate, each with a row of no use."""
    worklist = (folder / "worklist" / "worklist.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(StringIO(worklist)):
        answer = {
            titled(t.name, t.unit): number(row["candidate"], t.name) for t in objective.targets
        }
        text = StringIO(newline="")
        writer = csv.DictWriter(text, ["candidate", *answer], lineterminator="\n")
        writer.writeheader()
        writer.writerow({"candidate": row["candidate"]} | answer)
        writer.writerow({"candidate": NOBODY} | answer)
        write_whole(folder / "results" / f"{row['candidate']}.csv", text.getvalue().encode())


def number(candidate: str, target: str) -> int:
    """A number from 5 to 94 that the candidate's id decides."""
    digest = blake2b(f"{candidate}|{target}".encode(), digest_size=2).digest()
    return 5 + int.from_bytes(digest, "big") % 90


def note(file: Path, line: str) -> None:
    """Append a line in one write, which outlives whoever wrote it."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(descriptor, f"{line}\n".encode())
    os.close(descriptor)
