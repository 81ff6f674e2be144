"""The terminal during a run: a bar toward the budget, and every improvement as it comes.

An improvement is a new best or, of several goals, a result that joins the front.

Another view of the ledger: it reads what the campaign writes, and knows nothing of what runs it.
"""

from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Thread
from time import monotonic
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from flows.views import praise, quantity
from loop.campaign import Campaign
from loop.ranking import Result
from loop.run import Rig, is_dropped, replay

LOOK_S = 0.4
SPARE = 20  # looking may take a twentieth of the time, however long the history
PATIENCE_S = 15.0  # Prefect asks a server that has gone for two minutes how it is
LEAVE_S = 3.0  # told to stop now: evaluations that were given up are not waited for

T = TypeVar("T")


def conduct(console: Console, rig: Rig, work: Callable[[], T]) -> T | None:
    """Do the work in the background, show the rig's campaign meanwhile, hand over the result.

    None where the work goes on though the campaign has been over for PATIENCE_S, or was told to
    stop now.
    """
    budget, done = rig.rules.evaluations, in_background(work)
    return follow(console, lambda: replay(rig), budget, done, awaited=rig.awaited is not None)


def in_background(work: Callable[[], T]) -> Future[T]:
    """Start work in a thread that does not keep the process alive; its result or exception."""
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001  (raised again where the result is asked for)
            done.set_exception(error)

    Thread(target=run, daemon=True).start()
    return done


def follow(
    console: Console,
    look: Callable[[], Campaign],
    budget: int,
    done: Future[T],
    *,
    awaited: bool = False,
) -> T | None:
    """Show the campaign until the work is done; its result, or None where it does not end.

    Where people are `awaited`, whoever reads the output in a file is told what they are to do.
    """
    leaders: tuple[Result, ...] = ()
    told = ""
    with Progress(
        TextColumn("evaluations"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("left; {task.description}"),
        console=console,
        transient=True,
    ) as progress:
        bar = progress.add_task("", total=budget)
        ended, going_on, pause_s, patience_s = False, monotonic(), LOOK_S, PATIENCE_S
        while not ended and monotonic() - going_on < patience_s:
            ended = bool(wait((done,), timeout=pause_s).done)
            began = monotonic()
            campaign = look()
            if is_dropped(campaign):
                patience_s = LEAVE_S
            if campaign.running or (campaign.closed is None and not is_dropped(campaign)):
                going_on = monotonic()
            pause_s = max(LOOK_S, SPARE * (monotonic() - began))
            shown, leaders = leaders, campaign.leaders
            for result in (each for each in leaders if each not in shown):
                console.print(f"  {campaign.answered:>4}  {praise(campaign, result)}")
            progress.update(bar, completed=campaign.answered, description=now(campaign))
            line = waited_for(campaign) if awaited and not console.is_terminal else ""
            if line not in {"", told}:
                console.print(f"  {campaign.answered:>4}  {line}")
                told = line
    return done.result() if ended else None


def now(campaign: Campaign) -> str:
    """Where it is, beside the bar: `turn 12, 2 in flight, best 99.1 GPa`."""
    said = [f"turn {campaign.turn}", f"{len(campaign.running)} in flight"]
    if campaign.best is not None:
        target = campaign.problem.objective.wanted[0].name
        said.append(f"best {quantity(campaign, target, campaign.best.values[target])}")
    elif campaign.leaders:
        said.append(f"front of {len(campaign.leaders)}")
    return ", ".join(said)


def waited_for(campaign: Campaign) -> str:
    """What people are to bring; nothing while something is being evaluated."""
    if campaign.running or not campaign.pending:
        return ""
    count, ids = len(campaign.pending), ", ".join(each.id for each in campaign.pending)
    return f"waiting for {count} results: {ids}"
