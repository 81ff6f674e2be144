"""A real Prefect server for whoever asks: the configured one, the one that runs, or a new one.

Never Prefect's ephemeral mode: it was seen to lose a third of a run's history. The server that is
started here listens on loopback, keeps its database in PREFECT_HOME (`~/.prefect`), and ends by
itself when nobody uses it any more (`flows.server`).
"""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from time import monotonic, sleep
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener

import certifi
from prefect.client.orchestration import get_client
from prefect.context import refresh_global_settings_context
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, PREFECT_SERVER_API_PORT

from flows.desk import Desk, desk
from flows.versions import require
from loop.errors import LoopError

START_S = 120.0  # 7 to 12 s measured, 23 s on a busy machine
NEWER = "Can't locate revision identified by"  # says Alembic of a database that is ahead of it
TAIL = 600  # characters of the server's log that are shown when it does not start

SETTINGS = {
    "PREFECT_SERVER_API_HOST": "127.0.0.1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    # Leases in memory outlive a killed process for minutes; on disk they are freed.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
        "prefect.server.concurrency.lease_storage.filesystem"
    ),
}


# The terminal belongs to the progress bar: Prefect's own lines go to its server.
QUIET = {
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_INTERNAL_LOGGING_LEVEL": "CRITICAL",
    "DO_NOT_TRACK": "1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where Prefect is: `api` for programs, `ui` for people; `ours` if Athanor runs the server."""

    api: str
    ours: bool

    @property
    def ui(self) -> str:
        """The page to open in a browser."""
        return self.api.removesuffix("/api")


@contextmanager
def server() -> Iterator[Address]:
    """Prefect's address, for as long as the block lasts; LoopError where no server can be had.

    The address is valid at once; `wait` until it answers, and do something else meanwhile.
    """
    configured = PREFECT_API_URL.value()
    if configured:
        if not _answers_configured():
            raise LoopError(
                "PREFECT_API_URL",
                "a Prefect server that answers",
                f"none at {configured}",
                "Start it, unset PREFECT_API_URL to get one, or use athanor run --no-prefect.",
            )
        yield Address(api=configured, ours=False)
        return
    ours = desk(PREFECT_HOME.value())
    try:
        with ours.locked():
            ours.sign_in()
            running = ours.server()
            api = running[0] if running else _start(ours)
        yield Address(api=api, ours=True)
    finally:
        ours.sign_out()


def wait(address: Address) -> None:
    """Return when the server answers; LoopError, with the tail of its log, where it does not."""
    ours = desk(PREFECT_HOME.value())
    end = monotonic() + START_S
    while address.ours and (ours.server() is None or not _answers(address.api)):
        if ours.server() is None or monotonic() > end:
            raise _silent(address, ours.log)
        sleep(0.1)


def _silent(address: Address, log: Path) -> LoopError:
    """Why a server of ours does not answer, as far as its log says it."""
    said = log.read_text(errors="replace").strip()
    if NEWER in said:
        return LoopError(
            f"Prefect's database in {PREFECT_HOME.value()}",
            f"one that Prefect {version('prefect')} or an older one has made",
            "one of a newer Prefect",
            "Install that again; or move prefect.db away: campaigns go on from their ledgers.",
        )
    return LoopError(
        f"Prefect's server ({log})",
        f"an answer from {address.api} within {START_S:g} s",
        f"none. It said: {said[-TAIL:] or 'nothing'}",
        "Use athanor run --no-prefect, or start a server yourself and set PREFECT_API_URL.",
    )


@contextmanager
def connected(address: Address) -> Iterator[None]:
    """Make this process, all its threads and its children talk to that server."""
    before = os.environ.copy()
    os.environ |= {"PREFECT_API_URL": address.api} | QUIET
    if address.ours:
        kept = [each for each in (os.environ.get("NO_PROXY"), "127.0.0.1", "localhost") if each]
        os.environ["NO_PROXY"] = os.environ["no_proxy"] = ",".join(kept)
    if address.api.startswith("http:"):
        os.environ.setdefault("PREFECT_API_SSL_CERT_FILE", str(_certificate()))
    refresh_global_settings_context()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= before
        refresh_global_settings_context()


def _certificate() -> Path:
    """A file with one certificate in place of the whole world's, which http needs none of.

    Prefect makes two clients for every task run, each of which reads them all: 40 ms of CPU.
    """
    file = desk(PREFECT_HOME.value()).folder / "certificate.pem"
    end = "-----END CERTIFICATE-----"
    if not file.exists():
        world = Path(certifi.where()).read_text(encoding="utf-8")
        whole = file.with_suffix(f".{os.getpid()}")
        whole.write_text(f"{world.partition(end)[0]}{end}\n", encoding="utf-8")
        whole.replace(file)
    return file


def _answers_configured() -> bool:
    with get_client(sync_client=True) as client:
        return client.api_healthcheck() is None


def _answers(api: str) -> bool:
    """Whether a server on loopback is healthy; no proxy is asked."""
    try:
        with build_opener(ProxyHandler({})).open(f"{api}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def revive(address: Address) -> str:
    """Start our server again where it has ended; what had become of it, nothing if it lives."""
    ours = desk(PREFECT_HOME.value())
    if not address.ours or ours.server() is not None:
        return ""
    with ours.locked():
        was_lost = ours.is_lost
        if ours.server() is None:
            _start(ours, urlsplit(address.api).port)
    return "had lost its database" if was_lost else "had ended"


def _start(desk: Desk, port: int | None = None) -> str:
    """The address of a server that has just been started; the caller is alone at the desk.

    It is given a socket that listens already: two that begin at once never share a port.
    """
    require()
    with _listening(port) as listener:
        port = listener.getsockname()[1]
        api = f"http://127.0.0.1:{port}/api"
        own = {"PREFECT_SERVER_API_PORT": str(port), "PREFECT_API_URL": api}
        write = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        listener.set_inheritable(True)
        process = os.posix_spawn(
            sys.executable,
            [
                sys.executable,
                "-m",
                "flows.server",
                str(PREFECT_HOME.value()),
                f"{listener.fileno()}",
            ],
            os.environ | SETTINGS | own,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(desk.log), write, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,  # Ctrl-C is for the campaign: the server still has to write it down
        )
        desk.announce(api, process)
    return api


def _listening(port: int | None) -> socket.socket:
    """A socket on this port, or on Prefect's own where it is free, so that bookmarks last."""
    for each in (port,) if port else (PREFECT_SERVER_API_PORT.value(), 0):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # after a kill, at once
        try:
            listener.bind(("127.0.0.1", each))
            listener.listen()
        except OSError:
            listener.close()
            continue
        return listener
    raise LoopError(
        "Prefect's server",
        f"port {port} of 127.0.0.1 to be free" if port else "a free port on 127.0.0.1",
        "another program there" if port else "none",
        "End that program, or use athanor run --no-prefect.",
    )
