"""`athanor worker`: Prefect's own worker, for the pool that campaign folders name."""

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from prefect.context import refresh_global_settings_context
from prefect.workers.process import ProcessWorker

from flows.folder import FILE
from flows.rig import load
from flows.shift import FOLDERS
from flows.tidying import bury
from flows.worker import HOST
from loop.errors import SettingsError

QUERY_S = 2  # Prefect's default is 10; a look costs the server some 10 ms


def pool_of(folders: Sequence[Path]) -> tuple[str, Mapping[str, Path]]:
    """The work pool that the folders name, and the folder of each campaign on this machine."""
    setups = [load(folder) for folder in folders]
    pools = {setup.pool for setup in setups}
    if len(pools) != 1 or None in pools:
        got = ", ".join(f"{setup.folder}: {setup.pool or 'none'}" for setup in setups)
        raise SettingsError(
            f"{folders[0] / FILE}: run.pool",
            "one work pool, the same in all folders",
            got,
            'Add pool = "name" under [run]; start a worker for each pool.',
        )
    return str(setups[0].pool), {s.rig.problem.name: s.folder for s in setups}


def serve_pool(pool: str, folders: Mapping[str, Path], limit: int) -> None:
    """Start the shifts that the pool is given, until interrupted; killed ones are closed first."""
    bury()
    os.environ[FOLDERS] = json.dumps({name: str(folder) for name, folder in folders.items()})
    os.environ.setdefault("PREFECT_WORKER_QUERY_SECONDS", str(QUERY_S))
    refresh_global_settings_context()
    ours = ProcessWorker(work_pool_name=pool, name=f"{HOST}-{os.getpid()}", limit=limit)
    asyncio.run(ours.start(printer=lambda _: None))
