"""One real evaluation before a campaign begins: whether its oracle keeps the contract."""

import time
from dataclasses import dataclass, replace
from secrets import token_hex

from flows.several import parts
from flows.views import quantity
from loop.campaign import Campaign
from loop.protocols import Oracle
from loop.records import Candidate, Failed, Kind, Measured
from loop.run import Rig
from loop.space.values import written
from oracles.service import Service
from oracles.several import Part
from oracles.testing import Broken, rehearse
from oracles.wrappers import Cache, Delay, Meter, Noise, Retry

PATIENCE_S = 5.0  # how long a check waits for a server that is not there
HONEST: frozenset[Kind] = frozenset({"infeasible", "not_converged"})  # another point may be well


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was examined; `said` is what was found, with the remedy if not well."""

    what: str
    well: bool
    said: str


def rehearsals(rig: Rig) -> list[Finding]:
    """What each oracle answers to the first candidate, under an id that no campaign gives."""
    asked = [*parts(rig.oracle, rig.problem), *parts(rig.laboratory, rig.problem)]
    found = ((part.name, _rehearsal(rig, part)) for part in asked)
    return [replace(each, what=" of ".join(filter(None, (each.what, n)))) for n, each in found]


def _rehearsal(rig: Rig, part: Part) -> Finding:
    """An oracle that must not be repeated, or that answers in its own time, is not asked."""
    declaration = part.oracle.declaration
    if not declaration.evaluates:
        return _finding("not asked: its answers come in their own time")
    if not declaration.repeatable:
        return _finding("not asked: it must not be asked twice")
    empty = Campaign(problem=rig.problem)
    first = rig.proposer.propose(empty, 1)[0]
    asked = replace(first, id=f"check-{token_hex(3)}")  # new: a server may remember an id
    began = time.perf_counter()
    try:
        answer = rehearse(_hasty(part.oracle), asked, frozenset(part.targets))
    except Broken as broken:
        return _finding(f"the oracle breaks the contract: {broken}", well=False)
    # An oracle may be the user's, which may raise anything.
    except Exception as error:  # noqa: BLE001
        return _finding(f"the oracle raised {type(error).__name__}: {error}", well=False)
    took = f" ({time.perf_counter() - began:.3g} s)"
    match answer:
        case Measured(values=values):
            said = ", ".join(quantity(empty, name, value) for name, value in values.items())
            return _finding(f"{said} at {written(asked.point)}{took}")
        case Failed():
            return _failed(answer, asked, took)


def _hasty(oracle: Oracle) -> Oracle:
    """The oracle, asked once; a server that is not there is not waited for as in a campaign."""
    match oracle:
        case Service(patience_s=patience_s):
            return replace(oracle, patience_s=min(PATIENCE_S, patience_s or PATIENCE_S))
        case Retry():
            return _hasty(oracle.oracle)
        case Cache() | Delay() | Meter() | Noise():
            return replace(oracle, oracle=_hasty(oracle.oracle))
        case _:
            return oracle


def _failed(answer: Failed, asked: Candidate, took: str) -> Finding:
    """A failure, with the last line of its log."""
    last = answer.log.strip().splitlines()[-1:]
    log = "".join(f"; {line.strip()}" for line in last if line.strip() not in answer.message)
    said = f"{answer.kind} at {written(asked.point)}: {answer.message}{log}{took}"
    return _finding(said, well=answer.kind in HONEST)


def _finding(said: str, *, well: bool = True) -> Finding:
    return Finding(what="one evaluation", well=well, said=said)
