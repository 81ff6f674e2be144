"""Commands that make, check, prove and read a campaign folder. Heavy imports wait, as in cli."""

import json
import sys
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from flows.arguments import (
    BAD_END,
    NO_WORLD,
    AsJson,
    Dir,
    Output,
    one_thread,
    out,
    say_status,
    write,
    write_report,
)


class Template(StrEnum):
    """A campaign to start from: a calculator, real DFT, a laboratory, a table of known answers."""

    alloy = "alloy"
    dft = "dft"
    lab = "lab"
    table = "table"


def init(
    folder: Dir,
    template: Annotated[
        Template | None, typer.Option(help="What kind of campaign; alloy unless said otherwise.")
    ] = None,
    oracle: Annotated[
        str | None, typer.Option(metavar="NAME", help="Write an oracle of your own, in Python.")
    ] = None,
) -> None:
    """Make a campaign folder from a template, with comments that explain every setting.

    Example: athanor init my-alloy --template alloy

    Example: athanor init my-lab --oracle my_oracle
    """
    from flows.folder import create
    from flows.settings import schema

    yours = folder / "campaign.toml"
    if oracle is None:
        create(folder, (template or Template.alloy).value, json.dumps(schema(), indent=1))
        out.print(f"{yours} is yours to edit. Then: athanor check {folder}")
        return
    if template is not None:
        raise typer.BadParameter("--oracle brings a template of its own: leave out --template")
    from flows.own import begin

    file = begin(folder, oracle, json.dumps(schema(), indent=1))
    out.print(f"{file} and {yours} are yours to edit. Then: athanor check {folder}")


def check(
    folder: Dir,
    no_evaluate: Annotated[
        bool, typer.Option("--no-evaluate", help="Do not ask the oracle for an answer.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Verify settings, oracle, proposer, ledger and the installed packages, without starting.

    An oracle that computes its answers is asked for one, of the first point that the campaign
    would propose; it is not put on record.

    Example: athanor check my-alloy
    """
    one_thread()
    from flows.doctor import examine

    findings = examine(folder.absolute(), evaluate=not no_evaluate)
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=1))  # noqa: T201
    else:
        for finding in findings:
            out.print(f"{'ok ' if finding.well else 'BAD'}  {finding.what}: {finding.said}")
    if not all(finding.well for finding in findings):
        raise typer.Exit(NO_WORLD)


def status(folder: Dir, as_json: AsJson = False) -> None:
    """Say where a campaign stands, from its ledger alone.

    Example: athanor status my-alloy --json
    """
    say_status(folder, as_json=as_json)


def report(folder: Dir, output: Output = None) -> None:
    """Write the report: one self-contained page, in the campaign folder unless said otherwise.

    Example: athanor report my-alloy -o alloy.html
    """
    out.print(str(write_report(folder, output)))


def export(
    folder: Dir,
    as_json: AsJson = False,
    output: Output = None,
    structures: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Structures instead: FILE.extxyz, or a folder of CIF."),
    ] = None,
) -> None:
    """Export every candidate with its answer: CSV, with units in the header, or JSON with all.

    With --structures, the relaxed atoms of the answers, each with its candidate, values and origin.

    Example: athanor export my-alloy -o alloy.csv

    Example: athanor export my-alloy --structures alloy.extxyz
    """
    if structures is not None:
        if as_json or output is not None:
            raise typer.BadParameter("--structures writes atoms only: leave out --json and -o")
        from flows.exports import export as atoms_to

        out.print(f"{atoms_to(folder, structures)} structures: {structures}")
        return
    from flows.folder import known
    from flows.listing import as_csv
    from flows.listing import as_json as everything

    campaign, entries = known(folder)
    text = json.dumps(everything(campaign, entries), indent=1) if as_json else ""
    text = text or as_csv(campaign, entries)
    if output is None:
        sys.stdout.write(text)
    else:
        write(output, text)


def prove(
    folder: Dir,
    random: Annotated[int, typer.Option(min=0, help="Kills at random instants, too.")] = 20,
    evaluations: Annotated[int, typer.Option(min=2, help="Of each campaign of the proof.")] = 6,
    ledger: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A PostgreSQL database; in schemas of its own."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the random instants.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Kill campaigns on this machine and disk, at every named point of a turn, and check them.

    In copies of the folder, with its space and its goals; a stand-in answers at once, so that no
    calculator runs and no laboratory is asked. Exit code 1 where anything recorded was lost, done
    twice, not accounted for, or a point was not reached.

    Example: athanor prove my-alloy --random 200
    """
    one_thread()
    folder = folder.absolute()
    from flows.prove.proof import prove
    from flows.prove.told import proved, table

    with proved(folder, random) as advance:
        proof = prove(
            folder,
            evaluations=evaluations,
            random_kills=random,
            ledger=ledger,
            seed=seed,
            advance=advance,
        )
    if as_json:
        print(json.dumps(asdict(proof) | {"holds": proof.holds}, indent=1))  # noqa: T201
    else:
        out.print(table(proof))
    if not proof.holds:
        raise typer.Exit(BAD_END)


def schema() -> None:
    """Print the JSON Schema of campaign.toml, with which editors complete and check it.

    Example: athanor schema > campaign.schema.json
    """
    from flows.settings import schema as of_settings

    print(json.dumps(of_settings(), indent=1))  # noqa: T201
