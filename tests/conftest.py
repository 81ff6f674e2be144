"""What all tests share: Ctrl-C, and a PostgreSQL server."""

import signal
import threading
from collections.abc import Iterator

import pytest

from tests.postgres import Cluster, cluster, missing

# A shell that starts the tests in the background has them ignore Ctrl-C: some test Ctrl-C.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A PostgreSQL server of the session's own; skipped where it is not installed."""
    if missing():
        pytest.skip(missing())
    with cluster() as server:
        yield server
