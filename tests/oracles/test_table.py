"""A table of known answers: lookup, replicates, units, and files that cannot be used."""

from math import sqrt
from pathlib import Path
from statistics import stdev

import pandas as pd
import pytest

from loop.errors import OracleError, UnitError
from loop.objective import Objective, Target
from loop.records import Candidate, Failed, Measured, Why
from loop.space.composition import Composition
from loop.space.parameters import Categorical, Continuous, Discrete, Ordinal
from loop.space.space import SearchSpace
from oracles.table import Table

DATA = Path(__file__).parents[2].parent / "shared" / "data"
with_data = pytest.mark.skipif(not DATA.is_dir(), reason="shared/data is not beside the checkout")

TEMPERATURE = Continuous(name="T", low=300.0, high=900.0, unit="K")
GAS = Categorical(name="gas", values=("Ar", "N2"))
SPACE = SearchSpace(parameters=(TEMPERATURE, GAS))
OBJECTIVE = Objective(targets=(Target(name="yield", unit="%"),))
TEXT = "T,gas,yield\n400,Ar,10\n400,Ar,14\n400,N2,20\n800,Ar,30\n"


def table(folder, text=TEXT, space=SPACE, **settings):
    """The oracle of a CSV file."""
    (folder / "past.csv").write_text(text)
    return Table(path=folder / "past.csv", space=space, objective=OBJECTIVE, **settings)


def ask(oracle, number=1, **point):
    """The one answer to a candidate at a point."""
    asked = Candidate(id=f"{number:04d}-abc", point=point, why=Why(origin="manual"))
    (answer,) = oracle.collect([asked])
    return answer


def test_replicates_are_averaged_with_their_error(tmp_path):
    """Rows at one point give their mean, its standard error and how many they are."""
    answer = ask(table(tmp_path), T=400.0, gas="Ar")
    assert (answer.values, answer.repeats) == ({"yield": 12.0}, 2)
    assert answer.errors == pytest.approx({"yield": stdev([10, 14]) / sqrt(2)})
    assert (answer.source.file, answer.source.row, answer.executed) == ("past.csv", 1, None)


def test_a_single_row_has_no_error(tmp_path):
    """Nothing is known of the error of one measurement."""
    answer = ask(table(tmp_path), T=400.0, gas="N2")
    assert (answer.values, answer.errors, answer.repeats) == ({"yield": 20.0}, {}, 1)


def test_a_drawn_replicate_is_one_of_them_and_stays(tmp_path):
    """The draw is decided by candidate and seed: again the same, and each of them sometimes."""
    oracle = table(tmp_path, replicates="draw")
    draws = [ask(oracle, number, T=400.0, gas="Ar") for number in range(20)]
    assert {draw.values["yield"] for draw in draws} == {10.0, 14.0}
    assert draws == [ask(oracle, number, T=400.0, gas="Ar") for number in range(20)]
    assert all(draw.repeats == 1 and not draw.errors for draw in draws)


@pytest.mark.parametrize("shift", [0.0, 1e-4, -1e-4])
def test_rounding_does_not_hide_a_row(tmp_path, shift):
    """A point within rounding of a row is that row."""
    assert ask(table(tmp_path), T=800.0 + shift, gas="Ar").values == {"yield": 30.0}


def test_a_point_that_is_not_there_is_infeasible(tmp_path):
    """An exact table says no to other points, and names the row that is nearest."""
    answer = ask(table(tmp_path), T=700.0, gas="Ar")
    assert isinstance(answer, Failed)
    assert answer.kind == "infeasible"
    assert "the nearest, 0.167 away on encoded columns, is row 4: {'T': 800.0" in answer.message


def test_the_nearest_row_says_that_it_was_executed(tmp_path):
    """A nearest table answers with a row's value and with the point that it belongs to."""
    answer = ask(table(tmp_path, match="nearest"), T=700.0, gas="Ar")
    assert (answer.values, answer.executed) == ({"yield": 30.0}, {"T": 800.0, "gas": "Ar"})


@pytest.mark.parametrize(
    "text",
    [
        "T,gas,yield\n400,N2,20\n",
        " T , gas,yield [%] \n 400 ,N2 , 20\n",
        "T [degC],gas,yield []\n126.85,N2,0.2\n",
        "gas,comment,yield [%],T [K]\nN2,good,20.0,4e2\n",
        "\ufeffT,gas,yield\r\n400,N2,20\r\n",
    ],
)
def test_columns_are_found_by_name_and_brought_into_the_campaigns_units(tmp_path, text):
    """Order, blanks, units and other columns make no difference."""
    assert ask(table(tmp_path, text), T=400.0, gas="N2").values == pytest.approx({"yield": 20.0})


def test_columns_may_have_other_names(tmp_path):
    """The settings say what the file calls a target, a parameter, a fraction."""
    space = SearchSpace(parameters=(Composition(name="alloy", elements=("Cu", "Au")),))
    columns = {"yield": "Y", "alloy.Cu": "copper", "alloy.Au": "gold"}
    text = "copper [%],gold,Y\n25,0.75,7\n100,0,9\n"
    oracle = table(tmp_path, text, space=space, columns=columns)
    assert ask(oracle, alloy={"Cu": 0.25, "Au": 0.75}).values == {"yield": 7.0}
    assert ask(oracle, alloy={"Cu": 1.0}).values == {"yield": 9.0}


def test_levels_are_read_as_numbers_or_as_names(tmp_path):
    """An ordinal name is text; a row of a level that the space does not have is left out."""
    parameters = (
        Ordinal(name="load", levels=(1.0, 2.0, 5.0), unit="%"),
        Ordinal(name="purity", levels=("crude", "pure")),
    )
    text = "load [%],purity,yield\n5,pure,7\n2,crude,9\n2,unknown,8\n"
    oracle = table(tmp_path, text, space=SearchSpace(parameters=parameters))
    assert ask(oracle, load=5.0, purity="pure").values == {"yield": 7.0}
    assert len(oracle.known.points) == 2


def test_parquet_answers_as_csv_does(tmp_path):
    """The same table in another format gives the same answer."""
    csv = table(tmp_path)
    pd.read_csv(csv.path).to_parquet(tmp_path / "past.parquet")
    parquet = Table(path=tmp_path / "past.parquet", space=SPACE, objective=OBJECTIVE)
    one, other = (ask(oracle, T=400.0, gas="Ar") for oracle in (csv, parquet))
    assert (one.values, one.errors) == (other.values, other.errors)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a CSV or Parquet file"),
        ("T,gas,yield\n", "at least one row"),
        ("T,gas\n400,Ar\n", "one column 'yield', with or without a unit, got 0 among 'T', 'gas'"),
        ("T,gas,yield,yield [%]\n400,Ar,1,2\n", "one column 'yield'.*got 2 among"),
        ("T,gas,yield,yield\n400,Ar,1,2\n", "one column 'yield'.*got 2 among"),
        ("T,gas,yield\n400,Ar,1\n500,Ar,high\n", r"past.csv, row 2, column 'yield'.*got 'high'"),
        ("T,gas,yield\n400,Ar,\n", r"row 1, column 'yield': expected a finite number, got ''"),
        ("T,gas,yield\n400,Ar,inf\n", r"row 1, column 'yield'.*got 'inf'"),
        ("T,gas,yield\n,Ar,1\n", r"row 1, column 'T'.*Correct the cell, or remove the row"),
        ("T,gas,yield\n400,Ar,1,2\n", "a CSV or Parquet file"),
        ("T,gas,yield\n400,He,1\n", "rows that lie in the search space, got none among 1"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_at_once(tmp_path, text, message):
    """The error names the file, the row and the column before anything is asked."""
    with pytest.raises(OracleError, match=message):
        table(tmp_path, text)


def test_a_unit_of_another_dimension_is_refused(tmp_path):
    """A column that cannot be converted is an error, not a number."""
    with pytest.raises(UnitError, match=r"past.csv, column 'yield \[J\]'"):
        table(tmp_path, "T,gas,yield [J]\n400,Ar,1\n")


def test_a_missing_file_is_refused(tmp_path):
    """The error names the file."""
    with pytest.raises(OracleError, match=r"past.csv: expected a CSV or Parquet file, got .*Errno"):
        Table(path=tmp_path / "past.csv", space=SPACE, objective=OBJECTIVE)


def test_a_column_for_nothing_is_refused(tmp_path):
    """A misspelt name under columns is an error."""
    with pytest.raises(OracleError, match=r"oracle.columns: expected names among .*, got 'yeild'"):
        table(tmp_path, columns={"yeild": "Y"})


@with_data
def test_every_barrel_is_found_with_its_three_replicates():
    """All 600 designs of the crossed barrels answer with the mean of three."""
    space = SearchSpace(
        parameters=(
            Discrete(name="n", low=6.0, high=12.0, step=2.0),
            Continuous(name="theta", low=0.0, high=200.0, unit="deg"),
            Continuous(name="r", low=1.5, high=2.5, unit="mm"),
            Continuous(name="t", low=0.7, high=1.4, unit="mm"),
        )
    )
    objective = Objective(targets=(Target(name="toughness", unit="J"),))
    oracle = Table(path=DATA / "crossed_barrel.csv", space=space, objective=objective)
    designs = list({tuple(point.items()): point for point in oracle.known.points}.values())
    answers = [ask(oracle, number, **design) for number, design in enumerate(designs)]
    assert len(designs) == 600
    assert all(isinstance(each, Measured) and each.repeats == 3 for each in answers)


@with_data
def test_a_blend_of_polymers_is_looked_up_by_its_fractions():
    """A composition over given columns finds the measured blends, absent polymers left out."""
    space = SearchSpace(parameters=(Composition(name="mat", elements=("1", "2", "3", "4")),))
    oracle = Table(
        path=DATA / "photo_wf3.csv",
        space=space,
        objective=Objective(targets=(Target(name="degradation", goal="min"),)),
        columns={f"mat.{i}": f"mat_{i}" for i in "1234"},
    )
    assert ask(oracle, mat={"1": 1.0}).values == {"degradation": 0.189174654}
