"""The process of Prefect's server: `python -m flows.server HOME SOCKET`, started by `flows.serve`.

It serves as long as anybody uses it, and a while longer. So it outlives neither a kill -9 nor the
last of several runs, and no user has to know of another. It ends at once where its database is
deleted or another one put in its place: it would go on with a file that nobody finds again.
"""

import os
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from time import sleep

import sqlalchemy as sa
import uvicorn
from prefect.server.api.server import create_app
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flows.desk import LOST, Desk, desk
from flows.worker import name

LOOK_S = 1.0
END_S = 30.0  # of which it takes two or three
LINGER_S = 20.0  # it writes down what the last user reported: seen to lag 5 s behind 200 tasks


def serve(desk: Desk, listener: socket.socket) -> None:
    """Prefect's API, UI and services on a socket, until nobody has used them for a while."""
    port = listener.getsockname()[1]
    app = _discreet(create_app(final=True), f"http://127.0.0.1:{port} ws://127.0.0.1:{port}")
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    threading.Thread(target=_close_when_unused, args=(desk, server), daemon=True).start()
    server.run(sockets=[listener])
    if not server.started:
        os._exit(1)  # Prefect's threads would keep it for minutes, and whoever waits for it


def _discreet(app: ASGIApp, api: str) -> ASGIApp:
    """The app, whose pages ask nobody but this server.

    Prefect's new UI asks amplitude.com for settings, whatever the server's settings say.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = f"connect-src 'self' {api}"
            await send(message)

        await app(scope, receive, tell)

    return answer


def _close_when_unused(desk: Desk, server: uvicorn.Server) -> None:
    """Stop the server when it has had no user for LINGER_S, or is not the one on the desk."""
    unused, file, opened = 0.0, _database(), None
    with suppress(FileNotFoundError):  # its home has been deleted
        while _is_ours(desk) and (unused < LINGER_S or not _resign(desk)):
            sleep(LOOK_S)
            opened = opened or _number(file)
            if opened != _number(file):
                print(LOST, flush=True)  # noqa: T201
                os._exit(1)
            unused = 0.0 if desk.has_users() else unused + LOOK_S
    server.should_exit = True
    sleep(END_S)
    os._exit(1)  # Prefect's services may wait for ever for a database that was deleted


def _database() -> Path | None:
    """The file of its database; None where that is a server."""
    url = sa.engine.make_url(PREFECT_API_DATABASE_CONNECTION_URL.value())
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def _number(file: Path | None) -> int | None:
    """What tells a file from another of its name; None where there is none."""
    try:
        return file.stat().st_ino if file else None
    except FileNotFoundError:
        return None


def _resign(desk: Desk) -> bool:
    """Take the address off the desk, unless somebody has just signed in."""
    with desk.locked():
        if desk.has_users():
            return False
        desk.withdraw()
        return True


def _is_ours(desk: Desk) -> bool:
    noted = desk.server()
    return noted is not None and noted[1] == name()


if __name__ == "__main__":
    serve(desk(Path(sys.argv[1])), socket.socket(fileno=int(sys.argv[2])))
