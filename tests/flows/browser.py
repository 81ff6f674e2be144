"""A real browser, Debian's Chromium, driven over the DevTools protocol: no driver, no node."""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from websockets.sync.client import connect
from websockets.sync.connection import Connection

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
STARTS_S, SHOWS_S = 60.0, 60.0  # on a busy machine


class Page:
    """A tab."""

    def __init__(self, socket: Connection) -> None:
        """Of the browser that listens there."""
        self._socket = socket
        self._numbers = count(1)

    def open(self, url: str, *expected: str) -> str:
        """The text of a page once it says all that is expected."""
        self.call("Page.navigate", url=url)
        return self.see(*expected)

    def see(self, *expected: str) -> str:
        """The text of the page that is open, once it says all that is expected."""
        end = time.monotonic() + SHOWS_S
        text = ""
        while time.monotonic() < end:
            text = self.evaluate("document.body ? document.body.innerText : ''") or ""
            if all(each in text for each in expected):
                return text
            time.sleep(0.3)
        missing = [each for each in expected if each not in text]
        raise AssertionError(f"the page does not say {missing} but: {text}")

    def click(self, text: str) -> None:
        """Click, as a mouse does, what says exactly this: a link, a button, a tab."""
        click = (
            "(() => { const found = [...document.querySelectorAll('a, button, [role=tab], li')]"
            f".filter(e => e.innerText && e.innerText.trim() === {json.dumps(text)});"
            "if (!found.length) return false;"
            "found[0].dispatchEvent(new MouseEvent('mousedown', {bubbles: true}));"
            "found[0].click(); return true })()"
        )
        end = time.monotonic() + SHOWS_S
        while not (clicked := self.evaluate(click)) and time.monotonic() < end:
            time.sleep(0.3)
        assert clicked, f"nothing to click says {text!r}"

    def link(self, text: str) -> str:
        """Where the link leads that says exactly this, once there is one."""
        saying = f"[...document.links].find(a => a.innerText.trim() === {json.dumps(text)})"
        end = time.monotonic() + SHOWS_S
        while not (found := self.evaluate(f"({saying} || {{}}).href")) and time.monotonic() < end:
            time.sleep(0.3)
        return str(found)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return found["result"].get("value")

    def shoot(self, path: Path, height: int = 0) -> None:
        """The page as it is seen, as PNG."""
        if height:
            self.size(height)
        time.sleep(1.0)  # what fades in has come
        shot = self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(shot["data"]))

    def size(self, height: int) -> None:
        """The part of a page that is seen, 1200 pixels wide."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=1200,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def call(self, method: str, **parameters: object) -> Any:
        """The result of a command of the DevTools protocol."""
        number = next(self._numbers)
        said = {"id": number, "method": method, "params": parameters}
        self._socket.send(json.dumps(said))
        while True:
            answer = json.loads(self._socket.recv(timeout=SHOWS_S))
            if answer.get("id") != number:
                continue
            if "navigated" in str(answer.get("error")):  # a link is on its way
                return {"result": {}}
            assert "error" not in answer, answer
            return answer["result"]


@contextmanager
def browser(profile: Path) -> Iterator[Page]:
    """A tab of a headless Chromium of its own, which asks nothing of the internet."""
    assert CHROMIUM is not None
    options = [
        "--headless=new",
        "--no-sandbox",  # root in a container has none
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
        "--remote-debugging-port=0",
        f"--user-data-dir={profile}",
        "--window-size=1200,900",
        "about:blank",
    ]
    process = subprocess.Popen(
        [CHROMIUM, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        with connect(_tab(profile), max_size=None, open_timeout=STARTS_S) as socket:
            yield Page(socket)
    finally:
        process.terminate()
        process.wait(20)


def _tab(profile: Path) -> str:
    """Where the first tab listens."""
    noted = profile / "DevToolsActivePort"
    end = time.monotonic() + STARTS_S
    while not (noted.exists() and noted.read_text().strip()) and time.monotonic() < end:
        time.sleep(0.1)
    port = noted.read_text().split()[0]
    with urlopen(Request(f"http://127.0.0.1:{port}/json/new?about:blank", method="PUT")) as answer:
        return str(json.load(answer)["webSocketDebuggerUrl"])
