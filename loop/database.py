"""The database of a ledger: SQLite's file or a PostgreSQL server, and how it is waited for.

Others who write to a file are waited for by SQLite itself. A server that has been there and goes
away, as when it is started anew, is waited for here; what was not confirmed is done again.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from time import monotonic, sleep
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.pool import ConnectionPoolEntry, StaticPool

from loop.errors import LedgerError

BUSY_S = 60  # how long a writer waits for another's transaction; ours take milliseconds
AGAIN_S = 0.01  # after which a new file is asked once more for its write-ahead log
AWAY_S = 60  # how long a server that went away is waited for; a restart takes it a few seconds
LOCKED_S = 0.5  # others who write to a file let go of it in milliseconds
RECALL_S = 0.5  # from one attempt to reach it to the next
AWAY = ("08", "57P", "25P")  # SQLSTATE of lost connections, of a shutdown, a start, a cut-off
STOPPED = f"""SELECT set_config('idle_in_transaction_session_timeout', '{AWAY_S}s', false)
WHERE current_setting('idle_in_transaction_session_timeout') = '0'"""

REMEDIES = {
    sqlite3.SQLITE_FULL: "Free some space there, and run it again",
    sqlite3.SQLITE_READONLY: "Make the folder and the file writable, and run it again",
    sqlite3.SQLITE_BUSY: "Another program holds it: let that end, and run it again",
}

T = TypeVar("T")


def connected(url: str) -> sa.Engine:
    """The database at a URL, not yet asked anything; LedgerError where it is none."""
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
        patience = {} if "timeout" in url.query else {"timeout": BUSY_S}
        engine = sa.create_engine(url, connect_args=patience)
    sa.event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _engine_of_server(url: sa.URL) -> sa.Engine:
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")  # SQLAlchemy's own default is the old driver
    try:
        # A connection that was cut off while nobody used it is replaced before it is used.
        engine = sa.create_engine(url, pool_pre_ping=True, connect_args=_watchful(url))
    except ModuleNotFoundError as error:
        raise LedgerError(
            "ledger",
            f"a driver for {url.drivername}",
            "none",
            "pip install 'athanor-loop[postgres]'",
        ) from error
    if url.get_backend_name() == "postgresql":
        sa.event.listen(engine, "connect", _prepare_postgresql)
    return engine


def _watchful(url: sa.URL) -> dict[str, int]:
    """What makes libpq notice that the other end has gone without a word: by default, in hours."""
    if url.drivername != "postgresql+psycopg":
        return {}
    wanted = {
        "connect_timeout": 10,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 1000 * AWAY_S,
    }
    return {key: value for key, value in wanted.items() if key not in url.query}


def _prepare_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    """Survive a power cut: write-ahead log, synchronised at every commit, transactions our own."""
    connection.isolation_level = None  # the driver shall not open transactions behind our back
    cursor = connection.cursor()
    _write_ahead(cursor)
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _prepare_postgresql(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    """Cut off a process that was stopped in the middle of an append: others wait for it to end.

    What the URL says of it stands.
    """
    cursor = connection.cursor()
    cursor.execute(STOPPED)
    cursor.close()
    connection.commit()


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


def patiently(work: Callable[[bool], T]) -> T:
    """What the work returns, which is told whether it is done again; LedgerError's cause if not.

    It is done again for AWAY_S, as long as a server that was there is away.
    """
    end, again = monotonic() + AWAY_S, False
    while True:
        try:
            return work(again)
        except sa.exc.DBAPIError as error:
            if not _is_away(error) or monotonic() > end:
                raise
        again = True
        sleep(RECALL_S)


def is_locked(url: str) -> bool:
    """Whether another program keeps all writers out of a file, and not for one commit only."""
    parsed = sa.engine.make_url(url)
    if parsed.get_backend_name() != "sqlite" or not Path(parsed.database or "").is_file():
        return False
    file = f"{Path(str(parsed.database)).absolute().as_uri()}?mode=rw"
    try:
        with closing(
            sqlite3.connect(file, uri=True, timeout=LOCKED_S, isolation_level=None)
        ) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
    return False


def remedy(error: sa.exc.SQLAlchemyError) -> str:
    """What to do about what a database said."""
    match getattr(error, "orig", None):
        case sqlite3.Error() as said:
            code = getattr(said, "sqlite_errorcode", 0) & 0xFF
            other = "Check that the folder exists, is writable and has free space"
            return REMEDIES.get(code, other)
        case _:
            return "Check that the server runs and lets you in"


def _is_away(error: sa.exc.DBAPIError) -> bool:
    """Whether the server could not be reached, or has cut the connection off."""
    if isinstance(error.orig, sqlite3.Error):
        return False  # a file has no server to lose
    state = getattr(error.orig, "sqlstate", None)
    if state is None:  # nobody was there to say one
        return isinstance(error, sa.exc.OperationalError)
    return str(state).startswith(AWAY)
