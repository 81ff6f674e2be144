"""Campaign folders for tests: a function that takes its time and writes down that it was called."""

from pathlib import Path

from loop.campaign import Campaign
from loop.ledger import Ledger
from loop.records import Started

CAMPAIGN = """
name = "hill"
seed = 3
[[parameter]]
name = "T"
kind = "continuous"
low = 300
high = 1200
unit = "K"
[[parameter]]
name = "gas"
kind = "categorical"
values = ["Ar", "N2"]
[[target]]
name = "yield"
unit = "%"
goal = "max"
[oracle]
kind = "function"
function = "hill.py:height"
[proposer]
initial = 5
[stop]
evaluations = {evaluations}
[run]
batch = {batch}
"""
HILL = """
import time
from pathlib import Path

def height(T, gas):
    with (Path(__file__).parent / "calls").open("a") as calls:
        calls.write(f"{{T!r}} {{gas}}\\n")
    time.sleep({seconds})
    return 90 - ((T - 700) / 60) ** 2 - 5 * (gas == "N2")
"""


def hill(folder: Path, evaluations: int = 8, batch: int = 1, seconds: float = 0.0) -> Path:
    """A campaign folder whose answers come from a smooth hill in two parameters."""
    folder.mkdir(parents=True, exist_ok=True)
    text = CAMPAIGN.format(evaluations=evaluations, batch=batch)
    (folder / "campaign.toml").write_text(text)
    (folder / "hill.py").write_text(HILL.format(seconds=seconds))
    return folder


def replayed(folder: Path, name: str = "hill") -> Campaign:
    """The campaign as the folder's ledger has it."""
    events = Ledger(f"sqlite:///{folder}/ledger.db", name).events()
    return Campaign.replay(events[0].problem, events)


def history(folder: Path, name: str = "hill") -> list[object]:
    """What happened, in order, without who did it and how long it took."""
    events = Ledger(f"sqlite:///{folder}/ledger.db", name).events()
    return [
        (each.observation.candidate, getattr(each.observation, "values", None))
        if hasattr(each, "observation")
        else each
        for each in events
        if not isinstance(each, Started)
    ]


def attempts(folder: Path, name: str = "hill") -> list[Started]:
    """Every attempt on record, oldest first."""
    events = Ledger(f"sqlite:///{folder}/ledger.db", name).events()
    return [event for event in events if isinstance(event, Started)]


def calls(folder: Path) -> list[str]:
    """The points at which the function was called, oldest first."""
    return (folder / "calls").read_text().splitlines()
