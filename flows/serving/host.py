"""The process of `athanor serve`: Prefect's runner, a porter per campaign, and a server that lasts.

What it needs to know after it was killed is in the ledgers: the same command goes on.
"""

import asyncio
import logging
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic, sleep

from httpx import HTTPError
from prefect.client.schemas.objects import State
from prefect.exceptions import PrefectException
from prefect.logging.handlers import PrefectConsoleHandler
from prefect.runner import Runner
from prefect.states import Cancelled

from flows.serve import Address, revive, wait
from flows.serving.porter import Porter, Say
from flows.terminal import in_background
from flows.tidying import bury, is_gone, settle
from loop.errors import LoopError

POLL_S = 2.0  # how often Prefect's runner looks for runs that are due; its default is 10
WATCH_S = 2.0  # how often to look whether our server lives
STOP_S = 40.0  # Prefect kills after 30 s what does not end
ENDED: State[None] = Cancelled(
    message="`athanor serve` was ended; it goes on with it when it begins again."
)
TIDY_S = 60.0  # how often to look for runs that were killed


@dataclass(slots=True, kw_only=True)
class Host:
    """Serves campaigns at a server until it is told to end."""

    address: Address
    porters: Sequence[Porter]
    say: Say
    runner: Runner = field(init=False)

    def open(self) -> None:
        """Put what a kill has left behind in order, and make the deployments."""
        _quieten()
        self.runner = _runner()
        bury()
        for porter in self.porters:
            porter.attempt(self.runner)

    def serve(self) -> None:
        """See to runs until the process is told to end; what is in flight is then given up."""
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            for porter in self.porters:
                in_background(partial(porter.attend, lambda: self.runner))
            in_background(self._keep)
            in_background(self._run).result()
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            with suppress(Exception):  # a runner that does not end so is ended with this process
                self.runner.execute_in_background(self.runner.astop).result(STOP_S)
            settle(is_gone, ENDED)

    def _run(self) -> None:
        """Run Prefect's runner, and another one where it has given up.

        Not in the main thread: there it would answer signals, and leave its runs behind.
        """
        while True:
            try:
                asyncio.run(self.runner.start())
            except (HTTPError, PrefectException, RuntimeError, OSError) as error:
                self.say(f"Prefect's server was away ({type(error).__name__}); it is waited for")
            self._wait()
            self.runner = _runner()
            for porter in self.porters:
                porter.deployment = None

    def _wait(self) -> None:
        """Until the server answers."""
        while True:
            sleep(WATCH_S)
            with suppress(LoopError):
                wait(self.address)
                return

    def _keep(self) -> None:
        """Start our server again where it has ended, and close what killed runs have left open."""
        tidied, trouble = monotonic(), ""
        while True:
            sleep(WATCH_S)
            try:
                if became := revive(self.address):
                    self.say(f"Prefect's server {became}; it starts again: {self.address.ui}")
                    trouble = ""
                    for porter in self.porters:
                        porter.doubt()
            except (LoopError, OSError) as error:
                if str(error) != trouble:
                    trouble = str(error)
                    self.say(trouble)
            if monotonic() - tidied > TIDY_S:
                tidied = monotonic()
                bury()


def host(address: Address, folders: Sequence[Path], every_s: int, say: Say, *, start: bool) -> Host:
    """Who serves the campaigns of these folders."""
    porters = [
        Porter(folder=folder, every_s=every_s, start=start, say=say)
        for folder in dict.fromkeys(folders)
    ]
    return Host(address=address, porters=porters, say=say)


def _runner() -> Runner:
    return Runner(name="athanor", query_seconds=POLL_S, pause_on_shutdown=False, limit=None)


def _quieten() -> None:
    """Leave the terminal to what we say; what Prefect's runner says of runs is in their logs."""
    for handler in logging.getLogger().handlers:  # where Prefect puts it
        if isinstance(handler, PrefectConsoleHandler):
            handler.setLevel(logging.CRITICAL)
