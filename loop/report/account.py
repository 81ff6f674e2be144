"""The account of what happened: failures, laboratory files, who answered."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from platform import python_version

from loop.campaign import Campaign
from loop.records import Event, Failed, Ingested, Kind
from loop.spending import charge

MEANING: dict[Kind, str] = {
    "infeasible": "the sample cannot be made, or the structure is unphysical",
    "not_converged": "the calculation did not converge; its value is never used",
    "timeout": "the time limit was reached; the same point is asked again, up to a limit",
    "crashed": "the process was killed or the machine lost; asked again, up to a limit",
    "invalid_output": "the value was missing, not a number, or in the wrong unit; not used",
    "invalid_input": "the settings are wrong for every candidate; the campaign stops",
    "cancelled": "cancelled; nothing is learnt from it",
}
PACKAGES = (
    "athanor-loop",
    "torch",
    "gpytorch",
    "botorch",
    "numpy",
    "scipy",
    "ase",
    "pymatgen",
    "prefect",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """The failures of one kind; `final` of them ended their candidate, others were asked again."""

    kind: Kind
    meaning: str
    answers: tuple[Failed, ...]
    final: int


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One revision of a laboratory file: rows = taken + duplicates + rejected."""

    at: str
    event: Ingested

    @property
    def taken(self) -> int:
        """How many rows were used."""
        return len(self.event.receipt.observations)

    @property
    def rejected(self) -> int:
        """How many rows were not; a refusal of the whole file is row 0 and no row of it."""
        return sum(rejection.row > 0 for rejection in self.event.receipt.rejected)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked of a fidelity: candidates, results, and what they cost together."""

    name: str
    role: str
    price: str
    candidates: int
    results: int
    spent: float


def asked(campaign: Campaign) -> list[Asked]:
    """Each fidelity where a campaign has several, or states what one costs; the real one first."""
    if not campaign.problem.fidelities:
        return []
    return [
        Asked(
            name=stated.called,
            role="stands in" if stated.name else "the real thing",
            price=f"{stated.cost:g}" + (" and its hours" if stated.measured else ""),
            candidates=len(view.own),
            results=len(view.results),
            spent=sum(charge(campaign, each) for each in view.own),
        )
        for view in campaign.views
        for stated in [campaign.problem.fidelity(view.fidelity)]
    ]


def troubles(campaign: Campaign) -> list[Trouble]:
    """Every failure that was ever recorded, by kind, the most frequent first."""
    ended = Counter(failed.kind for _, failed in campaign.all_failures)
    kinds: dict[Kind, list[Failed]] = {}
    for answers in campaign.observations.values():
        for answer in answers:
            if isinstance(answer, Failed):
                kinds.setdefault(answer.kind, []).append(answer)
    return [
        Trouble(kind=kind, meaning=MEANING[kind], answers=tuple(found), final=ended[kind])
        for kind, found in sorted(kinds.items(), key=lambda item: -len(item[1]))
    ]


def files(entries: Sequence[tuple[str, Event]]) -> list[File]:
    """Every laboratory file that was read, oldest first."""
    return [File(at=at, event=event) for at, event in entries if isinstance(event, Ingested)]


def answered_by(campaign: Campaign) -> list[tuple[str, int]]:
    """Who answered and in which versions, with the number of answers."""
    sources = (each.source for answers in campaign.observations.values() for each in answers)
    named = (
        " ".join([source.oracle or "a person", *map(" ".join, sorted(source.versions.items()))])
        for source in sources
    )
    return Counter(named).most_common()


def installed() -> list[tuple[str, str]]:
    """Python and the packages that choose and compute, as installed where this page is made."""
    found = [("Python", python_version())]
    for name in PACKAGES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return found
