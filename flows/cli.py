"""The athanor command. Its modules import where they must: help and status are instant."""

import os
import sys
from typing import NoReturn

import typer

from flows.arguments import BAD_INPUT, FINE, NO_WORLD
from flows.folder_cli import check, export, init, prove, report, schema, status
from flows.lab_cli import lab
from flows.people_cli import people
from flows.run_cli import demo, run, serve, turn, ui, worker
from flows.watch_cli import watch
from loop.errors import LoopError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
OURS = (init, check, run, demo, turn, status, report, export, prove, ui, serve, worker, schema)

for command in OURS:  # in the order in which help lists them
    app.command()(command)
app.add_typer(people)  # beside the others: `athanor veto`
app.add_typer(watch)
app.add_typer(lab, name="lab")


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run a command: a broken rule becomes one message on stderr and an exit code."""
    os.environ.setdefault("DO_NOT_TRACK", "1")  # before Prefect is imported: it reports at once
    try:
        app(arguments)
    except LoopError as error:
        _complain(str(error))
        sys.exit(BAD_INPUT if isinstance(error, ValueError) else NO_WORLD)
    except OSError as error:  # a disk that is full, a folder that has gone: it can be anywhere
        got = f"{error.strerror or error}"
        _complain(
            f"{error.filename or 'a file'}: expected to read or write it, got {got}. "
            "Correct that and run again: what is on record is safe."
        )
        sys.exit(NO_WORLD)
    sys.exit(FINE)


def _complain(message: str) -> None:
    print(f"athanor: {message}", file=sys.stderr)  # noqa: T201


@app.callback()
def athanor() -> None:
    """Closed-loop materials campaigns: propose, measure, record, learn, propose again.

    Example: athanor init my-alloy, then athanor run my-alloy, then athanor report my-alloy.

    Exit codes: 0 fine; 1 the campaign ended for a bad reason (too many failures, invalid
    input); 2 bad input or usage; 3 the environment (ledger, server, oracle) cannot be used;
    130 interrupted.
    """


if __name__ == "__main__":
    main()
