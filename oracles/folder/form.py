"""A workbook to fill in: what waits is there already, and lists say what may be chosen."""

from collections.abc import Mapping, Sequence

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from loop.objective import Objective
from loop.records import Candidate
from loop.space.composition import Composition
from loop.space.parameters import Categorical, Ordinal, Parameter, is_named
from loop.space.pool import Pool
from loop.space.space import SearchSpace
from oracles.folder.columns import CODE, REPEATS, fields, titled, unit_of
from oracles.folder.making import Making
from oracles.folder.rows import FAILED
from oracles.folder.workbook import fill, saved
from oracles.folder.worklist import Cell, Worklist, cells_of, code

STATUSES = (
    "ok",
    "failed",
    "cracked",
    "not_formed",
    "contaminated",
    "instrument",
    "lost",
    "skipped",
)
SPARE = 200  # lines below those that wait that have lists, too
FREE = ("reason", "operator", "instrument", "batch", "comment")
MADE = "actual:"


def as_form(
    candidates: Sequence[Candidate], space: SearchSpace, objective: Objective, making: Making
) -> bytes:
    """The workbook: a sheet to fill in, and one that explains its columns."""
    book = Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)  # noqa: S101 - openpyxl's type says it may be a chart
    sheet.title = "results"
    table = _table(candidates, space, objective, making)
    results = {titled(each.name, each.unit) for each in objective.targets}
    explained = _explained(space, objective)
    fill(sheet, table, frozenset(results | {"status"}))
    _explain(book.create_sheet("what to write"), table.header, explained)
    lists = book.create_sheet("lists")
    lists.sheet_state = "hidden"
    for number, (head, choices) in enumerate(_choices(space).items(), start=1):
        _offer(sheet, lists, table, (number, head), choices)
    return saved(book)


def _table(
    candidates: Sequence[Candidate], space: SearchSpace, objective: Objective, making: Making
) -> Worklist:
    """A line per sample and measurement wanted, its results open."""
    asked = [titled(name, unit_of(p)) for p in space.parameters for name in fields(p)]
    made = _made(space)
    results = [
        titled(name, t.unit) for t in objective.targets for name in (t.name, f"{t.name} error")
    ]
    header = ("candidate", CODE, REPEATS, "replicate", *asked, *results, "status", *FREE, *made)
    rows: list[tuple[Cell, ...]] = []
    for each in candidates:
        wanted = making.wanted(each.id)
        for repeat in wanted:
            known: list[Cell] = [each.id, code(each.id), float(len(wanted)), float(repeat)]
            known += [cell for p in space.parameters for cell in cells_of(p, each)]
            rows.append((*known, *(None for _ in header[len(known) :])))
    return Worklist(header=header, rows=tuple(rows))


def _made(space: SearchSpace) -> list[str]:
    """Columns for what was made otherwise: of a mixture, those of its components."""
    return [titled(f"{MADE}{name}", unit_of(p)) for p in space.parameters for name in fields(p)]


def _choices(space: SearchSpace) -> Mapping[str, Sequence[str]]:
    """What may be chosen, by column."""
    named = {
        head: values
        for parameter in space.parameters
        if (values := _values(parameter))
        for head in (parameter.name, f"{MADE}{parameter.name}")
    }
    return {"status": [each for each in STATUSES if each == "ok" or each in FAILED], **named}


def _values(parameter: Parameter) -> Sequence[str]:
    match parameter:
        case Categorical(values=values):
            return values
        case Ordinal(levels=levels) if is_named(parameter):
            return [str(level) for level in levels]
        case _:
            return ()


def _offer(
    sheet: Worksheet,
    lists: Worksheet,
    table: Worklist,
    column: tuple[int, str],
    choices: Sequence[str],
) -> None:
    """Let the cells of a column be chosen from a list."""
    number, head = column
    for row, choice in enumerate(choices, start=1):
        box = lists.cell(row=row, column=number, value=choice)
        box.data_type = "s"
    at = get_column_letter(number)
    offer = DataValidation(
        type="list", formula1=f"lists!${at}$1:${at}${len(choices)}", allow_blank=True
    )
    offer.showErrorMessage = True
    offer.errorTitle, offer.error = "Not on the list", f"Choose one of: {', '.join(choices)}"[:250]
    here = get_column_letter(table.header.index(head) + 1)
    offer.add(f"{here}2:{here}{len(table.rows) + 1 + SPARE}")
    sheet.add_data_validation(offer)


def _explained(space: SearchSpace, objective: Objective) -> dict[str, str]:
    """What to write in each column, in a sentence."""
    said = {
        "candidate": "The id of the sample, from the worklist. Copy it, never type it anew.",
        CODE: "Its three letters, as on the vial.",
        REPEATS: "How many measurements of the sample are still wanted. Nothing to write.",
        "replicate": "1, 2, 3 ...: which measurement of the sample this line is.",
        "status": "Leave empty where there is a value; else choose what went wrong. Choose skipped"
        " where there will be no further measurement of the sample.",
        "reason": "Why it went wrong, in your own words.",
        "operator": "Who measured.",
        "instrument": "On which instrument.",
        "batch": "Of which batch the sample or its material is.",
        "comment": "Anything else.",
    }
    for target in objective.targets:
        unit = f" in {target.unit}" if target.unit else ""
        said[titled(target.name, target.unit)] = (
            f"The measured {target.name}{unit}: a number alone."
        )
        error = titled(f"{target.name} error", target.unit)
        said[error] = f"The standard error of that {target.name}{unit}, where you know it."
    for parameter in space.parameters:
        for name in fields(parameter):
            head, unit = titled(name, unit_of(parameter)), unit_of(parameter)
            said[head] = f"What was asked of {name}. Nothing to write: leave it as it is."
            other = f" in {unit}" if unit else ""
            whole = ", with all other fractions of it" if isinstance(parameter, Composition) else ""
            made = f"Only where it was made differently: what {name} really was{other}{whole}."
            said[titled(f"{MADE}{name}", unit)] = made
            if isinstance(parameter, Pool):
                said[head] = f"Which {name} was asked for. Nothing to write: leave it as it is."
    return said


def _explain(sheet: Worksheet, header: Sequence[str], said: Mapping[str, str]) -> None:
    """A sheet that is only read by people: its names stand in quotes, so that it is no table."""
    sheet.append(["In this column", "write"])
    for head in header:
        sheet.append([f"\u201c{head}\u201d", said[head]])
    for box in sheet[1]:
        box.font = Font(bold=True)
    for row in sheet.iter_rows():
        for box in row:
            box.alignment = Alignment(wrap_text=True, vertical="top")
    sheet.column_dimensions["A"].width, sheet.column_dimensions["B"].width = 30, 80
