"""The Prefect task: one evaluation, named and tagged for the candidate it answers."""

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.context import TaskRunContext
from prefect.logging import get_run_logger

from flows.rig import Setup, loaded
from flows.views import quantity
from loop.records import Candidate, Failed, Measured
from loop.run import record, replay
from loop.space.values import written

NAME = 200  # characters of a task run's name


@task(name="evaluate", cache_policy=NO_CACHE, persist_result=False)
def evaluate(folder: str, candidate: str) -> None:
    """Answer one candidate.

    The answer goes into the ledger from here: nothing but this task's end crosses Prefect.
    """
    rig = loaded(Path(folder)).rig
    _tag(rig.problem.name, candidate)
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


def evaluation(setup: Setup, candidate: Candidate) -> str:
    """The name of a task run: campaign, candidate, which attempt it is, and the point."""
    campaign = setup.rig.problem.name
    attempt = replay(setup.rig).attempts.get(candidate.id, 1)
    again = f" attempt {attempt}" if attempt > 1 else ""
    return f"{campaign} · {candidate.id}{again} {written(candidate.point)}"[:NAME]


def _tag(*tags: str) -> None:
    """Tag this task run, once it runs: with tags from the start it would ask for a slot first."""
    context = TaskRunContext.get()
    if context is not None:
        context.task_run.tags = [*context.task_run.tags, *tags]
