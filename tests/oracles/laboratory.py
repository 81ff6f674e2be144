"""A small laboratory: three candidates, a folder for their results, and short ways to read them."""

from loop.objective import Objective, Target
from loop.records import Candidate, Measured, Problem, Why
from loop.space.composition import Composition
from loop.space.parameters import Categorical, Continuous
from loop.space.space import SearchSpace
from loop.space.values import Point
from oracles.folder.oracle import Folder
from oracles.folder.reading import Reading

SPACE = SearchSpace(
    parameters=(
        Continuous(name="T", low=300.0, high=900.0, unit="K"),
        Categorical(name="gas", values=("Ar", "N2")),
        Composition(name="alloy", elements=("Cu", "Au")),
    )
)
OBJECTIVE = Objective(
    targets=(Target(name="toughness", unit="J"), Target(name="cost", goal="observe"))
)
PROBLEM = Problem(name="tough", space=SPACE, objective=OBJECTIVE)
POINTS: tuple[Point, ...] = (
    {"T": 400.0, "gas": "Ar", "alloy": {"Cu": 1.0}},
    {"T": 512.3456789, "gas": "N2", "alloy": {"Cu": 1 / 3, "Au": 2 / 3}},
    {"T": 600.0, "gas": "Ar", "alloy": {"Au": 1.0}},
)
ASKED = tuple(
    Candidate(id=f"{number:04d}-abc", point=point, why=Why(origin="manual"))
    for number, point in enumerate(POINTS, 1)
)
A, B, C = (candidate.id for candidate in ASKED)


def lab(folder, **options):
    """The laboratory of a campaign folder with an empty results/."""
    (folder / "results").mkdir(exist_ok=True)
    reading = Reading(**options)
    return Folder(folder=folder, space=SPACE, objective=OBJECTIVE, reading=reading)


def drop(folder, content, name="results.csv"):
    """Put a file where the laboratory puts them."""
    (folder / "results").mkdir(exist_ok=True)
    raw = content if isinstance(content, bytes) else content.encode()
    (folder / "results" / name).write_bytes(raw)


def read(folder, content, pending=ASKED, name="results.csv", **options):
    """The receipt of one file; None where it is not taken yet."""
    drop(folder, content, name)
    receipts = lab(folder, **options).collect(pending)
    return receipts[0] if receipts else None


def values(receipt):
    """The values that a receipt brings, by candidate and replicate."""
    measured = [each for each in receipt.observations if isinstance(each, Measured)]
    return {(each.candidate, each.replicate): dict(each.values) for each in measured}


def only(receipt):
    """The one observation of a receipt without rejections."""
    assert receipt.rejected == ()
    (observation,) = receipt.observations
    return observation


def refusal(receipt):
    """The one rejection of a receipt."""
    (rejection,) = receipt.rejected
    return rejection
