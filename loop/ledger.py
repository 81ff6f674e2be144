"""The ledger: append-only memory of a campaign, and the one codec of its events.

One table, `(campaign, seq, at, kind, body)`, primary key `(campaign, seq)`. An append says after
which event it was decided; if somebody else appended in between, the primary key refuses it and
the caller decides again on what is true now. So there are no locks to hold and none to lose.
`at` is a wall clock time for people; order is `seq`.

What has been folded once is kept in memory and extended by what is new (`Ledger.replay`), so that
a turn costs what happened in it, however long the history is.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from time import monotonic, sleep
from typing import Any, TypeAlias, get_args

import sqlalchemy as sa
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.pool import ConnectionPoolEntry, StaticPool
from sqlalchemy.schema import CreateTable

from loop.campaign import Campaign
from loop.errors import Conflict, LedgerError
from loop.records import Event, Problem

BUSY_S = 30  # how long a writer waits for another's transaction; each takes milliseconds
AGAIN_S = 0.01  # after which a new file is asked once more for its write-ahead log

_table = sa.Table(
    "events",
    sa.MetaData(),
    sa.Column("campaign", sa.String(200), primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", sa.String(32), nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)

Entry: TypeAlias = tuple[str, Event]  # when it was written (ISO 8601, UTC), and what

_classes: dict[str, type[Event]] = {cls.__name__: cls for cls in get_args(Event)}


@cache
def _adapter(kind: str) -> TypeAdapter[Event]:
    return TypeAdapter(_classes[kind])


def encode_event(event: Event) -> tuple[str, str]:
    """Kind and JSON body of an event; LedgerError where it would not be read back the same."""
    kind = type(event).__name__
    body = _adapter(kind).dump_json(event, exclude_defaults=True, warnings=False).decode()
    if decode_event(kind, body) != event:
        raise LedgerError(f"event {kind}", "values that JSON keeps", repr(event)[:300])
    return kind, body


def decode_event(kind: str, body: str) -> Event:
    """The event of a row; LedgerError for an unknown kind or key, a missing value or NaN."""
    if kind not in _classes:
        raise LedgerError(
            "ledger",
            f"an event among {', '.join(_classes)}",
            repr(kind),
            "Use a newer version of Athanor.",
        )
    try:
        return _adapter(kind).validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise LedgerError(
            f"event {kind}.{where}", first["msg"], repr(first["input"])[:200]
        ) from error


@dataclass(frozen=True)
class Ledger:
    """The events of one campaign in one database (`sqlite:///path` or a PostgreSQL URL)."""

    url: str
    campaign: str
    engine: sa.Engine = field(init=False, repr=False, compare=False)
    _folded: list["_Folded"] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Open the database and make the table where there is none; LedgerError where it can't."""
        object.__setattr__(self, "engine", _engine(self.url))
        with self._errors():
            self._create()

    def _create(self) -> None:
        """Make the table where there is none, even if another process is about to."""
        if not sa.inspect(self.engine).has_table(_table.name):
            with self.engine.begin() as connection:
                connection.execute(CreateTable(_table, if_not_exists=True))

    def replay(self, problem: Problem) -> Campaign:
        """The campaign of the problem as it is now; only what is new is read and folded.

        Where the event that was folded last is no longer there, as in a database that was put back
        from a copy, everything is read again.
        """
        kept = next((each for each in self._folded if each.campaign.problem is problem), None)
        if kept is not None:
            match self.entries(after=kept.campaign.seq - 1):
                case [last] if last == kept.last:
                    return kept.campaign
                case [last, *news] if last == kept.last:
                    return self._keep(kept.campaign.extended(map(_event, news)), news)
                case _:
                    pass
        entries = self.entries()
        return self._keep(Campaign.replay(problem, map(_event, entries)), entries)

    def _keep(self, campaign: Campaign, entries: Sequence[Entry]) -> Campaign:
        """The campaign, remembered as what these entries have led to."""
        if entries:  # one assignment: a thread that reads meanwhile finds this one or the last
            self._folded[:] = [_Folded(campaign=campaign, last=entries[-1])]
        return campaign

    def events(self) -> list[Event]:
        """All events, oldest first."""
        return [event for _, event in self.entries()]

    def entries(self, *, after: int = 0) -> list[Entry]:
        """The events after that number, oldest first, with the times at which they were written."""
        wanted = (_table.c.campaign == self.campaign) & (_table.c.seq > after)
        query = (
            sa.select(_table.c.at, _table.c.kind, _table.c.body)
            .where(wanted)
            .order_by(_table.c.seq)
        )
        with self._errors(), self.engine.connect() as connection:  # a read takes no lock
            rows = connection.execute(query).all()
        return [(at, decode_event(kind, body)) for at, kind, body in rows]

    def append(self, events: Sequence[Event], *, after: int) -> int:
        """Write events after number `after`, all or none; the last number. Conflict if taken."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        rows: list[dict[str, Any]] = []
        for seq, event in enumerate(events, start=after + 1):
            kind, body = encode_event(event)
            rows.append(
                {"campaign": self.campaign, "seq": seq, "at": at, "kind": kind, "body": body}
            )
        if rows:
            last = sa.select(sa.func.max(_table.c.seq)).where(_table.c.campaign == self.campaign)
            with self._errors(), self.engine.begin() as connection:
                if self.engine.dialect.name == "sqlite":
                    # At once: a read that turns into a write would fail as busy.
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                if (connection.scalar(last) or 0) != after:
                    raise _conflict()
                connection.execute(sa.insert(_table), rows)
        return after + len(rows)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Say what the database said, in one sentence with a remedy."""
        try:
            yield
        except sa.exc.IntegrityError as error:
            raise _conflict() from error
        except sa.exc.SQLAlchemyError as error:
            reason = str(getattr(error, "orig", None) or error).splitlines()[0]
            place = sa.engine.make_url(self.url).render_as_string(hide_password=True)
            raise LedgerError(
                f"ledger {place}",
                "a database that can be read and written",
                reason,
                "Check that the folder exists, is writable and has free space; nothing was lost.",
            ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Folded:
    """A campaign in memory, and the entry that it was folded up to."""

    campaign: Campaign
    last: Entry


def _event(entry: Entry) -> Event:
    return entry[1]


def _conflict() -> Conflict:
    return Conflict(
        "ledger", "to be the next writer", "another writer's events", "Replay and decide again."
    )


def _engine(url: str) -> sa.Engine:
    try:
        parsed = sa.engine.make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return _engine_of_file(parsed)
        return _engine_of_server(parsed)
    except sa.exc.ArgumentError as error:
        raise LedgerError(
            "ledger",
            "a database URL such as sqlite:///ledger.db",
            str(error).splitlines()[0],  # SQLAlchemy leaves out the password
            "A file has three slashes before its path.",
        ) from error


def _engine_of_file(url: sa.URL) -> sa.Engine:
    if url.database in {None, "", ":memory:"}:
        engine = sa.create_engine(
            url, poolclass=StaticPool, connect_args={"check_same_thread": False}
        )
    else:
        engine = sa.create_engine(url, connect_args={"timeout": BUSY_S})
    sa.event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _engine_of_server(url: sa.URL) -> sa.Engine:
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")  # SQLAlchemy's own default is the old driver
    try:
        return sa.create_engine(url)
    except ModuleNotFoundError as error:
        raise LedgerError(
            "ledger",
            f"a driver for {url.drivername}",
            "none",
            "pip install 'athanor-loop[postgres]'",
        ) from error


def _prepare_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    """Survive a power cut: write-ahead log, synchronised at every commit, transactions our own."""
    connection.isolation_level = None  # the driver shall not open transactions behind our back
    cursor = connection.cursor()
    _write_ahead(cursor)
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _write_ahead(cursor: DBAPICursor) -> None:
    """Turn the write-ahead log on, once whoever else opens the same new file has done so.

    SQLite refuses this one statement at once, however long `timeout` lets others wait.
    """
    end = monotonic() + BUSY_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or monotonic() > end:
                raise
            sleep(AGAIN_S)
        else:
            return
