"""Waiting for what another process does to a campaign."""

import time

from flows.folder import remembered


def answered(folder) -> int:
    """How many candidates have their answer."""
    found = remembered(folder)
    return found[0].answered if found else 0


def until(found, seconds=120):
    """Wait for what is on its way; what takes long to look at is looked at less often."""
    began = time.monotonic()
    end = began + seconds
    while not (there := found()) and time.monotonic() < end:
        time.sleep(min(max(0.02, 2 * (time.monotonic() - began)), 1.0))
        began = time.monotonic()
    assert there
