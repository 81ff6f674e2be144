"""Arguments and options that several commands share, and where they print."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

out = Console(highlight=False, markup=False, soft_wrap=True)

Dir = Annotated[Path, typer.Argument(help="The campaign folder.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Why = Annotated[str, typer.Option("--reason", help="Why; it is put on record.")]
By = Annotated[
    str | None, typer.Option("--by", help="Who decides; your user name unless said otherwise.")
]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file.")]
