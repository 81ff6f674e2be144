"""Promotion as campaign.toml states it: whose best are asked of whom."""

from collections.abc import Sequence

from flows.refusal import nearest
from flows.settings import Oracles, Settings
from loop.campaign import Campaign
from loop.errors import SettingsError
from loop.promotion import Promotion, Step, alone
from loop.protocols import Proposer
from loop.records import REAL, Problem


def promoting(settings: Settings, problem: Problem, proposer: Proposer) -> Proposer:
    """The proposer, within the rules of promotion where there are any; SettingsError if not."""
    tables = settings.oracles
    if not any(table.promote for table in tables):
        for table in tables:
            if table.evaluations is not None:
                remedy = "Remove it: the model decides how often each oracle is asked."
                where = f"oracle.{table.name}.evaluations"
                raise SettingsError(where, "none, without a promote", "one", remedy)
        return proposer
    steps = _ordered([*_stand_ins(tables), _real(tables)])
    _require_ranked(steps, problem)
    _require_budget(steps, settings, problem)
    return Promotion(proposer=proposer, steps=steps)


def _stand_ins(tables: Sequence[Oracles]) -> list[Step]:
    """A step of each stand-in."""
    return [_step(table, table.name, tables) for table in tables if table.approximates]


def _real(tables: Sequence[Oracles]) -> Step:
    """The step of the real thing, which one of its oracles states for all of them."""
    real = [table for table in tables if not table.approximates]
    stating = [table for table in real if table.promote is not None]
    if len(stating) != 1:
        names = ", ".join(table.name for table in real)
        expected = f"promote on one of {names}, which answer the question together"
        raise SettingsError("oracle", expected, str(len(stating)), "Say whose best it is asked.")
    return _step(stating[0], REAL, tables)


def _step(table: Oracles, fidelity: str, tables: Sequence[Oracles]) -> Step:
    where = f"oracle.{table.name}"
    if (table.promote is None) == (table.evaluations is None):
        got = "neither" if table.promote is None else "both"
        remedy = "State evaluations where its own model searches, else promote."
        raise SettingsError(where, "evaluations, or promote", got, remedy)
    if table.promote is None:
        return Step(fidelity=fidelity, evaluations=table.evaluations)
    others = [each.name for each in tables if each.approximates and each is not table]
    if table.promote.origin not in others:
        expected = f"a stand-in among {', '.join(others) or 'none'}"
        remedy = nearest(table.promote.origin, others) or "Name one with approximates = true."
        got = repr(table.promote.origin)
        raise SettingsError(f"{where}.promote.from", expected, got, remedy)
    return Step(fidelity=fidelity, source=table.promote.origin, best=table.promote.best)


def _ordered(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Every source before what is promoted from it; SettingsError for a circle."""
    found: list[Step] = []
    rest = list(steps)
    while rest:
        known = {step.fidelity for step in found}
        ready = [step for step in rest if step.evaluations is not None or step.source in known]
        if not ready:
            names = ", ".join(f"{step.fidelity or 'the real thing'}" for step in rest)
            expected = "a first oracle, with evaluations of its own"
            raise SettingsError("oracle", expected, f"a circle of {names}", "Break it.")
        found += ready
        rest = [step for step in rest if step not in ready]
    return tuple(found)


def _require_ranked(steps: Sequence[Step], problem: Problem) -> None:
    """Raise SettingsError for a source that does not tell which of its candidates are best."""
    if not problem.objective.lead.is_wish:
        got = f"goal '{problem.objective.lead.goal}'"
        remedy = "Remove promote: without it the model decides what is asked of whom."
        raise SettingsError("oracle", "a goal by which some are best, to promote", got, remedy)
    needed = {target.name for target in problem.objective.wanted}
    needed |= {bound.target for bound in problem.objective.bounds}
    for step in steps:
        missing = sorted(needed - set(problem.fidelity(step.source).targets)) if step.source else []
        if missing:
            expected = f"all that decides which are best ({', '.join(sorted(needed))})"
            got = f"no {', '.join(missing)}"
            remedy = "Promote from an oracle that measures it."
            raise SettingsError(f"oracle.{step.source}.measures", expected, got, remedy)
        alone(Campaign(problem=problem), step.fidelity)


def _require_budget(steps: Sequence[Step], settings: Settings, problem: Problem) -> None:
    """Raise SettingsError for budgets that end the campaign before the last step."""
    count = sum(step.size for step in steps)
    if settings.stop.evaluations < count:
        got = str(settings.stop.evaluations)
        expected = f"{count} or more, which promotion takes"
        raise SettingsError("stop.evaluations", expected, got, f"Write evaluations = {count}.")
    cost = sum(step.size * problem.fidelity(step.fidelity).cost for step in steps)
    if settings.stop.cost is not None and settings.stop.cost < cost:
        expected = f"{cost:g} or more, which promotion costs"
        got = f"{settings.stop.cost:g}"
        raise SettingsError("stop.cost", expected, got, "Raise it, or promote fewer.")
