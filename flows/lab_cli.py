"""`athanor lab`: what a laboratory sends in, and what became of it. Heavy imports wait, as in cli.

Commands print here; what they do stands in modules of its own.
"""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from flows.arguments import AsJson, By, Dir, Output, Why, one_thread, out

lab = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@lab.callback()
def laboratory() -> None:
    """What a laboratory is to make, and what became of every row that it sent in.

    Example: athanor lab inbox my-lab
    """


@lab.command()
def inbox(folder: Dir, as_json: AsJson = False) -> None:
    """Account for every row that came in, file by file, from the ledger alone.

    Rows in = used + duplicate + superseded + conflict + rejected + held. Below it, what files
    disagree about, and what was made further off than is tolerated; and by instrument, operator and
    batch, how far results are off what the model expected.

    Example: athanor lab inbox my-lab
    """
    from flows.effects import effects
    from flows.folder import known
    from flows.inbox import accounts, disputes, plainly, strays, table

    campaign, _ = known(folder)
    if as_json:
        print(json.dumps(plainly(campaign), indent=1))  # noqa: T201
    elif files := accounts(campaign):
        out.print(table(files))
        for dispute in disputes(campaign):
            out.print(dispute.said)
        if made := strays(campaign):
            out.print("Made otherwise than asked:")
            out.print("\n".join(f"  {each}" for each in made))
        if measured := effects(campaign):
            out.print("Measured minus expected:")
            out.print("\n".join(f"  {each.said}" for each in measured))
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


@lab.command()
def ingest(
    folder: Dir,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Judge every row; write nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Take in the files that are new or have changed, and say what is made of every row.

    As a turn does it, but nothing is proposed. With --dry-run nothing is written at all.

    Example: athanor lab ingest my-lab --dry-run
    """
    one_thread()
    from flows.ingesting import ingest, summary, table

    verdicts = ingest(folder.absolute(), dry_run=dry_run, console=out)
    if as_json:
        print(json.dumps([asdict(each) for each in verdicts], indent=1))  # noqa: T201
        return
    listed = table(verdicts)
    if listed.row_count:
        out.print(listed)
    out.print(summary(verdicts))


@lab.command()
def resolve(
    folder: Dir,
    candidate: Annotated[str, typer.Argument(help="The candidate of which files disagree.")],
    keep: Annotated[str, typer.Option(metavar="FILE[:ROW]", help="The file that is right.")],
    reason: Why,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Decide which file is right about a candidate, and say what that changes.

    Where files disagree none is used before. What the others said stays on record. Should one of
    them say something new later, it is a conflict again.

    Example: athanor lab resolve my-lab 0004-fzy --keep tuesday.csv:3 --reason "typed wrongly"
    """
    from flows.people import plainly, resolve, told, user

    who = user() if by is None else by
    campaign, changed = resolve(folder, candidate, keep, reason, who)
    if as_json:
        print(json.dumps(plainly(campaign, changed), indent=1))  # noqa: T201
    else:
        out.print("\n".join([f"{candidate}: {keep} is kept.", *told(campaign, changed)]))


@lab.command()
def edit(
    folder: Dir,
    candidate: Annotated[str, typer.Argument(help="A candidate on the worklist.")],
    values: Annotated[list[str], typer.Argument(help="What is made instead: T=905 gas=argon ...")],
    reason: Why,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Change a line of the worklist before it is made; who did it, and why, is put on record.

    Only what is named changes, in the parameter's unit; of a composition, all fractions that are
    not zero. What is asked is then the changed point: the model is fitted on it, and its results
    are compared with it. The worklist is written anew.

    Example: athanor lab edit my-lab 0004-fzy T=905 --reason "the furnace holds no 900"
    """
    from flows.outgoing import edit
    from flows.people import user
    from flows.views import plain
    from loop.space.values import written

    asked = edit(folder.absolute(), candidate, values, reason, user() if by is None else by)
    if as_json:
        said = {"candidate": asked.id, "point": plain(asked.point), "why": asked.why.cause}
        print(json.dumps(said, indent=1))  # noqa: T201
    else:
        out.print(f"{asked.id} is now {written(asked.point)}. The worklist is written anew.")


@lab.command()
def template(folder: Dir, output: Output = None, as_json: AsJson = False) -> None:
    """Write an Excel workbook to fill in: what waits, units in the header, lists to choose from.

    It has a line for every measurement that is wanted, and a sheet that explains each column. Save
    a copy of it in results/ when some lines are filled in; the others wait. Every turn writes it to
    worklist/form.xlsx; with -o it goes elsewhere.

    Example: athanor lab template my-lab -o monday.xlsx
    """
    from flows.outgoing import form

    path, count = form(folder.absolute(), output)
    if as_json:
        print(json.dumps({"file": str(path), "candidates": count}, indent=1))  # noqa: T201
    else:
        out.print(f"{path}: {count} samples wait in it.")
