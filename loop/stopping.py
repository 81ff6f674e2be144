"""When a campaign stops: its budget, its target, a plateau, too many failures.

Rules are settings; whether one holds is a pure function of the campaign, also after a restart.
"""

from collections import Counter
from dataclasses import dataclass

from loop.campaign import Campaign
from loop.errors import SettingsError

FEW = 10  # below this many answers a share of failures says nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRules:
    """`evaluations` is the budget.

    `reached` stops when the leading target is there (in its unit); `plateau` stops after that many
    answers without an improvement of more than `plateau_by`; `failures` stops when more than this
    share of the answers are failures.
    """

    evaluations: int
    reached: float | None = None
    plateau: int | None = None
    plateau_by: float = 0.0
    failures: float = 0.5

    def __post_init__(self) -> None:
        """Raise SettingsError for a budget or a window below one, or a share that is none."""
        for key, value in (("evaluations", self.evaluations), ("plateau", self.plateau)):
            if value is not None and value < 1:
                raise SettingsError(f"stop.{key}", "1 or more", str(value))
        if not 0 < self.failures <= 1:
            raise SettingsError(
                "stop.failures", "a share above 0 and up to 1", f"{self.failures:g}"
            )


def stop_reason(rules: StopRules, campaign: Campaign) -> str | None:
    """Why the campaign is over, or None while it goes on."""
    problem = campaign.problem.objective.lead
    for _, failed in campaign.failures:
        if failed.kind == "invalid_input":
            return f"invalid input: {failed.message.rstrip('.')}, the same for every candidate"
    if campaign.answered >= rules.evaluations:
        return f"budget: {rules.evaluations} evaluations"
    best = campaign.best
    if rules.reached is not None and best is not None:
        value = best.values[problem.name]
        if problem.sign * (value - rules.reached) >= 0:
            return f"target reached: {problem.name} = {value:g} {problem.unit}".rstrip()
    if _plateau(rules, campaign):
        return f"plateau: no better {problem.name} in {rules.plateau} evaluations"
    return _too_many_failures(rules, campaign)


def room(rules: StopRules, campaign: Campaign, batch: int) -> int:
    """How many candidates may be proposed now: up to the batch, never over the budget."""
    return max(0, min(batch - len(campaign.pending), rules.evaluations - campaign.asked))


def _plateau(rules: StopRules, campaign: Campaign) -> bool:
    if rules.plateau is None:
        return False
    values = [value for _, value in campaign.trace]
    if len(values) <= rules.plateau or values[-1] is None:
        return False
    before = values[-1 - rules.plateau]
    sign = campaign.problem.objective.lead.sign
    return before is not None and sign * (values[-1] - before) <= rules.plateau_by


def _too_many_failures(rules: StopRules, campaign: Campaign) -> str | None:
    failures = campaign.failures
    if campaign.answered < FEW or len(failures) <= rules.failures * campaign.answered:
        return None
    kinds = ", ".join(
        f"{count} {kind}" for kind, count in Counter(f.kind for _, f in failures).most_common()
    )
    return (
        f"failures: {len(failures)} of {campaign.answered} answers ({kinds}). "
        f"Find the cause; to go on as it is, raise stop.failures above {rules.failures:g}."
    )
