"""What goes out to the laboratory: the worklist as CSV, as a workbook and on paper."""

import csv
from io import BytesIO, StringIO

import pytest
from openpyxl import load_workbook

from loop.objective import Objective, Target
from loop.records import Candidate, Prediction, Why
from loop.space.composition import Composition
from loop.space.parameters import Categorical, Continuous
from loop.space.space import SearchSpace
from oracles.folder.making import Making
from oracles.folder.oracle import Folder
from oracles.folder.weighing import Weighing

MIXTURE = Composition(name="alloy", elements=("Ni", "Al"))
SPACE = SearchSpace(
    parameters=(
        Continuous(name="T", low=300.0, high=900.0, unit="K"),
        Categorical(name="end", values=("-OH", "=O", "<b>")),
        MIXTURE,
    )
)
OBJECTIVE = Objective(targets=(Target(name="yield", unit="%"),))
WHY = Why(
    origin="model", predicted={"yield": Prediction(mean=41.23456, sd=2.3456)}, nearest="0001-bcd"
)
ASKED = tuple(
    Candidate(id=f"000{n}-kzf", why=WHY, point={"T": 500.0, "end": end, "alloy": {"Ni": 1.0}})
    for n, end in enumerate(("-OH", "=O", "<b>"), 1)
)
MAKING = Making(repeats=3, weighing=Weighing(mixture=MIXTURE, amount=5.0))


@pytest.fixture
def out(tmp_path):
    """A laboratory that has been asked, and the folder of its worklist."""
    lab = Folder(folder=tmp_path, space=SPACE, objective=OBJECTIVE, making=MAKING)
    lab.submit(ASKED)
    return lab, tmp_path / "worklist"


def test_a_line_tells_all_that_the_laboratory_needs(out):
    """Code, parameters, amounts, repeats, what is expected and how sure that is, and why."""
    row = next(csv.DictReader(StringIO((out[1] / "worklist.csv").read_text())))
    assert row == {
        "candidate": "0001-kzf",
        "code": "kzf",
        "T [K]": "500",
        "end": "'-OH",
        "alloy.Ni": "1",
        "alloy.Al": "0",
        "weigh Ni [g]": "5",
        "weigh Al [g]": "0",
        "repeats wanted": "3",
        "yield [%]": "",
        "predicted yield [%]": "41.23",
        "predicted yield +- [%]": "2.3",
        "why this one": "Worth most to the model; most like 0001-bcd.",
    }


def test_the_workbook_says_the_same_with_numbers_as_numbers(out):
    """Texts that look like formulas are texts there, and no number is a text."""
    sheet = load_workbook(out[1] / "worklist.xlsx")["worklist"]
    head, *rows = sheet.iter_rows()
    first = {box.value: cell for box, cell in zip(head, rows[0], strict=True)}
    assert (first["T [K]"].value, first["predicted yield +- [%]"].value) == (500, 2.3)
    assert [row[3].value for row in rows] == ["-OH", "=O", "<b>"]
    assert {row[3].data_type for row in rows} == {"s"}
    assert len(rows) == 3


def test_the_page_is_one_file_and_safe(out):
    """Nothing is fetched from elsewhere, and a name with angle brackets is only a name."""
    page = (out[1] / "worklist.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;" in page
    assert "expected 41.23 ± 2.3" in page
    assert "each measured 3 times" in page
    assert not any(word in page for word in ("http", "src=", "<script", "<b>"))


def test_a_filled_worklist_comes_back_whole(out):
    """Guarded texts, amounts and predictions are no obstacle, and become no notes."""
    lab, folder = out
    rows = list(csv.DictReader(StringIO((folder / "worklist.csv").read_text())))
    text = StringIO()
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows({**row, "yield [%]": "40.5"} for row in rows)
    (folder.parent / "results").mkdir()
    (folder.parent / "results" / "filled.csv").write_text(text.getvalue())
    (receipt,) = lab.collect(ASKED)
    assert receipt.rejected == ()
    assert [(each.values, each.notes) for each in receipt.observations] == [
        ({"yield": 40.5}, {})
    ] * 3


def test_what_is_unchanged_is_not_written_again(out):
    """The same candidates leave all three files alone; a lost one comes back."""
    lab, folder = out
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    lab.submit(ASKED)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    (folder / "worklist.xlsx").unlink()
    lab.submit(ASKED)
    assert load_workbook(BytesIO((folder / "worklist.xlsx").read_bytes())).sheetnames == [
        "worklist"
    ]


def test_a_worklist_that_was_cut_off_is_written_again(out):
    """As after kill -9 between the note of what is written and the last of the files."""
    lab, folder = out
    before = (folder / "worklist.csv").read_bytes()
    lab.submit(ASKED[:1])
    after = (folder / "worklist.csv").read_bytes()
    (folder / "worklist.csv").write_bytes(before)
    lab.submit(ASKED[:1])
    assert (folder / "worklist.csv").read_bytes() == after != before


def test_a_form_that_was_filled_in_where_it_was_is_not_lost(out):
    """It is put aside before the worklist is written anew, and can be moved to results/."""
    lab, folder = out
    (folder / "form.xlsx").write_bytes(b"an afternoon of work")
    lab.submit(ASKED[:1])
    (kept,) = folder.glob("changed-*-form.xlsx")
    assert kept.read_bytes() == b"an afternoon of work"
    lab.submit(ASKED[:2])
    assert list(folder.glob("changed-*")) == [kept]


def test_a_filled_workbook_comes_back_whole(out):
    """The worklist's own workbook is a results file, too; its open lines are no rows."""
    lab, folder = out
    book = load_workbook(folder / "worklist.xlsx")
    sheet = book["worklist"]
    at = [box.value for box in sheet[1]].index("yield [%]") + 1
    sheet.cell(row=2, column=at, value=40.5)
    (folder.parent / "results").mkdir()
    book.save(folder.parent / "results" / "worklist.xlsx")
    (receipt,) = lab.collect(ASKED)
    assert (receipt.rows, receipt.rejected) == (1, ())
    (observation,) = receipt.observations
    assert (observation.values, observation.notes) == ({"yield": 40.5}, {})
