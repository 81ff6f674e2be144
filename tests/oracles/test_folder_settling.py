"""A laboratory's files in a campaign: whatever comes when, every row is used once and rightly."""

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loop.campaign import Campaign
from loop.decisions import settling
from loop.records import Ingested, Opened, Proposed, Vetoed
from tests.oracles.laboratory import ASKED, PROBLEM, A, B, C, drop, lab

HEADER = "candidate,toughness [J],cost"
OPEN = (Opened(problem=PROBLEM), Proposed(candidates=ASKED))


def turn(folder, events, **options):
    """The events after one more look at the folder."""
    campaign = Campaign.replay(PROBLEM, events)
    return (*events, *settling(lab(folder, **options).collect(campaign.pending))(campaign))


def visit(folder, events, *rows, name="results.csv", header=HEADER):
    """The events after the laboratory has dropped a file."""
    drop(folder, "\n".join([header, *rows, ""]), name)
    return turn(folder, events)


def found(events):
    """The values that hold, by candidate."""
    return {r.candidate.id: dict(r.values) for r in Campaign.replay(PROBLEM, events).results}


def test_a_file_is_ingested_once(tmp_path):
    """A file that stays in the folder is recorded at the first look and never again."""
    events = visit(tmp_path, OPEN, f"{A},1.5,3")
    assert len(events) == len(OPEN) + 1
    assert turn(tmp_path, events) == events


@pytest.mark.parametrize("name", ["results.csv", "copy of results.csv"])
def test_the_same_rows_again_are_duplicates(tmp_path, name):
    """Rows that come again, in the same file or in a copy, change nothing and are counted."""
    events = visit(tmp_path, OPEN, f"{A},1.5,3", f"{B},2,4")
    again = visit(tmp_path, events, f"{B},2.0,4", f"{A},1.50,3", f"{C},7,8", name=name)
    assert found(again) == found(events) | {C: {"toughness": 7.0, "cost": 8.0}}
    assert (again[-1].duplicates, len(again[-1].receipt.observations)) == (2, 1)


def test_the_rest_of_an_answer_may_come_later(tmp_path):
    """One file brings one target, another file the other; only then is the answer whole."""
    events = visit(tmp_path, OPEN, f"{A},1.5,")
    assert A in {candidate.id for candidate in Campaign.replay(PROBLEM, events).pending}
    events = visit(tmp_path, events, f"{A},,3", name="second.csv")
    assert found(events) == {A: {"toughness": 1.5, "cost": 3.0}}
    assert A not in {candidate.id for candidate in Campaign.replay(PROBLEM, events).pending}


def test_a_corrected_row_supersedes_the_old_one(tmp_path):
    """An edited file changes the value and keeps the history."""
    events = visit(tmp_path, OPEN, f"{A},1.5,3")
    events = visit(tmp_path, events, f"{A},1.6,3")
    assert found(events) == {A: {"toughness": 1.6, "cost": 3.0}}
    assert events[-1].corrected == (A,)
    assert len(Campaign.replay(PROBLEM, events).measurements(A)) == 2


def test_a_correction_can_be_taken_back(tmp_path):
    """A file that says again what it said at first is read again."""
    events = OPEN
    for value in ("1.5", "1.6", "1.5"):
        events = visit(tmp_path, events, f"{A},{value},3")
    assert found(events) == {A: {"toughness": 1.5, "cost": 3.0}}
    assert len(events) == len(OPEN) + 3


def test_what_was_executed_completes_what_was_asked(tmp_path):
    """The point of an answer, however late, is the one asked with what the row says was made."""
    events = visit(tmp_path, OPEN, f"{A},1.5,3")
    header = "candidate,toughness [J],cost,executed:T [K]"
    events = visit(tmp_path, events, f"{A},1.6,3,450", header=header)
    asked = Campaign.replay(PROBLEM, events).candidates[A].point
    assert Campaign.replay(PROBLEM, events).results[0].point == {**asked, "T": 450.0}


def test_files_that_disagree_are_not_averaged(tmp_path):
    """Neither value is used; a file that is corrected ends the conflict."""
    events = visit(tmp_path, OPEN, f"{A},1.5,3")
    events = visit(tmp_path, events, f"{A},9.9,3", name="other.csv")
    assert found(events) == {A: {"cost": 3.0}}
    assert found(visit(tmp_path, events, f"{A},1.5,3", name="other.csv")) == {
        A: {"toughness": 1.5, "cost": 3.0}
    }


def test_an_unknown_id_is_rejected(tmp_path):
    """A row for nobody is not taken for somebody."""
    events = visit(tmp_path, OPEN, "0009-xyz,1.5,3")
    assert found(events) == {}
    assert "has the id '0009-xyz'" in events[-1].receipt.rejected[0].reason


def test_a_vanished_row_is_not_forgotten(tmp_path):
    """What was recorded stays, when its row, its file and its folder go."""
    events = visit(tmp_path, OPEN, f"{A},1.5,3", f"{B},2,4")
    less = visit(tmp_path, events, f"{A},1.5,3")
    assert found(less) == found(events)
    (tmp_path / "results" / "results.csv").unlink()
    (tmp_path / "results").rmdir()
    assert lab(tmp_path).collect(ASKED) == ()
    assert turn(tmp_path, less) == less


def test_a_late_answer_is_welcome(tmp_path):
    """A value for a candidate that nobody waits for any more is taken."""
    events = (*OPEN, Vetoed(candidate=A, reason="too dear"))
    assert found(visit(tmp_path, events, f"{A},1.5,3")) == {A: {"toughness": 1.5, "cost": 3.0}}


def test_the_model_learns_from_what_was_made(tmp_path):
    """The point of a result is the one that was executed, whole."""
    events = visit(tmp_path, OPEN, f"{A},1.5,3,450", header=f"{HEADER},executed:T [K]")
    (result,) = Campaign.replay(PROBLEM, events).results
    assert result.point == {"T": 450.0, "gas": "Ar", "alloy": {"Cu": 1.0}}


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_the_order_of_rows_does_not_matter(tmp_path, order):
    """A file with its rows permuted says the same, contradictions and bad rows included."""
    rows = [f"{A},1.5,3", f"{B},2,4", f"{B},2.5,4", f"{C},high,5"]
    events = visit(tmp_path, OPEN, *(rows[i] for i in order))
    assert found(events) == {A: {"toughness": 1.5, "cost": 3.0}, B: {"cost": 4.0}}
    assert len(events[-1].receipt.rejected) == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_cut_at_any_byte_and_completed_is_the_whole_file(tmp_path, encoding):
    """Whatever was read of the half, the end is that of the whole file."""
    said = {"encoding": encoding} if encoding == "cp1252" else {}
    rows = [f"{A};1,53;3;Zoë", f"{B};2534,25;4;", f"{B};2;4;", f"{C};hoch;5;Zoë"]
    raw = "\n".join([f"{HEADER},who".replace(",", ";"), *rows, ""]).encode(encoding)
    drop(tmp_path, raw)
    whole = found(turn(tmp_path, OPEN, **said))
    assert whole == {A: {"toughness": 1.53, "cost": 3.0}, B: {"cost": 4.0}}
    for cut in range(len(raw)):
        drop(tmp_path, raw[:cut])
        events = turn(tmp_path, OPEN, **said)
        drop(tmp_path, raw)
        events = turn(tmp_path, events, **said)
        assert found(events) == whole
        assert len(events[-1].receipt.rejected) == 1


ROW = st.builds(
    "{},{},{}".format,
    st.sampled_from([A, B, C, "0009-xyz", ""]),
    st.sampled_from(["1", "2.5", "-3e2", "x", ""]),
    st.sampled_from(["1", "7", "", "NaN"]),
)


@settings(deadline=None)
@given(files=st.lists(st.lists(ROW, max_size=5), max_size=4), names=st.data())
def test_the_counts_always_add_up(tmp_path_factory, files, names):
    """Rows taken, duplicate and rejected are all the rows there are, file after file."""
    folder, events = tmp_path_factory.mktemp("lab"), OPEN
    for rows in files:
        name = names.draw(st.sampled_from(["a.csv", "b.csv"]))
        events = visit(folder, events, *rows, name=name)
        assert turn(folder, events) == events
    taken = {value for each in found(events).values() for value in each.values()}
    assert taken <= {1.0, 2.5, -300.0, 7.0}
    for event in events[len(OPEN) :]:
        assert isinstance(event, Ingested)


def test_a_value_may_turn_out_a_failure_and_back(tmp_path):
    """A file that takes a value back as failed, or a failure as measured, is believed."""
    header = "candidate,toughness [J],cost,status"
    events = visit(tmp_path, OPEN, f"{A},1.5,3,", header=header)
    events = visit(tmp_path, events, f"{A},,,failed", header=header)
    campaign = Campaign.replay(PROBLEM, events)
    assert found(events) == {}
    assert [candidate.id for candidate, _ in campaign.failures] == [A]
    assert events[-1].corrected == (A,)
    events = visit(tmp_path, events, f"{A},1.5,3,", header=header)
    assert found(events) == {A: {"toughness": 1.5, "cost": 3.0}}
    assert not Campaign.replay(PROBLEM, events).failures
