"""Promotion: the best of a cheap oracle go to a dear one, the best of those to the next.

    Promotion(proposer=Bayes(), steps=(
        Step(fidelity="emt", evaluations=40),
        Step(fidelity="dft", source="emt", best=5),
        Step(fidelity=REAL, source="dft", best=2),
    ))

What has a number of evaluations of its own is searched by the proposer as if there were nothing
else. A step that takes the best of another begins when all of that one has been answered, so that
the same ledger promotes the same candidates.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from loop.campaign import Campaign
from loop.designs import beside
from loop.errors import Shortfall
from loop.objective import Objective
from loop.protocols import Proposer
from loop.records import Candidate, Why


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is asked of a fidelity: so many `evaluations`, or the `best` so many of a `source`."""

    fidelity: str
    evaluations: int | None = None
    source: str = ""
    best: int = 0

    @property
    def size(self) -> int:
        """How many candidates it has at most."""
        return self.best if self.evaluations is None else self.evaluations


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """Takes the steps in their order; a source comes before what is promoted from it."""

    proposer: Proposer
    steps: tuple[Step, ...]

    def propose(self, campaign: Campaign, count: int) -> Sequence[Candidate]:
        """The next candidates of all steps that are open; Shortfall where there are fewer."""
        found: list[Candidate] = []
        done: set[str] = set()
        for step in self.steps:
            now, most = beside(campaign, found), count - len(found)
            if step.evaluations is not None:
                new = self._searched(now, step, most)
            else:
                new = _promoted(now, step)[:most] if step.source in done else []
            found += new
            is_taken = step.evaluations is not None or step.source in done
            view = beside(campaign, found).at(step.fidelity)
            if is_taken and not new and len(found) < count and not _pending(view):
                done.add(step.fidelity)
        if len(found) < count:
            raise self._short(len(found))
        return found

    def _searched(self, campaign: Campaign, step: Step, most: int) -> list[Candidate]:
        """Up to `most` candidates of the proposer; none where all have been asked."""
        view = alone(campaign, step.fidelity)
        asked = sum(each.id not in campaign.vetoed for each in view.own)
        wanted = min(most, step.size - asked)
        if wanted <= 0:
            return []
        try:
            chosen = self.proposer.propose(view, wanted)
        except Shortfall as short:
            chosen = self.proposer.propose(view, short.available) if short.available else ()
        return [
            replace(each, fidelity=step.fidelity, why=replace(each.why, of=step.fidelity))
            for each in chosen
        ]

    def _short(self, available: int) -> Shortfall:
        plan = ", ".join(
            f"{step.evaluations} of {step.fidelity}"
            if step.evaluations is not None
            else f"the best {step.best} of {step.source}"
            for step in self.steps
        )
        got = f"{available} more" if available else "all that there are"
        return Shortfall("promotion", plan, got, available=available)


def alone(campaign: Campaign, fidelity: str) -> Campaign:
    """The campaign at a fidelity, as if what that measures were all that is asked about."""
    targets = campaign.problem.fidelity(fidelity).targets
    whole = campaign.problem.objective
    own = Objective(
        targets=tuple(target for target in whole.targets if target.name in targets),
        bounds=tuple(bound for bound in whole.bounds if bound.target in targets),
        combine=whole.combine,
        reference=whole.reference,
    )
    view = campaign.at(fidelity)
    return replace(view, problem=replace(view.problem, objective=own))


def _promoted(campaign: Campaign, step: Step) -> list[Candidate]:
    """The best of the source that have not been asked of this fidelity yet, best first."""
    view = alone(campaign, step.source)
    asked = {each.why.nearest for each in campaign.at(step.fidelity).own}
    lead = view.problem.objective.lead
    called = campaign.problem.fidelity(step.source).called
    found: list[Candidate] = []
    for rank, result in enumerate(view.ranked[: step.best], start=1):
        point = result.candidate.point
        if result.candidate.id in asked:
            continue
        value = f"{lead.name} {result.values[lead.name]:.5g} {lead.unit}".rstrip()
        cause = f"best {rank} of {called}: {value} ({result.candidate.id})"
        (key,) = beside(campaign, found).ids(1)
        why = Why(
            origin="promoted",
            cause=cause,
            of=step.source,
            nearest=result.candidate.id,
            distance=0.0,
        )
        found.append(Candidate(id=key, point=point, why=why, fidelity=step.fidelity))
    return found


def _pending(view: Campaign) -> bool:
    """Whether a candidate of the fidelity waits for an answer."""
    return any(each.fidelity == view.fidelity for each in view.pending)
