"""The seams: what a proposer and an oracle must do to take part in the loop.

A turn with a calculator:                      A turn with a laboratory:

    candidates = proposer.propose(campaign, 2)     candidates = proposer.propose(campaign, 2)
    oracle.submit(candidates)   # does nothing     oracle.submit(campaign.pending)   # worklist
    oracle.collect(candidates)  # evaluates        oracle.collect(campaign.pending)  # maybe nothing
    -> [Measured(...), Failed(...)]                -> [Receipt(...)]                 # one per file
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from loop.campaign import Campaign
from loop.records import REAL, Candidate, Observation, Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What an oracle says of itself before it is asked anything.

    `measures` is target -> unit (empty: whatever the objective names); `takes` are the parameters
    it needs (None: any); `evaluates` is true where `collect` computes the answer, false where the
    answer comes from elsewhere in its own time; `repeatable` is true where asking twice is
    harmless; `wall_s` is the longest that one evaluation may take, in seconds; `resolution` are the
    finest steps that it can make, by parameter and in its unit: what is proposed is rounded to it;
    `repeats` is how many measurements of each candidate are wanted.
    Where several oracles answer, `parts` are what each says of itself, and `fidelity` which
    candidates it takes.
    """

    name: str
    measures: Mapping[str, str] = field(default_factory=dict)
    takes: frozenset[str] | None = None
    evaluates: bool = True
    repeatable: bool = True
    wall_s: float | None = None
    resolution: Mapping[str, float] = field(default_factory=dict)
    repeats: int = 1
    fidelity: str = REAL
    parts: "tuple[Declaration, ...]" = ()

    def of(self, fidelity: str) -> "tuple[Declaration, ...]":
        """What answers a candidate of that fidelity: itself or some of its parts, maybe none."""
        return tuple(each for each in self.parts or (self,) if each.fidelity == fidelity)


class Oracle(Protocol):
    """Whatever answers."""

    @property
    def declaration(self) -> Declaration:
        """What it measures, what it takes, whether repeating it is harmless."""
        ...

    def submit(self, candidates: Sequence[Candidate]) -> None:
        """Make the candidates known to the world; idempotent by candidate id."""
        ...

    def collect(self, pending: Sequence[Candidate]) -> Sequence[Observation | Receipt]:
        """What is ready now; safe to repeat. A failed evaluation is a Failed, not an exception."""
        ...


class Proposer(Protocol):
    """Whatever chooses candidates."""

    def propose(self, campaign: Campaign, count: int) -> Sequence[Candidate]:
        """`count` new candidates with ids from `campaign.ids`, or a Shortfall."""
        ...
