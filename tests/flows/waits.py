"""Waiting for what another process does to a campaign."""

import time

from flows.folder import remembered


def answered(folder) -> int:
    """How many candidates have their answer."""
    found = remembered(folder)
    return found[0].answered if found else 0


def until(found, seconds=60):
    """Wait for what is on its way."""
    end = time.monotonic() + seconds
    while not found() and time.monotonic() < end:
        time.sleep(0.02)
    assert found()
