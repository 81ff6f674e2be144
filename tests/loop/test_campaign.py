"""The campaign: a fold of events, whatever they are and in whatever order the answers came."""

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop.campaign import ATTEMPTS, Campaign
from loop.errors import CampaignError
from loop.ledger import decode_event, encode_event
from loop.objective import Bound, Target
from loop.records import (
    TRANSIENT,
    Amended,
    Attached,
    Closed,
    Event,
    Observation,
    Opened,
    Proposed,
    Reopened,
    Retracted,
    Started,
    Vetoed,
)
from loop.surrogate.data import training_data
from tests.loop import rigs
from tests.loop import strategies as some

PROBLEM = rigs.asked()
PAIR = rigs.asked(targets=(rigs.Y, rigs.Z))
FOUR = rigs.candidates(PROBLEM, 4)
FIRST, SECOND, THIRD, FOURTH = (each.id for each in FOUR)
FINAL = ("infeasible", "not_converged", "invalid_output", "invalid_input", "cancelled")


def of(*events, problem=PROBLEM):
    """Four candidates, and then these events."""
    return rigs.campaign(problem, 4, *events)


def ids(candidates):
    """The ids of candidates, in order."""
    return [candidate.id for candidate in candidates]


def derived(campaign):
    """What a campaign works out of its events, and keeps."""
    known = (campaign.pending, campaign.failures, campaign.results, campaign.answered)
    return *known, campaign.leaders, campaign.rows.tolist(), campaign.keys


@given(data=st.data())
def test_a_history_survives_its_codec(data):
    """What is folded from the ledger is what was folded before it was written."""
    problem = data.draw(some.problems())
    chosen = tuple(
        replace(each, why=data.draw(some.whys)) for each in rigs.candidates(rigs.asked(), 2)
    )
    after = data.draw(st.lists(some.later(problem, [each.id for each in chosen]), max_size=8))
    events: list[Event] = [Opened(problem=problem), Proposed(candidates=chosen), *after]
    stored = [decode_event(*encode_event(event)) for event in events]
    assert Campaign.replay(problem, stored) == Campaign.replay(problem, events)


@given(data=st.data())
def test_a_campaign_that_is_extended_is_the_one_replayed(data):
    """However the events are cut into pieces; what it has worked out before is not stale after."""
    first, second, third = rigs.candidates(PAIR, 3)
    begun: list[Event] = [Opened(problem=PAIR), Proposed(candidates=(first, second))]
    early = data.draw(st.lists(some.later(PAIR, [first.id, second.id]), max_size=6))
    every = [first.id, second.id, third.id]
    late = data.draw(st.lists(some.later(PAIR, every), max_size=6))
    events = [*begun, *early, Proposed(candidates=(third,)), *late]
    campaign = Campaign(problem=PAIR)
    for event in events:
        before, told = campaign, derived(campaign)
        campaign = campaign.extended([event])
        assert derived(before) == told
        assert derived(campaign) == derived(replace(campaign))
    assert campaign == Campaign.replay(PAIR, events)


@pytest.mark.parametrize("combine", ["first", "pareto", "scalar"])
@given(data=st.data())
def test_who_leads_is_the_same_however_the_answers_come(combine, data):
    """In any order, with equals among them: kept from answer to answer, or worked out of all."""
    problem = rigs.asked(targets=(rigs.Y, Target(name="z")), combine=combine)
    few = st.integers(0, 2)
    answers = data.draw(st.lists(st.tuples(few, few), max_size=6))
    asked = rigs.candidates(problem, len(answers))
    campaign = Campaign.replay(problem, [Opened(problem=problem), Proposed(candidates=asked)])
    pairs = zip(asked, answers, strict=True)
    told = [rigs.measured(each, y=float(y), z=float(z)) for each, (y, z) in pairs]
    for event in rigs.observed(*data.draw(st.permutations(told))):
        assert campaign.leaders == replace(campaign).leaders
        campaign = campaign.extended([event])
    assert campaign.leaders == replace(campaign).leaders


@given(data=st.data())
def test_every_candidate_is_in_one_state(data):
    """Pending, failed, wholly measured or set aside: the four add up, whatever has happened."""
    event = some.later(PAIR, [FIRST, SECOND])
    campaign = rigs.campaign(PAIR, 2, *data.draw(st.lists(event, max_size=10)))
    failed = {each.id for each, _ in campaign.failures}
    pending = set(ids(campaign.pending))
    whole = {r.candidate.id for r in campaign.results if set(r.values) == {"y", "z"}}
    assert not failed & pending
    assert not whole & (failed | pending)
    assert {FIRST, SECOND} <= failed | pending | whole | {*campaign.vetoed, *campaign.retracted}
    assert campaign.answered + len(pending) + len(campaign.vetoed) == 2


@given(data=st.data())
def test_the_order_of_answers_does_not_matter(data):
    """The same answers in another order give the same results and the same training data."""
    rows: list[Observation] = [
        replace(
            rigs.measured(candidate, **{target: data.draw(some.numbers)}),
            errors={target: data.draw(some.errors)} if data.draw(st.booleans()) else {},
            replicate=replicate,
        )
        for candidate in (FIRST, SECOND)
        for target in ("y", "z")
        for replicate in ("", "a")
    ]
    rows += [rigs.failed(THIRD, "timeout"), rigs.failed(THIRD, "crashed"), rigs.failed(FOURTH)]
    asked = of(*rigs.observed(*rows), problem=PAIR)
    shuffled = of(*rigs.observed(*data.draw(st.permutations(rows))), problem=PAIR)
    assert shuffled.results == asked.results
    assert ids(shuffled.pending) == ids(asked.pending) == [THIRD]
    one, other = training_data(asked), training_data(shuffled)
    for name in ("X", "Y", "Yvar"):
        assert np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True)


@pytest.mark.parametrize(
    ("kinds", "state"),
    [
        ([], "pending"),
        (["timeout"], "pending"),
        (["timeout", "crashed"], "pending"),
        (["timeout", "crashed", "timeout"], "failed"),
        *(([kind], "failed") for kind in FINAL),
        (["crashed", "infeasible"], "failed"),
        (["value"], "measured"),
        (["timeout", "value"], "measured"),
        (["infeasible", "value"], "measured"),
        (["crashed", "crashed", "crashed", "value"], "measured"),
        (["value", "infeasible"], "measured"),
    ],
)
def test_what_a_series_of_answers_makes_of_a_candidate(kinds, state):
    """Passing trouble is asked again, up to a limit; a value is welcome also after a failure."""
    answers = [
        rigs.measured(FIRST, y=1.0) if kind == "value" else rigs.failed(FIRST, kind)
        for kind in kinds
    ]
    campaign = of(*rigs.observed(*answers))
    assert (FIRST in ids(campaign.pending)) is (state == "pending")
    assert (FIRST in ids(each for each, _ in campaign.failures)) is (state == "failed")
    assert (FIRST in [r.candidate.id for r in campaign.results]) is (state == "measured")
    assert campaign.answered == (state != "pending")


def test_passing_trouble_is_what_the_design_says():
    """A wall limit and a lost process; three attempts in all."""
    assert (sorted(TRANSIENT), ATTEMPTS) == (["crashed", "timeout"], 3)


def test_a_partial_answer_is_used_and_waited_for():
    """Half an answer is data already, and the candidate stays pending for the other half."""
    half = of(*rigs.observed(rigs.measured(FIRST, y=1.0)), problem=PAIR)
    assert (half.results[0].values, half.answered) == ({"y": 1.0}, 0)
    assert FIRST in ids(half.pending)
    whole = of(
        *rigs.observed(rigs.measured(FIRST, y=1.0), rigs.measured(FIRST, z=2.0)), problem=PAIR
    )
    assert (whole.results[0].values, whole.answered) == ({"y": 1.0, "z": 2.0}, 1)


def test_what_a_person_refused_is_not_asked_and_not_counted():
    """A veto frees the place in the budget."""
    campaign = of(Vetoed(candidate=FIRST, reason="toxic"))
    assert ids(campaign.pending) == [SECOND, THIRD, FOURTH]
    assert (campaign.asked, campaign.answered) == (3, 0)


def test_what_a_person_took_back_is_not_used():
    """A retracted answer is no result, is not asked again, and was paid for."""
    campaign = of(
        *rigs.observed(rigs.measured(FIRST, y=9.0), rigs.measured(SECOND, y=1.0)),
        Retracted(candidate=FIRST, reason="wrong sample"),
    )
    assert campaign.best.candidate.id == SECOND
    assert FIRST not in ids(campaign.pending)
    assert (campaign.answered, len(campaign.measurements(FIRST))) == (2, 1)


def test_replicates_are_averaged():
    """Each replicate counts once; without given errors, their spread tells the mean's."""
    rows = [
        replace(rigs.measured(FIRST, y=value), replicate=name)
        for name, value in (("a", 1.0), ("b", 3.0))
    ]
    (result,) = of(*rigs.observed(*rows)).results
    assert result.values == {"y": 2.0}
    assert result.errors == {"y": pytest.approx(sqrt(2.0) / sqrt(2))}
    assert result.repeats == {"y": 2}


def test_given_errors_of_replicates_are_combined():
    """The mean of two values with standard errors 3 and 4 has a standard error of 5 / 2."""
    rows = [
        replace(rigs.measured(FIRST, y=1.0), replicate=name, errors={"y": error})
        for name, error in (("a", 3.0), ("b", 4.0))
    ]
    (result,) = of(*rigs.observed(*rows)).results
    assert result.errors == {"y": pytest.approx(2.5)}


def test_a_single_value_without_an_error_has_none():
    """Nothing is invented where nothing tells the error."""
    (result,) = of(*rigs.observed(rigs.measured(FIRST, y=1.0))).results
    assert result.errors == {}


def test_the_newest_answer_of_a_replicate_holds():
    """An older one is kept, and not used."""
    campaign = of(*rigs.observed(rigs.measured(FIRST, y=1.0), rigs.measured(FIRST, y=5.0)))
    assert campaign.results[0].values == {"y": 5.0}
    assert [each.values["y"] for each in campaign.measurements(FIRST)] == [1.0, 5.0]


def test_the_model_learns_from_what_was_done():
    """Where the point as executed differs from what was asked, it is what counts."""
    made = {"a": 0.123, "b": 0.456}
    answer = replace(rigs.measured(FIRST, y=1.0), executed=made)
    campaign = of(*rigs.observed(answer))
    assert campaign.results[0].point == made
    assert training_data(campaign).X.tolist() == [[0.123, 0.456]]


@pytest.mark.parametrize(("goal", "best", "trace"), [("max", 3, [1, 3, 3]), ("min", 1, [1, 1, 1])])
def test_the_best_follows_the_goal(goal, best, trace):
    """Largest or smallest, also along the way, in the order of asking."""
    problem = rigs.asked(targets=(Target(name="y", goal=goal),))
    values = {FIRST: 1.0, SECOND: 3.0, FOURTH: 2.0}
    answers = [rigs.measured(name, y=value) for name, value in reversed(values.items())]
    campaign = of(*rigs.observed(*answers), problem=problem)
    assert campaign.best.values == {"y": best}
    assert [value for _, value in campaign.trace] == trace


def test_an_answer_is_kept_as_it_was_recorded():
    """The account of the laboratory's files finds its rows again by what they are."""
    made = replace(rigs.measured(FIRST, y=1.0), executed={"a": 0.5, "b": 0.5})
    assert of(*rigs.observed(made)).observations[FIRST][0] is made


def test_the_best_keeps_the_bounds():
    """A result that breaks a bound, or is not known to keep it, is no answer to the question."""
    problem = rigs.asked(
        targets=(rigs.Y, rigs.Z), bounds=(Bound(target="z", sense="<=", value=1.0),)
    )
    answers = [
        rigs.measured(FIRST, y=9.0, z=2.0),
        rigs.measured(SECOND, y=8.0),
        rigs.measured(THIRD, y=7.0, z=1.0),
    ]
    campaign = of(*rigs.observed(*answers), problem=problem)
    assert campaign.best.candidate.id == THIRD
    assert [value for _, value in campaign.trace] == [None, 7.0]


@pytest.mark.parametrize(
    ("wish", "best", "trace", "gains"),
    [
        ({"goal": "match", "value": 2.4}, 2.0, [1.0, 3.0, 2.0], [-1.4, -0.6, -0.4]),
        ({"goal": "window", "low": 1.5, "high": 2.5}, 2.0, [1.0, 1.0, 2.0], [-0.5, -0.5, 0.0]),
    ],
)
def test_the_best_is_what_was_wished_for(wish, best, trace, gains):
    """The nearest to a value or a window; the trace is in the target's unit, gains only grow."""
    problem = rigs.asked(targets=(Target(name="y", **wish),))
    values = {FIRST: 1.0, SECOND: 3.0, FOURTH: 2.0}
    answers = [rigs.measured(name, y=value) for name, value in values.items()]
    campaign = of(*rigs.observed(*answers), problem=problem)
    assert campaign.best.values == {"y": best}
    assert [value for _, value in campaign.trace] == trace
    assert [value for _, value in campaign.gains] == pytest.approx(gains)


TWO = (rigs.Y, Target(name="z", goal="min"))
PAIRS = {FIRST: (1.0, 1.0), SECOND: (0.0, 2.0), THIRD: (3.0, 3.0), FOURTH: (2.0, 9.0)}


def two(combine, targets=TWO, bounds=()):
    """Four results of two goals."""
    problem = rigs.asked(targets=targets, combine=combine, bounds=bounds)
    answers = [rigs.measured(name, y=y, z=z) for name, (y, z) in PAIRS.items()]
    return of(*rigs.observed(*answers), problem=problem)


def test_several_goals_have_a_front_and_no_best():
    """What no other beats leads; what it covers only grows, and stays as it is where it adds none.

    By hand: r = (0.8, -3.2), the box is 2.2 x 2.2, and (1, 1) covers 0.2 x 2.2 of it.
    """
    campaign = two("auto")
    assert campaign.best is None
    assert [r.candidate.id for r in campaign.front] == [FIRST, THIRD]
    assert campaign.leaders == campaign.front
    after = (0.2 * 2.2 + 2.0 * 0.2) / 2.2**2
    expected = [0.2 / 2.2, 0.2 / 2.2, after, after]
    assert [gain for _, gain in campaign.trace] == pytest.approx(expected)


def test_the_front_keeps_the_bounds():
    """What breaks a bound is no answer, however good."""
    campaign = two("pareto", bounds=(Bound(target="z", sense="<=", value=2.5),))
    assert [r.candidate.id for r in campaign.front] == [FIRST]


def test_without_a_word_the_first_goal_drives_the_choice():
    """What 0.1 wrote down replays as 0.1 meant it."""
    campaign = two("first")
    assert campaign.best.candidate.id == THIRD
    assert [value for _, value in campaign.trace] == [1.0, 1.0, 3.0, 3.0]


def test_a_compromise_has_a_best_and_a_front():
    """By desirability or by balance, one of the front is the best, and its number only grows."""
    ends = (replace(TWO[0], worst=0.0, best=4.0), replace(TWO[1], worst=4.0, best=0.0, weight=3.0))
    wished, balanced = two("desirability", ends), two("scalar")
    assert wished.best.candidate.id == FIRST
    assert [gain for _, gain in wished.trace] == pytest.approx([(0.25 * 0.75**3) ** 0.25] * 4)
    assert {FIRST, THIRD} == {r.candidate.id for r in balanced.front}
    assert balanced.best in balanced.front
    assert balanced.trace[-1][1] == max(gain for _, gain in balanced.trace)


@pytest.mark.parametrize("wish", [{"goal": "learn"}, {"goal": "level", "value": 2.0}])
def test_learning_has_no_best(wish):
    """Every answer counts one, and none is better than another."""
    problem = rigs.asked(targets=(Target(name="y", **wish),))
    answers: list[Observation] = [
        rigs.measured(FIRST, y=1.0),
        rigs.failed(SECOND),
        rigs.measured(THIRD, y=9.0),
    ]
    campaign = of(*rigs.observed(*answers), problem=problem)
    assert (campaign.best, campaign.front, campaign.leaders) == (None, (), ())
    assert [value for _, value in campaign.trace] == [1.0, 1.0, 2.0]


@given(data=st.data())
def test_gains_never_fall(data):
    """Whatever is wanted, and whatever the answers."""
    problem = replace(rigs.asked(), objective=data.draw(some.objectives()))
    answers = data.draw(
        st.lists(some.observations(problem, st.sampled_from([FIRST, SECOND, THIRD])), max_size=6)
    )
    gains = [gain for _, gain in of(*rigs.observed(*answers), problem=problem).gains]
    known = [gain for gain in gains if gain is not None]
    assert known == sorted(known)


def test_nothing_measured_has_no_best():
    """None, rather than a guess."""
    campaign = of(*rigs.observed(rigs.failed(FIRST)))
    assert campaign.best is None
    assert [value for _, value in campaign.trace] == [None]


@given(problem=some.problems(), count=st.integers(0, 30))
def test_ids_are_distinct_and_predictable(problem, count):
    """Two processes that propose at once would use the same ids: one of them is refused."""
    campaign = Campaign.replay(problem, [Opened(problem=problem)])
    assert len(set(campaign.ids(count))) == count
    assert campaign.ids(count) == campaign.ids(count + 1)[:count]
    assert [name[:4] for name in campaign.ids(count)] == [f"{n + 1:04d}" for n in range(count)]


def test_ids_betray_a_typing_error():
    """The code behind the number differs from one candidate to the next, and between campaigns."""
    other = rigs.candidates(rigs.asked(seed=1), 4)
    assert len({name[-3:] for name in [*ids(FOUR), *ids(other)]}) == 8


def test_who_is_at_it_is_known_until_the_answer_comes():
    """An attempt runs from Started to its answer, and attempts are counted."""
    started = Started(candidate=FIRST, attempt=1, worker="here")
    campaign = of(started)
    assert (campaign.running, campaign.attempts) == ({FIRST: started}, {FIRST: 1})
    campaign = of(started, *rigs.observed(rigs.failed(FIRST, "timeout")))
    assert (campaign.running, campaign.attempts) == ({}, {FIRST: 1})


def test_settings_and_closing_are_what_was_said_last():
    """Amended replaces the settings; Reopened takes back Closed."""
    amended = of(Amended(settings={"stop": 9}, changes=("stop: 3 -> 9",)), Closed(reason="done"))
    assert (amended.settings, amended.closed) == ({"stop": 9}, "done")
    assert of(Closed(reason="done"), Reopened(reason="more")).closed is None


def test_past_data_are_candidates_with_answers():
    """What was attached is measured already, and counts as asked."""
    past = Attached(candidates=FOUR[:1], observations=(rigs.measured(FIRST, y=1.0),))
    campaign = Campaign.replay(PROBLEM, [Opened(problem=PROBLEM), past])
    assert (len(campaign.results), campaign.pending, campaign.turn) == (1, (), 0)


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([Closed(reason="x")], "event 1: expected Opened first, and once, got Closed"),
        ([Opened(problem=PROBLEM)] * 2, "event 2: expected Opened first, and once"),
        (rigs.history(PROBLEM, 4, Proposed(candidates=FOUR[:1])), "event 3: expected a new candi"),
        (rigs.history(PROBLEM, 4, *rigs.observed(rigs.failed("0099-zzz"))), "got '0099-zzz'"),
        (rigs.history(PROBLEM, 4, Vetoed(candidate="0099-zzz", reason="")), "got '0099-zzz'"),
        (rigs.history(PROBLEM, 4, Retracted(candidate="0099-zzz", reason="")), "got '0099-zzz'"),
        (
            rigs.history(PROBLEM, 4, Started(candidate="0099-zzz", attempt=1, worker="")),
            "got '0099-zzz'",
        ),
    ],
)
def test_events_that_contradict_one_another_are_refused(events, said):
    """A damaged ledger is noticed where it is damaged."""
    with pytest.raises(CampaignError, match=said):
        Campaign.replay(PROBLEM, events)
