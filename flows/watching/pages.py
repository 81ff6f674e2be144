"""The pages of a campaign in Prefect's UI, as markdown: overview, model, failures, laboratory.

From the same data as `athanor status` and the report, and bounded: however long the campaign, a
page lists so many lines and draws so many marks.
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from flows import inbox
from flows.listing import Cell, observations
from flows.views import Entries, Standing, standing, verdict
from flows.waiting import day
from loop.campaign import Campaign
from loop.records import REAL, Candidate, Failed
from loop.report.account import troubles
from loop.report.course import course
from loop.report.drawing import Sheet
from loop.report.figures import progress
from loop.report.image import image
from loop.report.quantities import number, percent, quantity
from loop.report.rows import Row, reason, rows
from loop.space.values import written
from loop.stopping import StopRules

NEXT = 10  # candidates that an overview lists
NEWEST, BEST = 200, 50  # rows of the table of a long campaign
TOLD = 300  # characters of a reason or a message
FILES = 100  # files of a laboratory that are listed, the newest
ALWAYS = ("rows", "used", "rejected")  # what is counted of them, whether there is any or not
JUDGED = 500  # models whose course is drawn
BAR = 30  # characters

Table = list[dict[str, Cell]]


def overview(
    campaign: Campaign,
    entries: Entries,
    folder: Path,
    rules: StopRules,
    links: Mapping[str, str],
) -> str:
    """Where the campaign stands, what it found, why it waits, what comes next and why."""
    now = standing(campaign, entries, folder)
    listed = rows(campaign, entries)
    real = [row for row in listed if row.candidate.fidelity == REAL]
    best = progress(campaign, real, rules)
    return _page(
        f"# {campaign.problem.name}",
        f"**{now.goal}**",
        _far(now),
        f"**Now:** {now.waits}",
        " · ".join(f"[{name}]({where})" for name, where in links.items()),
        "## Found so far",
        *_bulleted([*now.merits, *now.correlated]),
        _picture(best),
        "## The turn",
        _turn(campaign),
        "## What is asked next, and why",
        _next(listed),
        "## Can the model be trusted?",
        *(_bulleted(verdict(known) for known in now.health.values()) or ["There is none yet."]),
        "---",
        f"As of {day(now.last)}; begun {day(now.since)}. Folder: `{folder}`."
        " An open page stays as it is: reload it.",
    )


def health(campaign: Campaign, entries: Entries, home: str) -> str:
    """What the newest model says of itself, by target, and how that has changed."""
    listed = rows(campaign, entries)
    every = -(-len(listed) // JUDGED)
    parts = [f"# {campaign.problem.name}: the model's health", _back(home)]
    for name, known in campaign.health.items():
        target = next(each for each in campaign.problem.objective.targets if each.name == name)
        facts = {
            "values it was fitted on": str(known.n),
            "off by, of a value it has not seen": quantity(known.error, target.unit),
            "R2: 1 is perfect, 0 no better than a mean": _number(known.r2),
            "share of its 95 % intervals that held": percent(known.coverage),
            "errors over their error bars: 1 is right": number(known.calibration, 2),
            "would not have believed": ", ".join(known.outliers) or "none",
            "at the end of its range": ", ".join(known.at_bounds) or "none",
        }
        drawn = course(target, listed[::-every][::-1])
        parts += [
            f"## {name}",
            drawn.caption if drawn else known.says,
            _table(["", ""], facts.items()),
            _picture(replace(drawn, caption="") if drawn else None),
        ]
    return _page(*parts)


def failures(campaign: Campaign, rules: StopRules, home: str) -> str:
    """Every failure that was ever recorded, by kind: how often, what it means, the newest."""
    found = troubles(campaign)
    lines = [
        (each.kind, len(each.answers), each.final, each.meaning, _newest(each.answers[-1]))
        for each in found
    ]
    count = len(campaign.all_failures)
    return _page(
        f"# {campaign.problem.name}: failures by kind",
        _back(home),
        f"{count} of {campaign.answered} answers are failures.",
        _table(["kind", "times", "final", "what it means", "the newest"], lines),
        f"When more than {percent(rules.failures)} are, the campaign is closed.",
    )


def laboratory(campaign: Campaign, home: str) -> str:
    """What became of every row that came in files: the counts add up.

    What no row of any file has come to is no column of its own.
    """
    files = inbox.accounts(campaign)
    shown, all_of_them = files[-FILES:], inbox.total(files)
    counts = [name for name in inbox.COUNTS if name in ALWAYS or getattr(all_of_them, name)]
    lines = [
        (each.file, *(getattr(each, name) for name in counts)) for each in (*shown, all_of_them)
    ]
    left_out = f"The newest {FILES} of {len(files)} files. " if len(files) > len(shown) else ""
    wrong = ", ".join(each.file for each in files if not each.balances)
    sums = f"**They do not add up: {wrong}.**" if wrong else "Every row is in one place."
    return _page(
        f"# {campaign.problem.name}: laboratory files",
        _back(home),
        f"{left_out}{sums} All: `athanor lab inbox`",
        _table(["file", *counts], lines),
        *_bulleted(each.said for each in inbox.disputes(campaign)[:FILES]),
    )


def table(campaign: Campaign, folder: Path) -> tuple[Table, str]:
    """The observations; of a long campaign the newest and the best, and a line that says so."""
    every = list(campaign.candidates)
    if len(every) <= NEWEST + BEST:
        return observations(campaign), f"All {len(every)} candidates"
    best = [result.candidate.id for result in campaign.ranked[:BEST]]
    newest = every[: -NEWEST - 1 : -1]
    listed = observations(campaign, list(dict.fromkeys([*newest, *best])))
    shown = [{key: _clipped(cell) for key, cell in row.items()} for row in listed]
    said = f"The newest {NEWEST} and the best {len(best)} of {len(every)} candidates"
    return shown, f"{said}; all of them: athanor export {folder} -o all.csv"


def _far(now: Standing) -> str:
    """How far it has come, with a bar."""
    failed = ", ".join(f"{count} {kind}" for kind, count in now.failed.items())
    failed = f", of which failed: {failed}" if failed else ""
    if now.budget is None:
        return f"**{now.answered} evaluations**{failed}"
    full = round(BAR * min(1.0, now.answered / now.budget))
    bar = "█" * full + "░" * (BAR - full)
    money = "" if now.money is None else f"; {now.spent:.4g} of {now.money:g} spent"
    return f"`{bar}` **{now.answered} of {now.budget} evaluations**{failed}{money}"


def _turn(campaign: Campaign) -> str:
    """The turn as a picture, with what is now where; the step that it is in stands out."""
    flying, waiting = len(campaign.running), len(campaign.pending)
    if campaign.closed is not None:
        step = "stop"
    elif flying:
        step = "evaluate"
    else:
        step = "submit" if waiting else "propose"
    return "\n".join(
        [
            "```mermaid",
            "flowchart LR",
            f'  propose["propose<br/>turn {campaign.turn}"] --> submit["ask<br/>{waiting} wait"]',
            f'  submit --> evaluate["evaluate<br/>{flying} in flight"]',
            f'  evaluate --> record["record<br/>{campaign.answered} answered"]',
            '  record --> learn["learn"] --> stop{"stop?"}',
            "  stop -->|no| propose",
            f"  style {step} fill:#0072b2,color:#fff",
            "```",
        ]
    )


def _next(listed: Sequence[Row]) -> str:
    """The candidates that wait, with why each was chosen."""
    waiting = [row for row in listed if row.waits]
    if not waiting:
        return "Nothing waits for an answer."
    lines = [
        (
            row.candidate.id,
            row.state,
            written(row.candidate.point)[:TOLD],
            row.candidate.why.origin,
            _predicted(row.candidate),
            reason(row.candidate.why)[:TOLD],
        )
        for row in waiting[:NEXT]
    ]
    more = f"and {len(waiting) - NEXT} more" if len(waiting) > NEXT else ""
    heads = ["candidate", "is", "point", "chosen by", "expected", "why"]
    return _page(_table(heads, lines), more)


def _predicted(candidate: Candidate) -> str:
    return ", ".join(
        f"{name} {number(each.mean)} ± {number(each.sd, 2)}"
        for name, each in candidate.why.predicted.items()
    )


def _newest(failed: Failed) -> str:
    return f"{failed.candidate}: {failed.message}"[:TOLD]


def _picture(sheet: Sheet | None) -> str:
    """A figure as an image in markdown; in both UIs, where inline SVG is shown in neither."""
    if sheet is None:
        return ""
    data = b64encode(image(sheet).encode()).decode()
    caption = f"\n\n{sheet.caption}" if sheet.caption else ""
    return f"![{sheet.title}](data:image/svg+xml;base64,{data}){caption}"


def _number(value: float | None) -> str:
    return "none: the values do not differ" if value is None else number(value, 2)


def _clipped(cell: Cell) -> Cell:
    return cell[:TOLD] if isinstance(cell, str) else cell


def _back(home: str) -> str:
    return f"[Overview]({home})"


def _bulleted(lines: Iterable[str]) -> list[str]:
    """One item a line, so that markdown does not run them together."""
    said = "\n".join(f"- {line.strip()}" for line in lines)
    return [said] if said else []


def _table(heads: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """A table in markdown: what stands in a cell ends no cell and no line."""
    body = [[_cell(each) for each in line] for line in lines]
    return "\n".join(
        "| " + " | ".join(line) + " |" for line in [list(heads), ["---"] * len(heads), *body]
    )


def _cell(value: object) -> str:
    return " ".join(str(value).replace("|", "\\|").replace("<", "&lt;").split())


def _page(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)
