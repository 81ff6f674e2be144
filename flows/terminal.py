"""The terminal during a run: a bar toward the budget, and the best so far as it improves.

Another view of the ledger: it reads what the campaign writes and knows nothing of what runs it.
"""

from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Thread
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from loop.campaign import Campaign

LOOK_S = 0.4

T = TypeVar("T")


def in_background(work: Callable[[], T]) -> Future[T]:
    """Start work in a thread that does not keep the process alive; its result or exception."""
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001  (it is raised again where the result is asked for)
            done.set_exception(error)

    Thread(target=run, daemon=True).start()
    return done


def follow(console: Console, look: Callable[[], Campaign], budget: int, done: Future[T]) -> T:
    """Show the campaign until the work is done, and hand over its result."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[best]}"),
    )
    with Progress(*columns, console=console, transient=not console.is_terminal) as progress:
        bar = progress.add_task("evaluations", total=budget, best="")
        while wait((done,), timeout=LOOK_S).not_done:
            _show(progress, bar, look())
        _show(progress, bar, look())
    return done.result()
