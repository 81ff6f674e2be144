"""Imported by the process that the children are forked from: what each would else do anew.

A turn in memory has everything built that is built at first use: units, codecs, statements.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from flows.prove import child
from flows.prove.world import Machine
from loop.designs import Design
from loop.ledger import Ledger
from loop.objective import Objective, Target
from loop.records import Problem
from loop.run import Rig, turns
from loop.space.parameters import Continuous
from loop.space.space import SearchSpace
from loop.stopping import StopRules
from loop.units import require

__all__ = ["child"]


def warm() -> None:
    """Take the turns of a campaign of two evaluations, without a thread or an open file left."""
    problem = Problem(
        name="warm",
        space=SearchSpace(parameters=(Continuous(name="x", low=0.0, high=1.0),)),
        objective=Objective(targets=(Target(name="y", unit="GPa"),)),
    )
    require("GPa", "warm")
    with TemporaryDirectory() as folder:
        rig = Rig(
            problem=problem,
            ledger=Ledger("sqlite://", "warm"),
            oracle=Machine(folder=Path(folder), objective=problem.objective),
            proposer=Design(),
            rules=StopRules(evaluations=2, failures=1.0),
        )
        for _ in turns(rig):
            pass
    rig.ledger.engine.dispose()


warm()
