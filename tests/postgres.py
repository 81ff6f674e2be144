"""A PostgreSQL server of the tests' own: on loopback, in a temporary folder, gone with the tests.

From Debian's packages (`apt-get install postgresql`). PostgreSQL refuses to be run by root, as
which containers run tests: then it runs as the user `postgres` that the package has made.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from time import monotonic, sleep
from typing import IO

import psycopg

START_S = 60.0
OWNER = "postgres"


def binaries() -> Path | None:
    """The folder of PostgreSQL's programs, the newest where there are several; None without."""
    found = shutil.which("initdb")
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version)
    return versions[-1].parent if versions else Path(found).resolve().parent if found else None


def _version(initdb: Path) -> int:
    return int(initdb.parts[-3])


def missing() -> str:
    """Why no server can be started here; empty where one can."""
    if binaries() is None:
        return "PostgreSQL's programs are not installed (Debian: apt-get install postgresql)"
    if shutil.which("setpriv") is None:
        return "setpriv (util-linux) is not installed"
    if os.geteuid() == 0 and OWNER not in {user.pw_name for user in pwd.getpwall()}:
        return f"root cannot run PostgreSQL, and there is no user {OWNER!r} to run it as"
    return ""


@dataclass(kw_only=True)
class Cluster:
    """A server that can be killed and started again; `restart` loses nothing."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    names: Iterator[int] = field(default_factory=count)

    def start(self) -> None:
        """Return when it takes connections."""
        log = (self.folder / "log").open("ab")
        words = ["postgres", "-D", str(self.folder / "data"), "-p", str(self.port)]
        # Nothing is synchronised: a killed process loses nothing by that, only a power cut would.
        self.process = _run([*words, "-h", "127.0.0.1", "-k", "", "-F"], log)
        log.close()
        end = monotonic() + START_S
        while not self._answers():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert monotonic() < end, "PostgreSQL does not answer"
            sleep(0.05)

    def kill(self) -> None:
        """End it with SIGQUIT: at once, connections cut off, to be recovered at the next start."""
        if self.process is not None:
            self.process.send_signal(3)
            self.process.wait()

    def schema(self) -> str:
        """The URL of an empty place for a ledger: a schema, far cheaper than a database."""
        name = f"test_{next(self.names)}"
        with self._connect() as connection:
            connection.execute(f"CREATE SCHEMA {name}".encode())
        return f"{self._url}/postgres?options=-csearch_path%3D{name}"

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"test_{next(self.names)}"
        with self._connect() as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return f"{self._url}/{name}"

    @property
    def _url(self) -> str:
        return f"postgresql://{OWNER}@127.0.0.1:{self.port}"

    def _connect(self) -> psycopg.Connection:
        where = {"host": "127.0.0.1", "port": self.port, "user": OWNER, "dbname": "postgres"}
        return psycopg.connect(**where, autocommit=True, connect_timeout=2)  # type: ignore[arg-type]

    def _answers(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A server with its databases, until the block ends, in whatever way."""
    folder = Path(tempfile.mkdtemp(prefix="athanor-postgres-"))
    if os.geteuid() == 0:
        shutil.chown(folder, OWNER)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        server = Cluster(folder=folder, port=probe.getsockname()[1])
    try:
        words = ["initdb", "-D", str(folder / "data"), "-U", OWNER, "-A", "trust", "-N"]
        made = _run([*words, "-E", "UTF8", "--locale=C"], subprocess.PIPE)
        said, _ = made.communicate(timeout=START_S)
        assert made.returncode == 0, said.decode()
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder)


def _run(words: list[str], out: IO[bytes] | int) -> subprocess.Popen[bytes]:
    """A program of PostgreSQL's, as somebody it allows, which ends when the tests are killed."""
    found = binaries()
    assert found is not None
    user = [f"--reuid={OWNER}", f"--regid={OWNER}", "--init-groups"] if os.geteuid() == 0 else []
    return subprocess.Popen(
        ["setpriv", *user, "--pdeathsig=QUIT", str(found / words[0]), *words[1:]],  # noqa: S607
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=subprocess.STDOUT,
        cwd="/",
    )
