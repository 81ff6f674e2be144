"""The desk where users of a Prefect server sign in and out: a folder in Prefect's home, per host.

server.json    address and worker name of the one server that Athanor runs here
users/...      a file per user, which holds its worker name; a user that was killed counts no more
lock           held while either is changed: the kernel frees it when its holder dies
naming         held likewise while a deployment is made, and its name may still be free
server.log     what the server says
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flows.worker import HOST, lives_here, name

LOST = "The database of this server was deleted or replaced: it ends."  # its last line


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The desk of this host."""

    folder: Path

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.folder / "server.log"

    @contextmanager
    def locked(self, what: str = "lock") -> Iterator[None]:
        """Alone at the desk, or at what else only one may do at a time."""
        with (self.folder / what).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def sign_in(self) -> None:
        """Count this process among the users."""
        _write(self._card, name())

    def sign_out(self) -> None:
        """Count it no more."""
        self._card.unlink(missing_ok=True)

    def has_users(self) -> bool:
        """Whether anybody who signed in still runs; the others are signed out."""
        alive = False
        for card in (self.folder / "users").iterdir():
            if lives_here(_read(card)):
                alive = True
            else:
                card.unlink(missing_ok=True)
        return alive

    def server(self) -> tuple[str, str] | None:
        """Address and worker name of the server, if its process lives."""
        try:
            noted = json.loads(self._note.read_text())
            api, worker = str(noted["api"]), str(noted["worker"])
        except (OSError, ValueError, KeyError):
            return None
        return (api, worker) if lives_here(worker) else None

    def announce(self, api: str, process: int) -> None:
        """Note the server that has just been started."""
        _write(self._note, json.dumps({"api": api, "worker": name(process)}))

    @property
    def is_lost(self) -> bool:
        """Whether the last server ended because its database was no longer there."""
        return self.log.exists() and self.log.read_text(errors="replace").rstrip().endswith(LOST)

    def withdraw(self) -> None:
        """Take the server's address off the desk."""
        self._note.unlink(missing_ok=True)

    @property
    def _note(self) -> Path:
        return self.folder / "server.json"

    @property
    def _card(self) -> Path:
        return self.folder / "users" / name().replace("/", "-")


def _read(card: Path) -> str:
    """What it says; nothing where its owner has just taken it away."""
    try:
        return card.read_text()
    except FileNotFoundError:
        return ""


def _write(card: Path, text: str) -> None:
    """Whole or not at all: the server reads at any moment."""
    whole = card.parent.parent / f".{card.name}.{os.getpid()}"
    whole.write_text(text)
    whole.replace(card)


def desk(home: Path) -> Desk:
    """The desk of this host in Prefect's home: a server on loopback is of use to nobody else."""
    folder = home / "athanor" / HOST
    (folder / "users").mkdir(parents=True, exist_ok=True)
    return Desk(folder=folder)
