"""Our kinds of oracle keep the contract, and what is laid around them keeps it too."""

import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from loop.objective import Objective, Target
from loop.records import Candidate
from loop.space.composition import Composition
from loop.space.parameters import Continuous
from loop.space.space import SearchSpace
from oracles.atoms.oracle import AtomsOracle
from oracles.atoms.structures import RandomAlloy
from oracles.command import Command
from oracles.folder.oracle import Folder
from oracles.function import Function
from oracles.service import Service
from oracles.table import Table
from oracles.testing import OracleContract, World, candidates
from oracles.wrappers import Cache, Delay, Meter, Noise, Retry
from tests.contracts.asked import answer as said
from tests.oracles.server import server, value

SPACE = SearchSpace(
    parameters=(
        Continuous(name="T", low=300.0, high=900.0, unit="K"),
        Composition(name="alloy", elements=("Cu", "Au")),
    )
)
OBJECTIVE = Objective(
    targets=(Target(name="toughness", unit="J"), Target(name="cost", goal="observe"))
)
TARGETS = frozenset(OBJECTIVE.names)
TROUBLES = {
    "refuses": "raise Refusal('infeasible', 'it melts')",
    "raises": "raise RuntimeError('the furnace is cold')",
    "hangs": "time.sleep(600)",
    "nan": "return {'toughness': float('nan'), 'cost': 1}",
    "": "pass",
}
SOURCE = """
import time
from oracles.function import Refusal

def measure(T, alloy):
    if T == 400:
        {trouble}
    return {{"toughness": T / 100 + alloy.get("Cu", 0), "cost": 3, "comment": "made by a robot"}}
"""


THREE = candidates(
    {"T": 400.0, "alloy": {"Cu": 1.0}},
    {"T": 500.0, "alloy": {"Cu": 0.25, "Au": 0.75}},
    {"T": 600.0, "alloy": {"Au": 1.0}},
)


class TestFunction(OracleContract):
    """A function in the campaign folder, called in this process or in one of its own."""

    def world(self, folder, trouble=""):
        """A module beside the campaign file."""
        (folder / "my_lab.py").write_text(SOURCE.format(trouble=TROUBLES[trouble]))
        oracle = Function(
            function="my_lab.py:measure",
            space=SPACE,
            objective=OBJECTIVE,
            folder=folder,
            wall_s=1.0 if trouble == "hangs" else None,
        )
        return World(oracle=oracle, candidates=THREE, targets=TARGETS)


class TestFunctionApart(TestFunction):
    """The same, with every call in a process of its own."""

    def world(self, folder, trouble=""):
        """A module beside the campaign file."""
        (folder / "my_lab.py").write_text(SOURCE.format(trouble=TROUBLES[trouble]))
        oracle = Function(
            function="my_lab:measure", space=SPACE, objective=OBJECTIVE, folder=folder, wall_s=2.0
        )
        return World(oracle=oracle, candidates=THREE, targets=TARGETS)


class TestTable(OracleContract):
    """Past data, with replicates."""

    def world(self, folder, trouble=""):
        """A table; the first candidate is not in it where it refuses."""
        if trouble not in {"", "refuses"}:
            return None
        path = folder / "past.csv"
        path.write_text(
            "T [degC],alloy.Cu,alloy.Au,toughness [mJ],cost\n"
            "226.85,0.25,0.75,5250,3\n226.85,0.25,0.75,5260,3\n326.85,0,1,6000,3\n"
            + ("" if trouble else "126.85,1,0,5000,3\n")
        )
        oracle = Table(path=path, space=SPACE, objective=OBJECTIVE)
        return World(oracle=oracle, candidates=THREE, targets=TARGETS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Laboratory:
    """Takes the rows it is to answer from the worklist, and drops one file per visit."""

    folder: Path
    trouble: str = ""

    def answer(self, asked: Sequence[Candidate]) -> None:
        """Fill in the worklist's rows of these candidates; one file each for the troubled."""
        with (self.folder / "worklist" / "worklist.csv").open(newline="") as worklist:
            header, *rows = csv.reader(worklist)
        results = self.folder / "results"
        results.mkdir(exist_ok=True)
        ids = {candidate.id for candidate in asked}
        for row in rows:
            if row[0] in ids:
                cells, status = self._measure(header, row)
                with (results / f"{row[0]}.csv").open("w", newline="") as file:
                    csv.writer(file).writerows([[*header, "status"], [*cells, status]])

    def _measure(self, header: list[str], row: list[str]) -> tuple[list[str], str]:
        if self.trouble == "refuses" and row[0] == THREE[0].id:
            return row, "failed"
        value = "NaN" if self.trouble == "nan" and row[0] == THREE[0].id else row[2]
        place = header.index("cost")
        return [*row[: place - 1], value, "3", *row[place + 1 :]], ""


class TestCommand(OracleContract):
    """A program that reads JSON and prints it."""

    def world(self, folder, trouble=""):
        """The program is this Python, with a script."""
        oracle = Command(
            command=(sys.executable, str(Path(__file__).with_name("asked.py")), trouble),
            objective=OBJECTIVE,
            folder=folder,
            wall_s=2.0 if trouble == "hangs" else 60.0,
        )
        return World(oracle=oracle, candidates=THREE, targets=TARGETS)


class TestService(OracleContract):
    """A server on this machine that needs a second look at every candidate."""

    @pytest.fixture(autouse=True)
    def _server(self):
        """One server for whichever trouble the test is about."""
        self.trouble = ""
        with server(self._say) as served:
            self.url = served.url
            yield

    def _say(self, asked, look):
        if look == 1 or (self.trouble == "hangs" and asked["point"]["T"] == 400):
            return value({}, 202)
        try:
            return value(said(asked, self.trouble))
        except RuntimeError as error:
            return 500, {}, str(error).encode()

    def world(self, folder, trouble=""):
        """The server is in the trouble."""
        self.trouble = trouble
        wall_s = 1.0 if trouble == "hangs" else 60.0
        oracle = Service(
            url=self.url, objective=OBJECTIVE, folder=folder, wall_s=wall_s, poll_s=0.05
        )
        return World(oracle=oracle, candidates=THREE, targets=TARGETS)


class TestRetry(TestFunction):
    """A function that is asked twice."""

    def world(self, folder, trouble=""):
        """With a second attempt in every trouble."""
        world = super().world(folder, trouble)
        return replace(world, oracle=Retry(oracle=world.oracle, attempts=2))


class TestDelay(TestFunction):
    """A function that is slow."""

    def world(self, folder, trouble=""):
        """By a hundredth of a second."""
        world = super().world(folder, trouble)
        return replace(world, oracle=Delay(oracle=world.oracle, seconds=0.01))


class TestMeter(TestFunction):
    """A function that costs something."""

    def world(self, folder, trouble=""):
        """One each."""
        world = super().world(folder, trouble)
        return replace(world, oracle=Meter(oracle=world.oracle, file=folder / "costs.db", fixed=1))


class TestCache(TestFunction):
    """A function whose values are kept."""

    def world(self, folder, trouble=""):
        """In the campaign folder."""
        world = super().world(folder, trouble)
        return replace(world, oracle=Cache(oracle=world.oracle, file=folder / "cache.db"))


class TestNoise(TestFunction):
    """A function with noise."""

    def world(self, folder, trouble=""):
        """On one of its targets."""
        world = super().world(folder, trouble)
        return replace(world, oracle=Noise(oracle=world.oracle, sd={"toughness": 0.5}, seed=1))


class TestFolder(OracleContract):
    """A laboratory that fills in the worklist."""

    def world(self, folder, trouble=""):
        """A campaign folder; where it raises, a file of the first candidate is no text."""
        if trouble == "hangs":
            return None
        laboratory = Laboratory(folder=folder, trouble=trouble)

        def answer(asked):
            laboratory.answer(asked)
            if trouble == "raises":
                (folder / "results" / f"{THREE[0].id}.csv").write_bytes(b"\x00\xff\xd8")

        oracle = Folder(folder=folder, space=SPACE, objective=OBJECTIVE)
        return World(oracle=oracle, candidates=THREE, targets=TARGETS, answer=answer)


class TestNoisyFolder(TestFolder):
    """A laboratory with noise on top: its receipts pass, the rows changed."""

    def world(self, folder, trouble=""):
        """On one of its targets."""
        world = super().world(folder, trouble)
        if world is None:
            return None
        return replace(world, oracle=Noise(oracle=world.oracle, sd={"toughness": 0.5}))


class TestAtoms(OracleContract):
    """A relaxed alloy."""

    @pytest.fixture(autouse=True)
    def _calculator(self, monkeypatch):
        """Make `moody` importable, as a user's module would be."""
        monkeypatch.syspath_prepend(Path(__file__).parent)

    def world(self, folder, trouble=""):
        """Copper is in trouble, its alloys with gold are not."""
        oracle = AtomsOracle(
            folder=folder,
            structure=RandomAlloy(composition="alloy", supercell=(1, 1, 1)),
            properties={"a": "lattice_constant"},
            calculator="moody:Moody",
            settings={"trouble": trouble},
            wall_s=3.0 if trouble == "hangs" else 60.0,
        )
        asked = [{"alloy": each.point["alloy"]} for each in THREE]
        return World(oracle=oracle, candidates=candidates(*asked), targets=frozenset({"a"}))
