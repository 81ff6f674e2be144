"""Dirty files, made by code: what a laboratory sends when nobody is watching.

Each has a name, its bytes, how many of its rows are used, and what the sender is told of the rest.
The laboratory is that of tests/oracles/laboratory.py: toughness in J, cost without a unit.
"""

import io
import zipfile
from dataclasses import dataclass
from datetime import date, time

from openpyxl import Workbook
from openpyxl.worksheet.worksheet import Worksheet

from tests.oracles.laboratory import A, B, C

HEAD = "candidate,toughness [J],cost"
GOOD = f"{HEAD}\n{A},1.5,3\n{B},2.5,4\n"
PLAUSIBLE = {"toughness": (0.1, 100.0)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dirty:
    """A file; `told` are pieces of the reasons, one per rejection at least."""

    what: str
    content: bytes
    used: int = 0
    told: tuple[str, ...] = ()
    name: str = "results.csv"
    taken: bool = True  # false: nothing is read yet, or ever


def text(what, body, used=0, *told, name="results.csv", encoding="utf-8"):
    """A text file."""
    raw = body if isinstance(body, bytes) else body.encode(encoding)
    return Dirty(what=what, content=raw, used=used, told=told, name=name)


def cell(what, value, *told, used=0, target="toughness [J]"):
    """A file with one row, whose one value is this."""
    return text(what, f"candidate;{target}\n{A};{value}\n", used, *told)


def head(what, header, cells, *told, used=0):
    """A file with one row under a header of its own."""
    return text(what, f"{header}\n{cells}\n", used, *told)


def book(what, rows, used=0, *told, change=None, name="results.xlsx"):
    """A workbook of one sheet."""
    workbook = Workbook()
    sheet = workbook.active
    assert isinstance(sheet, Worksheet)
    for row in rows:
        sheet.append(row)
    if change is not None:
        change(workbook)
    content = io.BytesIO()
    workbook.save(content)
    return Dirty(what=what, content=content.getvalue(), used=used, told=told, name=name)


def packed(what, parts, *told):
    """A zip archive that calls itself a workbook."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        for name, part in parts.items():
            file.writestr(name, part)
    return Dirty(what=what, content=content.getvalue(), told=told, name="results.xlsx")


NUMBER = "expected a number"
UNIT = "a unit that converts to it"
UNCLEAR = "the decimal mark is not clear"
NO_ID = "no column 'candidate'"
ZOE = GOOD.replace("cost\n", "cost,who\n").replace(",3\n", ",3,Zoë\n")

ENCODINGS = [
    text("UTF-8", GOOD, 2),
    text("UTF-8 with a mark", GOOD, 2, encoding="utf-8-sig"),
    text("UTF-16", GOOD, 2, encoding="utf-16"),
    text("UTF-16, big end first", b"\xfe\xff" + GOOD.encode("utf-16-be"), 2),
    text("UTF-32", GOOD, 2, encoding="utf-32"),
    text("UTF-16 without a mark", GOOD, 0, "a binary file", encoding="utf-16-le"),
    text("Latin-1", ZOE, 0, "declare its encoding", encoding="latin-1"),
    text("Mac Roman", ZOE, 0, "declare its encoding", encoding="mac-roman"),
    text("Shift-JIS", GOOD.replace("cost", "価格"), 0, "declare", encoding="shift-jis"),
    text("UTF-8 cut within a letter", ZOE.encode() + b"\xc3", 0, "do not read as UTF-8"),
    text("null bytes", GOOD.replace("1.5", "1\x005"), 0, "a binary file"),
]
DIALECTS = [
    text("semicolons", GOOD.replace(",", ";"), 2),
    text("tabs", GOOD.replace(",", "\t"), 2),
    text("bars", GOOD.replace(",", "|"), 0, NO_ID),
    text("spaces", GOOD.replace(",", " "), 0, NO_ID),
    text("Windows line ends", GOOD.replace("\n", "\r\n"), 2),
    text("old Mac line ends", GOOD.replace("\n", "\r"), 2),
    text("blanks around", GOOD.replace(",", " , "), 2),
    text("blank lines", GOOD.replace("\n", "\n\n"), 2),
    text("trailing commas", GOOD.replace("\n", ",,\n"), 2),
    text("a title above", "Tensile tests, May\n\n" + GOOD, 2),
    text("an instrument's preamble", "Serial: 4711\nDate;1.5.2024\n" + GOOD, 2),
    text("everything in quotes", '"candidate","toughness [J]"\n"0001-abc","1.5"\n', 1),
    text("a quoted line break", f'candidate,cost,who\n{A},3,"Zoe\nand Bob"\n', 1),
    text("an open quote", f'candidate,cost\n{A},"3\n', 0, "quotation marks do not pair"),
    text("a quote within a cell", f'candidate,cost,who\n{A},3,"5" pin"\n', 0, "quotation marks"),
    text("decimal commas", GOOD.replace(",", ";").replace(".", ","), 2),
    text("both marks", f"candidate;cost\n{A};1,5\n{B};1.5\n", 0, UNCLEAR),
    text("thousands by commas", f"candidate;cost\n{A};1,234\n", 0, "a decimal or a thousand"),
    text("thousands by points", f"candidate;cost\n{A};1.234,5\n", 0, UNCLEAR),
    text("thousands by spaces", f"candidate;cost\n{A};1 234,5\n", 0, NUMBER),
    text("thousands by apostrophes", f"candidate;cost\n{A};1'234\n", 0, NUMBER),
    text("a decimal comma between commas", f"candidate,cost\n{A},1,5\n", 0, "a decimal comma"),
    text("a quoted decimal comma", f'candidate,cost\n{A},"1,5"\n', 0, UNCLEAR),
]
HEADERS = [
    text("no header", f"{A},1.5,3\n", 0, NO_ID),
    text("only a header", f"{HEAD}\n", 0),
    head("a column twice", "candidate,cost,cost", f"{A},1,2", "are the same"),
    head("a target in two units", "candidate,toughness [J],toughness [mJ]", f"{A},1,2", "the same"),
    head("a note twice", "candidate,cost,who,who", f"{A},1,a,b", "are the same"),
    head("no unit", "candidate,toughness", f"{A},1", "states no unit"),
    head("a unit misspelt", "candidate,toughness [Jule]", f"{A},1", "a unit"),
    head("a unit of another kind", "candidate,toughness [MPa]", f"{A},1", UNIT),
    head("a unit where there is none", "candidate,cost [J]", f"{A},1", "without '[J]'"),
    head("a unit that converts", "candidate,toughness [mJ]", f"{A},1500", used=1),
    head("a unit in round brackets", "candidate,toughness (J)", f"{A},1", "mean 'toughness [J]'?"),
    head("a unit behind a slash", "candidate,toughness / mJ", f"{A},1", "mean 'toughness [mJ]'?"),
    head("a target misspelt", "candidate,toughnes [J]", f"{A},1", "did you mean 'toughness [J]'?"),
    head("a scale for a unit", "candidate,cost [HV]", f"{A},1", "write the header without '[HV]'"),
    head("other case", "CANDIDATE,Toughness [J]", f"{A},1", used=1),
    head("id for candidate", "ID,cost", f"{A},1", used=1),
    head("code for candidate", "code,cost", f"{A[-3:]},1", "write the whole id"),
    head("sample for candidate", "sample,cost", f"{A},1", NO_ID),
    head("a merged header", "candidate,toughness [J],,cost", f"{A},1,2,3", "without a header"),
    head("a header that ends early", "candidate,cost", f"{A},1,2", "3 cells below a header of 2"),
    head("a row that ends early", "candidate,cost,who", f"{A},1", used=1),
    head("no target", "candidate,who", f"{A},Zoe", "no value and no status"),
    head("a row number in front", ",candidate,cost", f"0,{A},1", "without a header"),
    head("line break in a header", '"candidate","toughness\n[J]"', f"{A},1.5", used=1),
]
IDS = [
    text("an id wrong by one", f"candidate,cost\n{A[:-1]}x,1\n", 0, f"did you mean {A}?"),
    text("an id that lost a letter", f"candidate,cost\n{A[:-1]},1\n", 0, f"did you mean {A}?"),
    text("an id with a letter more", f"candidate,cost\n{A}x,1\n", 0, f"did you mean {A}?"),
    text("an id with two swapped", "candidate,cost\n0010-abc,1\n", 0, "did you mean 0001-abc?"),
    text("an id in capitals", f"candidate,cost\n{A.upper()},1\n", 1),
    text("an id without zeros", "candidate,cost\n1-abc,1\n", 1),
    text("the number alone", "candidate,cost\n0001,1\n", 0, "has the id '0001'"),
    text("a code of three samples", "candidate,cost\nabc,1\n", 0, "write the whole id"),
    text("no id", "candidate,cost\n,1\n", 0, "no candidate id"),
    text("somebody else's id", "candidate,cost\n0099-xyz,1\n", 0, "has the id '0099-xyz'"),
    text("an id that Excel made a date", "candidate,cost\n2001-01-01,1\n", 0, "has the id"),
    text("the same row twice", f"candidate,cost\n{A},1\n{A},1\n", 1),
    text("two values of one thing", f"candidate,cost\n{A},1\n{A},2\n", 2),
    text("two replicates", f"candidate,replicate,cost\n{A},1,1\n{A},2,2\n", 2),
    text("two measurements", f"candidate,measurement,cost\n{A},m1,1\n{A},m2,2\n", 2),
    text("a revision", f"candidate,revision,cost\n{A},1,1\n{A},2,2\n", 2),
    text("a revision in words", f"candidate,revision,cost\n{A},new,1\n", 0, "a whole number"),
    text("another sample's parameter", f"candidate,cost,T [K]\n{A},1,600\n", 0, "correct the id"),
    text("another sample's gas", f"candidate,cost,gas\n{A},1,N2\n", 0, "asked at gas = Ar"),
]
CELLS = [
    cell("NaN", "NaN", NUMBER),
    cell("infinity", "inf", NUMBER),
    cell("minus infinity", "-Infinity", NUMBER),
    cell("beyond floats", "1e999", "expected a finite number"),
    cell("n.a.", "n.a.", NUMBER),
    cell("a dash", "-", NUMBER),
    cell("a question mark", "1.5?", NUMBER),
    cell("two numbers", "1.5/1.6", NUMBER),
    cell("a range", "1.5-1.6", NUMBER),
    cell("with its error", "1.5 ± 0.1", NUMBER),
    cell("with its unit", "1.5 J", NUMBER),
    cell("percent", "15%", NUMBER),
    cell("a fraction", "3/2", NUMBER),
    cell("hexadecimal", "0x10", NUMBER),
    cell("underscores", "1_000", NUMBER),
    cell("a letter O", "1.O", NUMBER),
    cell("a letter l", "l.5", NUMBER),
    cell("Arabic digits", "٣", NUMBER),
    cell("full-width digits", "\uff11.5", NUMBER),
    cell("a Unicode minus", "−1.5", NUMBER),
    cell("two points", "1.5.2024", NUMBER),
    cell("an ISO date", "2024-05-01", "got the date"),
    cell("a time", "01:05:00", "got the date"),
    cell("a month of Excel's", "May 24", NUMBER),
    cell("an error of Excel's", "#DIV/0!", NUMBER),
    cell("a formula as text", "=1+1", NUMBER),
    cell("TRUE", "TRUE", NUMBER),
    cell("an emoji", "👍", NUMBER),
    cell("a non-breaking blank", "\u00a01.5\u00a0", used=1),
    cell("a zero-width blank", "1.5\u200b", NUMBER),
    cell("scientific", "1.5e0", used=1),
    cell("scientific with a comma", "1,5E0", used=1),
    cell("an explicit plus", "+1.5", used=1),
    cell("ten times too large", "150", "10 times too large"),
    cell("a thousand times too small", "0.0015", "times too small"),
    cell("negative where it cannot be", "-5", "expected 0.1 to 100 J"),
    cell("below a limit", "<0.5", used=1),
    cell("above a limit", "> 5", used=1),
    cell("a limit without a number", "<", NUMBER),
    cell("an undeclared limit", "<LOD", "nobody has declared"),
    cell("not detected", "n.d.", "nobody has declared"),
    cell("a megabyte in a cell", "1" * 1_000_000, "a cell is endless"),
    cell("a hundred thousand digits", "1." + "3" * 100_000, used=1),
]
FAILURES = [
    head("failed", "candidate,status", f"{A},failed", used=1),
    head("contaminated", "candidate,status", f"{A},Contaminated", used=1),
    head("an instrument's fault", "candidate,status,reason", f"{A},instrument,no beam", used=1),
    head("an unknown status", "candidate,status", f"{A},exploded", "expected ok, failed"),
    head("failed with a value", "candidate,status,cost", f"{A},failed,3", "beside a value"),
    head("an error without a value", "candidate,toughness error [J]", f"{A},1", "but no value"),
    head("a negative error", "candidate,cost,cost error", f"{A},1,-1", "a standard error"),
    head("made out of what is not there", "candidate,cost,executed:gas", f"{A},1,He", "one of Ar"),
    head("made of half", "candidate,cost,actual:alloy.Cu", f"{A},1,0.5", "sum to 1"),
    head("made of nothing known", "candidate,cost,actual:temp [K]", f"{A},1,4", "mean 'actual:T"),
    head("made, with no colon", "candidate,cost,actual T [degC]", f"{A},1,4", "'actual:T [degC]'"),
    head("made, in capitals", "candidate,cost,Actual:t [degC]", f"{A},1,200", used=1),
    head("fine, without a value", "candidate,cost,status", f"{A},,ok", "'ok', but no value"),
    head("made without a unit", "candidate,cost,actual:T", f"{A},1,450", "states no unit"),
    head("made elsewhere", "candidate,cost,actual:T [degC]", f"{A},1,200", used=1),
    head("a formula in a note", "candidate,cost,who", f"{A},x,=cmd|' /C calc'!A0", NUMBER),
]
ROWS = [["candidate", "toughness [J]", "cost"], [A, 1.5, 3], [B, 2.5, 4]]


def _second_sheet(workbook):
    other = workbook.create_sheet("more")
    other.append(["candidate", "toughness [J]"])
    other.append([C, 3.5])
    workbook.create_sheet("empty")


def _merged(workbook):
    workbook.active.merge_cells("B1:C1")


def _percent(workbook):
    workbook.active["B2"].number_format = "0.0 %"


def _far(workbook):
    workbook.active["XFD1"] = "far"


BOOKS = [
    book("a workbook", ROWS, 2),
    book("a workbook with macros", ROWS, 2, name="results.xlsm"),
    book("two sheets and an empty one", ROWS, 3, change=_second_sheet),
    book("a title above the table", [["Tensile tests"], [], *ROWS], 2),
    book("full precision", [ROWS[0], [A, 0.1 + 0.2, 1 / 3]], 1),
    book("an empty workbook", [], 0, "no sheet has a column 'candidate'"),
    book("no candidate", [["sample", "cost"], [1, 2]], 0, "no sheet has a column 'candidate'"),
    book("a merged header cell", ROWS, 0, "a merged header", change=_merged),
    book("a formula never computed", [ROWS[0], [A, "=1+1", 3]], 0, "never computed"),
    book("a date for a number", [ROWS[0], [A, date(2024, 5, 1), 3]], 0, "got the date"),
    book("a time for a number", [ROWS[0], [A, time(1, 5), 3]], 0, "got the date"),
    book("TRUE for a number", [ROWS[0], [A, True, 3]], 0, NUMBER),
    book("a text for a number", [ROWS[0], [A, "1,5", 3]], 0, "with the decimal mark '.'"),
    book("a number shown as percent", [ROWS[0], [A, 0.41, ""]], 0, "got '41%'", change=_percent),
    book("a number as text", [ROWS[0], [A, "1.5", 3]], 1),
    book("an error in a cell", [ROWS[0], [A, "#N/A", 3]], 0, NUMBER),
    book("a column far away", ROWS, 0, "more than 1000 columns", change=_far),
    book("gaps between rows", [ROWS[0], [], [], ROWS[1]], 1),
    packed("no workbook inside", {"readme.txt": "hello"}, "no workbook that can be read"),
    packed("a bomb", {"xl/worksheets/sheet1.xml": bytes(600_000_000)}, "it unpacks to 600 MB"),
    packed(
        "entities that multiply",
        {"xl/workbook.xml": '<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>'},
        "declare document types",
    ),
    packed(
        "broken parts", {"[Content_Types].xml": "<Types", "xl/workbook.xml": "<"}, "no workbook"
    ),
    text("a workbook cut short", b"PK\x03\x04" + bytes(3000), 0, "no workbook", name="cut.xlsx"),
    text("text called a workbook", GOOD, 0, "no workbook that can be read", name="results.xlsx"),
    text("an old workbook", b"\xd0\xcf\x11\xe0", 0, "save it as .xlsx", name="results.xls"),
    text("a workbook of LibreOffice", b"PK", 0, "save it as .xlsx", name="results.ods"),
]
FILES = [
    text("a picture called a table", b"\x89PNG\r\n\x1a\n\0\0\0", 0, "UTF-8", name="photo.csv"),
    text("random bytes", bytes(range(256)) * 40, 0, "UTF-8"),
    text("a web page", "<!DOCTYPE html>\n<html>Sign in</html>\n", 0, NO_ID),
    text("JSON", '{"candidate": "0001-abc", "cost": 3}\n', 0, NO_ID),
    text("prose", "Dear Ada,\nit broke.\n", 0, NO_ID),
    text("no line end", GOOD.rstrip(), 1, "without a line break"),
    text("a name with blanks", GOOD, 2, name="Copy of results (final) ü.CSV"),
    text("a long name", GOOD, 2, name="x" * 200 + ".csv"),
    Dirty(what="empty", content=b"", taken=False),
    Dirty(what="a mark alone", content=b"\xef\xbb\xbf", taken=False),
    text("half a header", "cand", 0, NO_ID),
    text("a line alone", f"{A} 1.5", 0, NO_ID),
    text("a last row that ends early", f"{HEAD}\n{A},1.5,3\n{B},2.5", 1, "without a line break"),
    Dirty(what="a header alone", content=HEAD.encode(), taken=False),
    Dirty(what="a download", content=GOOD.encode(), name="results.csv.crdownload", taken=False),
    Dirty(what="Excel's lock", content=b"x", name="~$results.xlsx", taken=False),
    Dirty(what="hidden", content=GOOD.encode(), name=".results.csv", taken=False),
    Dirty(what="a photograph", content=b"\xff\xd8", name="vial.jpg", taken=False),
]
DIRTY = [*ENCODINGS, *DIALECTS, *HEADERS, *IDS, *CELLS, *FAILURES, *BOOKS, *FILES]
