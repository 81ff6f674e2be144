"""When a campaign stops: its budget, its target, a plateau, too many failures.

Rules are settings; whether one holds is a pure function of the campaign, also after a restart.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from loop.campaign import Campaign, is_past
from loop.errors import SettingsError
from loop.objective import Objective
from loop.records import REAL, Candidate
from loop.spending import ROUNDING, left, pays, price, spent

FEW = 10  # below this many answers a share of failures says nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRules:
    """`evaluations` is the budget; so is `cost`, in the unit of the fidelities' costs.

    `reached` stops when the one goal is there: a value of it, or, of a match or a window, how far
    off it may be. `plateau` stops after that many answers without an improvement of the campaign's
    `gains` of more than `plateau_by`: in the target's unit for one goal, as a share from 0 to 1
    for several. `failures` stops when more than this share of the answers are failures.
    """

    evaluations: int
    cost: float | None = None
    reached: float | None = None
    plateau: int | None = None
    plateau_by: float = 0.0
    failures: float = 0.5

    def __post_init__(self) -> None:
        """Raise SettingsError for a budget or a window below one, or a share that is none."""
        for key, value in (("evaluations", self.evaluations), ("plateau", self.plateau)):
            if value is not None and value < 1:
                raise SettingsError(f"stop.{key}", "1 or more", str(value))
        if self.cost is not None and not self.cost > 0:
            raise SettingsError("stop.cost", "a number above 0", f"{self.cost:g}")
        if not 0 < self.failures <= 1:
            raise SettingsError(
                "stop.failures", "a share above 0 and up to 1", f"{self.failures:g}"
            )


def require_rules(rules: StopRules, objective: Objective) -> None:
    """Raise SettingsError for a rule that this objective can never meet."""
    lead, way = objective.lead, objective.way
    if rules.reached is not None and way != "single":
        raise SettingsError(
            "stop.reached",
            "none, unless a single goal max, min, match or window is sought",
            f"{rules.reached:g}",
            "Remove it; stop.evaluations and stop.plateau end the campaign.",
        )
    if rules.reached is not None and lead.goal in {"match", "window"} and rules.reached < 0:
        expected = f"a distance from what is wanted of {lead.name}, 0 or more"
        raise SettingsError("stop.reached", expected, f"{rules.reached:g}")
    if rules.plateau is not None and way in {"learn", "level"}:
        raise SettingsError(
            "stop.plateau",
            f"none for goal '{way}', of which no answer is better than another",
            str(rules.plateau),
            "Remove it; stop.evaluations ends the campaign.",
        )


def stop_reason(rules: StopRules, campaign: Campaign) -> str | None:
    """Why the campaign is over, or None while it goes on."""
    for _, failed in campaign.all_failures:
        if failed.kind == "invalid_input":
            return f"invalid input: {failed.message.rstrip('.')}, the same for every candidate"
    if campaign.answered >= rules.evaluations:
        return f"budget: {rules.evaluations} evaluations"
    if rules.cost is not None and not campaign.pending and not pays(campaign, REAL, rules.cost):
        return f"budget: {spent(campaign):g} of {rules.cost:g} spent, too little is left for more"
    reached = _reached(rules, campaign)
    if reached is not None:
        return f"target reached: {reached}"
    if _plateau(rules, campaign):
        sought = _sought(campaign.problem.objective)
        return f"plateau: no better {sought} in {rules.plateau} evaluations"
    return _too_many_failures(rules, campaign)


def affordable(
    rules: StopRules, campaign: Campaign, candidates: Sequence[Candidate]
) -> list[Candidate]:
    """The first of the candidates, up to the one that what is left does not pay for."""
    rest, kept = left(campaign, rules.cost) * (1 + ROUNDING), list[Candidate]()
    for candidate in candidates:
        rest -= price(campaign, candidate.fidelity)
        if rest < 0:
            break
        kept.append(candidate)
    return kept


def room(rules: StopRules, campaign: Campaign, batch: int) -> int:
    """How many candidates may be proposed now: up to the batch, never over the budget.

    Where a batch shares something, none while any wait: one in its place would be a batch alone.
    """
    if campaign.problem.space.shared and campaign.pending:
        return 0
    return max(0, min(batch - len(campaign.pending), rules.evaluations - campaign.asked))


def _reached(rules: StopRules, campaign: Campaign) -> str | None:
    """The best value in words, where it is as good as it has to be."""
    target = campaign.problem.objective.lead
    best = None if rules.reached is None else campaign.best
    if rules.reached is None or best is None or campaign.problem.objective.way != "single":
        return None
    value = best.values[target.name]
    said = f"{target.name} = {value:g} {target.unit}".rstrip()
    if target.goal in {"match", "window"}:
        near = f"{rules.reached:g} {target.unit}".rstrip()
        said, is_there = f"{said}, within {near}", -target.utility(value) <= rules.reached
    else:
        is_there = target.utility(value) >= target.utility(rules.reached)
    return said if is_there else None


def _plateau(rules: StopRules, campaign: Campaign) -> bool:
    if rules.plateau is None or not campaign.problem.objective.lead.is_wish:
        return False
    gains = [gain for _, gain in campaign.gains]
    if len(gains) <= rules.plateau:
        return False
    before, now = gains[-1 - rules.plateau], gains[-1]
    return before is not None and now is not None and now - before <= rules.plateau_by


def _sought(objective: Objective) -> str:
    """What the gains are of, in a word."""
    match objective.way:
        case "pareto":
            return "front"
        case "scalar":
            return "balance"
        case "desirability":
            return "desirability"
        case "single" | "learn" | "level":
            return objective.lead.name


def _too_many_failures(rules: StopRules, campaign: Campaign) -> str | None:
    failures = [each for each in campaign.all_failures if not is_past(each[0])]
    if campaign.answered < FEW or len(failures) <= rules.failures * campaign.answered:
        return None
    kinds = ", ".join(
        f"{count} {kind}" for kind, count in Counter(f.kind for _, f in failures).most_common()
    )
    return (
        f"failures: {len(failures)} of {campaign.answered} answers ({kinds}). "
        f"Find the cause; to go on as it is, raise stop.failures above {rules.failures:g}."
    )
