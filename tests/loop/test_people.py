"""What people decide: refused, taken back, asked for; on record, with what it changes, or no."""

from dataclasses import replace

import pytest
from hypothesis import given

from loop.bayes import Bayes
from loop.campaign import Campaign
from loop.decisions import settling
from loop.designs import Design
from loop.errors import CampaignError, PoolExhausted, SpaceError
from loop.people import asking, consequences, repeating, retracting, vetoing
from loop.records import (
    REAL,
    Closed,
    Event,
    Fidelity,
    Ingested,
    Opened,
    Proposed,
    Receipt,
    Retracted,
    Source,
    Started,
    Vetoed,
    Why,
)
from loop.run import advance, begin, decide, record, turn
from loop.space.composition import Composition
from loop.space.parameters import Categorical
from loop.stopping import StopRules, room
from tests.loop import rigs
from tests.loop import strategies as some

PROBLEM = rigs.asked()
FIRST, SECOND, THIRD = (each.id for each in rigs.candidates(PROBLEM, 3))
VETO = Vetoed(candidate=FIRST, reason="toxic", by="Ann")
BACK = Retracted(candidate=FIRST, reason="wrong vial", by="Ann")
ANSWER = rigs.measured(FIRST, y=9.0)
ANSWERED = rigs.observed(ANSWER)
HELD = rigs.asked(rigs.A, rigs.B, Categorical(name="gas", values=("Ar", "N2", "air")))
MIX = Composition(name="alloy", elements=("Cu", "Ni", "Zn"))
NEW = {"a": 0.25, "b": 0.75}
CHEAP = Fidelity(name="cheap", targets=("y",), cost=0.1)
LADDER = replace(PROBLEM, fidelities=(Fidelity(name=REAL, targets=("y",)), CHEAP))
NINE = StopRules(evaluations=9)


def of(*events):
    """Three candidates, and then these events."""
    return rigs.campaign(PROBLEM, 3, *events)


def test_a_veto_is_recorded_with_who_and_why():
    """Several at once are one append, each named once."""
    events = vetoing([FIRST, SECOND, FIRST], "toxic", "Ann")(of())
    assert events == [VETO, replace(VETO, candidate=SECOND)]


def test_a_veto_makes_room_for_another_candidate():
    """The place in the batch and in the budget is free; the point is not proposed again."""
    rig = rigs.rig(PROBLEM, rigs.Waits(), batch=2, rules=StopRules(evaluations=2))
    first, second = turn(rig).pending
    decide(rig, vetoing([first.id], "toxic"))
    after = advance(rig)
    assert len(after.pending) == 2
    assert second in after.pending
    assert first.point not in [each.point for each in after.pending]


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([VETO], rf"{FIRST}: expected a candidate that waits for an answer, got one vetoed: toxic"),
        (ANSWERED, rf"got one measured\. Take its answer back: athanor retract DIR {FIRST}"),
        (rigs.observed(rigs.failed(FIRST)), r"got one failed\. Take its answer back"),
        ([*ANSWERED, BACK], r"got one taken back: wrong vial \(by Ann\)\.$"),
    ],
)
def test_only_what_waits_can_be_vetoed(events, said):
    """What is answered, or vetoed already, is not; the rest of the list then neither."""
    with pytest.raises(CampaignError, match=said):
        vetoing([SECOND, FIRST], "no")(of(*events))


def test_passing_trouble_can_be_vetoed():
    """A candidate that crashes the machine again and again need not be tried a last time."""
    campaign = of(*rigs.observed(rigs.failed(FIRST, "crashed")))
    assert vetoing([FIRST], "no")(campaign) == [Vetoed(candidate=FIRST, reason="no")]


@pytest.mark.parametrize(
    "decision",
    [
        vetoing([FIRST[:-1]], "no"),
        retracting(FIRST[:-1], "no"),
        repeating(FIRST[:-1], "", budget=NINE),
    ],
    ids=["veto", "retract", "repeat"],
)
def test_an_unknown_id_names_the_nearest(decision):
    """A typing error is told with what was probably meant."""
    with pytest.raises(CampaignError, match=rf"the id of a candidate, .* Did you mean {FIRST}\?"):
        decision(of())


@pytest.mark.parametrize(
    "decision", [vetoing([FIRST], " "), retracting(FIRST, "")], ids=["veto", "retract"]
)
def test_a_reason_is_put_on_record(decision):
    """Nobody is refused without a word."""
    with pytest.raises(CampaignError, match="reason: expected a few words"):
        decision(of(*ANSWERED))


def test_a_vetoed_evaluation_is_no_longer_in_flight():
    """Whoever is still at it is not waited for."""
    assert of(Started(candidate=FIRST, attempt=1, worker="w"), VETO).running == {}


def test_what_is_measured_in_spite_of_a_veto_counts():
    """A late answer is a fact: it is used, and paid for; a late failure says nothing."""
    vetoed = of(VETO)
    assert settling([rigs.failed(FIRST)])(vetoed) == []
    after = of(VETO, *settling([ANSWER], evaluated=True)(vetoed))
    assert (after.vetoed, after.asked, after.answered) == ({}, 3, 1)
    assert after.best is not None
    assert after.best.candidate.id == FIRST


def test_a_retraction_is_recorded_with_who_and_why():
    """The answers stay in the ledger, and are not used; the budget is not given back."""
    before = of(*ANSWERED)
    assert retracting(FIRST, "wrong vial", "Ann")(before) == [BACK]
    after = of(*ANSWERED, BACK)
    assert after.observations[FIRST] == (ANSWER,)
    assert (after.results, after.asked, after.answered) == ((), 3, 1)
    rules = StopRules(evaluations=3)
    assert room(rules, after, 3) == room(rules, before, 3) == 0


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([], rf"{FIRST}: expected an answer to take back, got none yet.*athanor veto"),
        ([*ANSWERED, BACK], r"expected answers that hold, got answers taken back: wrong vial"),
    ],
)
def test_only_an_answer_can_be_taken_back(events, said):
    """And only once."""
    with pytest.raises(CampaignError, match=said):
        retracting(FIRST, "no")(of(*events))


def test_a_retraction_says_what_becomes_of_the_best():
    """Before it is made and afterwards, the same."""
    events = [*ANSWERED, *rigs.observed(rigs.measured(SECOND, y=1.0))]
    for campaign in (of(*events), of(*events, BACK)):
        changed = consequences(campaign, FIRST)
        assert [each.candidate.id for each in changed.before] == [FIRST]
        assert [each.candidate.id for each in changed.after] == [SECOND]
        assert changed.is_felt
    assert not consequences(of(*events), SECOND).is_felt


def chosen(campaign, why):
    """A candidate chosen so, as an event."""
    point = {"a": 0.5, "b": len(campaign.candidates) / 100}
    made = replace(rigs.placed(PROBLEM, point)[0], id=campaign.ids(1)[0], why=why)
    return Proposed(candidates=(made,))


def test_what_was_chosen_on_an_answer_is_known():
    """By a model, after the answer was recorded and before it was retracted; nothing else."""
    events = [*rigs.history(PROBLEM, 3)]
    model, design = Why(origin="model"), Why(origin="design")
    replicate = Why(origin="replicate", model="abc")
    steps = [model, *ANSWERED, model, design, replicate, BACK, model]
    for step in steps:
        campaign = Campaign.replay(PROBLEM, events)
        events.append(chosen(campaign, step) if isinstance(step, Why) else step)
    after = Campaign.replay(PROBLEM, events)
    assert [name[:4] for name in after.led_to(FIRST)] == ["0005", "0007"]
    assert after.led_to(SECOND) == ()


def test_after_a_correction_only_the_new_value_counts():
    """What was chosen on the old value was told when it was corrected."""
    source = Source(oracle="folder", file="a.csv", sha256="1", row=1)
    rows = [replace(ANSWER, source=replace(source, sha256=each)) for each in "12"]
    events = rigs.history(PROBLEM, 3)
    for number, row in enumerate(rows):
        receipt = Receipt(file="a.csv", sha256=row.source.sha256, rows=1, observations=(row,))
        events.append(Ingested(receipt=receipt, corrected=(FIRST,) if number else ()))
        events.append(chosen(Campaign.replay(PROBLEM, events), Why(origin="model")))
    assert [name[:4] for name in Campaign.replay(PROBLEM, events).led_to(FIRST)] == ["0005"]


def test_a_row_for_a_retracted_candidate_goes_back_to_the_laboratory():
    """A corrected row does not bring the answers back behind the person's back; it is told so."""
    source = Source(oracle="folder", file="a.csv", sha256="1", row=1)
    old = replace(ANSWER, source=source)
    new = replace(ANSWER, values={"y": 3.0}, source=replace(source, sha256="2"))
    receipts = [
        Receipt(file="a.csv", sha256=each.source.sha256, rows=1, observations=(each,))
        for each in (old, new)
    ]
    first = settling([receipts[0]])(of())
    (event,) = settling([receipts[1]])(of(*first, BACK))
    assert isinstance(event, Ingested)
    (rejection,) = event.receipt.rejected
    assert rejection.reason.endswith(f"athanor ask DIR --replicate {FIRST}")


def test_retracting_the_incumbent_changes_the_course():
    """With the real proposer: another best, whom it led to is listed, and another next point."""
    rig = rigs.rig(PROBLEM, proposer=Bayes(initial=5), batch=5, rules=StopRules(evaluations=9))
    begin(rig)
    swapped, *others = advance(rig).pending
    record(rig, [rigs.measured(swapped, y=1.0), *rig.oracle.collect(others)])
    for _ in range(3):
        campaign = turn(replace(rig, batch=1))
    (instead,) = rig.proposer.propose(campaign, 1)
    after = decide(rig, retracting(swapped.id, "the sample was swapped"))
    changed = consequences(after, swapped.id)
    assert (campaign.best, after.best) == (changed.before[0], changed.after[0])
    assert changed.is_felt
    assert changed.led_to == tuple(after.candidates)[5:]
    assert rig.proposer.propose(after, 1)[0].point != instead.point


def test_a_person_may_ask_for_a_point():
    """It is a candidate like any other, and says who wanted it and why."""
    (event,) = asking(NEW, "a hunch", "Ann", budget=NINE)(of())
    assert isinstance(event, Proposed)
    (candidate,) = event.candidates
    assert (candidate.id, candidate.point) == (of().ids(1)[0], NEW)
    assert candidate.why == Why(origin="manual", cause="asked by Ann: a hunch")
    assert candidate in of(event).pending


@given(point=some.points(HELD.space))
def test_a_point_is_not_asked_for_twice_by_chance(point):
    """Whatever became of it; the message says how to repeat it on purpose."""
    events: list[Event] = [Opened(problem=HELD)]
    events += asking(point, "", budget=NINE)(Campaign.replay(HELD, events))
    with pytest.raises(CampaignError, match=r"got that of 0001-..., waiting\. .*--replicate 0001"):
        asking(point, "", budget=NINE)(Campaign.replay(HELD, events))


@pytest.mark.parametrize(
    ("point", "said"),
    [({"a": 0.5}, r"space\.b"), ({"a": 2.0, "b": 0.5}, "from 0 to 1"), (NEW | {"c": 1.0}, "a, b")],
)
def test_a_point_outside_the_space_is_refused(point, said):
    """A missing, an illegal, and an unknown parameter."""
    with pytest.raises(SpaceError, match=said):
        asking(point, "", budget=NINE)(of())


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([], "fewer than 3 candidates, got 3 that count. Raise stop.evaluations"),
        ([Closed(reason="done")], "one that goes on, got one that was closed: done"),
    ],
)
def test_asking_keeps_to_the_budget_and_the_end(events, said):
    """A person is not more than the budget says, either."""
    with pytest.raises(CampaignError, match=said):
        asking(NEW, "", budget=StopRules(evaluations=3))(of(*events))


def test_a_stand_in_may_be_asked_for_what_the_real_thing_was():
    """Another fidelity is another question; a replicate is asked of whom it was asked before."""
    events: list[Event] = [Opened(problem=LADDER)]
    for fidelity in ("", "cheap"):
        now = Campaign.replay(LADDER, events)
        events += asking(NEW, "", budget=NINE, fidelity=fidelity)(now)
    campaign = Campaign.replay(LADDER, events)
    assert [each.fidelity for each in campaign.pending] == ["", "cheap"]
    (again,) = repeating(campaign.pending[1].id, "", budget=NINE)(campaign)
    assert isinstance(again, Proposed)
    assert again.candidates[0].fidelity == "cheap"
    with pytest.raises(CampaignError, match="one that has not been asked for"):
        asking(NEW, "", budget=NINE, fidelity="cheap")(campaign)


@pytest.mark.parametrize(("fidelity", "pays"), [("cheap", True), ("", False)])
def test_asking_keeps_to_the_cost(fidelity, pays):
    """Half of the unit is left: a tenth of it is paid for, the whole is not, and that is said."""
    campaign = Campaign.replay(LADDER, [Opened(problem=LADDER)])
    half = StopRules(evaluations=9, cost=0.5)
    if pays:
        assert asking(NEW, "", budget=half, fidelity=fidelity)(campaign)
    else:
        with pytest.raises(CampaignError, match=r"1 left, the cost .* got 0\.5\. Raise stop.cost"):
            asking(NEW, "", budget=half, fidelity=fidelity)(campaign)


def test_a_replicate_is_a_candidate_of_its_own():
    """The same point under a new id: two answers, two results at one point."""
    (event,) = repeating(FIRST, "too good", "Ann", budget=NINE)(of(*ANSWERED))
    assert isinstance(event, Proposed)
    (again,) = event.candidates
    assert again.why == Why(origin="replicate", cause=f"{FIRST} once more, asked by Ann: too good")
    after = of(*ANSWERED, event, *rigs.observed(rigs.measured(again, y=7.0)))
    assert [each.point for each in after.results] == [again.point] * 2
    assert [each.values["y"] for each in after.results] == [9.0, 7.0]


@pytest.mark.parametrize("held", [{"a": 0.5}, {"gas": "N2"}, {"a": 0.25, "gas": "Ar"}])
@pytest.mark.parametrize("proposer", [Design(), Bayes(initial=2)])
def test_what_is_held_is_held_in_what_this_turn_proposes(proposer, held):
    """And said on the candidate; the turn after is free again."""
    rig = rigs.rig(HELD, proposer=proposer, batch=2)
    turn(rig)
    fixed = turn(replace(rig, held=held)).pending
    assert len(fixed) == 2
    for candidate in fixed:
        assert {name: candidate.point[name] for name in held} == held
        assert candidate.why.held == held
    assert [each.why.held for each in turn(rig).pending] == [{}, {}]


def test_a_mixture_is_held_whole():
    """All its fractions together are one value."""
    rig = replace(rigs.rig(rigs.asked(rigs.A, MIX)), held={"alloy": {"Cu": 0.5, "Ni": 0.5}})
    begin(rig)
    (candidate,) = advance(rig).pending
    assert candidate.point["alloy"] == {"Cu": 0.5, "Ni": 0.5}


def test_what_is_held_may_run_out_of_points_but_the_campaign_does_not():
    """A turn that cannot propose says so; it does not close what others may go on with."""
    one = Categorical(name="one", values=("x", "y"))
    other = Categorical(name="other", values=("u", "v"))
    rig = rigs.rig(rigs.asked(one, other), rigs.Waits(), rules=StopRules(evaluations=4), batch=4)
    begin(rig)
    held = replace(rig, held={"one": "x", "other": "u"})
    assert len(advance(held).pending) == 1
    with pytest.raises(PoolExhausted, match="0: every other point"):
        advance(held)
    assert advance(rig).closed is None
