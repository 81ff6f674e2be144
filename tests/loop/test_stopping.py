"""Stop rules: each says why, and none stops too early or too late."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop.errors import SettingsError
from loop.objective import Bound, Target
from loop.records import Retracted, Vetoed
from loop.stopping import FEW, StopRules, room, stop_reason
from tests.loop import rigs

PROBLEM = rigs.asked()


def of(*values, problem=PROBLEM, asked=None):
    """A campaign with these answers in turn, of so many candidates: values, or kinds of failure."""
    count = max(len(values), 1) if asked is None else asked
    answers = [
        rigs.failed(each, value) if isinstance(value, str) else rigs.measured(each, y=value)
        for each, value in zip(rigs.candidates(problem, count), values, strict=False)
    ]
    return rigs.campaign(problem, count, *rigs.observed(*answers))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([1.0] * 2, None),
        ([1.0] * 3, "budget: 3 evaluations"),
        ([1.0, "infeasible", "infeasible"], "budget: 3 evaluations"),
        ([1.0, 1.0, "timeout"], None),
    ],
)
def test_the_budget_counts_answers(values, reason):
    """Values and refusals are paid for; what will be asked again is not yet."""
    assert stop_reason(StopRules(evaluations=3), of(*values, asked=3)) == reason


@pytest.mark.parametrize(
    ("goal", "values", "reason"),
    [
        ("max", [4.9], None),
        ("max", [4.9, 5.0], "target reached: y = 5 GPa"),
        ("min", [5.1], None),
        ("min", [5.1, 5.0], "target reached: y = 5 GPa"),
        ("max", ["infeasible"], None),
    ],
)
def test_the_target_is_reached_from_its_side(goal, values, reason):
    """At least that large, or at most; in the target's unit."""
    problem = rigs.asked(targets=(Target(name="y", unit="GPa", goal=goal),))
    assert (
        stop_reason(StopRules(evaluations=9, reached=5.0), of(*values, problem=problem)) == reason
    )


@pytest.mark.parametrize(
    ("wish", "value", "reason"),
    [
        ({"goal": "match", "value": 3.0}, 3.2, None),
        ({"goal": "match", "value": 3.0}, 2.95, "target reached: y = 2.95 eV, within 0.1 eV"),
        ({"goal": "window", "low": 2.0, "high": 3.0}, 3.2, None),
        (
            {"goal": "window", "low": 2.0, "high": 3.0},
            2.1,
            "target reached: y = 2.1 eV, within 0.1",
        ),
    ],
)
def test_a_value_is_reached_from_both_sides(wish, value, reason):
    """Of a match and a window, `reached` is how far off a value may be."""
    problem = rigs.asked(targets=(Target(name="y", unit="eV", **wish),))
    said = stop_reason(StopRules(evaluations=9, reached=0.1), of(value, problem=problem))
    assert said is None if reason is None else (said or "").startswith(reason)


@pytest.mark.parametrize(
    ("targets", "rules", "said"),
    [
        ((rigs.Y, Target(name="z")), {"reached": 1.0}, "a single goal max, min, match or window"),
        ((Target(name="y", goal="learn"),), {"reached": 1.0}, "stop.reached: expected none"),
        ((Target(name="y", goal="learn"),), {"plateau": 9}, "stop.plateau: .* no answer is better"),
        ((Target(name="y", goal="match", value=1.0),), {"reached": -1.0}, "0 or more, got -1"),
    ],
)
def test_a_rule_that_can_never_hold_is_refused(targets, rules, said):
    """When the rig is put together, not after the campaign."""
    problem = rigs.asked(targets=targets, combine="auto")
    with pytest.raises(SettingsError, match=said):
        rigs.rig(problem, rules=StopRules(evaluations=9, **rules))


@pytest.mark.parametrize(("by", "stops"), [(0.0, False), (0.5, True)])
def test_a_plateau_of_several_goals_is_one_of_their_front(by, stops):
    """In shares of the box: a new end of the front is an improvement, if not of a half."""
    problem = rigs.asked(targets=(rigs.Y, Target(name="z", goal="min")), combine="pareto")
    pairs = [(1.0, 1.0), (0.0, 2.0), (2.0, 1.5)]
    answers = [
        rigs.measured(each, y=y, z=z)
        for each, (y, z) in zip(rigs.candidates(problem, 3), pairs, strict=True)
    ]
    campaign = rigs.campaign(problem, 3, *rigs.observed(*answers))
    reason = stop_reason(StopRules(evaluations=9, plateau=2, plateau_by=by), campaign)
    assert reason == ("plateau: no better front in 2 evaluations" if stops else None)


def test_a_target_is_not_reached_beyond_a_bound():
    """A value that breaks a bound answers another question."""
    problem = rigs.asked(bounds=(Bound(target="y", sense="<=", value=6.0),))
    assert stop_reason(StopRules(evaluations=9, reached=5.0), of(7.0, problem=problem)) is None


@pytest.mark.parametrize(
    ("values", "by", "stops"),
    [
        ([1.0, 1.0, 1.0], 0.0, False),
        ([1.0, 1.0, 1.0, 1.0], 0.0, True),
        ([1.0, 0.0, 1.1, 0.0], 0.0, False),
        ([1.0, 0.0, 1.1, 0.0], 0.2, True),
        (["infeasible"] * 3 + [1.0], 0.0, False),
        ([1.0, 0.0, 0.0, "infeasible"], 0.0, True),
    ],
)
def test_a_plateau_is_a_number_of_answers_without_improvement(values, by, stops):
    """Three answers that are no better by more than stated; failures are answers too."""
    reason = stop_reason(StopRules(evaluations=99, plateau=3, plateau_by=by), of(*values))
    assert reason == ("plateau: no better y in 3 evaluations" if stops else None)


@pytest.mark.parametrize(
    ("failures", "answers", "stops"),
    [(FEW - 1, FEW - 1, False), (5, FEW, False), (6, FEW, True), (6, 12, False), (7, 12, True)],
)
def test_too_many_failures_stop_with_their_causes(failures, answers, stops):
    """More than half of at least ten answers; the kinds are counted."""
    kinds = ["not_converged", *["infeasible"] * (failures - 1)]
    campaign = of(*kinds, *[1.0] * (answers - failures))
    reason = stop_reason(StopRules(evaluations=99), campaign)
    counted = f"{failures} of {answers} answers ({failures - 1} infeasible, 1 not_converged)"
    assert (reason is not None and counted in reason) is stops


def test_invalid_input_stops_at_once():
    """What is the same for every candidate is not tried on the next."""
    reason = stop_reason(StopRules(evaluations=99), of(1.0, "invalid_input"))
    assert reason is not None
    assert reason.startswith("invalid input: no")


@given(
    budget=st.integers(1, 12),
    batch=st.integers(1, 6),
    answered=st.integers(0, 8),
    pending=st.integers(0, 4),
)
def test_room_never_exceeds_batch_or_budget(budget, batch, answered, pending):
    """What waits and what is new fit the batch; what was asked and what is new fit the budget."""
    campaign = of(*[1.0] * answered, asked=answered + pending)
    free = room(StopRules(evaluations=budget), campaign, batch)
    assert free == max(0, min(batch - pending, budget - answered - pending))


@pytest.mark.parametrize(("event", "free"), [(Vetoed, 2), (Retracted, 1)])
def test_a_veto_gives_its_place_back(event, free):
    """What was vetoed was not paid for; what was retracted was."""
    first = rigs.candidates(PROBLEM, 1)[0].id
    campaign = rigs.campaign(PROBLEM, 2, event(candidate=first, reason="no"))
    assert room(StopRules(evaluations=3), campaign, 9) == free


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"evaluations": 0}, r"stop\.evaluations: expected 1 or more, got 0"),
        ({"evaluations": 5, "plateau": 0}, r"stop\.plateau: expected 1 or more, got 0"),
        ({"evaluations": 5, "failures": 0.0}, r"stop\.failures: expected a share above 0"),
        ({"evaluations": 5, "failures": 1.5}, r"stop\.failures: .* got 1\.5"),
        ({"evaluations": 5, "failures": float("nan")}, r"stop\.failures: .* got nan"),
    ],
)
def test_rules_that_stop_nothing_or_everything_are_refused(settings, said):
    """A budget and a window of at least one, and a share that is one."""
    with pytest.raises(SettingsError, match=said):
        StopRules(**settings)
