"""Decisions: what is recorded of what comes in, whoever brings it and however often."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop.campaign import ATTEMPTS, Campaign
from loop.choices import PLACE
from loop.decisions import claiming, closing, opening, releasing, settling
from loop.errors import CampaignError, SettingsError
from loop.records import (
    Amended,
    Closed,
    Event,
    Failed,
    Ingested,
    Measured,
    Observed,
    Opened,
    Receipt,
    Rejection,
    Released,
    Reopened,
    Retracted,
    Source,
    Started,
    Vetoed,
)
from loop.space.parameters import Continuous
from loop.surrogate.data import training_data
from tests.loop import rigs

PROBLEM = rigs.asked(targets=(rigs.Y, rigs.Z))
FIRST, SECOND, THIRD = (each.id for each in rigs.candidates(PROBLEM, 3))
STRANGER = "0099-zzz"
OPENED = Opened(problem=PROBLEM, settings={"stop": {"evaluations": 5}, "seed": 0})


def of(*events):
    """Three candidates, and then these events."""
    return rigs.campaign(PROBLEM, 3, *events)


def after(campaign, decision, *events):
    """The campaign after the decision, made on it."""
    return of(*events, *decision(campaign))


def row(number, candidate, file="march.csv", sha256="1", **values):
    """One row of a laboratory file."""
    source = Source(oracle="folder", file=file, sha256=sha256, row=number)
    return replace(rigs.measured(candidate, **values), source=source)


def sheet(*rows, rejected=()):
    """A file that holds these rows."""
    source = rows[0].source
    return Receipt(
        file=source.file,
        sha256=source.sha256,
        rows=len(rows) + len(rejected),
        observations=rows,
        rejected=rejected,
    )


def settled(*receipts):
    """The campaign after the files came, one at a time."""
    events: list[Event] = []
    for receipt in receipts:
        events += settling([receipt])(of(*events))
    return of(*events)


def test_an_answer_is_recorded_once():
    """Brought twice in one go, and brought again later, it is one event."""
    answer = rigs.measured(FIRST, y=1.0, z=2.0)
    events = settling([answer, answer])(of())
    assert events == rigs.observed(answer)
    assert settling([answer])(of(*events)) == []


def test_the_first_whole_answer_holds():
    """Two processes that evaluated the same candidate: the second to come decides nothing."""
    first, second = rigs.measured(FIRST, y=1.0, z=2.0), rigs.measured(FIRST, y=1.1, z=2.0)
    assert settling([second])(of(*settling([first])(of()))) == []


def test_the_parts_of_an_answer_are_recorded_each_once():
    """A partial answer that is brought at every turn is written down the first time."""
    half, rest = rigs.measured(FIRST, y=1.0), rigs.measured(FIRST, z=2.0)
    events = settling([half, half])(of())
    assert settling([half])(of(*events)) == []
    more = settling([half, rest])(of(*events))
    assert [*events, *more] == rigs.observed(half, rest)


def test_passing_trouble_is_counted_each_time():
    """The same failure again is another attempt that failed."""
    timeout = rigs.failed(FIRST, "timeout")
    events = rigs.observed(timeout)
    assert settling([timeout])(of(*events)) == events


@pytest.mark.parametrize("kind", ["infeasible", "cancelled", "invalid_output"])
def test_a_late_value_is_welcome(kind):
    """A value after a final failure is recorded and used; another failure says nothing new."""
    refused = rigs.observed(rigs.failed(FIRST, kind))
    late = rigs.measured(FIRST, y=1.0, z=2.0)
    assert settling([rigs.failed(FIRST, kind)])(of(*refused)) == []
    campaign = after(of(*refused), settling([late]), *refused)
    assert [result.values for result in campaign.results] == [late.values]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (rigs.measured(FIRST, y=float("nan"), z=1.0), "finite values, got y = nan"),
        (rigs.measured(FIRST, y=1.0, z=float("inf")), "finite values, got z = inf"),
        (rigs.measured(FIRST, y=1.0, w=1.0), "expected values of y, z, got w"),
        (rigs.measured(FIRST), "expected a value of y, z, got none"),
        (replace(rigs.measured(FIRST, y=1.0), errors={"y": -1.0}), "finite values, got y"),
        (replace(rigs.measured(FIRST, y=1.0), errors={"y": float("nan")}), "finite values"),
        (replace(rigs.measured(FIRST, y=1.0), executed={"a": 0.5}), r"executed: space\.b"),
        (replace(rigs.measured(FIRST, y=1.0), executed={"a": "x", "b": 0}), r"executed: space\.a"),
    ],
)
def test_a_value_that_cannot_count_is_a_failure(answer, said):
    """NaN, infinity, stray targets, no value, a point that cannot be encoded: with the reason."""
    (event,) = settling([answer])(of())
    assert isinstance(event, Observed)
    failure = event.observation
    assert isinstance(failure, Failed)
    assert (failure.kind, failure.source) == ("invalid_output", answer.source)
    assert failure.message.count(said.replace("\\", "")) == 1


def test_an_answer_to_nothing_is_refused():
    """An oracle that invents an id is broken."""
    with pytest.raises(CampaignError, match="the id of a candidate, got '0099-zzz'"):
        settling([rigs.measured(STRANGER, y=1.0)])(of())


@pytest.mark.parametrize("gone", [Vetoed, Retracted])
def test_what_a_person_set_aside_stays_aside(gone):
    """A failure of a candidate that nobody waits for any more says nothing."""
    events = [gone(candidate=FIRST, reason="no")]
    assert settling([rigs.failed(FIRST)])(of(*events)) == []


def test_the_same_file_twice_is_read_once():
    """A revision that was read last decides nothing."""
    receipt = sheet(row(1, FIRST, y=1.0))
    assert len(settling([receipt, receipt])(of())) == 1
    assert settling([receipt])(settled(receipt)) == []


def test_the_same_rows_under_another_name_are_duplicates():
    """A copy of a file is recorded, and none of its rows is used twice."""
    campaign = settled(sheet(row(1, FIRST, y=1.0)), sheet(row(1, FIRST, "copy.csv", y=1.0)))
    last = campaign.ingested[-1]
    assert (last.duplicates, last.receipt.observations) == (1, ())
    assert len(campaign.measurements(FIRST)) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"values": {"y": 2.0}},
        {"errors": {"y": 0.5}},
        {"executed": {"a": 0.25, "b": 0.75}},
        {"repeats": 3},
    ],
)
def test_a_newer_revision_of_the_same_file_corrects(change):
    """Whatever the row now says supersedes; the older answer is kept, and the change is named."""
    new = replace(row(1, FIRST, sha256="2", y=1.0), **change)
    campaign = settled(sheet(row(1, FIRST, y=1.0)), sheet(new))
    assert campaign.ingested[-1].corrected == (FIRST,)
    assert campaign.latest(FIRST)["y", ""] == new
    assert len(campaign.measurements(FIRST)) == 2


def test_a_correction_that_is_taken_back_is_read():
    """The first revision again, after a second: its values hold once more."""
    first, second = sheet(row(1, FIRST, y=1.0)), sheet(row(1, FIRST, sha256="2", y=2.0))
    campaign = settled(first, second, first)
    assert campaign.results[0].values == {"y": 1.0}


def test_two_files_that_contradict_each_other_are_not_settled_by_chance():
    """Neither is used before a person decides, whichever came first."""
    sheets = sheet(row(1, FIRST, y=1.0)), sheet(row(7, FIRST, "april.csv", y=2.0))
    for order in (sheets, sheets[::-1]):
        campaign = settled(*order)
        assert campaign.results == ()
        (torn,) = campaign.torn[FIRST].values()
        assert {each.source.file for each in torn} == {"march.csv", "april.csv"}


def test_two_rows_of_one_file_that_contradict_each_other_are_noticed():
    """Without a replicate, two values of one quantity are one too many: none is used."""
    campaign = settled(sheet(row(1, FIRST, y=1.0), row(2, FIRST, y=2.0)))
    assert campaign.results == ()
    assert len(campaign.torn[FIRST]["y", ""]) == 2


def test_repeated_measurements_are_told_apart_by_their_replicate():
    """Two replicates of one candidate are both used."""
    rows = [replace(row(n, FIRST, y=float(n)), replicate=str(n)) for n in (1, 2)]
    assert settled(sheet(*rows)).results[0].values == {"y": 1.5}


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (row(2, STRANGER, y=1.0), "no candidate of this campaign has the id '0099-zzz'"),
        (row(2, SECOND, y=float("nan")), "expected finite values, got y = nan"),
        (row(2, SECOND, w=1.0), "expected values of y, z, got w"),
    ],
)
def test_a_row_that_cannot_be_taken_is_rejected_alone(bad, said):
    """The rest of the file is used, and every row is accounted for."""
    earlier = Rejection(row=3, reason="expected a number, got 'n.a.'")
    campaign = settled(sheet(row(1, FIRST, y=1.0), bad, rejected=(earlier,)))
    receipt = campaign.ingested[-1].receipt
    assert [each.row for each in receipt.rejected] == [2, 3]
    assert receipt.rejected[0].reason == said
    assert [each.candidate for each in receipt.observations] == [FIRST]


def test_an_executed_point_is_filled_up_with_what_was_asked():
    """A row may state only the parameter that came out otherwise."""
    asked = rigs.candidates(PROBLEM, 1)[0].point
    campaign = settled(sheet(replace(row(1, FIRST, y=1.0), executed={"a": 0.5})))
    assert campaign.results[0].point == {**asked, "a": 0.5}


CELLS = [(c, t, r) for c in (FIRST, SECOND, THIRD) for t in ("y", "z") for r in ("", "b")]


def cell(number, file=""):
    """The row of that cell, whose number is its value too."""
    candidate, target, replicate = CELLS[number]
    plain = row(number + 1, candidate, file, **{target: float(number)})
    return replace(plain, replicate=replicate)


@st.composite
def spreads(draw):
    """Every cell in one of three files, some in several, rows and files in any order."""
    numbers = st.sampled_from(range(len(CELLS)))
    dealt = draw(st.permutations([*range(len(CELLS)), *draw(st.lists(numbers))]))
    files: dict[str, list[Measured]] = {"1.csv": [], "2.csv": [], "3.csv": []}
    for number in dealt:
        file = draw(st.sampled_from(sorted(files)))
        files[file].append(cell(number, file))
    return draw(st.permutations([sheet(*rows) for rows in files.values() if rows]))


@given(receipts=spreads())
def test_how_rows_are_spread_over_files_does_not_matter(receipts):
    """Any order, any split into files, any repetition: the same training set, all rows counted."""
    campaign = settled(*receipts)
    plain = of(*rigs.observed(*map(cell, range(len(CELLS)))))
    got, wanted = training_data(campaign), training_data(plain)
    assert (got.ids, got.Y.tolist()) == (wanted.ids, wanted.Y.tolist())
    assert np.array_equal(got.Yvar, wanted.Yvar, equal_nan=True)
    assert got.within == pytest.approx(wanted.within)
    assert got.freedom.tolist() == wanted.freedom.tolist()
    duplicates = sum(each.duplicates for each in campaign.ingested)
    assert duplicates + len(CELLS) == sum(receipt.rows for receipt in receipts)


def test_a_campaign_is_opened_once():
    """The same problem and settings again change nothing."""
    decision = opening(PROBLEM, OPENED.settings)
    assert decision(Campaign.replay(PROBLEM, [])) == [OPENED]
    assert decision(Campaign.replay(PROBLEM, [OPENED])) == []


@pytest.mark.parametrize(
    ("settings", "change"),
    [
        ({"stop": {"evaluations": 9}, "seed": 0}, "stop.evaluations: 5 -> 9"),
        ({"stop": {"evaluations": 5, "plateau": 3}, "seed": 0}, "stop.plateau: None -> 3"),
        ({"stop": {"evaluations": 5}, "seed": 0, "run": {"batch": 2}}, "run: None -> {'batch': 2}"),
    ],
)
def test_a_safe_change_is_noted(settings, change):
    """Budget, stop rules and workers may change; the change is written down, and may reopen."""
    decision = opening(PROBLEM, settings)
    amended = Amended(settings=settings, changes=(change,))
    assert decision(Campaign.replay(PROBLEM, [OPENED])) == [amended]
    closed = Campaign.replay(PROBLEM, [OPENED, Closed(reason="budget")])
    assert decision(closed) == [amended, Reopened(reason=change)]
    assert decision(Campaign.replay(PROBLEM, [OPENED, amended])) == []


def test_how_a_laboratory_s_files_are_read_may_change():
    """A new instrument is no new campaign; another oracle is."""
    settings = {"seed": 0, "oracle": {"kind": "folder"}}
    opened = Campaign.replay(PROBLEM, [Opened(problem=PROBLEM, settings=settings)])
    other = {"seed": 0, "oracle": {"kind": "folder", "decimal": ","}}
    (amended,) = opening(PROBLEM, other)(opened)
    assert isinstance(amended, Amended)
    assert amended.changes == ("oracle.decimal: None -> ','",)
    with pytest.raises(SettingsError, match=r"oracle\.kind: 'folder' -> 'table'"):
        opening(PROBLEM, {"seed": 0, "oracle": {"kind": "table"}})(opened)


@pytest.mark.parametrize("key", sorted(PLACE))
def test_what_a_laboratory_is_asked_for_may_not_change(key):
    """What it measures, costs and stands for is what its answers on record mean."""
    settings = {"seed": 0, "oracle": {"kind": "folder"}}
    opened = Campaign.replay(PROBLEM, [Opened(problem=PROBLEM, settings=settings)])
    with pytest.raises(SettingsError, match=rf"oracle\.{key}: None -> 'another'"):
        opening(PROBLEM, {"seed": 0, "oracle": {"kind": "folder", key: "another"}})(opened)


@pytest.mark.parametrize("settings", [{"stop": {"evaluations": 5}, "seed": 1}, {"seed": 0, "x": 1}])
def test_an_unsafe_change_is_refused(settings):
    """What the data would not survive is refused, with the way out."""
    with pytest.raises(SettingsError, match=r"changes only under run and stop .* new folder"):
        opening(PROBLEM, settings)(Campaign.replay(PROBLEM, [OPENED]))


def test_another_problem_is_refused():
    """A ledger belongs to one question."""
    other = rigs.asked(Continuous(name="a", low=0.0, high=2.0))
    with pytest.raises(CampaignError, match="another space, objective or seed"):
        opening(other, OPENED.settings)(Campaign.replay(other, [OPENED]))


STARTED = Started(candidate=FIRST, attempt=1, worker="other")


@pytest.mark.parametrize(
    ("events", "alive", "expected"),
    [
        ([], True, [Started(candidate=FIRST, attempt=1, worker="me")]),
        ([STARTED], True, []),
        ([STARTED], False, [Started(candidate=FIRST, attempt=2, worker="me")]),
        (rigs.observed(rigs.measured(FIRST, y=1.0, z=1.0)), False, []),
        (rigs.observed(rigs.failed(FIRST)), False, []),
        ([Vetoed(candidate=FIRST, reason="")], False, []),
        ([Closed(reason="")], False, []),
    ],
)
def test_an_attempt_is_begun_by_one_worker(events, alive, expected):
    """Nobody starts what somebody alive is at, what is answered, or what nobody wants."""
    decision = claiming(FIRST, "me", lambda _: alive, repeatable=True)
    assert decision(of(*events)) == expected


def test_an_attempt_after_passing_trouble_is_the_next():
    """Attempts are numbered through."""
    events = [STARTED, *rigs.observed(rigs.failed(FIRST, "crashed"))]
    decision = claiming(FIRST, "me", lambda _: True, repeatable=False)
    assert decision(of(*events)) == [Started(candidate=FIRST, attempt=2, worker="me")]


@pytest.mark.parametrize("worker", ["me", "other"])
def test_what_must_not_be_asked_twice_is_given_up(worker):
    """An attempt that was cut off at an oracle that cannot repeat is left to a person."""
    decision = claiming(FIRST, "me", lambda _: False, repeatable=False)
    (event,) = decision(of(replace(STARTED, worker=worker)))
    assert isinstance(event, Observed)
    assert isinstance(event.observation, Failed)
    assert event.observation.kind == "cancelled"
    assert "attempt 1 was cut off" in event.observation.message


@pytest.mark.parametrize("failed", range(ATTEMPTS))
def test_what_takes_its_workers_along_is_given_up(failed):
    """Three workers are gone: the candidate is a crash, whatever else had happened to it."""
    trouble = rigs.observed(*[rigs.failed(FIRST, "timeout")] * failed)
    decision = claiming(FIRST, "me", lambda _: False, repeatable=True)
    (event,) = decision(of(*trouble, *[STARTED] * (ATTEMPTS - 1)))
    assert isinstance(event, Started)
    lost = [*trouble, *[STARTED] * ATTEMPTS]
    campaign = of(*lost, *decision(of(*lost)))
    ((candidate, given_up),) = campaign.failures
    assert (candidate.id, given_up.kind) == (FIRST, "crashed")
    assert "3 ended with their worker's process" in given_up.message
    assert decision(campaign) == []


def test_what_was_stopped_in_good_order_counts_for_nothing():
    """However often a person interrupts it, and only what this worker is at is released."""
    assert releasing("me")(of(STARTED)) == []
    events: list[Event] = []
    for number in range(2 * ATTEMPTS):
        (started,) = claiming(FIRST, "me", lambda _: False, repeatable=True)(of(*events))
        assert started == Started(candidate=FIRST, attempt=number + 1, worker="me")
        (released,) = releasing("me")(of(*events, started))
        assert released == Released(candidate=FIRST, attempt=number + 1, worker="me")
        events += [started, released]
    assert FIRST in {each.id for each in of(*events).pending}


def test_a_campaign_is_closed_once():
    """The first reason stands."""
    assert closing("done")(of()) == [Closed(reason="done")]
    assert closing("done")(of(Closed(reason="earlier"))) == []


def test_every_decision_is_made_once():
    """Made again on the campaign in which it has happened, each decides nothing."""
    receipt = sheet(row(1, FIRST, y=1.0))
    decisions = [settling([receipt]), settling([rigs.failed(SECOND)]), closing("done")]
    events: list[Event] = []
    for decision in decisions:
        events += decision(of(*events))
    assert [decision(of(*events)) for decision in decisions] == [[], [], []]
    assert [type(event) for event in events] == [Ingested, Observed, Closed]
