"""A server as an oracle: a candidate is posted over HTTP, and its answer asked for until it comes.

    POST url                   {"id": "0007-kzf", "point": ...}     header Idempotency-Key: 0007-kzf
    -> 200 and the answer; or 202, with a Location to ask at, or none
    GET url/0007-kzf           until it says 200 and the answer, 202 meanwhile

What is asked and answered is as in `oracles.answers`. The key lets a server that was asked before,
by an attempt that was cut off, go on with what it has begun. A server that is gone or busy (no
connection, 409, 425, 429, 502, 503, 504) is waited for; one that has forgotten a candidate (404) is
asked again. Proxies named in the environment are not used, and no redirection is followed.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from math import isfinite
from pathlib import Path
from types import MappingProxyType
from typing import get_args

import httpx

from loop.errors import OracleError
from loop.objective import Objective
from loop.protocols import Declaration
from loop.records import Candidate, Failed, Kind, Measured, Observation, Source
from oracles.answers import MOST_BYTES, asked, invalid, read

NAME = "http"
LOG_TAIL = 4000  # characters
ANSWERED = frozenset({200, 201})
WORKING = frozenset({202, 204})
BUSY = frozenset({409, 425, 429, 502, 503, 504})  # 409: the same key is being worked on
# Others below 500 are `invalid_input`, the same for every candidate; others above are `crashed`.
STATUSES: Mapping[int, Kind] = MappingProxyType({408: "timeout"})


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server said to one request: status, content, and where to ask on."""

    status: int
    content: bytes
    location: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Asks a server for each candidate.

    `url` is where candidates are posted. An answer is waited for `wall_s` seconds and asked for
    every `poll_s`; one request may take `request_s`; a server that is gone is waited for
    `patience_s`, or as long as an answer. `statuses` says which failure an HTTP status means.
    `token` is a file in `folder`, the campaign folder, that holds a bearer token: settings are put
    on record, a secret must not be.
    """

    url: str
    objective: Objective
    folder: Path
    wall_s: float = 600.0
    poll_s: float = 2.0
    request_s: float = 30.0
    patience_s: float | None = None
    statuses: Mapping[int, Kind] = field(default_factory=dict)
    token: str = ""

    def __post_init__(self) -> None:
        """Raise OracleError for an address, a limit, a status or a token that cannot be used."""
        for name in ("wall_s", "poll_s", "request_s", "patience_s"):
            limit = getattr(self, name)
            if limit is not None and not (isfinite(limit) and limit > 0):
                raise OracleError(f"oracle.{name}", "a number of seconds above 0", f"{limit:g}")
        for status, kind in self.statuses.items():
            if not 400 <= status < 600:
                raise OracleError("oracle.statuses", "HTTP statuses from 400 to 599", str(status))
            if kind not in get_args(Kind):
                expected = f"one of {', '.join(get_args(Kind))}"
                raise OracleError(f"oracle.statuses.{status}", expected, repr(kind))
        try:
            url = httpx.URL(self.url)
        except httpx.InvalidURL as error:
            raise OracleError("oracle.url", "an address", f"{self.url!r}: {error}") from error
        if url.scheme not in {"http", "https"} or not url.host:
            raise OracleError("oracle.url", "an address such as 'http://host/path'", repr(self.url))
        _ = self._headers

    @property
    def declaration(self) -> Declaration:
        """It measures what the objective names; asking again is harmless, by the key."""
        return Declaration(name=NAME, measures=self.objective.units, wall_s=self.wall_s)

    def submit(self, candidates: Sequence[Candidate]) -> None:
        """Do nothing: a candidate is posted when its answer is collected."""

    def collect(self, pending: Sequence[Candidate]) -> tuple[Observation, ...]:
        """Ask for each candidate, one after the other."""
        if not pending:
            return ()
        with httpx.Client(headers=self._headers, timeout=self.request_s, trust_env=False) as client:
            return tuple(self._answer(candidate, client) for candidate in pending)

    @property
    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if not self.token:
            return headers
        try:
            token = (self.folder / self.token).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            where, got = f"oracle.token {self.token!r}", str(error)
            raise OracleError(where, "a file that holds a token", got) from error
        return headers | {"Authorization": f"Bearer {token}"}

    def _answer(self, candidate: Candidate, client: httpx.Client) -> Observation:
        began = heard = time.monotonic()
        place = ""  # where to ask on, once the server has the candidate
        said = trouble = ""  # by the server, last; and of the request after it, where it failed
        while (left := began + self.wall_s - time.monotonic()) > 0:
            match self._ask(candidate, client, place, left):
                case str(trouble):
                    if time.monotonic() - heard >= (self.patience_s or self.wall_s):
                        break
                case Reply(status=HTTPStatus.NOT_FOUND) if place:
                    heard, place = time.monotonic(), ""
                    said, trouble = "it has forgotten the candidate", ""
                case Reply(status=status, location=location) if status in WORKING:
                    heard, said, trouble = time.monotonic(), "it is still at it", ""
                    place = location or place or f"{self.url.rstrip('/')}/{candidate.id}"
                case Reply(status=status) if status in BUSY - self.statuses.keys():
                    heard, said, trouble = time.monotonic(), f"it is busy, status {status}", ""
                case Reply() as reply:
                    return self._judged(candidate, reply, self._source(began))
            left = began + self.wall_s - time.monotonic()
            time.sleep(max(0.0, min(self.poll_s, left)))
        why = ", then ".join(filter(None, (said, trouble)))
        message = f"no answer from {self.url} in {time.monotonic() - began:.3g} s: {why}"
        return Failed(
            candidate=candidate.id, kind="timeout", message=message, source=self._source(began)
        )

    def _ask(
        self, candidate: Candidate, client: httpx.Client, place: str, left: float
    ) -> Reply | str:
        """The reply to one request within `left` seconds, or why there is none."""
        end = time.monotonic() + min(self.request_s, left)
        method, content = ("GET", None) if place else ("POST", asked(candidate, self.objective))
        try:
            with client.stream(
                method,
                place or self.url,
                content=content,
                headers={"Idempotency-Key": candidate.id},
                timeout=min(self.request_s, left),
            ) as response:
                received = _received(response, end)
            location = response.headers.get("Location", "")
            url = str(httpx.URL(self.url).join(location)) if location else ""
        except (httpx.RequestError, httpx.InvalidURL) as error:
            return f"{type(error).__name__} ({error})"
        if received is None:
            return f"half a reply within {self.request_s:g} s"
        return Reply(response.status_code, received, url)

    def _judged(self, candidate: Candidate, reply: Reply, source: Source) -> Observation:
        """What a reply that is the last has come to."""
        if len(reply.content) > MOST_BYTES:
            message = f"expected an answer of at most {MOST_BYTES / 1e6:g} MB, got more"
            return invalid(candidate, message, source)
        log = reply.content[-LOG_TAIL:].decode(errors="replace")
        if reply.status in ANSWERED:
            answer = read(reply.content, candidate, self.objective, source)
            return answer if isinstance(answer, Measured) else replace(answer, log=log)
        usual: Kind = "crashed" if reply.status >= 500 else "invalid_input"
        kind = {**STATUSES, **self.statuses}.get(reply.status, usual)
        message = f"{self.url} said {reply.status} to {candidate.id}"
        return Failed(candidate=candidate.id, kind=kind, message=message, source=source, log=log)

    def _source(self, began: float) -> Source:
        return Source(oracle=NAME, seconds=time.monotonic() - began)


def _received(response: httpx.Response, end: float) -> bytes | None:
    """The content, or as much as shows that it is too much; None where it is not whole in time."""
    received = b""
    for part in response.iter_bytes():
        received += part
        if len(received) > MOST_BYTES:
            return received
        if time.monotonic() > end:
            return None
    return received
