"""The Prefect task: one evaluation, named for the candidate it answers."""

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from flows.rig import loaded
from flows.views import quantity
from loop.records import Failed, Measured
from loop.run import record, replay


@task(name="evaluate", cache_policy=NO_CACHE, persist_result=False)
def evaluate(folder: str, candidate: str) -> None:
    """Answer one candidate.

    The answer goes into the ledger from here: nothing but this task's end crosses Prefect.
    """
    rig = loaded(Path(folder)).rig
    asked = replay(rig).candidates[candidate]
    log = get_run_logger()
    answers = rig.oracle.collect((asked,))
    campaign = record(rig, answers)
    for answer in answers:
        match answer:
            case Measured():
                values = (quantity(campaign, name, value) for name, value in answer.values.items())
                log.info("%s: %s", candidate, ", ".join(values))
            case Failed():
                log.warning("%s %s: %s", candidate, answer.kind, answer.message)
            case _:
                pass
