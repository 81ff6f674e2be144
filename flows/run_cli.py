"""Commands that run a campaign, serve it, and let one watch. Heavy imports wait, as in cli."""

import json
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from flows.arguments import (
    BAD_END,
    FINE,
    INTERRUPTED,
    AsJson,
    Dir,
    one_thread,
    out,
    say_status,
    write_report,
)
from loop.errors import LoopError

NoPrefect = Annotated[bool, typer.Option("--no-prefect", help="The same turns, without Prefect.")]
TakeOver = Annotated[
    bool, typer.Option("--take-over", help="Hold workers on other hosts for gone.")
]


def run(folder: Dir, no_prefect: NoPrefect = False, take_over: TakeOver = False) -> None:
    """Run a campaign until it ends; run it again to go on after any interruption.

    Without a configured Prefect server, one is started on this machine, and ends when it is no
    longer used. With a laboratory, it waits for files in results/.

    Example: athanor run my-alloy
    """
    raise typer.Exit(_run(folder, no_prefect=no_prefect, take_over=take_over))


def demo(
    folder: Annotated[Path, typer.Option("--dir", help="Where.")] = Path("athanor-demo"),
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another course.")] = 0,
    no_prefect: NoPrefect = False,
) -> None:
    """Find the stiffest alloy under a density limit, in about two minutes, from nothing.

    Example: athanor demo --dir /tmp/demo --seed 1
    """
    from flows.folder import FILE, create
    from flows.settings import schema

    if (folder / FILE).exists():
        out.print(f"Goes on with the campaign in {folder}, as its {FILE} says.")
    else:
        create(folder, "alloy", json.dumps(schema(), indent=1))
        text = (folder / FILE).read_text(encoding="utf-8")
        (folder / FILE).write_text(text.replace("\nseed = 0\n", f"\nseed = {seed}\n"), "utf-8")
    raise typer.Exit(_run(folder, no_prefect=no_prefect, take_over=False))


def turn(
    folder: Dir,
    no_prefect: NoPrefect = False,
    fix: Annotated[
        list[str] | None, typer.Option(help="Hold a parameter in what this turn proposes: T=900.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Take one turn: collect answers, record them, stop or propose, submit.

    With --fix, given once per parameter, what is proposed has these values, in the parameter's
    unit, and says so; what already waits for an answer is left as it is.

    Example: athanor turn my-lab --no-prefect

    Example: athanor turn my-lab --fix T=900 --fix solvent=water
    """
    one_thread()
    folder = folder.absolute()
    from flows.rig import holding, load

    setup = holding(load(folder), fix or [])
    if no_prefect:
        from flows.laboratory import take
        from flows.worker import worker

        take(setup, worker(setup.rig.oracle.declaration.wall_s))
    else:
        with _prefect(folder):
            from flows.session import take_turn

            take_turn(setup)
    say_status(folder, as_json=as_json)


def ui(
    browser: Annotated[bool, typer.Option(help="Open a browser.")] = True,
) -> None:
    """Open the Prefect UI, during a run or after it; Ctrl-C ends.

    Example: athanor ui
    """
    from flows.serve import server, wait

    with server() as address:
        wait(address)
        out.print(f"Prefect: {address.ui}  (Ctrl-C ends)")
        if browser:
            typer.launch(address.ui)
        try:
            signal.pause()
        except KeyboardInterrupt:
            out.print()


def serve(
    folders: Annotated[list[Path], typer.Argument(help="Campaign folders.", show_default=False)],
    every: Annotated[
        int, typer.Option(min=60, help="Take a turn every so many seconds, come what may.")
    ] = 900,
    start: Annotated[
        bool, typer.Option("--start", help="Start campaigns that nobody has started yet.")
    ] = False,
) -> None:
    """Serve campaigns in Prefect's UI, and take their turns when files arrive; Ctrl-C ends.

    Each is a deployment whose run form starts, pauses, resumes and stops it. A campaign that has
    been started goes on by itself: as soon as a file in results/ or the ledger changes, and on a
    schedule. After a reboot the same command goes on with all of them.

    Example: athanor serve my-lab my-alloy --start
    """
    one_thread()
    from flows.serve import connected, server, wait
    from flows.serving.host import host

    with server() as address:
        with out.status("Prefect's server starts"):
            wait(address)
        logging.raiseExceptions = False  # a server that has gone is not the terminal's business
        with connected(address):
            here = [folder.resolve() for folder in folders]
            ours = host(address, here, every, out.print, start=start)
            ours.open()
            out.print(f"Prefect: {address.ui}  (Ctrl-C ends)")
            for porter in ours.porters:
                out.print(f"  {porter.folder.name}: {porter.sentence()}")
                if porter.deployment is not None:
                    out.print(f"    {porter.deployment.page}")
            ours.serve()


def worker(
    folders: Annotated[list[Path], typer.Argument(help="Campaign folders, as seen from here.")],
    limit: Annotated[
        int, typer.Option(min=1, help="Shifts at once, each with one evaluation at a time.")
    ] = 1,
) -> None:
    """Evaluate, on this machine, what campaigns propose that run elsewhere; Ctrl-C ends.

    A worker of Prefect's for the work pool that the folders' campaign.toml names (run.pool). It
    needs the server (PREFECT_API_URL) and the ledger of the machine that proposes, and the campaign
    folder or a copy of it: docs/cluster.md.

    Example: athanor worker my-alloy --limit 4
    """
    one_thread()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    from flows.pooling import pool_of, serve_pool
    from flows.serve import connected, server, wait

    pool, names = pool_of([folder.absolute() for folder in folders])
    with server() as address:
        wait(address)
        with connected(address):
            out.print(f"Evaluates for the pool {pool!r} of {address.ui}  (Ctrl-C ends)")
            try:
                serve_pool(pool, names, limit)
            except KeyboardInterrupt:
                out.print()


def _run(folder: Path, *, no_prefect: bool, take_over: bool) -> int:
    """Run a campaign in the foreground; its exit code."""
    one_thread()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = folder.absolute()
    from flows.folder import read, require_writable
    from flows.problem import stated

    stated(folder, read(folder))
    require_writable(folder)
    from flows.people import go_on, user

    go_on(folder, "athanor run", user(), only_stopped=True)
    try:
        if no_prefect:
            _run_plainly(folder, take_over=take_over)
        else:
            _run_with_prefect(folder, take_over=take_over)
    except KeyboardInterrupt:
        _leave(folder)
        sys.stdout.flush()
        os._exit(INTERRUPTED)  # evaluations in flight are given up: nothing waits for their threads
    if _is_stopped(folder):
        say_status(folder, as_json=False)
        out.print(f"Go on: athanor run {folder}")
        sys.stdout.flush()
        os._exit(INTERRUPTED)
    return _end(folder, prefect=not no_prefect)


def _run_plainly(folder: Path, *, take_over: bool) -> None:
    from flows import plain
    from flows.rig import load
    from flows.terminal import conduct
    from flows.worker import worker

    setup = load(folder)
    us = worker(setup.rig.oracle.declaration.wall_s, take_over=take_over)
    conduct(out, setup.rig, lambda: plain.run(setup, us))


def _run_with_prefect(folder: Path, *, take_over: bool) -> None:
    with _prefect(folder):
        from flows import session, tidying
        from flows.rig import loaded
        from flows.terminal import conduct

        setup = loaded(folder)
        with tidying.cancelling():
            there = conduct(out, setup.rig, lambda: session.run(setup, take_over=take_over))
        if _is_stopped(folder):
            tidying.settle_ours()
        elif not there:
            _go_without_prefect(_end(folder, prefect=True))


def _go_without_prefect(code: int) -> NoReturn:
    """End at once: Prefect would wait for its server with every event that it still holds."""
    out.print("Prefect's server was lost on the way. The campaign went on; its ledger is whole.")
    sys.stdout.flush()
    os._exit(code)


@contextmanager
def _prefect(folder: Path) -> Iterator[None]:
    """A Prefect server for the block; while it starts, the rig is built, which imports torch."""
    from flows.serve import connected, server, wait

    with server() as address:
        with out.status("Prefect's server starts"):
            from flows.rig import loaded

            loaded(folder)
            wait(address)
        out.print(f"Watch it: {address.ui}")
        logging.raiseExceptions = False  # a server that has gone is not the terminal's business
        with connected(address):
            yield


def _is_stopped(folder: Path) -> bool:
    """Whether a person has told the run to end."""
    from flows.folder import remembered

    found = remembered(folder)
    held = found[0].paused if found else None
    return held is not None and held.stop != ""


def _leave(folder: Path) -> None:
    """Put on record that what is in flight was interrupted, and say how to go on."""
    from flows.folder import remembered
    from flows.rig import loaded
    from flows.worker import family, give_up

    found = remembered(folder)
    answered = found[0].answered if found else 0
    ours, running = family(), found[0].running.values() if found else ()
    flying = sum(each.worker in ours for each in running)
    others = len(running) - flying
    lost = f"; {flying} in flight are not, and will be asked again" if flying else ""
    elsewhere = f"{others} go on elsewhere. " if others else ""
    on = f"Go on: athanor run {folder}"
    out.print(f"Stopped. {answered} evaluations are on record{lost}. {elsewhere}{on}")
    if flying:
        with suppress(LoopError):  # a campaign.toml that has become wrong meanwhile says so later
            give_up(loaded(folder).rig)


def _end(folder: Path, *, prefect: bool) -> int:
    """Say how the campaign ended and where to read on; the exit code."""
    from flows.folder import known
    from flows.views import ended_badly, lines, standing

    campaign, entries = known(folder)
    out.print("\n".join(lines(standing(campaign, entries, folder))))
    out.print(f"Report: {write_report(folder, None)}")
    if prefect:
        out.print("See the run in Prefect: athanor ui")
    return BAD_END if ended_badly(campaign) else FINE
