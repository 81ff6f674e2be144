"""A Dask cluster as Prefect's task runner: one on this machine, or one that is there already."""

import distributed
from prefect_dask.task_runners import DaskTaskRunner


def runner(dask: str | bool, workers: int) -> DaskTaskRunner:  # noqa: FBT001  (as campaign.toml says it)
    """Runs tasks on the cluster at an address, or on a local one of so many processes."""
    match dask:
        case str(address):
            return DaskTaskRunner(address=address)
        case _:
            kwargs = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None}
            return DaskTaskRunner(cluster_class=distributed.LocalCluster, cluster_kwargs=kwargs)
