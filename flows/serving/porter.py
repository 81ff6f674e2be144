"""The porter of a campaign: looks at its folder and its ledger, and has a turn taken when due.

A turn is due when a file or campaign.toml has changed, or the ledger has grown by another hand: an
answer from a worker elsewhere, a person who resumes. It is not where the last run has seen all of
it, nor while a run is at it, which looks by itself; but it is where the server has no page of the
campaign, as when its database is another one now. A folder that cannot be used is said, and looked
at again; so is one that another process serves.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

from httpx import HTTPError
from prefect.exceptions import PrefectException
from prefect.runner import Runner

from flows.folder import remembered, require_writable
from flows.laboratory import Look, look, wait
from flows.rig import Setup, loaded
from flows.serving.deployment import Deployment, deploy
from flows.serving.form import Do
from flows.serving.post import Post
from flows.serving.turnstile import turnstile
from flows.views import lines, standing
from flows.waiting import disk_trouble
from loop.errors import LoopError
from loop.run import replay

LOOK_S = 5.0  # a new file is told at once; this is for the ledger, and for what was not told
SAY_S = 10.0  # how often its page may change
SPARE = 20  # reading a long ledger may take a twentieth of the time
EXISTS_S = 60.0  # how often the server is asked whether it still knows us

Say = Callable[[str], object]


@dataclass(slots=True, kw_only=True)
class Porter:
    """Of one campaign folder. `start` has a campaign begin that nobody has started yet."""

    folder: Path
    every_s: int
    start: bool
    say: Say
    deployment: Deployment | None = None
    post: Post = field(init=False)
    _trouble: str = ""
    _other: str = ""  # the process that serves it in our place
    _page: str = ""
    _is_shown: bool = False
    _called_for: Look | None = None
    _stuck: bool = False  # runs may have failed for its disk, and nothing changes when it is mended
    _active: bool | None = None
    _told: str = ""
    _tell_at: float = 0.0
    _asked_at: float = field(default_factory=monotonic)

    def __post_init__(self) -> None:
        """Nothing is taken yet."""
        self.post = Post(folder=self.folder)

    def attend(self, runner: Callable[[], Runner]) -> None:
        """Look again and again, for ever."""
        while True:
            setup = self.attempt(runner())
            try:
                if setup is not None:
                    wait(setup, LOOK_S)
                    continue
            except OSError:
                pass  # the folder has just gone: the next look says so
            sleep(LOOK_S)

    def look(self, runner: Runner) -> Setup:
        """Look once, and do what is due; LoopError or OSError where the folder cannot be used."""
        setup = loaded(self.folder)
        require_writable(self.folder)
        campaign = replay(setup.rig)
        begun = campaign.opened is not None
        active = begun and campaign.closed is None
        if self.deployment is None or not self._is_known(self.deployment):
            text = self._text()
            self.deployment = deploy(runner, setup, self.every_s, text, active=active)
            if self._active is None:  # whoever served it before runs no more
                self.deployment.bury()
            self._active, self._told, self._called_for = active, text, None
            self._is_shown = False
            self._point_to(self.deployment.page)
        if active != self._active:
            self.deployment.schedule(active=active)
            self._active = active
        disk = disk_trouble(self.folder)
        self._stuck = active and (self._stuck or bool(disk or (self._trouble and not self._other)))
        if begun or self.start:
            now = (look(self.folder), campaign.seq)
            self._call(self.deployment, now, begun=begun, freed=self._stuck and not disk)
        self._describe(self.deployment)
        return setup

    def sentence(self) -> str:
        """Why the campaign does not move, or why its folder cannot be used."""
        if self._trouble:
            return self._trouble
        found = remembered(self.folder)
        if found:
            return standing(*found, self.folder).waits
        return BEGINS if self.start else NOT_STARTED

    def attempt(self, runner: Runner) -> Setup | None:
        """As `look`; None where it cannot be done, which is said once."""
        trouble = other = ""
        try:
            if other := self.post.taken_by():
                trouble = SERVED.format(other)
            else:
                return self.look(runner)
        except (HTTPError, PrefectException):
            self.doubt()  # it is away: it comes back, or is brought back
        except (LoopError, OSError) as error:
            trouble = str(error)
            with suppress(HTTPError, PrefectException):
                if self.deployment is not None:
                    self._describe(self.deployment, trouble)
        finally:
            if trouble != self._trouble:
                self.say(self._named(trouble or "is served from here now"))
            self._trouble, self._other = trouble, other
        return None

    def _named(self, said: str) -> str:
        """What is said of the folder, with its name once."""
        return said if said.startswith(f"{self.folder}") else f"{self.folder}: {said}"

    def doubt(self) -> None:
        """Ask the server before anything else whether it still knows us."""
        self._asked_at = -EXISTS_S

    def _call(self, deployment: Deployment, now: Look, *, begun: bool, freed: bool) -> None:
        """Have a run begin where something has changed that no run has seen or will see.

        Or where it is `freed`: what hindered the runs before is no more.
        """
        gate = turnstile(self.folder)
        seen = gate.seen
        if gate.is_taken or (now == self._called_for and not freed):
            return
        if now == seen and not freed and (self._is_shown or deployment.has_pages):
            self._is_shown = True
            return
        cause = "the folder can be written again" if freed else _cause(seen, now)
        deployment.call(Do.UNTIL, cause if begun else "athanor serve --start")
        self._called_for, self._is_shown = now, True
        self._stuck = self._stuck and not freed

    def _point_to(self, page: str) -> None:
        """Say where the campaign's page is now, where it was elsewhere."""
        if self._page not in {"", page}:
            self.say(f"{self.folder.name}: {page}")
        self._page = page

    def _is_known(self, deployment: Deployment) -> bool:
        if monotonic() - self._asked_at < EXISTS_S:
            return True
        is_known = deployment.exists()
        self._asked_at = monotonic()
        return is_known

    def _describe(self, deployment: Deployment, trouble: str = "") -> None:
        if monotonic() > self._tell_at:
            began = monotonic()
            text = trouble or self._text()
            self._tell_at = monotonic() + max(SAY_S, SPARE * (monotonic() - began))
            if text != self._told:
                deployment.describe(text)
                self._told = text

    def _text(self) -> str:
        """Where the campaign stands, as its deployment's page says it."""
        found = remembered(self.folder)
        said = lines(standing(*found, self.folder)) if found else [NOT_STARTED]
        return "\n\n".join([*said, f"Folder: `{self.folder}`"])


SERVED = "process {} serves it already; this one goes on with it when that one ends"
BEGINS = "Begins now."
NOT_STARTED = "Not started: choose Quick run here, or give `athanor serve --start`."


def _cause(seen: Look | None, now: Look) -> str:
    """What has changed."""
    if seen is None:
        return "this machine has not taken a turn of it yet"
    files = sorted({name for name, _, _ in now[0] ^ seen[0]})
    if now == seen:
        return "this server has no page of it"
    if not files:
        return "something has been recorded meanwhile"
    more = f" and {len(files) - 3} more" if len(files) > 3 else ""
    return f"{', '.join(files[:3])}{more} changed"
