"""The tables of docs/prove.md, from what `athanor prove DIR --json` has said.

athanor init my-alloy --template alloy
athanor prove my-alloy --random 200 --json > machine.json
.venv/bin/python benchmarks/proofs.py machine.json laboratory.json
"""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table


def main(files: Annotated[list[Path], typer.Argument(help="One for each proof.")]) -> None:
    """Print what each proof came to, and every point with what became of the kills there.

    Example: python benchmarks/proofs.py machine.json laboratory.json
    """
    console, proofs = Console(width=130), [json.loads(file.read_text()) for file in files]
    table = Table(box=MARKDOWN)
    for head in ("ledger", "who answers", "points", "kills", "at random", "minutes", "broken"):
        table.add_column(head)
    for proof in proofs:
        missed = len(proof["broken"]) + len(proof["unreached"])
        said = (proof["ledger"], f"a {proof['world']}", len(proof["rows"]), proof["kills"])
        said += (proof["random_kills"], round(proof["seconds"] / 60), missed or "none")
        table.add_row(*map(str, said))
    console.print(table)
    for proof in proofs:
        title = f"{proof['ledger']}, a {proof['world']}, {proof['evaluations']} evaluations"
        points = Table(box=MARKDOWN, title=title)
        for head in ("killed when", "passed", "first", "second"):
            points.add_column(head)
        for row in proof["rows"]:
            points.add_row(row["point"], str(row["passed"]), row["first"], row["second"])
        console.print(points)


if __name__ == "__main__":
    typer.run(main)
