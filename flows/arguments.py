"""What several commands share: arguments and options, exit codes, and what they print."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from loop.errors import SettingsError

FINE, BAD_END, BAD_INPUT, NO_WORLD, INTERRUPTED = 0, 1, 2, 3, 130

out = Console(highlight=False, markup=False, soft_wrap=True)

Dir = Annotated[Path, typer.Argument(help="The campaign folder.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Why = Annotated[str, typer.Option("--reason", help="Why; it is put on record.")]
By = Annotated[
    str | None, typer.Option("--by", help="Who decides; your user name unless said otherwise.")
]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file.")]


def one_thread() -> None:
    """Leave the cores to the evaluations; sums over threads would depend on how many there are."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def say_status(folder: Path, *, as_json: bool) -> None:
    """Print where a campaign stands, or how to start it."""
    from flows.folder import remembered
    from flows.views import lines, standing

    found = remembered(folder)
    now = standing(*found, folder) if found else None
    if as_json:
        print(json.dumps(asdict(now) if now else None, indent=1))  # noqa: T201
    elif now is None:
        out.print(f"Not started. Start it: athanor run {folder}")
    else:
        out.print("\n".join(lines(now)))


def write_report(folder: Path, output: Path | None) -> Path:
    """Write the report, in the folder unless said otherwise; where it is."""
    from flows.folder import REPORT, known
    from loop.report.page import render

    path = output or folder / REPORT
    write(path, render(*known(folder)))
    return path


def write(path: Path, text: str) -> None:
    """Write a file; SettingsError where there can be none."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        remedy = "Choose another place."
        raise SettingsError(str(path), "a file to write", str(error.strerror), remedy) from error
