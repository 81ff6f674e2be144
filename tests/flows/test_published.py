"""What reaches a real Prefect server: artifacts in their places, moments once, and who is told."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.events.actions import DoNothing

from flows import artifacts
from flows.campaign import campaign, turn
from flows.folder import known
from flows.watching import index
from flows.watching.alerts import TITLES
from flows.watching.alerts import make as alerts
from flows.watching.contents import key
from flows.watching.moments import BEST, FINISHED, KINDS
from tests.flows.conftest import ROOT, lab
from tests.flows.waits import until

pytestmark = [
    pytest.mark.xdist_group("prefect"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


def latest(prefect, kind, folder, name="test"):
    """The newest artifact of a kind, or of a whole key."""
    of = kind if kind == index.KEY else key(kind, name, folder)
    wanted = {"artifacts": {"key": {"any_": [of]}}}
    found = httpx.post(f"{prefect.api}/artifacts/latest/filter", json=wanted).json()
    return {**found[0], "id": found[0]["latest_id"]} if found else None


def events(prefect, folder) -> list[dict[str, Any]]:
    """The moments of a campaign that the server has, oldest first."""
    wanted = {"filter": {"event": {"prefix": ["athanor."]}}}
    found = httpx.post(f"{prefect.api}/events/filter", json=wanted).json()["events"]
    return [each for each in reversed(found) if each["payload"]["folder"] == str(folder)]


def test_artifacts_stay_where_they_are(prefect, make):
    """Two flow runs, one page of each kind, brought up to date; links lead from one to another."""
    folder = make(evaluations=3)
    asyncio.run(turn(str(folder)))
    first = latest(prefect, "overview", folder)
    asyncio.run(campaign(str(folder)))
    second = latest(prefect, "overview", folder)
    assert first["id"] == second["id"]
    assert "**0 of 3 evaluations**" in first["data"]
    assert "**3 of 3 evaluations**" in second["data"]
    table, everything = latest(prefect, "observations", folder), latest(prefect, index.KEY, folder)
    assert f"[Observations](./{table['id']})" in second["data"]
    assert [r["candidate"] for r in json.loads(table["data"])] == list(known(folder)[0].candidates)
    assert f"[All campaigns](./{everything['id']})" in second["data"]
    assert f"[test](./{second['id']}) | 3 of 3 |" in everything["data"]
    assert latest(prefect, "progress", folder)["data"] == 100


def test_artifacts_that_were_deleted_are_made_again(prefect, make):
    """A server that was wiped, or a person who tidied up, loses no page for good."""
    folder = make(evaluations=8, seconds=0.2)

    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(asyncio.run, campaign(str(folder)))
        until(lambda: latest(prefect, "overview", folder))
        gone = latest(prefect, "overview", folder)["id"]
        page = f"{prefect.api}/artifacts/{gone}"
        until(lambda: httpx.delete(page).status_code in {204, 404})  # a busy server says 503
        running.result()
    again = latest(prefect, "overview", folder)
    assert again["id"] != gone
    assert "**8 of 8 evaluations**" in again["data"]


def test_a_moment_is_told_once(prefect, make, monkeypatch):
    """A run that begins again finds the same moments; what is no news is not told at all."""
    folder = make(evaluations=3)
    asyncio.run(campaign(str(folder)))
    until(lambda: any(each["event"] == FINISHED for each in events(prefect, folder)))
    told = [each["id"] for each in events(prefect, folder)]
    asyncio.run(campaign(str(folder)))
    late = make("late", evaluations=3)
    monkeypatch.setattr(artifacts, "NEWS", timedelta(0))
    asyncio.run(campaign(str(late)))
    asyncio.run(asyncio.sleep(6))  # the server keeps events after 5 s at the latest
    assert [each["id"] for each in events(prefect, folder)] == told
    assert {each["event"] for each in events(prefect, folder)} == {BEST, FINISHED}
    assert events(prefect, late) == []


@contextmanager
def hook() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A webhook's address, and what it was told."""
    told: list[dict[str, str]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", told
        server.shutdown()


@pytest.mark.usefixtures("prefect")
def test_alerts_are_made_once_and_off():
    """One for each moment; what a person has changed in the UI stays."""
    first = alerts()
    assert [each.name for each in first] == list(TITLES.values())
    assert not any(each.on for each in first)
    with get_client(sync_client=True) as client:
        (one,) = client.read_automations_by_name(first[0].name)
        client.resume_automation(one.id)
        again = alerts()
        assert [each.on for each in again] == [True, False, False, False, False]
        assert len(client.read_automations_by_name(first[0].name)) == 1
        assert isinstance(one.actions[0], DoNothing)


# Whatever is asked, the first answer is the best, every third one fails, and nothing can be learnt.
NOISE = """
from pathlib import Path
from oracles.function import Refusal

CALLS = Path(__file__).with_name("calls.txt")

def measure(x):
    n = len(CALLS.read_text()) if CALLS.exists() else 0
    CALLS.write_text("x" * (n + 1))
    if n % 3 == 2:
        raise Refusal("infeasible", "it broke")
    return 99.0 if n == 0 else float(n * 7 % 11)
"""


def test_every_moment_is_told_once_by_its_automation(prefect, make, athanor, tmp_path):
    """Two campaigns go through all five: each is one event, and one call of the webhook."""
    noise = make(evaluations=12, proposer="bayes")
    (noise / "measure.py").write_text(NOISE)
    furnace = lab(tmp_path / "lab")
    with hook() as (url, told):
        made = athanor("alerts", "--webhook", url, "--on")
        assert made.out.count("on   Athanor: ") == len(TITLES)
        asyncio.run(campaign(str(noise)))
        asyncio.run(turn(str(furnace)))
        until(lambda: {each["moment"] for each in told} == set(KINDS))
        until(lambda: len(told) == len(events(prefect, noise)) + len(events(prefect, furnace)))
        alerts(on=False)
    sent = [*events(prefect, noise), *events(prefect, furnace)]
    assert sorted(each["event"] for each in sent) == sorted(KINDS)
    words = [(each["event"], f"test: {each['payload']['said']}") for each in sent]
    assert sorted((each["moment"], each["text"]) for each in told) == sorted(words)
    said = " ".join(each["text"] for each in told)
    for part in ("waits for 2 results of people", "answers are failures", "does not predict y"):
        assert part in said
    (end,) = [each for each in told if each["moment"] == FINISHED]
    page = latest(prefect, "overview", noise)["id"]
    assert end["overview"] == f"{prefect.ui}/v2/artifacts/artifact/{page}"


@contextmanager
def mailbox() -> Iterator[tuple[int, list[str]]]:
    """The port of a mail server, and the mails that it was handed."""
    mails: list[str] = []

    class Mail(StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            for line in self.rfile:
                word = line.strip().upper()
                if word == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    mails.append("".join(iter(lambda: self.rfile.readline().decode(), ".\r\n")))
                self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")

    with ThreadingTCPServer(("127.0.0.1", 0), Mail) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], mails
        server.shutdown()


def test_the_example_of_the_docs_sends_mail(prefect, make, tmp_path):
    """docs/prefect.md, as it stands there: who, what, and where to look, for every moment."""
    page = (ROOT / "docs" / "prefect.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    with mailbox() as (port, mails):
        script = tmp_path / "mailing.py"
        script.write_text(code.replace('("localhost", 25)', f'("127.0.0.1", {port})'))
        environment = os.environ | {"PREFECT_API_URL": prefect.api}
        process = subprocess.Popen([sys.executable, str(script)], env=environment)
        try:
            asyncio.run(campaign(str(make(evaluations=3))))
            until(lambda: any("Subject: test: Ended: budget: 3" in each for each in mails), 60)
        finally:
            process.kill()
            process.wait()
    assert any("New best: y" in mail and "/v2/artifacts/artifact/" in mail for mail in mails)
