"""A campaign in the threads of one process, without Prefect: the same turns, the same ledger."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from flows.rig import Setup
from loop.campaign import Campaign
from loop.run import Worker, drive


def campaign(setup: Setup, worker: Worker) -> Iterator[Campaign]:
    """The campaign after each change, until it is closed."""
    rig = setup.rig
    with ThreadPoolExecutor(setup.workers, thread_name_prefix="evaluate") as pool:
        yield from drive(
            rig,
            lambda candidate: pool.submit(rig.oracle.collect, (candidate,)),
            in_flight=setup.workers,
            worker=worker,
        )
