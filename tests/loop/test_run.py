"""The turn: exact budgets, one answer each, and one history after any crash or race."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loop.bayes import Bayes
from loop.campaign import ATTEMPTS, Campaign
from loop.decisions import closing, reopening, settling
from loop.designs import Design
from loop.errors import LoopError, OracleError
from loop.records import (
    Amended,
    Candidate,
    Closed,
    Observed,
    Opened,
    Proposed,
    Receipt,
    Released,
    Started,
    Vetoed,
)
from loop.run import (
    Answers,
    Worker,
    advance,
    begin,
    claim,
    collect,
    decide,
    drive,
    is_outdated,
    replay,
    turn,
    turns,
)
from loop.space.parameters import Discrete
from loop.space.space import SearchSpace
from loop.stopping import StopRules
from tests.loop import rigs
from tests.loop import strategies as some

PROBLEM = rigs.asked()
TWO_STEPS = rigs.asked(Discrete(name="a", low=0.0, high=1.0, step=0.5))


def partly(point):
    """The hill, with slopes that cannot be made."""
    return "infeasible" if int(10 * point["a"]) in {2, 4, 7} else rigs.hill(point)


def moody(point):
    """The hill, with slopes on which every attempt times out."""
    return "timeout" if int(10 * point["a"]) in {2, 4, 7} else rigs.hill(point)


def undated(rig):
    """The history without Started, which tells attempts and not what came of them."""
    return [each for each in rig.ledger.events() if not isinstance(each, Started | Released)]


def finish(rig):
    """The campaign when it is closed."""
    *_, campaign = turns(rig)
    return campaign


@pytest.mark.parametrize("batch", [1, 2, 4])
def test_the_budget_is_spent_exactly(batch):
    """Six evaluations are six, in batches of any size, and then the campaign closes."""
    oracle = rigs.Evaluates(formula=rigs.hill)
    campaign = finish(rigs.rig(PROBLEM, oracle, batch=batch))
    assert campaign.closed == "budget: 6 evaluations"
    assert len(campaign.results) == 6
    assert oracle.asked == [each.id for each in campaign.candidates.values()]


def test_passing_trouble_is_asked_three_times():
    """A point that always times out costs three attempts and one place in the budget."""
    oracle = rigs.Evaluates(formula=lambda _: "timeout")
    campaign = finish(rigs.rig(PROBLEM, oracle, rules=StopRules(evaluations=2)))
    assert [oracle.asked.count(each) for each in campaign.candidates] == [3, 3]
    assert set(campaign.attempts.values()) == {3}


def test_a_turn_of_a_closed_campaign_does_nothing():
    """Run again after the end, the history stays as it is."""
    rig = rigs.rig(PROBLEM)
    finish(rig)
    before = rig.ledger.events()
    assert turn(rig).closed is not None
    assert rig.ledger.events() == before


def test_a_larger_budget_goes_on():
    """A raised budget reopens the campaign, which then spends the rest."""
    rig = replace(rigs.rig(PROBLEM), settings={"stop": {"evaluations": 6}})
    finish(rig)
    more = replace(rig, rules=StopRules(evaluations=8), settings={"stop": {"evaluations": 8}})
    assert finish(more).answered == 8


def test_a_space_that_is_used_up_closes_the_campaign():
    """Three points are evaluated, although nine were to be had; the reason says so."""
    campaign = finish(rigs.rig(TWO_STEPS, rigs.Evaluates(formula=lambda p: {"y": p["a"]}), batch=2))
    assert len(campaign.results) == 3
    assert campaign.closed is not None
    assert campaign.closed.startswith("no more candidates: space: expected 2 points")


def test_invalid_input_closes_the_campaign():
    """One candidate is spent, not the budget."""
    oracle = rigs.Evaluates(formula=lambda _: "invalid_input")
    campaign = finish(rigs.rig(PROBLEM, oracle))
    assert (campaign.answered, campaign.closed is None) == (1, False)


def test_nothing_is_evaluated_before_it_is_written_down():
    """When the oracle is asked, its candidate and its attempt are in the ledger."""
    seen = []
    rig = rigs.rig(PROBLEM)

    def look(point):
        campaign = replay(rig)
        seen.append([each.point for each in campaign.pending] == [point] and campaign.running)
        return rigs.hill(point)

    finish(replace(rig, oracle=rigs.Evaluates(formula=look)))
    assert len(seen) == 6
    assert all(seen)


def test_a_broken_oracle_stops_the_turn_and_loses_nothing():
    """An exception is no answer: the candidate stays pending, and is answered the next time."""

    def broken(_):
        raise OracleError("oracle", "a licence", "none")

    rig = rigs.rig(PROBLEM)
    turn(rig)
    for _ in range(2 * ATTEMPTS):  # it is not the point's fault: it is asked as often as it takes
        with pytest.raises(OracleError, match="expected a licence, got none"):
            turn(replace(rig, oracle=rigs.Evaluates(formula=broken)))
    assert [type(event) for event in rig.ledger.events()].count(Released) == 2 * ATTEMPTS
    assert len(replay(rig).pending) == 1
    assert len(finish(rig).results) == 6


@pytest.mark.parametrize(
    ("formula", "proposer", "batch"),
    [
        (moody, None, 1),
        (partly, None, 3),
        (partly, Bayes(initial=4), 1),
        (partly, Bayes(initial=4), 2),
    ],
)
def test_killed_after_any_event_it_goes_on_to_the_same_end(formula, proposer, batch):
    """Whatever was written last, the history is completed to what an undisturbed run writes."""
    oracle = rigs.Evaluates(formula=formula)
    undisturbed = rigs.rig(PROBLEM, oracle, proposer=proposer, batch=batch)
    finish(undisturbed)
    events = undisturbed.ledger.events()
    for survived in range(len(events)):
        rig = rigs.rig(PROBLEM, oracle, proposer=proposer, batch=batch)
        rig.ledger.append(events[:survived], after=0)
        finish(rig)
        assert undated(rig) == undated(undisturbed)


def test_an_attempt_that_was_cut_off_is_counted():
    """After a crash in the middle of an evaluation, the next attempt is the second."""
    rig = rigs.rig(PROBLEM)
    campaign = turn(rig)
    assert claim(rig, campaign.pending[0], Worker(name="dead"))
    turn(rig)
    started = [event for event in rig.ledger.events() if isinstance(event, Started)]
    assert [(each.attempt, each.worker) for each in started] == [(1, "dead"), (2, "here")]


DECISIONS = {
    "measured": lambda name: settling([rigs.measured(name, y=1.0)]),
    "timed out": lambda name: settling([rigs.failed(name, "timeout")]),
    "vetoed": lambda name: lambda _: [Vetoed(candidate=name, reason="no")],
    "closed": lambda _: closing("done"),
}


@given(steps=st.lists(st.tuples(st.sampled_from(sorted(DECISIONS)), some.seeds), max_size=6))
@settings(max_examples=20)
def test_what_a_decision_returns_is_what_the_ledger_says(steps):
    """replay(events) == live state, after any series of decisions."""
    rig = rigs.rig(PROBLEM, batch=2)
    begin(rig)
    campaign = advance(rig)
    for decision, number in steps:
        name = sorted(campaign.candidates)[number % len(campaign.candidates)]
        assert decide(rig, DECISIONS[decision](name)) == replay(rig)
        campaign = advance(rig)
        assert campaign == replay(rig)


def test_a_laboratory_is_asked_once_and_never_waited_for():
    """A turn writes the worklist, brings what is in the tray, and ends."""
    tray = rigs.Waits()
    rig = rigs.rig(PROBLEM, tray, batch=2)
    first, second = (each.id for each in turn(rig).pending)
    assert tray.asked == [first, second]
    assert turn(rig).seq == replay(rig).seq == 2
    tray.tray.append(rigs.measured(first, y=1.0))
    third = turn(rig).pending[-1].id
    assert tray.asked == [second, third]
    assert len(replay(rig).results) == 1


def test_a_batch_that_shares_is_asked_whole():
    """With one of three in, nothing new; with the last of them, three more at one value of a."""
    tray = rigs.Waits()
    space = SearchSpace(parameters=(rigs.A, rigs.B), shared=("a",))
    rig = rigs.rig(replace(PROBLEM, space=space), tray, batch=3)
    furnaces = []
    for _ in range(2):
        batch = turn(rig).pending
        furnaces.append([each.point["a"] for each in batch])
        for each in batch:
            assert {c.id for c in turn(rig).pending} <= {c.id for c in batch}
            tray.tray.append(rigs.measured(each, y=1.0))
    assert [(len(each), len(set(each))) for each in furnaces] == [(3, 1), (3, 1)]


def test_a_receipt_is_recorded_once_however_often_it_is_brought():
    """The tray is looked at in every turn; what lies there is read once."""
    tray = rigs.Waits()
    rig = rigs.rig(PROBLEM, tray)
    (first,) = turn(rig).pending
    row = (rigs.measured(first, y=1.0),)
    tray.tray.append(Receipt(file="a.csv", sha256="1", rows=1, observations=row))
    assert [turn(rig).seq, turn(rig).seq] == [4, 4]


def driven(rig, in_flight, worker=None):
    """The campaign when it is closed, with that many evaluations in flight in threads."""
    with ThreadPoolExecutor(in_flight) as pool:

        def submit(candidate: Candidate) -> Future[Answers]:
            return pool.submit(rig.oracle.collect, (candidate,))

        *_, campaign = drive(rig, submit, in_flight=in_flight, worker=worker or Worker())
    return campaign


@pytest.mark.parametrize("in_flight", [1, 3])
def test_driving_with_threads_spends_the_budget_exactly(in_flight):
    """Several evaluations in flight: the budget is exact, and each candidate has one answer."""
    oracle = rigs.Evaluates(formula=moody)
    campaign = driven(rigs.rig(PROBLEM, oracle, batch=in_flight), in_flight)
    assert (campaign.closed, campaign.answered) == ("budget: 6 evaluations", 6)
    for name in campaign.candidates:
        answers = campaign.observations[name]
        assert len(answers) in {1, 3}
        assert oracle.asked.count(name) == len(answers)


def test_as_many_are_in_flight_as_were_asked_for():
    """Three evaluations that wait for one another all come to an end."""
    together = Barrier(3)

    def meet(point):
        together.wait(timeout=60)
        return rigs.hill(point)

    rig = rigs.rig(PROBLEM, rigs.Evaluates(formula=meet), batch=3)
    assert len(driven(rig, 3).results) == 6


def test_a_drive_that_breaks_releases_what_is_in_flight():
    """Both evaluations are given up in good order: neither counts as one that was cut off."""
    together = Barrier(2)

    def broken(_):
        together.wait(timeout=60)
        raise OracleError("oracle", "a licence", "none")

    rig = rigs.rig(PROBLEM, rigs.Evaluates(formula=broken), batch=2)
    with pytest.raises(OracleError):
        driven(rig, 2)
    assert len(replay(rig).pending) == 2
    assert replay(rig).running == {}


def test_what_waits_begins_before_more_is_proposed():
    """The model is asked when everybody is at work again: with one more than can be evaluated.

    A proposal that comes while a worker idles is an order of events that never occurs.
    """
    rig = rigs.rig(PROBLEM, batch=3)
    driven(rig, 2)
    kinds = [type(event) for event in rig.ledger.events()]
    later = [kinds[i - 1] for i, kind in enumerate(kinds) if kind is Proposed][1:]
    assert later == [Started] * len(later)
    assert len(later) > 0


def test_what_is_in_flight_at_the_end_is_still_recorded():
    """The target is reached by the first answer; the second was paid for, and is kept."""
    together = Barrier(2)

    def meet(_):
        together.wait(timeout=60)
        return {"y": 1.0}

    rules = StopRules(evaluations=9, reached=1.0)
    campaign = driven(rigs.rig(PROBLEM, rigs.Evaluates(formula=meet), batch=2, rules=rules), 2)
    assert campaign.closed == "target reached: y = 1"
    assert len(campaign.results) == 2


def test_two_drives_of_one_ledger_write_one_history(tmp_path):
    """Two workers alive share the work: each candidate is evaluated once, the budget is exact."""
    oracle = rigs.Evaluates(formula=rigs.hill)
    url, rules = f"sqlite:///{tmp_path / 'ledger.db'}", StopRules(evaluations=12)
    workers = [Worker(name=name, alive=lambda _: True) for name in ("one", "other")]
    mine = [rigs.rig(PROBLEM, oracle, batch=4, url=url, rules=rules) for _ in workers]
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(driven, mine, [2, 2], workers)
    events = mine[0].ledger.events()
    kinds = [type(event) for event in events]
    assert [kinds.count(kind) for kind in (Opened, Started, Observed, Closed)] == [1, 12, 12, 1]
    assert sorted(oracle.asked) == sorted(Campaign.replay(PROBLEM, events).candidates)
    assert one.closed == other.closed == "budget: 12 evaluations"


def test_a_worker_leaves_alone_what_another_is_at():
    """A candidate that somebody alive evaluates is not taken, and not waited for in a turn."""
    rig = rigs.rig(PROBLEM)
    (candidate,) = turn(rig).pending
    assert claim(rig, candidate, Worker(name="busy"))
    assert not claim(rig, candidate, Worker(name="me", alive=lambda _: True))
    assert collect(rig, Worker(name="me", alive=lambda _: True)).pending == (candidate,)


def test_what_cannot_be_repeated_is_not():
    """A cut-off attempt at an oracle that must not be asked twice is given up, and said."""
    oracle = rigs.Evaluates(formula=rigs.hill, repeatable=False)
    rig = rigs.rig(PROBLEM, oracle)
    (candidate,) = turn(rig).pending
    assert claim(rig, candidate, Worker(name="dead"))
    campaign = finish(rig)
    assert candidate.id not in oracle.asked
    assert [failed.kind for _, failed in campaign.failures] == ["cancelled"]
    assert len(campaign.results) == 5


def test_candidates_are_proposed_before_the_first_answer():
    """The order of the first events, as the design of a turn has it."""
    rig = rigs.rig(PROBLEM)
    turn(rig)
    turn(rig)
    kinds = [type(event) for event in rig.ledger.events()]
    assert kinds == [Opened, Proposed, Started, Observed, Proposed]


def test_what_an_evaluation_leaves_out_is_a_failure():
    """A calculator that never gives the second target is not asked for ever; the first is used."""
    problem = rigs.asked(rigs.A, targets=(rigs.Y, rigs.Z))
    oracle = rigs.Evaluates(formula=lambda point: {"y": point["a"]})
    *_, campaign = turns(rigs.rig(problem, oracle, rules=StopRules(evaluations=3, failures=1.0)))
    assert len(oracle.asked) == campaign.answered == len(campaign.results) == 3
    assert {failed.kind for _, failed in campaign.failures} == {"invalid_output"}


def test_an_amended_rig_does_not_fight_the_one_that_amended(tmp_path):
    """A process with the old settings stops deciding and says so, and writes nothing back."""
    url, budgets = f"sqlite:///{tmp_path / 'ledger.db'}", {4: {"stop": 4}, 6: {"stop": 6}}
    old, new = (
        replace(rigs.rig(PROBLEM, url=url, rules=StopRules(evaluations=n)), settings=settings)
        for n, settings in budgets.items()
    )
    turn(old)
    turn(new)
    campaign = advance(old)
    assert is_outdated(old, campaign)
    assert finish(new).answered == 6
    assert [type(event) for event in new.ledger.events()].count(Amended) == 1


def test_what_failed_for_bad_settings_is_asked_again_after_reopening():
    """A person who has put the settings right reopens; the failed candidate gets another answer."""
    well: list[bool] = []
    oracle = rigs.Evaluates(formula=lambda point: rigs.hill(point) if well else "invalid_input")
    rig = rigs.rig(PROBLEM, oracle)
    assert finish(rig).closed.startswith("invalid input: ")
    well.append(True)
    decide(rig, reopening("the disk is back"))
    campaign = finish(rig)
    assert campaign.closed == "budget: 6 evaluations"
    assert len(campaign.results) == 6
    assert not campaign.failures


@pytest.mark.parametrize("spoil", [{"id": "7"}, {"point": {"a": 2.0}}])
def test_a_proposer_is_checked_before_it_is_believed(spoil):
    """Candidates with an id or a point that is none are refused, and not written down."""

    class Careless:
        def propose(self, campaign, count):
            return [replace(each, **spoil) for each in Design().propose(campaign, count)]

    rig = rigs.rig(rigs.asked(rigs.A), proposer=Careless())
    with pytest.raises(LoopError, match="expected"):
        turn(rig)
    assert [type(event) for event in rig.ledger.events()] == [Opened]
