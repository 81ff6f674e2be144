"""A server as oracle: asked by the candidate's id, waited for, and never for ever."""

import json
import socket
import time
from threading import Thread

import pytest

from loop.errors import OracleError
from loop.objective import Objective, Target
from loop.records import Failed
from oracles.service import Service
from oracles.testing import candidates
from tests.oracles.server import server, value

OBJECTIVE = Objective(targets=(Target(name="strength", unit="MPa"),))
(ASKED,) = candidates({"T": 500.0, "alloy": {"Cu": 0.25, "Au": 0.75}})
DONE = value({"values": {"strength": 4.0}})


def service(url, folder, **settings) -> Service:
    """The oracle of a server."""
    said = {"url": url, "objective": OBJECTIVE, "folder": folder, "poll_s": 0.02, "wall_s": 10.0}
    return Service(**said | settings)


def ask(oracle):
    """The one answer to one candidate."""
    (answer,) = oracle.collect([ASKED])
    return answer


def test_it_is_posted_once_and_asked_for_until_it_comes(tmp_path):
    """One question with the id as its key, then looks at the address of the candidate."""
    with server(lambda _, look: DONE if look == 3 else value({}, 202)) as served:
        answer = ask(service(served.url, tmp_path))
    assert answer.values == {"strength": 4.0}
    assert [(method, path) for method, path, *_ in served.requests] == [
        ("POST", "/candidates"),
        ("GET", f"/candidates/{ASKED.id}"),
        ("GET", f"/candidates/{ASKED.id}"),
    ]
    assert {key for _, _, key, _ in served.requests} == {ASKED.id}
    assert served.questions[ASKED.id]["point"] == ASKED.point
    assert served.questions[ASKED.id]["targets"] == {"strength": "MPa"}


def test_it_is_asked_where_the_server_says(tmp_path):
    """A Location counts, whole or relative."""
    place = {"Location": f"/elsewhere/{ASKED.id}"}
    with server(lambda _, look: DONE if look == 2 else (202, place, b"")) as served:
        ask(service(served.url, tmp_path))
    assert served.requests[1][1] == f"/elsewhere/{ASKED.id}"


@pytest.mark.parametrize("status", [409, 425, 429, 502, 503, 504])
def test_a_busy_server_is_asked_again(tmp_path, status):
    """With the same key, so that nothing is done twice."""
    with server(lambda _, look: DONE if look == 3 else (status, {}, b"")) as served:
        assert ask(service(served.url, tmp_path)).values == {"strength": 4.0}
    assert {key for _, _, key, _ in served.requests} == {ASKED.id}


def test_what_a_server_has_forgotten_is_posted_again(tmp_path):
    """A server that was restarted, and says 404 where it said 202 before."""
    replies = {1: value({}, 202), 2: (404, {}, b"")}
    with server(lambda _, look: replies.get(look, DONE)) as served:
        assert ask(service(served.url, tmp_path)).values == {"strength": 4.0}
    assert [method for method, *_ in served.requests] == ["POST", "GET", "POST"]


def free_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_server_that_comes_back_is_waited_for(tmp_path):
    """No connection is no failure as long as there is time."""
    port, answers = free_port(), []
    oracle = service(f"http://127.0.0.1:{port}/candidates", tmp_path)
    thread = Thread(target=lambda: answers.append(ask(oracle)))
    thread.start()
    time.sleep(0.3)
    with server(lambda *_: DONE, port):
        thread.join()
    assert [answer.values for answer in answers] == [{"strength": 4.0}]


@pytest.mark.parametrize("limit", ["wall_s", "patience_s"])
def test_a_server_that_is_gone_is_a_timeout(tmp_path, limit):
    """At the end of patience: the same point may be asked again, later."""
    oracle = service(f"http://127.0.0.1:{free_port()}/", tmp_path, **{limit: 0.3})
    began = time.monotonic()
    answer = ask(oracle)
    assert time.monotonic() - began < 2.0
    assert isinstance(answer, Failed)
    assert answer.kind == "timeout"
    assert "ConnectError" in answer.message


def test_patience_is_not_for_a_server_that_is_at_it(tmp_path):
    """It answers every look: only the wall limit ends that."""
    began = time.monotonic()
    with server(lambda *_: value({}, 202)) as served:
        answer = ask(service(served.url, tmp_path, wall_s=0.8, patience_s=0.1))
    assert 0.7 < time.monotonic() - began < 3.0
    assert (answer.kind, "it is still at it" in answer.message) == ("timeout", True)


def test_what_it_said_last_is_told_when_it_falls_silent(tmp_path):
    """Both why the last request failed and what was known before."""

    def says(_question, look):
        if look > 1:
            time.sleep(0.7)
        return value({}, 202)

    with server(says) as served:
        answer = ask(service(served.url, tmp_path, wall_s=0.5))
    assert "it is still at it, then ReadTimeout" in answer.message


def test_a_silent_server_does_not_hold_us(tmp_path):
    """One that takes the question and never replies is left at the wall limit."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        began = time.monotonic()
        answer = ask(service(url, tmp_path, wall_s=0.5))
    assert time.monotonic() - began < 2.5
    assert (answer.kind, "ReadTimeout" in answer.message) == ("timeout", True)


@pytest.mark.parametrize(
    ("reply", "kind", "says"),
    [
        ((400, {}, b"what?"), "invalid_input", "said 400"),
        ((401, {}, b""), "invalid_input", "said 401"),
        ((404, {}, b""), "invalid_input", "said 404"),
        ((408, {}, b""), "timeout", "said 408"),
        ((418, {}, b"a teapot"), "infeasible", "said 418"),
        ((301, {"Location": "/new"}, b""), "invalid_input", "said 301"),
        ((500, {}, b"Traceback"), "crashed", "said 500"),
        ((200, {}, b"<html>"), "invalid_output", "expected an answer in JSON, got '<html>'"),
        ((200, {}, b'{"values": {}}'), "invalid_output", "got none for strength"),
        ((200, {}, b" " * 2_000_000), "invalid_output", "at most 1 MB"),
        (value({"failed": "infeasible", "message": "it melts"}), "infeasible", "it melts"),
    ],
)
def test_a_reply_without_a_value_has_its_kind(tmp_path, reply, kind, says):
    """By status, or by what is said; the end of what was said is the log."""
    with server(lambda *_: reply) as served:
        answer = ask(service(served.url, tmp_path, statuses={418: "infeasible"}))
    assert isinstance(answer, Failed)
    assert (answer.kind, says in answer.message) == (kind, True)
    assert answer.log.encode() in reply[2]


def test_a_status_may_mean_something_else(tmp_path):
    """Also one that would be waited for."""
    with server(lambda *_: (503, {}, b"")) as served:
        assert ask(service(served.url, tmp_path, statuses={503: "crashed"})).kind == "crashed"


def test_a_token_is_sent_and_not_shown(tmp_path):
    """It is read from its file: nothing that is put on record holds it."""
    (tmp_path / "token.txt").write_text("secret\n")
    with server(lambda *_: DONE) as served:
        oracle = service(served.url, tmp_path, token="token.txt")  # noqa: S106  (a file)
        answer = ask(oracle)
    assert served.requests[0][3] == "Bearer secret"
    assert "secret" not in repr(oracle) + repr(answer)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"url": "localhost:80"}, r"oracle.url: expected an address such as"),
        ({"url": "ftp://host/"}, r"oracle.url: expected an address such as"),
        ({"url": "http://host:port/"}, r"oracle.url: expected an address, got "),
        ({"poll_s": 0.0}, r"oracle.poll_s: expected a number of seconds above 0, got 0"),
        ({"statuses": {200: "crashed"}}, r"oracle.statuses: expected HTTP statuses from 400"),
        ({"statuses": {422: "sad"}}, r"oracle.statuses.422: expected one of infeasible"),
        ({"token": "none.txt"}, r"oracle.token 'none.txt': expected a file that holds a token"),
    ],
)
def test_what_can_never_be_asked_is_refused_at_once(tmp_path, settings, message):
    """One sentence, before anything is asked."""
    with pytest.raises(OracleError, match=message):
        service(**{"url": "http://localhost/", "folder": tmp_path} | settings)


def test_the_question_is_what_is_documented(tmp_path):
    """Id, point, targets with their units."""
    with server(lambda *_: DONE) as served:
        ask(service(served.url, tmp_path))
    assert set(served.questions[ASKED.id]) == {"id", "point", "targets"}
    assert json.dumps(served.questions[ASKED.id])
