"""Waiting for what another process does to a campaign."""

import time

from flows.folder import remembered


def answered(folder) -> int:
    """How many candidates have their answer."""
    found = remembered(folder)
    return found[0].answered if found else 0


def until(found, seconds=60):
    """Wait for what is on its way; the asking takes a third of the time at most."""
    began = time.monotonic()
    end = began + seconds
    while not (there := found()) and time.monotonic() < end:
        time.sleep(max(0.02, 2 * (time.monotonic() - began)))
        began = time.monotonic()
    assert there
