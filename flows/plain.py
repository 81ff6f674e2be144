"""A campaign in the threads of this process, without Prefect: the same turns, the same ledger."""

from concurrent.futures import ThreadPoolExecutor

from flows import laboratory
from flows.rig import Setup, loaded
from loop.run import Worker, drive


def run(setup: Setup, worker: Worker) -> None:
    """Run the campaign until it is closed."""
    rig = setup.rig
    if not rig.oracle.declaration.evaluates:
        laboratory.run(setup, lambda: laboratory.take(loaded(setup.folder), worker))
        return
    with ThreadPoolExecutor(setup.workers, thread_name_prefix="evaluate") as pool:
        steps = drive(
            rig,
            lambda candidate: pool.submit(rig.oracle.collect, (candidate,)),
            in_flight=setup.workers,
            worker=worker,
        )
        for _ in steps:
            pass
