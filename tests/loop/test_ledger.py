"""The ledger: what is written is read back, one history, and every mishap has one name."""

import json
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import get_args

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop.campaign import Campaign
from loop.errors import Conflict, LedgerError
from loop.ledger import Ledger, decode_event, encode_event
from loop.records import REAL, Amended, Closed, Event, Observed, Opened, Proposed, Reopened
from tests.loop import appender, rigs
from tests.loop import strategies as some

KINDS = get_args(Event)
EXAMPLES = sorted((Path(__file__).parent / "examples").glob("*.json"))
SEVERAL = sorted((Path(__file__).parent / "examples" / "several").glob("*.json"))
ANSWER = '{"observation": {"candidate": "a", "values": {"y": 1.5}, "source": {"oracle": "o"}}}'
FIRST, SECOND, THIRD = Closed(reason="one"), Reopened(reason="two"), Closed(reason="three")
# Stops itself when its event is inserted and not committed; 7 says that somebody was faster.
STOPS = """
import os, signal, sys
import sqlalchemy as sa
from loop.errors import Conflict
from loop.ledger import Ledger
from loop.records import Closed
ledger = Ledger(url=sys.argv[1], campaign="race")
sa.event.listen(ledger.engine, "commit", lambda _: os.kill(os.getpid(), signal.SIGSTOP), once=True)
try:
    ledger.append([Closed(reason="stopped")], after=0)
except Conflict:
    sys.exit(7)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """An empty database, of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    return request.getfixturevalue("postgres").database()


def on(url, campaign="test"):
    """A ledger in a database."""
    return Ledger(url=url, campaign=campaign)


def on_file(path, campaign="test"):
    """A ledger in a file."""
    return Ledger(url=f"sqlite:///{path}", campaign=campaign)


def started(url, count):
    """Two processes that append so many events each to one ledger."""
    command = [sys.executable, appender.__file__, url]
    return [subprocess.Popen([*command, name, str(count)]) for name in ("a", "b")]


def racing(url, count):
    """The exit codes of two such processes."""
    return [racer.wait(timeout=120) for racer in started(url, count)]


def beginners(ledger):
    """Which of the processes have written something."""
    return {event.reason[0] for event in ledger.events() if isinstance(event, Closed)}


def require_each_once(ledger, count):
    """Each event of each process stands once, in the order of its process."""
    reasons = [event.reason for event in ledger.events() if isinstance(event, Closed)]
    for name in ("a", "b"):
        mine = [each for each in reasons if each[0] == name]
        assert mine == [f"{name} {number}" for number in range(count)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_every_event_is_read_back_as_it_was_written(kind, data):
    """decode(encode(event)) == event, for every kind."""
    problem = data.draw(some.problems())
    event = data.draw(some.events(problem, kind))
    assert decode_event(*encode_event(event)) == event


@pytest.mark.parametrize("path", [*EXAMPLES, *SEVERAL], ids=lambda path: path.stem)
def test_events_of_released_versions_are_still_read(path):
    """What an older version wrote is decoded, and means the same when it is written again."""
    example = json.loads(path.read_text())
    event = decode_event(example["kind"], json.dumps(example["body"]))
    kind, body = encode_event(event)
    assert (kind, json.loads(body)) == (example["kind"], example["body"])


def test_the_examples_make_a_campaign():
    """There is an example of every kind, and together they are a history."""
    examples = [json.loads(path.read_text()) for path in EXAMPLES]
    events = [decode_event(each["kind"], json.dumps(each["body"])) for each in examples]
    assert {type(event) for event in events} == set(KINDS)
    opened = events[0]
    assert isinstance(opened, Opened)
    assert len(Campaign.replay(opened.problem, events).results) == 3


def test_the_examples_of_several_oracles_keep_who_is_asked():
    """Costs and targets of each fidelity, and of each candidate its fidelity and why."""
    examples = [json.loads(path.read_text()) for path in SEVERAL]
    opened, proposed = (decode_event(e["kind"], json.dumps(e["body"])) for e in examples)
    assert isinstance(opened, Opened)
    campaign = Campaign.replay(opened.problem, [opened, proposed])
    assert [each.fidelity for each in campaign.pending] == ["emt", "emt", REAL]
    assert campaign.pending[1].why.health["density"].correlation == {"emt": 0.75}
    assert campaign.problem.fidelity("emt").cost == 0.1
    assert campaign.problem.fidelity(REAL).measured


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("Closed", '{"reason": "x", "why": "y"}', r"event Closed\.why: expected Unexpected"),
        ("Closed", "{}", r"event Closed\.reason"),
        ("Closed", '{"reason": 3}', "a valid string, got 3"),
        ("Closed", '{"reason": "x"', "Invalid JSON"),
        ("Exploded", "{}", r"an event among Opened, .*, got 'Exploded'\. Use a newer version"),
        (
            "Observed",
            ANSWER.replace('"oracle": "o"', '"oracle": "o", "ms": 1'),
            r"source\.ms: expected Unexpected",
        ),
        (
            "Observed",
            ANSWER.replace("1.5", "NaN"),
            r"values\.y: expected .* finite number",
        ),
        (
            "Observed",
            ANSWER.replace("1.5", "1e999"),
            r"values\.y: expected .* finite number",
        ),
    ],
)
def test_what_no_version_wrote_is_refused(kind, body, said):
    """Unknown kinds and keys, missing and wrong values, NaN and infinity: never taken silently."""
    with pytest.raises(LedgerError, match=said):
        decode_event(kind, body)


@pytest.mark.parametrize(
    "event",
    [
        Observed(observation=rigs.measured("a", y=float("nan"))),
        Observed(observation=rigs.measured("a", y=float("inf"))),
        Amended(settings={"stop": float("nan")}, changes=()),
        Amended(settings={"stop": {3: "three"}}, changes=()),
    ],
)
def test_what_would_not_be_read_back_is_not_written(event):
    """NaN, infinity, and keys that JSON turns into something else."""
    ledger = Ledger(url="sqlite://", campaign="test")
    with pytest.raises(LedgerError, match="event"):
        ledger.append([FIRST, event], after=0)
    assert ledger.events() == []


def test_events_come_back_in_order_with_their_time(url):
    """A second process sees what the first has written; times are ISO 8601 in UTC."""
    assert on(url).append([FIRST, SECOND], after=0) == 2
    entries = on(url).entries()
    assert [event for _, event in entries] == [FIRST, SECOND]
    assert all(at.endswith("+00:00") for at, _ in entries)


def test_two_campaigns_share_a_database(url):
    """Each has its own numbers."""
    mine, other = (on(url, name) for name in ("mine", "other"))
    assert [mine.append([FIRST], after=0), other.append([SECOND], after=0)] == [1, 1]
    assert (mine.events(), other.events()) == ([FIRST], [SECOND])


def test_appending_nothing_changes_nothing(url):
    """No event, no row."""
    ledger = on(url)
    assert ledger.append([], after=0) == 0
    assert ledger.events() == []


@pytest.mark.parametrize("late", [[SECOND], [SECOND, THIRD]])
def test_whoever_decided_on_an_older_state_is_refused(url, late):
    """The second writer after the same event gets a Conflict, and not one of its events stands."""
    ledger = on(url)
    ledger.append([FIRST], after=0)
    with pytest.raises(Conflict, match="another writer's events"):
        ledger.append(late, after=0)
    assert ledger.events() == [FIRST]


def test_a_conflict_in_the_middle_writes_nothing(url):
    """All events of an append, or none."""
    ledger = on(url)
    ledger.append([FIRST, SECOND], after=0)
    with pytest.raises(Conflict, match="Replay"):
        ledger.append([SECOND, THIRD], after=1)
    assert ledger.events() == [FIRST, SECOND]


def test_a_writer_ahead_of_the_ledger_is_refused(url):
    """Who has seen more than there is, as after a restored backup, leaves no gap."""
    ledger = on(url)
    ledger.append([FIRST], after=0)
    with pytest.raises(Conflict, match="Replay"):
        ledger.append([SECOND], after=5)
    assert ledger.events() == [FIRST]


def test_two_processes_write_one_history(url):
    """Appending at once, each event of each process stands once, in the order of its process."""
    assert racing(url, 25) == [0, 0]
    ledger = on(url, "race")
    with ledger.engine.connect() as connection:
        numbers = connection.exec_driver_sql("select seq from events order by seq").scalars().all()
    assert numbers == list(range(1, 51))
    require_each_once(ledger, 25)


def test_a_new_file_that_another_process_is_opening_is_waited_for(tmp_path):
    """SQLite refuses to turn the write-ahead log on at once; the ledger asks again."""
    other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    with ThreadPoolExecutor() as threads:
        opened = threads.submit(on_file, tmp_path / "ledger.db")
        with pytest.raises(TimeoutError):
            opened.result(timeout=0.3)
        other.close()
        assert opened.result(timeout=20).events() == []


@pytest.mark.parametrize("place", ["missing/ledger.db", "file/ledger.db", "."])
def test_a_place_that_cannot_be_written_is_one_error(tmp_path, place):
    """A missing folder, a file where a folder should be, a folder where the file should be."""
    (tmp_path / "file").write_text("I am not a folder")
    with pytest.raises(LedgerError, match=r"unable to open .* Check that the folder"):
        on_file(tmp_path / place)


def test_a_damaged_database_is_one_error(tmp_path):
    """Bytes that are no database are named as such, and are left as they were."""
    (tmp_path / "ledger.db").write_bytes(b"not a database" * 100)
    with pytest.raises(LedgerError, match=r"file is not a database\. Check that"):
        on_file(tmp_path / "ledger.db")
    assert (tmp_path / "ledger.db").read_bytes() == b"not a database" * 100


def test_a_damaged_row_is_one_error(url):
    """A body that somebody edited by hand is not skipped."""
    ledger = on(url)
    ledger.append([FIRST], after=0)
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("""update events set body = '{"reason": null}'""")
    with pytest.raises(LedgerError, match=r"event Closed\.reason"):
        ledger.events()


def test_a_full_disk_loses_nothing_that_was_written(tmp_path):
    """The append that no longer fits fails whole; earlier rows stay, and it goes on later."""
    ledger = on_file(tmp_path / "ledger.db")
    ledger.append([FIRST], after=0)
    with ledger.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")  # the pool's one connection
    with pytest.raises(LedgerError, match=r"full\. Free some space there, .* is safe"):
        ledger.append([Closed(reason="x" * 100_000)], after=1)
    assert ledger.events() == [FIRST]
    again = on_file(tmp_path / "ledger.db")
    assert again.append([SECOND], after=1) == 2
    assert again.events() == [FIRST, SECOND]


@pytest.mark.parametrize(
    "url",
    ["here", "", "sqlite://me:secret@ledger.db", "postgres://me:secret@here/db", "no+such://x"],
)
def test_an_address_that_is_none_is_refused(url):
    """The message shows what an address looks like, and does not show a password."""
    with pytest.raises(LedgerError, match=r"such as sqlite:///ledger\.db.*three slashes") as caught:
        Ledger(url=url, campaign="test")
    assert "secret" not in str(caught.value)


def test_only_what_is_new_is_read_and_folded(tmp_path):
    """After another writer's events the campaign is that of a whole replay."""
    problem, path = rigs.asked(), tmp_path / "ledger.db"
    chosen = rigs.candidates(problem, 1)
    mine, other = on_file(path), on_file(path)
    mine.append([Opened(problem=problem)], after=0)
    first = mine.replay(problem)
    assert mine.replay(problem) is first
    other.append([Proposed(candidates=chosen)], after=1)
    assert mine.replay(problem).pending == chosen
    assert mine.replay(problem) == Campaign.replay(problem, other.events())


def test_a_ledger_put_back_from_a_copy_is_read_anew(tmp_path):
    """Events that are no longer there are forgotten, also where others stand in their place."""
    problem, path = rigs.asked(), tmp_path / "ledger.db"
    ledger = on_file(path)
    ledger.append([Opened(problem=problem), FIRST], after=0)
    assert ledger.replay(problem).closed == "one"
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("delete from events where seq = 2")
    assert ledger.replay(problem).closed is None
    ledger.append([THIRD, SECOND], after=1)
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("delete from events where seq = 3")
    assert ledger.replay(problem).closed == "three"


def test_a_ledger_of_a_whole_campaign_replays(url):
    """What is read back folds to the same campaign."""
    problem = rigs.asked()
    chosen = rigs.candidates(problem, 2)
    answers = rigs.observed(rigs.measured(chosen[0], y=1.0), rigs.failed(chosen[1]))
    events = [Opened(problem=problem), Proposed(candidates=chosen), *answers]
    ledger = on(url)
    ledger.append(events, after=0)
    assert Campaign.replay(problem, ledger.events()) == Campaign.replay(problem, events)


def test_several_processes_make_one_table(postgres):
    """PostgreSQL refuses all but one of those that make a table at once; none of them notices."""
    url = postgres.schema()
    with ThreadPoolExecutor(8) as threads:
        ledgers = list(threads.map(on, [url] * 8))
    assert ledgers[0].append([FIRST], after=0) == 1
    assert [ledger.events() for ledger in ledgers] == [[FIRST]] * 8


def test_a_server_that_restarts_is_waited_for(postgres):
    """Two processes write while it is cut off twice: each event stands once, in order."""
    url = postgres.schema()
    racers = started(url, 80)
    ledger = on(url, "race")
    for events in (10, 60):
        while len(ledger.events()) < events or len(beginners(ledger)) < 2:
            time.sleep(0.01)
        postgres.kill()
        time.sleep(0.5)
        postgres.start()
    assert [racer.wait(timeout=120) for racer in racers] == [0, 0]
    require_each_once(ledger, 80)


def test_a_writer_that_is_stopped_is_cut_off(postgres):
    """In the middle of an append, by SIGSTOP: others go on; continued, it has to decide again."""
    url = f"{postgres.schema()}%20-cidle_in_transaction_session_timeout%3D1s"
    ledger = on(url, "race")
    racer = subprocess.Popen([sys.executable, "-c", STOPS, url])
    while psutil.Process(racer.pid).status() != psutil.STATUS_STOPPED:
        time.sleep(0.05)
    assert ledger.append([FIRST], after=0) == 1
    racer.send_signal(signal.SIGCONT)
    assert racer.wait(30) == 7
    assert ledger.events() == [FIRST]


def test_an_append_whose_confirmation_was_lost_is_found(url):
    """Made again, it is recognised by its rows; another's event in its place is a conflict."""
    ledger = on(url)
    ledger.append([FIRST, SECOND], after=0)
    with ledger.engine.connect() as connection:
        rows = connection.exec_driver_sql("select * from events order by seq").mappings().all()
    rows = [dict(row) for row in rows]
    ledger._insert(rows, again=True)
    with pytest.raises(Conflict, match="another writer's"):
        ledger._insert(rows[:1], again=False)
    with pytest.raises(Conflict, match="another writer's"):
        ledger._insert([rows[0], rows[1] | {"body": "{}"}], again=True)
    assert ledger.events() == [FIRST, SECOND]


def test_a_server_that_is_not_there_is_one_error(postgres):
    """The reason and the remedy, at once, and without the password."""
    there = postgres.schema().partition("/postgres?")[0]
    nowhere = f"{there.replace('postgres@', 'postgres:secret@')}/nowhere"
    with pytest.raises(LedgerError, match=r"\"nowhere\" does not exist.* server runs") as caught:
        on(nowhere)
    assert "secret" not in str(caught.value)
