"""Commands for whoever watches several campaigns, and wants to be told. Heavy imports wait."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flows.arguments import AsJson, out

watch = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@watch.command()
def index(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(help="Where to look, and three folders deep; here, unless said otherwise."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List every campaign in and below some folders: how far, what was found, why it waits.

    From their ledgers alone; Prefect's UI has the same index as the artifact athanor-campaigns.

    Example: athanor index ~/campaigns
    """
    from flows.watching.index import plainly, search, table

    found = search(folders or [Path()])
    if as_json:
        print(json.dumps(plainly(found), indent=1))  # noqa: T201
    elif found:
        out.print(table(found))
    else:
        out.print("No campaign is here. Make one: athanor init my-alloy")


@watch.command()
def alerts(
    webhook: Annotated[
        str | None, typer.Option(metavar="URL", help="What all of them are to call.")
    ] = None,
    on: Annotated[
        bool | None, typer.Option("--on/--off", help="Switch all of them; off when made.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make an automation in Prefect for every moment to be told of; none of them sends anything.

    The moments: a new best, waiting for people, a high failure rate, a bad model, the end. Given
    again, it leaves what people have changed in the UI; docs/prefect.md has examples.

    Example: athanor alerts --webhook https://example.org/hook --on
    """
    from flows.serve import connected, server, wait
    from flows.watching.alerts import make

    with server() as address:
        wait(address)
        with connected(address):
            made = make(webhook, on=on)
    if as_json:
        print(json.dumps([asdict(each) for each in made], indent=1))  # noqa: T201
        return
    for each in made:
        out.print(f"{'on ' if each.on else 'off'}  {each.name}: {each.does}")
    if not any(each.on for each in made):
        out.print("Switch them on in the UI (Automations), or: athanor alerts --on")
