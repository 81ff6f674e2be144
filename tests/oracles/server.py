"""A real server on this machine, for the http oracle: it keeps what it was asked, by the key."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TypeAlias

from loop.records import Json

# What it says to a question at the n-th look: a status, headers, and a body.
Reply: TypeAlias = tuple[int, dict[str, str], bytes]
Says: TypeAlias = Callable[[Json, int], Reply]


def value(body: Json, status: int = 200) -> Reply:
    """A reply in JSON."""
    return status, {"Content-Type": "application/json"}, json.dumps(body).encode()


@dataclass
class Served:
    """Where the server is, and what it has been asked: (method, path, key, authorization)."""

    url: str
    requests: list[tuple[str, str, str | None, str | None]] = field(default_factory=list)
    questions: dict[str, Json] = field(default_factory=dict)
    looks: dict[str, int] = field(default_factory=dict)


@contextmanager
def server(says: Says, port: int = 0) -> Iterator[Served]:
    """A server that says this, at /candidates."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            served.questions[asked["id"]] = asked
            self.reply(asked["id"])

        def do_GET(self) -> None:
            self.reply(self.path.rpartition("/")[2])

        def reply(self, candidate: str) -> None:
            key, authorization = self.headers["Idempotency-Key"], self.headers["Authorization"]
            served.requests.append((self.command, self.path, key, authorization))
            served.looks[candidate] = served.looks.get(candidate, 0) + 1
            status, headers, body = says(served.questions[candidate], served.looks[candidate])
            self.send_response(status)
            for name, said in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, said)
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as running:
        served = Served(f"http://127.0.0.1:{running.server_port}/candidates")
        thread = Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield served
        finally:
            running.shutdown()
            thread.join()
