"""The worklist as an Excel workbook: to be filled in, saved, and put into results/."""

from io import BytesIO

from openpyxl import Workbook
from openpyxl.cell.cell import Cell as Box
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet

from oracles.folder.worklist import Cell, Worklist

HEAD = PatternFill("solid", fgColor="DDE3EA")
OPEN = PatternFill("solid", fgColor="FFF7D6")  # cells that wait to be filled in
NARROWEST, WIDEST = 9, 48  # characters


def as_workbook(table: Worklist, to_fill: frozenset[str], title: str = "worklist") -> bytes:
    """The table as a workbook of one sheet; the columns `to_fill` are coloured."""
    book = Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)  # noqa: S101 - openpyxl's type says it may be a chart
    sheet.title = title
    fill(sheet, table, to_fill)
    return saved(book)


def fill(sheet: Worksheet, table: Worklist, to_fill: frozenset[str]) -> None:
    """Put the table on the sheet: header frozen, texts as texts, numbers as numbers."""
    for column, head in enumerate(table.header, start=1):
        box = _put(sheet, 1, column, head)
        box.font, box.fill = Font(bold=True), HEAD
        box.alignment = Alignment(wrap_text=True, vertical="top")
        longest = max((len(_shown(row[column - 1])) for row in table.rows), default=0)
        width = min(max(NARROWEST, longest + 2, min(len(head) + 2, 18)), WIDEST)
        sheet.column_dimensions[get_column_letter(column)].width = width
    for number, row in enumerate(table.rows, start=2):
        for column, (head, cell) in enumerate(zip(table.header, row, strict=True), start=1):
            box = _put(sheet, number, column, cell)
            if head in to_fill:
                box.fill = OPEN
    sheet.freeze_panes = "C2"
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)


def saved(book: Workbook) -> bytes:
    """The bytes of a workbook."""
    content = BytesIO()
    book.save(content)
    return content.getvalue()


def _put(sheet: Worksheet, row: int, column: int, cell: Cell) -> Box:
    """Write one cell; a text is never a formula, whatever it begins with."""
    box = sheet.cell(row=row, column=column)
    assert isinstance(box, Box)  # noqa: S101 - only merged cells are others
    box.value = cell
    if isinstance(cell, str):
        box.data_type = "s"
        box.quotePrefix = cell.startswith(("=", "+", "-", "@"))
    return box


def _shown(cell: Cell) -> str:
    return "" if cell is None else str(cell)
