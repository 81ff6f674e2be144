"""An oracle of my own. `athanor check` asks it once, `pytest` here runs the whole contract."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

from loop.protocols import Declaration
from loop.records import Candidate, Failed, Measured, Observation, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class MyOracle:
    """Its fields are what [oracle] settings in campaign.toml may say."""

    melts: float = 1100.0
    declaration = Declaration(name="my_oracle", measures={"strength": "MPa"})

    def submit(self, candidates: Sequence[Candidate]) -> None:
        """Do nothing: the answer is made when it is collected."""

    def collect(self, pending: Sequence[Candidate]) -> list[Observation]:
        """One answer for each candidate, a value or an honest no."""
        return [self.answer(candidate) for candidate in pending]

    def answer(self, candidate: Candidate) -> Observation:
        """Put your own world in place of the formula, which is made up."""
        T, x = candidate.point["T"], candidate.point["x"]
        source = Source(oracle="my_oracle")
        if self.melts < T:
            why = f"it melts at {self.melts:g} K"
            return Failed(candidate=candidate.id, kind="infeasible", message=why, source=source)
        strength = 300 + 200 * exp(-(((T - 760) / 120) ** 2) - ((x - 0.3) / 0.15) ** 2)
        return Measured(candidate=candidate.id, values={"strength": strength}, source=source)
