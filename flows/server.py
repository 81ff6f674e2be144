"""The process of Prefect's server: `python -m flows.server DESK PORT`, started by `flows.serve`.

It serves as long as anybody uses it. Users sign in and out on a desk, a folder with one file per
user that holds its worker name; a user that was killed is no longer counted. So the server outlives
neither a kill -9 nor the last of several runs, and no user has to know of another.

    desk/server.json    address and worker name of the one server
    desk/users/...      who uses it
    desk/lock           held while either is changed: the kernel frees it when its holder dies
    desk/server.log     what the server says
"""

import fcntl
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep

import uvicorn

from flows.worker import lives_here, name

LOOK_S = 1.0
LINGER_S = 20.0  # it writes down what the last user reported: seen to lag 5 s behind 200 tasks


@contextmanager
def locked(desk: Path) -> Iterator[None]:
    """Alone at the desk."""
    with (desk / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def has_users(desk: Path) -> bool:
    """Whether anybody who signed in still runs; the others are signed out."""
    alive = False
    for user in (desk / "users").iterdir():
        if lives_here(user.read_text()):
            alive = True
        else:
            user.unlink(missing_ok=True)
    return alive


def serve(desk: Path, port: int) -> None:
    """Prefect's API, its UI and its services on loopback, until nobody has used them for a while."""
    from prefect.server.api.server import create_app  # noqa: PLC0415  (three seconds: the door is watched first)

    config = uvicorn.Config(
        create_app(final=True), "127.0.0.1", port, log_level="warning", timeout_graceful_shutdown=5
    )
    server = uvicorn.Server(config)
    threading.Thread(target=_close_when_unused, args=(desk, server), daemon=True).start()
    server.run()


def _close_when_unused(desk: Path, server: uvicorn.Server) -> None:
    """Stop the server when it has had no user for LINGER_S, or is not the desk's server."""
    unused = 0.0
    while unused < LINGER_S or not _resign(desk):
        sleep(LOOK_S)
        if not _is_ours(desk):
            break
        unused = 0.0 if has_users(desk) else unused + LOOK_S
    server.should_exit = True


def _resign(desk: Path) -> bool:
    """Take the address off the desk, unless somebody has just signed in."""
    with locked(desk):
        if has_users(desk):
            return False
        (desk / "server.json").unlink(missing_ok=True)
        return True


def _is_ours(desk: Path) -> bool:
    try:
        return bool(json.loads((desk / "server.json").read_text())["worker"] == name())
    except (OSError, ValueError, KeyError):
        return False


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
