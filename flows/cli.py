"""The athanor command. The one module that imports where it must: help and status are instant."""

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from loop.errors import LoopError

FINE, BAD_END, BAD_INPUT, NO_WORLD, INTERRUPTED = 0, 1, 2, 3, 130

CODES = """
Exit codes: 0 fine; 1 the campaign ended for a bad reason (too many failures, invalid input);
2 bad input or usage; 3 the environment (ledger, server, oracle) cannot be used; 130 interrupted.
"""

app = typer.Typer(
    help="Closed-loop materials campaigns: propose, measure, record, learn, propose again.\n\n"
    "Example: athanor init my-alloy && athanor run my-alloy" + "\n\n" + CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
out = Console(highlight=False, soft_wrap=True)

Dir = Annotated[Path, typer.Argument(help="The campaign folder.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
NoPrefect = Annotated[
    bool, typer.Option("--no-prefect", help="Run the same turns plainly, in threads.")
]


class Template(StrEnum):
    """A campaign to start from."""

    alloy = "alloy"
    lab = "lab"
    table = "table"


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run a command: a broken rule is one message on stderr and an exit code."""
    try:
        app(arguments)
    except LoopError as error:
        print(f"athanor: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(BAD_INPUT if isinstance(error, ValueError) else NO_WORLD)
    sys.exit(FINE)
