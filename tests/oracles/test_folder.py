"""The rows of a laboratory's file: used once and rightly, or rejected with their reason."""

import re
from pathlib import Path

import pytest
from openpyxl import Workbook

from loop.errors import OracleError
from loop.objective import Objective, Target
from loop.records import Failed
from loop.space.parameters import Ordinal
from oracles.folder.oracle import Folder
from oracles.folder.rows import Unfit, _made
from tests.oracles.laboratory import ASKED, SPACE, A, B, lab, only, read, refusal, values

GOOD = {(A, ""): {"toughness": 1.5, "cost": 3.0}, (B, ""): {"toughness": 2.5}}


def test_a_plain_file_is_taken_as_it_is(tmp_path):
    """Ids, values, partial answers and the place of every row are kept."""
    receipt = read(tmp_path, f"candidate,toughness [J],cost\n{A},1.5,3\n{B},2.5,\n")
    assert (values(receipt), receipt.rows, receipt.rejected) == (GOOD, 2, ())
    source = receipt.observations[1].source
    assert (source.oracle, source.file, source.row) == ("folder", "results.csv", 2)
    assert source.sha256 == receipt.sha256


@pytest.mark.parametrize(
    "text",
    [
        f"candidate;toughness [J];cost\n{A};1.5;3\n{B};2.5;\n",
        f"candidate;toughness [J];cost\n{A};1,5;3\n{B};2,5;\n",
        f"candidate\ttoughness [J]\tcost\n{A}\t1,5\t3,0\n{B}\t2,5\t\n",
        f"cost,toughness [mJ],candidate\n3,1500,{A}\n,2500,{B}\n",
        f"ID,Toughness[J], cost []\n{A},1.5,3\n{B},2.5\n",
        f'"candidate","toughness [J]","cost"\r\n"{A}","1.5","3"\r\n"{B}","2.5",""\r\n',
        f"\n\ncandidate,toughness [J],cost,,\n{A}, 1.5 ,3,,\n\n,,,,\n{B},25e-1,,,\n",
        f"candidate,toughness [J],cost,T [degC],gas\n{A},1.5,3,126.85,Ar\n{B},2.5,,,\n",
        f"candidate,toughness [J],cost,status\n{A},1.5,3,ok\n{B},2.5,,\n",
    ],
)
def test_the_same_answers_in_another_dress(tmp_path, text):
    """Delimiter, decimal mark, order, units, case, quotes and blank lines make no difference."""
    receipt = read(tmp_path, text)
    assert (values(receipt), receipt.rows, receipt.rejected) == (GOOD, 2, ())


@pytest.mark.parametrize(
    ("header", "cells", "column", "reason"),
    [
        ("toughness [J]", "high", "toughness [J]", "expected a number .*got 'high'"),
        ("toughness [J]", "NaN", "toughness [J]", "expected a number .*got 'NaN'"),
        ("toughness [J]", "inf", "toughness [J]", "expected a number .*got 'inf'"),
        ("toughness [J]", "1_000", "toughness [J]", "expected a number"),
        ("toughness [J]", "0x10", "toughness [J]", "expected a number"),
        ("toughness [J]", "٣", "toughness [J]", "expected a number"),
        ("toughness [J]", "1e999", "toughness [J]", "expected a finite number"),
        ("toughness [J]", "#DIV/0!", "toughness [J]", "expected a number"),
        ("toughness [J]", "~5", "toughness [J]", "expected a number"),
        ("toughness [J]", "<LOD", "toughness [J]", "that nobody has declared: write it as '<0.5'"),
        ("toughness [J]", "2024-05-01", "toughness [J]", "got the date .* format the column"),
        ("revision,cost", "x,5", "revision", "expected a whole number"),
        ("toughness", "5", "toughness", r"states no unit: write '\[J\]'"),
        ("toughness [GPa]", "5", "toughness [GPa]", "'GPa' is not J, nor a unit that converts"),
        ("toughness [bananas]", "5", "toughness [bananas]", r"'bananas' is not J.*write '\[J\]'"),
        ("cost [K]", "5", "cost [K]", r"has no unit of it: write the header without '\[K\]'"),
        ("toughness [J]", "", "", "no value and no status"),
        ("toughness [J],,", "5,,7", "", "'7' stands in a column without a header"),
        ("toughness [J]", "1,5", "", "3 cells below a header of 2"),
        ("toughness error [J]", "5", "toughness error [J]", "an error, but no value"),
        ("toughness [J],toughness error [J]", "5,-1", "toughness error [J]", "standard error"),
        ("toughness [J],status", "5,failed", "status", "'failed' beside a value"),
        ("status", "exploded", "status", "expected ok, failed, infeasible.*got 'exploded'"),
        (
            "cost,T [K]",
            "5,401",
            "T [K]",
            r"was asked at T = 400 K, the row says 401.*'actual:T \[K\]'",
        ),
        ("cost,T [GPa]", "5,400", "T [GPa]", "'GPa' is not K, nor a unit that converts"),
        ("cost,gas", "5,N2", "gas", "was asked at gas = Ar, the row says N2"),
        ("cost,alloy.Au", "5,0.5", "alloy.Au", "was asked at alloy.Au = 0, the row says 0.5"),
        ("cost,executed:T", "5,400", "executed:T", r"states no unit: write '\[K\]'"),
        ("cost,executed:gas", "5,He", "executed:gas", "expected one of Ar, N2, got 'He'"),
        (
            "cost,executed:alloy.Cu",
            "5,0.9",
            "executed:alloy.Cu",
            "fractions that sum to 1, got 0.9",
        ),
    ],
)
def test_what_cannot_be_taken_is_rejected_with_its_reason(tmp_path, header, cells, column, reason):
    """A rejection names the row, the column and the reason; the other rows are taken."""
    receipt = read(tmp_path, f"candidate,{header}\n{A},{cells}\n")
    rejection = refusal(receipt)
    assert (rejection.row, rejection.column) == (1, column)
    assert re.search(reason, rejection.reason), rejection.reason
    assert receipt.rows == 1


def test_a_bad_row_does_not_spoil_the_good_ones(tmp_path):
    """Every row of a file is an observation or a rejection, each for itself."""
    receipt = read(tmp_path, f"candidate,cost\n{A},3\n{B},high\n,4\n0099-xyz,5\n")
    assert [each.candidate for each in receipt.observations] == [A, "0099-xyz"]
    assert [(each.row, each.column) for each in receipt.rejected] == [(2, "cost"), (3, "candidate")]
    assert receipt.rows == 4


@pytest.mark.parametrize(
    ("header", "cells", "kind", "message"),
    [
        ("status", "failed", "infeasible", "the laboratory says: failed"),
        ("status,reason", "Failed,it cracked", "infeasible", "it cracked"),
        ("failure,reason", "not converged,no plateau", "not_converged", "no plateau"),
        ("status,cost", "cancelled,", "cancelled", "the laboratory says: cancelled"),
    ],
)
def test_a_failure_is_an_answer(tmp_path, header, cells, kind, message):
    """A row that says why there is no value is a Failed of the kind that it names."""
    failed = only(read(tmp_path, f"candidate,{header}\n{A},{cells}\n"))
    assert isinstance(failed, Failed)
    assert (failed.candidate, failed.kind, failed.message) == (A, kind, message)


def test_a_failure_keeps_what_else_the_row_says(tmp_path):
    """Other columns of a failed row stay in its log."""
    failed = only(read(tmp_path, f"candidate,status,who\n{A},failed,Ada\n"))
    assert failed.log == "who: Ada"


def test_other_columns_are_notes(tmp_path):
    """What nobody asked for is kept under its own header."""
    text = f"candidate,cost,who,room [degC],reason\n{A},3,Ada,21.5,slow\n"
    assert only(read(tmp_path, text)).notes == {
        "who": "Ada",
        "room [degC]": "21.5",
        "reason": "slow",
    }


def test_errors_are_converted_as_differences(tmp_path):
    """An error of 2 degC is 2 K, while a value of 2 degC is 275.15 K."""
    objective = Objective(targets=(Target(name="melting", unit="K"),))
    (tmp_path / "results").mkdir()
    text = f"candidate,melting [degC],melting error [degC]\n{A},2,2\n"
    (tmp_path / "results" / "a.csv").write_text(text)
    (receipt,) = Folder(folder=tmp_path, space=SPACE, objective=objective).collect(ASKED)
    measured = only(receipt)
    assert measured.values == pytest.approx({"melting": 275.15})
    assert measured.errors == pytest.approx({"melting": 2.0})


def test_a_percentage_is_what_its_sheet_shows(tmp_path):
    """Who types 41% into Excel stores 0.41: below [%] it is 41, below no unit 0.41."""
    objective = Objective(targets=(Target(name="yield", unit="%"), Target(name="share")))
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.append(["candidate", "yield [%]", "share", "alloy.Cu"])
    sheet.append([A, 0.41, 0.57, 1])
    for cell in ("B2", "C2", "D2"):
        sheet[cell].number_format = "0.0%"
    sheet.append([B, 41, 0.57, None])
    sheet["B3"].number_format = '0.0" %"'
    (tmp_path / "results").mkdir()
    book.save(tmp_path / "results" / "a.xlsx")
    (receipt,) = Folder(folder=tmp_path, space=SPACE, objective=objective).collect(ASKED)
    assert receipt.rejected == ()
    assert [*values(receipt).values()] == [{"yield": 41.0, "share": 0.57}] * 2


def test_replicates_are_told_apart(tmp_path):
    """The column `replicate` makes several values of one candidate possible."""
    receipt = read(tmp_path, f"candidate,replicate,cost\n{A},1,3\n{A},2,4\n")
    assert values(receipt) == {(A, "1"): {"cost": 3.0}, (A, "2"): {"cost": 4.0}}


def test_what_was_executed_is_what_the_row_says(tmp_path):
    """Executed values are read in any unit, and a composition from its columns."""
    text = (
        "candidate,cost,executed:T [degC],executed:alloy.Cu [%],executed: alloy.Au\n"
        f"{A},3,200,80,0.2\n"
    )
    executed = only(read(tmp_path, text)).executed
    assert executed["T"] == pytest.approx(473.15)
    assert executed["alloy"] == pytest.approx({"Cu": 0.8, "Au": 0.2})
    assert "gas" not in executed


@pytest.mark.parametrize("shown", ["512.3456789", "512.3", "512", "5.1E2", "512,35", ""])
def test_a_parameter_may_come_back_rounded(tmp_path, shown):
    """A worklist that went through a spreadsheet is recognised, as far as its digits go."""
    assert only(read(tmp_path, f"candidate;cost;T [K]\n{B};3;{shown}\n")).values == {"cost": 3.0}


@pytest.mark.parametrize("shown", ["512.4", "513", "511.9", "high", "1e999", "0"])
def test_a_parameter_of_another_candidate_is_noticed(tmp_path, shown):
    """Cells that were sorted apart from their id are not taken for its answer."""
    receipt = read(tmp_path, f"candidate;cost;T [K]\n{B};3;{shown}\n")
    assert "correct the id, or state what was made" in refusal(receipt).reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("candidate,cost,cost\n", "columns 'cost' and 'cost' are the same"),
        ("candidate,toughness [J],toughness [mJ]\n", r"'toughness \[mJ\]' are the same"),
        ("candidate,cost,who,who\n", "columns 'who' and 'who' are the same"),
        ("sample,cost\n0001,3\n", "no column 'candidate'"),
        ("candidate|cost\n0001|3\n", "no column 'candidate'"),
        ('candidate,cost\n0001,"3\n', "the quotation marks do not pair"),
        ("candidate;cost\n0001;1,5\n0002;1.5\n", "'1,5' has a comma, '1.5' a point"),
        ("candidate;cost\n0001;1.234,5\n0002;1.234\n", "the decimal mark is not clear"),
        ("candidate;cost\n0001;1 234,5\n0002;1.234\n", "the decimal mark is not clear"),
        ("candidate;cost\n0001;1,234\n", "'1,234' may be a decimal or a thousand"),
        ('candidate,cost\n0001,"1,5"\n', "and so are the columns separated"),
    ],
)
def test_a_file_that_can_be_read_two_ways_is_rejected_whole(tmp_path, text, reason):
    """A file is never guessed at: one rejection, of row 0, says what is unclear."""
    receipt = read(tmp_path, text)
    assert (receipt.rows, receipt.observations, refusal(receipt).row) == (0, (), 0)
    assert re.search(reason, refusal(receipt).reason), receipt.rejected


@pytest.mark.parametrize(
    ("cell", "value"), [("1,234", 1.234), ("1234", 1234.0), ("-,5", -0.5), ("2,5e-3", 0.0025)]
)
def test_a_declared_decimal_mark_settles_it(tmp_path, cell, value):
    """Where the campaign declares the decimal comma, a comma is one."""
    receipt = read(tmp_path, f"candidate;cost\n{A};{cell}\n", decimal=",")
    assert only(receipt).values == {"cost": value}


def test_names_that_a_header_cannot_tell_apart_are_refused():
    """A target that is called like a reserved column, or like a parameter, is an error."""
    objective = Objective(targets=(Target(name="status"),))
    with pytest.raises(OracleError, match=r"results column 'status'.*Rename the target"):
        Folder(folder=Path(), space=SPACE, objective=objective)


@pytest.mark.parametrize(
    ("parameter", "cell", "said"),
    [
        (Ordinal(name="x", levels=("crude", "pure")), "raw", "one of crude, pure, got 'raw'"),
        (Ordinal(name="x", levels=(1.0, 2.0), log=True), -1.0, "a number above 0, got -1"),
    ],
)
def test_a_level_as_executed_must_be_one_that_can_be_encoded(parameter, cell, said):
    """A name must be known; a number need not be a level, but have a logarithm where one is."""
    with pytest.raises(Unfit, match=said):
        _made(parameter, {"x": cell}, "executed:x")
    first = parameter.levels[0]
    assert _made(parameter, {"x": first}, "executed:x") == first


@pytest.mark.parametrize(
    ("way", "values"), [("flag", {}), ("limit", {"toughness": 5.0}), ("half", {"toughness": 2.5})]
)
@pytest.mark.parametrize("cell", ["<5", "< 5.0", "\u22645", "<LOD"])
def test_below_a_limit_of_detection(tmp_path, way, values, cell):
    """The limit is noted, and used as the campaign says."""
    text = f"candidate,toughness [J]\n{A},{cell}\n"
    measured = only(read(tmp_path, text, censored=way, detection={"toughness": 5.0}))
    assert measured.values == values
    assert measured.notes == {"toughness as given": "< 5 J"}
    assert measured.censored == ({} if values else {"toughness": "< 5 J"})


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("15", "expected 1 to 10 J (oracle.plausible), got 15 J: 10 times too large, perhaps"),
        ("0.005", "got 0.005 J: 1000 times too small, perhaps"),
        ("1e9", "expected 1 to 10 J (oracle.plausible), got 1e+09 J"),
    ],
)
def test_a_value_that_cannot_be_is_rejected(tmp_path, cell, said):
    """A slipped decimal point is noticed where the campaign says what is plausible."""
    text = f"candidate,toughness [J]\n{A},{cell}\n"
    receipt = read(tmp_path, text, plausible={"toughness": (1.0, 10.0)})
    assert refusal(receipt).reason.endswith(said)


@pytest.mark.parametrize("header", ["executed:T [K]", "actual:T [K]", "actual: T [degC]"])
def test_a_sample_that_was_made_elsewhere(tmp_path, header):
    """It is fitted where it was made; noted beyond the tolerance, rejected beyond the limit."""
    options = {"tolerance": {"T": 2.0}, "limit": {"T": 20.0}}
    for made, notes in ((401.0, {}), (405.0, {"drift T": "made at 405 K, asked at 400"})):
        cell = made - 273.15 if "degC" in header else made
        measured = only(read(tmp_path, f"candidate,cost,{header}\n{A},1,{cell:.6g}\n", **options))
        assert (measured.executed["T"], measured.notes) == (pytest.approx(made), notes)
    receipt = read(tmp_path, f"candidate,cost,{header}\n{A},1,500\n", **options)
    assert "so it is another sample" in refusal(receipt).reason


@pytest.mark.parametrize(
    ("word", "kind"),
    [("instrument", "crashed"), ("Contaminated", "crashed"), ("verschüttet", "cancelled")],
)
def test_words_of_a_laboratory_are_kinds_of_failure(tmp_path, word, kind):
    """Known words and the campaign's own mean one of the kinds."""
    text = f"candidate,status\n{A},{word}\n"
    assert only(read(tmp_path, text, statuses={"Verschüttet": "cancelled"})).kind == kind


def test_rows_are_told_apart_by_measurement_and_revision(tmp_path):
    """Either id will do, or both; and Excel's 1.0 is 1."""
    rows = f"{A},1.0,,,3\n{A},2,m7,1,4\n{A},,m8,,5\n"
    found = read(tmp_path, f"candidate,replicate,measurement,revision,cost\n{rows}").observations
    assert [(each.replicate, each.revision) for each in found] == [("1", 0), ("2/m7", 1), ("m8", 0)]


def test_the_code_names_a_sample_where_there_is_no_id(tmp_path):
    """What stands on the vial is enough."""
    assert only(read(tmp_path, "code,cost\nabc,3\n")).candidate == "abc"


def test_an_instrument_that_cannot_be_told_what_to_write(tmp_path):
    """Its headers are mapped, the id stands in the name, a line is a header and its value."""
    options = {
        "columns": {"UTS (MPa)": "toughness [J]", "Price": "cost"},
        "id_in_name": r"run-(?P<id>\d{4}-[a-z]{3})",
    }
    table = "Tester 5000\nUTS (MPa);Price;x\n1,5;3;y\n"
    measured = only(read(tmp_path, table, name=f"run-{A}.csv", **options))
    assert (measured.candidate, measured.values) == (A, {"toughness": 1.5, "cost": 3.0})
    (tmp_path / "results" / f"run-{A}.csv").unlink()
    summary = "Tester 5000\nstrain;stress\n0,1;2,2\nUTS (MPa);1,5\nPrice;3\n"
    for text, used in ((summary, True), (summary + "0,3;2,", True), (summary[:-1], False)):
        receipt = read(tmp_path, text, name=f"run-{A}.txt", lines=True, **options)
        assert bool(receipt.observations) == used
        assert used or "without a line break" in refusal(receipt).reason
    (tmp_path / "results" / f"run-{A}.txt").unlink()
    book = Workbook()
    for line in (["Tester 5000"], ["strain", "stress"], ["UTS (MPa)", 1.5], ["Price", 3]):
        book.worksheets[0].append(line)
    book.save(tmp_path / "results" / f"run-{A}.xlsx")
    (receipt,) = lab(tmp_path, lines=True, **options).collect(ASKED)
    assert only(receipt).values == {"toughness": 1.5, "cost": 3.0}


READER = """
def peak(path):
    numbers = [float(line) for line in open(path)]
    print("a reader may print")
    return {"cost": max(numbers), "operator": "Zoe"}
"""


def test_a_function_of_ones_own_reads_the_rest(tmp_path):
    """A spectrum goes in, a number comes out; an exception is a rejection with its reason."""
    (tmp_path / "peaks.py").write_text(READER)
    options = {
        "reader": "peaks.py:peak",
        "files": "*.xy",
        "id_in_name": r"(?P<id>\d{4}-[a-z]{3})",
    }
    measured = only(read(tmp_path, "1.5\n2.5\n", name=f"{A}.xy", **options))
    assert (measured.values, measured.notes) == ({"cost": 2.5}, {"operator": "Zoe"})
    receipt = read(tmp_path, "1.5\nx\n", name=f"{A}.xy", **options)
    assert "reader failed: ValueError: could not convert" in refusal(receipt).reason
    assert len(list((tmp_path / "archive").glob("*.xy"))) == 2
    way = receipt.reading
    (tmp_path / "peaks.py").write_text("def peak(path):\n    raise SystemExit\n")
    receipt = read(tmp_path, "1.5\nx\n", name=f"{A}.xy", **options)
    assert "reader failed: it returned nothing" in refusal(receipt).reason
    assert receipt.reading != way  # so that what was rejected is read again
