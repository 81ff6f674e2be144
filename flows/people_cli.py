"""What people decide about a campaign: commands that are put on record with who and why.

Heavy imports wait, as in cli. Commands print here; what they do stands in modules of its own.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.arguments import AsJson, By, Dir, Why, one_thread, out, say_status

if TYPE_CHECKING:
    from loop.campaign import Campaign

SHOWN = 10  # reasons of which a terminal lists as many

people = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what it changes.")]


@people.command()
def veto(
    folder: Dir,
    candidates: Annotated[list[str], typer.Argument(help="Candidates that wait for an answer.")],
    reason: Why,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Refuse candidates: they leave the budget, and the next turn proposes others in their place.

    Their points are not proposed again. What is made and measured all the same is used, and counts.

    Example: athanor veto my-lab 0004-fzy --reason "too hot for the furnace"
    """
    from flows.people import user, veto

    running = veto(folder, candidates, reason, user() if by is None else by)
    if as_json:
        print(json.dumps({"vetoed": candidates, "running": dict(running)}, indent=1))  # noqa: T201
        return
    out.print(f"Vetoed: {', '.join(candidates)}. The next turn proposes others.")
    for candidate, worker in running.items():
        still = f"{candidate} is being evaluated by {worker}"
        out.print(f"{still}: an answer that comes all the same is used, and counts.")


@people.command()
def ask(  # noqa: PLR0913 - an argument for every word of the command
    folder: Dir,
    values: Annotated[
        list[str] | None, typer.Argument(help="The point: T=900 solvent=water alloy.Cu=0.5 ...")
    ] = None,
    *,
    replicate: Annotated[
        str | None, typer.Option(metavar="ID", help="The point of this candidate once more.")
    ] = None,
    oracle: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of several: a stand-in, or the real thing.")
    ] = None,
    reason: Why = "",
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Propose a point of your own; it counts toward the budget, and its cost, like any other.

    Every parameter is named, with numbers in its unit; of a composition, the fractions that are
    not zero. The next turn, or the run that goes on, hands it to the oracle.

    Example: athanor ask my-lab T=900 alloy.Cu=0.5 alloy.Ni=0.5 --reason "a hunch"

    Example: athanor ask my-lab --replicate 0002-nqp --reason "is it as good as it looks?"

    Example: athanor ask my-lab T=900 alloy.Cu=1 --oracle emt --reason "what does EMT say?"
    """
    one_thread()
    from flows.people import ask, user
    from flows.rig import load
    from flows.views import plain
    from loop.space.values import written

    rig = load(folder.absolute()).rig
    who = user() if by is None else by
    asked = ask(rig, values or [], reason, who, replicate=replicate, oracle=oracle)
    whom = rig.problem.fidelity(asked.fidelity).called if rig.problem.fidelities else ""
    if as_json:
        said = {"candidate": asked.id, "point": plain(asked.point), "why": asdict(asked.why)}
        print(json.dumps(said | {"oracle": whom}, indent=1))  # noqa: T201
    else:
        out.print(f"Asked{f' of {whom}' if whom else ''}: {asked.id} at {written(asked.point)}.")


@people.command()
def attach(
    folder: Dir,
    file: Annotated[Path, typer.Argument(help="CSV, TSV or Excel with past measurements.")],
    reason: Why = "",
    by: By = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Attach past data: rows of parameters and values, read as results are, that name no candidate.

    They train the model, count as points of the design, and do not use up the budget. Every row is
    used once, counted as a duplicate, or given back in rejected/ with its reason. Headers that are
    spelt otherwise are mapped under [oracle.columns].

    Example: athanor attach my-lab past.csv --reason "the campaign of 2024"
    """
    one_thread()
    from flows.attaching import attach
    from flows.people import plainly, told, user

    who = user() if by is None else by
    done = attach(folder.absolute(), file, reason, who, dry_run=dry_run)
    if as_json:
        said = {key: getattr(done, key) for key in ("rows", "attached", "duplicates", "rejected")}
        said |= {"files": done.files, "changes": plainly(done.campaign, done.changed)["changes"]}
        print(json.dumps(said, indent=1))  # noqa: T201
        return
    would = "would be " if dry_run else ""
    used = f"{len(done.attached)} {would}attached, {done.duplicates} known already"
    out.print(f"{done.rows} rows: {used}, {len(done.rejected)} rejected.")
    for reason_, count in done.reasons.most_common(SHOWN):
        out.print(f"  {count} x {reason_}")
    if len(done.reasons) > SHOWN:
        out.print(f"  and {len(done.reasons) - SHOWN} other reasons; --json has all")
    out.print("\n".join([*done.files, *told(done.campaign, done.changed)[:-1]]))


@people.command()
def correct(  # noqa: PLR0913, PLR0917 - an argument for every word of the command
    folder: Dir,
    candidate: Annotated[str, typer.Argument(help="The candidate with the wrong value.")],
    values: Annotated[list[str], typer.Argument(help='What is right: hardness=7.1 or "x=7.1 mm".')],
    reason: Why,
    error: Annotated[
        list[str] | None, typer.Option(help="Its standard error, where that is wrong: x=0.2.")
    ] = None,
    replicate: Annotated[
        str | None, typer.Option(help="Which of several measurements is meant.")
    ] = None,
    by: By = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Correct a recorded value, and say what that changes.

    The old value stays on record. A file that says it once more changes nothing. Values are in the
    target's unit, unless another is written behind the number.

    Example: athanor correct my-lab 0002-nqp hardness=7.1 --reason "a digit too many"
    """
    from flows.folder import known
    from flows.people import correct, plainly, told, user
    from flows.typed import measured
    from loop.corrections import Correction

    units = known(folder)[0].problem.objective.units
    right = Correction(
        candidate=candidate,
        values=measured(values, units),
        errors=measured(error or [], units),
        replicate=replicate,
    )
    who = user() if by is None else by
    campaign, changed = correct(folder, right, reason, who, dry_run=dry_run)
    if as_json:
        print(json.dumps(plainly(campaign, changed), indent=1))  # noqa: T201
    else:
        done = "would be corrected" if dry_run else "corrected"
        out.print("\n".join([f"{candidate}: {done}.", *told(campaign, changed)]))


@people.command()
def retract(
    folder: Dir,
    candidate: Annotated[str, typer.Argument(help="The candidate whose answers are wrong.")],
    reason: Why,
    by: By = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Take the answers of a candidate back, and say what that changes.

    They stay on record, are not used any more, and stay paid for: the budget is not given back.
    To have the point measured again: athanor ask DIR --replicate ID.

    Example: athanor retract my-lab 0002-nqp --reason "the thermocouple was loose"
    """
    from flows.people import plainly, retract, told, user

    who = user() if by is None else by
    campaign, changed = retract(folder, candidate, reason, who, dry_run=dry_run)
    if as_json:
        print(json.dumps(plainly(campaign, changed), indent=1))  # noqa: T201
    else:
        done = "would be taken back" if dry_run else "taken back"
        out.print("\n".join([f"{candidate}: answers {done}.", *told(campaign, changed)]))


@people.command()
def pause(folder: Dir, reason: Why, by: By = None, as_json: AsJson = False) -> None:
    """Begin nothing more: what is in flight ends and is recorded, and a run waits for `resume`.

    Example: athanor pause my-lab --reason "the furnace is being repaired"
    """
    from flows.people import hold, user

    _say_held(hold(folder, reason, user() if by is None else by, ""), as_json=as_json)


@people.command()
def resume(folder: Dir, reason: Why = "", by: By = None, as_json: AsJson = False) -> None:
    """Go on with a paused campaign; says what was in flight and is asked again.

    Example: athanor resume my-lab --reason "the furnace is back"
    """
    from flows.people import go_on, user

    go_on(folder, reason, user() if by is None else by, only_stopped=False)
    say_status(folder, as_json=as_json)


@people.command()
def stop(
    folder: Dir,
    reason: Why = "told to stop",
    by: By = None,
    now: Annotated[
        bool, typer.Option("--now", help="Give up what is in flight: it is asked again.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Have whoever runs the campaign end, after what is in flight; `athanor run` goes on with it.

    Example: athanor stop my-alloy --now --reason "the machine is needed"
    """
    from flows.people import hold, user

    who = user() if by is None else by
    _say_held(hold(folder, reason, who, "now" if now else "soon"), as_json=as_json)


@people.command()
def reopen(
    folder: Dir, reason: Annotated[str, typer.Option(help="Why; it is put on record.")]
) -> None:
    """Let a closed campaign go on; what failed for bad settings is asked again.

    Example: athanor reopen my-alloy --reason "the scratch disk is back"
    """
    from flows.rig import load
    from loop.decisions import reopening
    from loop.run import decide

    decide(load(folder).rig, reopening(reason))
    say_status(folder, as_json=False)


def _say_held(campaign: "Campaign", *, as_json: bool) -> None:
    """That it is held, by whom and why, and what is in flight."""
    from loop.people import because

    held = campaign.paused
    if held is None:  # somebody has resumed it meanwhile
        out.print("It goes on.")
        return
    flying = {each: started.worker for each, started in campaign.running.items()}
    if as_json:
        said = {"reason": held.reason, "by": held.by, "stop": held.stop, "in_flight": flying}
        print(json.dumps(said, indent=1))  # noqa: T201
        return
    out.print(f"{'Stopped' if held.stop else 'Paused'}: {because(held)}.")
    fate = "given up, and asked again later" if held.stop == "now" else "is waited for"
    for candidate, worker in flying.items():
        out.print(f"In flight: {candidate}, by {worker}: {fate}.")
