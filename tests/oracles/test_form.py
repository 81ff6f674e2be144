"""The workbook to fill in: what it produces is taken without a rejection."""

from io import BytesIO

import pytest
from openpyxl import load_workbook

from loop.objective import Objective, Target
from loop.records import Candidate, Failed, Measured, Why
from loop.space.composition import Composition
from loop.space.parameters import Categorical, Continuous, Ordinal
from loop.space.space import SearchSpace
from loop.space.values import Point
from oracles.folder.form import as_form
from oracles.folder.making import Making
from oracles.folder.oracle import Folder

SPACE = SearchSpace(
    parameters=(
        Continuous(name="T", low=300.0, high=900.0, unit="K"),
        Categorical(name="gas", values=("Ar", "N2, dry", "-none-")),
        Ordinal(name="mill", levels=("coarse", "fine")),
        Composition(name="alloy", elements=("Cu", "Au")),
    )
)
OBJECTIVE = Objective(targets=(Target(name="toughness", unit="J"), Target(name="cost")))
POINT: Point = {"T": 512.5, "gas": "N2, dry", "mill": "fine", "alloy": {"Cu": 0.25, "Au": 0.75}}
ASKED = tuple(
    Candidate(id=f"000{n}-kzf", point=POINT, why=Why(origin="manual")) for n in range(1, 4)
)


@pytest.fixture
def filled(tmp_path):
    """Fills the form in, by header and line, and what the laboratory then makes of it."""

    def filled(*lines):
        content = as_form(ASKED, SPACE, OBJECTIVE, Making(repeats=2))
        book = load_workbook(BytesIO(content))
        sheet = book["results"]
        heads = [box.value for box in sheet[1]]
        for number, line in enumerate(lines, start=2):
            for head, value in line.items():
                sheet.cell(row=number, column=heads.index(head) + 1, value=value)
        (tmp_path / "results").mkdir()
        book.save(tmp_path / "results" / "monday.xlsx")
        (receipt,) = Folder(folder=tmp_path, space=SPACE, objective=OBJECTIVE).collect(ASKED)
        return receipt

    return filled


def test_a_filled_form_is_taken_whole(filled):
    """Values, a failure, what was made differently; lines that are left open are no rows."""
    receipt = filled(
        {"toughness [J]": 1.5, "cost": 3, "operator": "Ann", "actual:T [K]": 515},
        {"toughness [J]": 1.6, "cost": 3},
        {"status": "cracked", "reason": "on cooling"},
    )
    assert (receipt.rejected, receipt.rows) == ((), 3)
    one, two, three = receipt.observations
    assert isinstance(one, Measured)
    assert isinstance(three, Failed)
    assert (one.candidate, one.replicate, dict(one.values)) == (
        "0001-kzf",
        "1",
        {"toughness": 1.5, "cost": 3.0},
    )
    assert (one.executed, one.notes) == ({"T": 515.0}, {"operator": "Ann"})
    assert (two.replicate, three.kind, three.message) == ("2", "infeasible", "on cooling")


def test_a_form_that_nobody_has_filled_in_says_nothing(filled):
    """It is read, and neither used nor refused."""
    receipt = filled()
    assert (receipt.rows, receipt.rejected) == (0, ())


def test_lists_offer_what_there_is():
    """Status, categories and named levels, also such with a comma; every column is explained."""
    book = load_workbook(BytesIO(as_form(ASKED, SPACE, OBJECTIVE, Making())))
    sheet, lists = book["results"], book["lists"]
    heads = [box.value for box in sheet[1]]
    offered = {
        heads[next(iter(each.sqref.ranges)).min_col - 1]: each.formula1
        for each in sheet.data_validations.dataValidation
    }
    assert set(offered) == {"status", "gas", "mill", "actual:gas", "actual:mill"}
    assert [box.value for box in lists["B"] if box.value] == ["Ar", "N2, dry", "-none-"]
    assert {row[0].value for row in book["what to write"].iter_rows(min_row=2)} == {
        f"“{head}”" for head in heads
    }
