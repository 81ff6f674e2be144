"""`athanor lab`: what a laboratory sends in, and what became of it. Heavy imports wait, as in cli.

Commands print here; what they do stands in modules of its own.
"""

import json
from dataclasses import asdict

import typer

from flows.arguments import AsJson, Dir, out

lab = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@lab.callback()
def laboratory() -> None:
    """What a laboratory is to make, and what became of every row that it sent in.

    Example: athanor lab inbox my-lab
    """


@lab.command()
def inbox(folder: Dir, as_json: AsJson = False) -> None:
    """Account for every row that came in, file by file, from the ledger alone.

    Rows in = used + duplicate + superseded + conflict + rejected + held.

    Example: athanor lab inbox my-lab
    """
    from flows.folder import known
    from flows.inbox import accounts, table, total

    campaign, _ = known(folder)
    files = accounts(campaign)
    if as_json:
        said = {"files": [asdict(each) for each in files], "total": asdict(total(files))}
        print(json.dumps(said, indent=1))  # noqa: T201
    elif files:
        out.print(table(files))
    else:
        out.print("No file has been read yet.")


@lab.command()
def worklist(folder: Dir, as_json: AsJson = False) -> None:
    """Write worklist/ anew from the ledger: CSV, a workbook, and a page to print.

    Example: athanor lab worklist my-lab
    """
    from flows.outgoing import rebuild

    ids, paths = rebuild(folder.absolute())
    if as_json:
        said = {"candidates": ids, "files": [str(path) for path in paths]}
        print(json.dumps(said, indent=1))  # noqa: T201
    else:
        out.print(f"{len(ids)} to make: {', '.join(ids) or 'nothing'}.")
        out.print("\n".join(map(str, paths)))
