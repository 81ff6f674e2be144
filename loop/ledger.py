"""The ledger: append-only memory of a campaign, and the one codec of its events.

One table, `(campaign, seq, at, kind, body)`, primary key `(campaign, seq)`. An append says after
which event it was decided; if somebody else appended in between, the primary key refuses it and
the caller decides again on what is true now. So there are no locks to hold and none to lose.
`at` is a wall clock time for people; order is `seq`.

What has been folded once is kept in memory and extended by what is new (`Ledger.replay`), so that
a turn costs what happened in it, however long the history is.

Where a server goes away before it could say that an append had been taken, the append is looked
for when it is back (`loop.database`), not made twice.
"""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any, TypeAlias, get_args
from weakref import finalize

import sqlalchemy as sa
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.schema import CreateTable

from loop.campaign import Campaign
from loop.database import connected, patiently, remedy
from loop.errors import Conflict, LedgerError
from loop.records import Event, Problem

Entry: TypeAlias = tuple[str, Event]  # when it was written (ISO 8601, UTC), and what

_table = sa.Table(
    "events",
    sa.MetaData(),
    sa.Column("campaign", sa.String(200), primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", sa.String(32), nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)
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
        object.__setattr__(self, "engine", connected(self.url))
        finalize(self, self.engine.dispose)  # a server counts its connections
        with self._errors():
            self._create()

    def _create(self) -> None:
        """Make the table where there is none, even if another process is about to."""
        if not sa.inspect(self.engine).has_table(_table.name):
            try:
                with self.engine.begin() as connection:
                    connection.execute(CreateTable(_table, if_not_exists=True))
            except sa.exc.DBAPIError:  # PostgreSQL lets one of several succeed
                if not sa.inspect(self.engine).has_table(_table.name):
                    raise

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
        with _unswept():
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
        with self._errors():
            rows = patiently(lambda _: self._read(query))
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
            with self._errors():
                patiently(partial(self._insert, rows))
        return after + len(rows)

    def _read(self, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        with self.engine.connect() as connection:  # a read takes no lock
            return connection.execute(query).all()

    def _insert(self, rows: Sequence[dict[str, Any]], again: bool) -> None:  # noqa: FBT001
        """Append the rows, or raise Conflict; made again, they may stand there already."""
        mine = _table.c.campaign == self.campaign
        numbers = [row["seq"] for row in rows]
        same = sa.select(_table).where(mine & _table.c.seq.in_(numbers)).order_by(_table.c.seq)
        with self.engine.begin() as connection:
            if self.engine.dialect.name == "sqlite":
                # At once: a read that turns into a write would fail as busy.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            if again and [dict(row) for row in connection.execute(same).mappings()] == rows:
                return
            last = connection.scalar(sa.select(sa.func.max(_table.c.seq)).where(mine))
            if (last or 0) + 1 != numbers[0]:
                raise _conflict()
            connection.execute(sa.insert(_table), rows)

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
                f"{remedy(error)}; what is on record is safe.",
            ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Folded:
    """A campaign in memory, and the entry that it was folded up to."""

    campaign: Campaign
    last: Entry


@contextmanager
def _unswept() -> Iterator[None]:
    """While a whole history is read, look for no circles of references: records form none.

    To look for some again and again takes longer than to read them.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _event(entry: Entry) -> Event:
    return entry[1]


def _conflict() -> Conflict:
    return Conflict(
        "ledger", "to be the next writer", "another writer's events", "Replay and decide again."
    )
