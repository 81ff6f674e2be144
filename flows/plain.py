"""A campaign in the threads of this process, without Prefect: the same turns, the same ledger."""

from concurrent.futures import ThreadPoolExecutor

from flows import laboratory
from flows.folder import FILE
from flows.rig import Setup, loaded
from loop.errors import SettingsError
from loop.run import Worker, drive, is_dropped, is_over, replay


def run(setup: Setup, worker: Worker) -> None:
    """Run the campaign until it is over; SettingsError where only Prefect could see to it."""
    if setup.is_shared and replay(setup.rig).closed is None:
        raise SettingsError(
            f"{setup.folder / FILE}: run",
            "Prefect's server, to hand evaluations out or keep count of places",
            "none",
            "Run it with one; or leave out pool, dask and places, and evaluate in this process.",
        )
    if setup.rig.awaited is not None:
        laboratory.run(setup, lambda: _take(loaded(setup.folder), worker))
        return
    _evaluate(setup, worker)
    while not is_over(replay(setup.rig)):  # another process has amended the settings
        setup = loaded(setup.folder)
        _evaluate(setup, worker)


def _take(setup: Setup, worker: Worker) -> None:
    """What there is to do until the laboratory answers."""
    if setup.rig.laboratory is not None:
        with laboratory.minding(setup):
            _evaluate(setup, worker)
    else:
        laboratory.take(setup, worker)


def _evaluate(setup: Setup, worker: Worker) -> None:
    rig = setup.rig
    pool = ThreadPoolExecutor(setup.workers, thread_name_prefix="evaluate")
    steps = drive(
        rig,
        lambda candidate: pool.submit(rig.oracle.collect, (candidate,)),
        in_flight=setup.workers,
        worker=worker,
    )
    try:
        for _ in steps:
            pass
    finally:
        pool.shutdown(wait=not is_dropped(replay(rig)))
