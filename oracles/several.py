"""Several oracles as one: each answers the candidates of its fidelity, for its own targets.

    Several(parts=(
        Part(name="emt", oracle=..., targets=("strength",), fidelity="emt"),
        Part(name="density", oracle=..., targets=("density",)),
        Part(name="bench", oracle=..., targets=("strength",)),
    ))

The parts of the real thing complement one another: a candidate of it has its whole answer when all
have answered. A stand-in is asked only what names it, and nobody else answers that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from loop.errors import OracleError
from loop.protocols import Declaration, Oracle
from loop.records import REAL, Candidate, Failed, Measured, Observation, Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One of several oracles: its name, the targets that are its own, and whom it answers."""

    name: str
    oracle: Oracle
    targets: tuple[str, ...]
    fidelity: str = REAL

    @property
    def declaration(self) -> Declaration:
        """The oracle's own, under its name and with its own targets."""
        said = self.oracle.declaration
        measures = {target: said.measures.get(target, "") for target in self.targets}
        return replace(said, name=self.name, measures=measures, fidelity=self.fidelity)

    def named(self, answer: Observation | Receipt) -> Observation | Receipt:
        """The answer, said to be this part's; a value that is another's to measure is a note."""
        match answer:
            case Measured(values=values):
                others = {t: f"{y!r}" for t, y in values.items() if t not in self.targets}
                return replace(
                    answer,
                    values={t: y for t, y in values.items() if t in self.targets},
                    errors={t: e for t, e in answer.errors.items() if t in self.targets},
                    notes={**answer.notes, **others},
                    source=replace(answer.source, oracle=self.name),
                )
            case Failed():
                return replace(answer, source=replace(answer.source, oracle=self.name))
            case Receipt():
                return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Several:
    """Oracles that answer together, in this order."""

    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        """Raise OracleError for two parts of one name, or two that answer the same."""
        names = [part.name for part in self.parts]
        if len(set(names)) < len(names) or not all(names):
            raise OracleError("oracle", "a name for each, used once", ", ".join(map(repr, names)))
        taken: dict[tuple[str, str], str] = {}
        for part in self.parts:
            for target in part.targets:
                other = taken.setdefault((part.fidelity, target), part.name)
                if other != part.name:
                    raise OracleError(
                        f"oracle.{part.name}.measures",
                        "targets that no other oracle answers as well",
                        f"{target!r}, which {other!r} measures",
                        "State for each what it measures, or let one be approximates = true.",
                    )

    @property
    def declaration(self) -> Declaration:
        """That of all parts together: harmless where all are, as long as the longest candidate."""
        parts = tuple(part.declaration for part in self.parts)
        takes = [part.takes for part in parts if part.takes is not None]
        return Declaration(
            name=" and ".join(part.name for part in parts),
            measures={t: unit for part in parts for t, unit in part.measures.items()},
            takes=frozenset().union(*takes) if len(takes) == len(parts) else None,
            evaluates=all(part.evaluates for part in parts),
            repeatable=all(part.repeatable for part in parts),
            wall_s=_longest(parts),
            parts=parts,
        )

    def submit(self, candidates: Sequence[Candidate]) -> None:
        """Submit to each part the candidates that are its to answer."""
        for part in self.parts:
            part.oracle.submit([each for each in candidates if each.fidelity == part.fidelity])

    def collect(self, pending: Sequence[Candidate]) -> Sequence[Observation | Receipt]:
        """What each part says: of those that evaluate one after the other, up to a failure."""
        answers = [answer for each in pending for answer in self._evaluated(each)]
        for part in self.parts:
            if not part.oracle.declaration.evaluates:
                own = [each for each in pending if each.fidelity == part.fidelity]
                answers += [part.named(answer) for answer in part.oracle.collect(own)]
        return answers

    def _evaluated(self, candidate: Candidate) -> list[Observation | Receipt]:
        answers: list[Observation | Receipt] = []
        for part in self.parts:
            if part.fidelity == candidate.fidelity and part.oracle.declaration.evaluates:
                answers += [part.named(answer) for answer in part.oracle.collect((candidate,))]
            if any(isinstance(answer, Failed) for answer in answers):
                break  # what cannot be answered whole need not be paid for by the others
        return answers


def _longest(parts: Sequence[Declaration]) -> float | None:
    """The longest that one candidate may take; None where a part that evaluates has no limit."""
    totals: Mapping[str, list[float | None]] = {part.fidelity: [] for part in parts}
    for part in parts:
        if part.evaluates:
            totals[part.fidelity].append(part.wall_s)
    limits = [[each for each in walls if each is not None] for walls in totals.values()]
    if any(len(some) < len(walls) for some, walls in zip(limits, totals.values(), strict=True)):
        return None
    return max(map(sum, limits)) or None
