"""Files as they come in: what holds depends on what was said, never on which file came first."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loop.campaign import Campaign
from loop.decisions import settling
from loop.errors import CampaignError
from loop.intake import Intake
from loop.people import resolving, settled
from loop.records import Failed, Receipt, Source
from tests.loop import rigs

PROBLEM = rigs.asked(targets=(rigs.Y, rigs.Z))
FIRST, SECOND = (each.id for each in rigs.candidates(PROBLEM, 2))
HISTORY = rigs.history(PROBLEM, 2)


def row(candidate=FIRST, replicate="", revision=0, **values):
    """What a row says, wherever it stands; without a value that it failed."""
    source = Source(oracle="folder")
    if not values:
        answer = Failed(candidate=candidate, kind="infeasible", message="no", source=source)
        return replace(answer, replicate=replicate, revision=revision)
    measured = rigs.measured(candidate, **values)
    return replace(measured, source=source, replicate=replicate, revision=revision)


def sheet(file, sha256, *rows):
    """A revision of a file that holds these rows."""
    placed = tuple(
        replace(each, source=Source(oracle="folder", file=file, sha256=sha256, row=number))
        for number, each in enumerate(rows, start=1)
    )
    return Receipt(file=file, sha256=sha256, rows=len(rows), observations=placed)


def after(*steps, events=HISTORY):
    """The campaign after receipts and decisions, one at a time."""
    events = [*events]
    for step in steps:
        decide = settling([step]) if isinstance(step, Receipt) else step
        events += decide(Campaign.replay(PROBLEM, events))
    return Campaign.replay(PROBLEM, events)


def held(campaign):
    """All that a model would learn from, and all that waits for a person."""
    values = {r.candidate.id: (r.point, r.values, r.errors, r.repeats) for r in campaign.results}
    torn = {
        (c, *key): len(found) for c, each in campaign.torn.items() for key, found in each.items()
    }
    failed = {candidate.id: failure.kind for candidate, failure in campaign.failures}
    return values, set(torn), failed


ROWS = st.builds(
    lambda candidate, replicate, revision, values: row(candidate, replicate, revision, **values),
    st.sampled_from([FIRST, SECOND]),
    st.sampled_from(["", "1", "b"]),
    st.sampled_from([0, 0, 0, 1]),
    st.dictionaries(st.sampled_from(["y", "z"]), st.sampled_from([1.0, 2.0]), max_size=2),
)


@st.composite
def courses(draw):
    """Revisions of three files in two orders of arrival that keep each file's own order."""
    files = {
        name: [
            sheet(name, f"{name}{number}", *rows)
            for number, rows in enumerate(draw(st.lists(st.lists(ROWS, max_size=3), max_size=3)))
        ]
        for name in ("1", "2", "3")
    }
    turns = [name for name, revisions in files.items() for _ in revisions]
    orders = []
    for _ in range(2):
        left = {name: iter(revisions) for name, revisions in files.items()}
        orders.append([next(left[name]) for name in draw(st.permutations(turns))])
    return orders


@settings(max_examples=600)
@given(orders=courses())
def test_what_holds_does_not_depend_on_which_file_came_first(orders):
    """Values, conflicts and failures are the same; every row is counted; nothing comes twice."""
    first, second = (after(*order) for order in orders)
    assert held(first) == held(second)
    for campaign, order in zip((first, second), orders, strict=True):
        again = [settling([receipt])(campaign) for receipt in _last(order)]
        assert again == [[] for _ in again]


def _last(order):
    return list({receipt.file: receipt for receipt in order}.values())


@settings(max_examples=600)
@given(rows=st.lists(ROWS, max_size=6), data=st.data())
def test_a_file_that_grows_ends_as_the_whole_file(rows, data):
    """However it was cut on the way, and however its rows are dealt to files in the end."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=4)))
    grown = [sheet("1", f"cut {cut}", *rows[:cut]) for cut in cuts]
    whole = sheet("1", "whole", *rows)
    assert held(after(*grown, whole)) == held(after(whole))
    dealt = data.draw(st.lists(st.sampled_from("123"), min_size=len(rows), max_size=len(rows)))
    parts = [
        sheet(name, name, *(each for each, to in zip(rows, dealt, strict=True) if to == name))
        for name in data.draw(st.permutations("123"))
    ]
    assert held(after(*parts)) == held(after(whole))


def test_a_higher_revision_supersedes_whatever_file_it_stands_in():
    """An explicit correction needs no one to decide."""
    old, new = sheet("1", "1", row(y=1.0)), sheet("2", "2", row(y=2.0, revision=1))
    for order in ((old, new), (new, old)):
        assert after(*order).results[0].values == {"y": 2.0}


def test_a_copy_of_an_old_revision_is_no_second_opinion():
    """Who corrects a file has also corrected the copies that others made of it."""
    sheets = [sheet("1", "a", row(y=1.0)), sheet("1", "b", row(y=2.0))]
    copy = sheet("copy", "a", row(y=1.0))
    assert after(*sheets, copy).results[0].values == {"y": 2.0}
    assert after(copy, *sheets).results[0].values == {"y": 2.0}


def test_the_first_measurement_may_get_its_number_later():
    """With a second one beside it, in the same file or in another: it is still one measurement."""
    alone = sheet("1", "a", row(y=1.0))
    both = (row(replicate="1", y=1.0), row(replicate="2", y=4.0))
    for file in ("1", "2"):
        campaign = after(alone, sheet(file, "b", *both))
        assert (campaign.results[0].values, campaign.torn) == ({"y": 2.5}, {})
    assert after(alone, sheet("2", "b", row(replicate="1", y=4.0))).torn


def test_a_correction_of_one_value_hides_no_contradiction_of_another():
    """The file still says two things of z; so it does when its copy states a lower revision."""
    torn = sheet("1", "a", row(z=2.0), row(y=1.0, z=1.0))
    campaign = after(torn, sheet("1", "b", row(z=2.0), row(y=5.0, z=1.0)))
    assert (campaign.results[0].values, [*campaign.torn[FIRST]]) == ({"y": 5.0}, [("z", "")])
    rows = [row(y=1.0), row(y=1.0, revision=1), row(y=2.0, revision=1)]
    assert after(sheet("1", "a", rows[0], rows[2]), sheet("2", "b", rows[1])).torn


TORN = (sheet("1", "1", row(y=1.0)), sheet("2", "2", row(y=2.0)))


def test_a_person_ends_a_conflict():
    """The file that is kept counts; what is said anew afterwards is a conflict again."""
    decision = resolving(FIRST, ("2", None), "1 was typed", "Ada")
    campaign = after(*TORN, decision)
    assert (campaign.torn, campaign.results[0].values) == ({}, {"y": 2.0})
    assert campaign.resolved[0].by == "Ada"
    assert after(*TORN, decision, sheet("3", "3", row(y=1.0))).results[0].values == {"y": 2.0}
    assert after(*TORN, decision, sheet("2", "4", row(y=3.0))).results[0].values == {"y": 3.0}
    assert after(*TORN, decision, sheet("3", "3", row(y=3.0))).torn[FIRST]
    assert settled(after(*TORN), FIRST, ("2", None)).after[0].values == {"y": 2.0}


@pytest.mark.parametrize(
    ("candidate", "keep", "reason", "said"),
    [
        (SECOND, ("1", None), "x", "expected a candidate of which files disagree, got one waiting"),
        (FIRST, ("3", None), "x", "expected one of 1:1, 2:1 to keep, got 3"),
        (FIRST, ("1", 7), "x", "got 1:7"),
        (FIRST, ("1", None), " ", "a few words, to be put on record"),
    ],
)
def test_who_decides_must_say_what_and_why(candidate, keep, reason, said):
    """A decision that decides nothing is refused, with what there is to decide."""
    with pytest.raises(CampaignError, match=said):
        resolving(candidate, keep, reason)(after(*TORN))


def test_every_row_is_told_what_was_made_of_it():
    """A verdict per row, with a reason where a person should look."""
    campaign = after(sheet("1", "1", row(y=1.0, z=1.0), row(SECOND, "b", y=1.0)))
    intake = Intake(campaign)
    rows = [row(y=2.0), row(SECOND, "b", y=1.0), row(SECOND, y=5.0), row("0009-xyz", y=1.0)]
    intake.ingest(sheet("2", "2", *rows))
    intake.ingest(sheet("1", "3", row(y=1.0, z=3.0), row(SECOND, "c")))
    told = Counter(each.what for each in intake.verdicts)
    assert told == Counter(["conflict", "duplicate", "partial", "rejected", "conflict", "failed"])
    assert intake.verdicts[-1].reason == "infeasible: no"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (FIRST.replace("-", " - ").upper(), ""),
        (FIRST[-3:], ""),
        (f"{int(FIRST[:4])}{FIRST[-3:]}", ""),
        (f"{FIRST[:-1]}{'x' if FIRST[-1] != 'x' else 'z'}", f"did you mean {FIRST}?"),
        (FIRST[:-1], f"did you mean {FIRST}?"),
        (FIRST[1:4] + FIRST[0] + FIRST[4:], "no candidate of this campaign has the id"),
        ("none", "no candidate of this campaign has the id 'none'"),
    ],
)
def test_an_id_is_found_as_people_write_it_and_never_guessed(written, said):
    """Case, zeros and the code alone are understood; a slip is told the nearest id."""
    campaign = after(sheet("1", "1", row(written, y=1.0)))
    reasons = [each.reason for each in campaign.ingested[0].receipt.rejected]
    assert bool(campaign.results) == (not said)
    assert all(said in reason for reason in reasons)
