"""A campaign through Prefect, in this process; what a kill has left behind is closed first."""

import asyncio

from httpx import HTTPError
from prefect.exceptions import PrefectException

from flows import laboratory, plain, views
from flows.campaign import campaign, turn
from flows.rig import Setup, loaded
from flows.tidying import bury
from flows.worker import worker


def run(setup: Setup, *, take_over: bool) -> bool:
    """Run the campaign until it is closed; False where Prefect's server was lost on the way."""
    bury()
    us = worker(setup.rig.oracle.declaration.wall_s, take_over=take_over)
    try:
        if setup.rig.laboratory is not None:
            laboratory.run(setup, lambda: _take(loaded(setup.folder), take_over=take_over))
        elif setup.rig.oracle.declaration.evaluates:
            asyncio.run(campaign(str(setup.folder), take_over))
        else:
            laboratory.run(setup, lambda: take_turn(setup))
    except (HTTPError, PrefectException):
        plain.run(setup, us)
        return False
    return True


def _take(setup: Setup, *, take_over: bool) -> None:
    """Evaluate, until all that is left waits for the laboratory."""
    with laboratory.minding(setup):
        asyncio.run(campaign(str(setup.folder), take_over))


def take_turn(setup: Setup) -> None:
    """Take one turn."""
    asyncio.run(turn(str(setup.folder), views.plain(setup.rig.held)))
