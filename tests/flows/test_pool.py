"""Pools from files: tables and structures, what is refused, what a campaign on one shows."""

import json
import os
import subprocess
import sys
import tomllib

import ase.db
import ase.io
import numpy as np
import pandas as pd
import pytest
from ase.build import bulk

from flows.oracle import oracle
from flows.problem import stated
from loop.errors import LoopError
from loop.records import Candidate, Why
from loop.space.pool import Pool

CAMPAIGN = """
name = "screen"

[[parameter]]
name = "material"
kind = "pool"
file = "{file}"
{more}

[[target]]
name = "gap"
unit = "eV"
goal = "max"

[oracle]
kind = "{oracle}"
{answers}

[stop]
evaluations = 12
"""
OWN = 'file = "pool.csv"'


def rows(count=300, seed=0) -> pd.DataFrame:
    """Materials with two features, a text, a column that never varies, and a gap to be found."""
    rng = np.random.default_rng(seed)
    a, chi = rng.uniform(3, 6, count).round(4), rng.uniform(size=count).round(4)
    ids = [f"mp-{n}" for n in range(count)]
    frame = {"id": ids, "name": "X", "a [angstrom]": a, "chi": chi, "one": 1}
    return pd.DataFrame(frame | {"gap [eV]": 5 * chi - (a - 4) ** 2})


@pytest.fixture
def screen(tmp_path):
    """Makes a campaign folder on a pool: a table, or a file that is there."""

    def screen(frame=None, file="pool.csv", more="", oracle="folder", answers=""):
        if frame is not None and file.endswith(".csv"):
            frame.to_csv(tmp_path / file, index=False)
        elif frame is not None:
            frame.to_parquet(tmp_path / file)
        text = CAMPAIGN.format(file=file, more=more, oracle=oracle, answers=answers)
        (tmp_path / "campaign.toml").write_text(text)
        return tmp_path

    return screen


def read(folder) -> Pool:
    """The pool of the folder's campaign."""
    raw = tomllib.loads((folder / "campaign.toml").read_text())
    pool = stated(folder, raw)[1].space.pool
    assert pool is not None
    return pool


def test_a_campaign_on_a_pool_runs_and_shows_what_it_asked(screen, athanor):
    """Check, run, status, export and report: each names rows that were asked, none lists all."""
    folder = screen(rows(), oracle="table", answers=OWN)
    checked = athanor("check", folder)
    assert "300 rows of pool.csv, ids from id, features a [angstrom], chi; left out" in checked.out
    assert athanor("run", folder, "--no-prefect").code == 0
    assert "material = mp-" in athanor("status", folder).out
    exported = json.loads(athanor("export", folder, "--json").out)
    assert len({each["point"]["material"] for each in exported["candidates"]}) == 12
    assert exported["parameters"][0]["count"] == 300
    assert athanor("report", folder).code == 0
    page = (folder / "report.html").read_text()
    assert "300 rows of pool.csv, told apart by a [angstrom], chi" in page
    assert sum(f">mp-{n}<" in page for n in range(300)) == 12


def test_a_pool_that_changed_is_refused(screen, athanor):
    """A row more under a campaign that was opened is named, with the way out."""
    folder = screen(rows(), oracle="table", answers=OWN)
    athanor("run", folder, "--no-prefect")
    rows(301).to_csv(folder / "pool.csv", index=False)
    ran = athanor("run", folder, "--no-prefect")
    assert ran.code == 2
    assert "space.material: expected the 300 rows of pool.csv" in ran.err
    assert "Put the file back as it was" in ran.err


def test_a_pool_beside_another_parameter(screen, athanor):
    """A material and a temperature: every candidate is a row of the pool at a legal T."""
    more = '[[parameter]]\nname = "T"\nkind = "continuous"\nlow = 300\nhigh = 900'
    answers = 'function = "measure.py:measure"'
    folder = screen(rows(60), more=more, oracle="function", answers=answers)
    (folder / "measure.py").write_text(
        "def measure(T, material):\n    return T / 300 + int(material.removeprefix('mp-')) / 60\n"
    )
    assert athanor("run", folder, "--no-prefect").code == 0
    found = json.loads(athanor("export", folder, "--json").out)
    points = [each["point"] for each in found["candidates"]]
    assert {point["material"] for point in points} <= set(rows(60)["id"])
    assert all(300 <= point["T"] <= 900 for point in points)


def test_rows_with_equal_features_are_asked_and_answered_by_id(screen, athanor):
    """Of three rows with the same features each is asked once and has its own answer."""
    frame = rows(12)
    frame.loc[:2, ["a [angstrom]", "chi"]] = [4.0, 0.5]
    folder = screen(frame, more="", oracle="table", answers=OWN + '\n[proposer]\nkind = "design"')
    athanor("run", folder, "--no-prefect")
    found = json.loads(athanor("export", folder, "--json").out)["candidates"]
    values = {each["point"]["material"]: each["answers"][0]["values"]["gap"] for each in found}
    assert values == pytest.approx(dict(zip(frame["id"], frame["gap [eV]"], strict=True)))


def test_csv_and_parquet_hold_the_same_pool(screen):
    """The digest is of what the rows say, not of how they are stored."""
    csv, parquet = (read(screen(rows(), f"pool.{kind}")) for kind in ("csv", "parquet"))
    assert csv.digest == parquet.digest
    assert np.array_equal(csv.X, parquet.X)
    assert csv.points([0, 299]) == [{"material": "mp-0"}, {"material": "mp-299"}]


def test_default_features_are_all_numbers_but_id_and_targets(screen):
    """What is to be found out is never a feature; headers keep their units."""
    pool = read(screen(rows().assign(**{"gap error [eV]": 0.1 * np.arange(300)})))
    assert (pool.features, pool.dropped) == (("a [angstrom]", "chi"), ("one",))


def test_rows_without_ids_are_called_by_their_place(screen):
    """row-1 is the first below the header."""
    pool = read(screen(rows().drop(columns="id"), more='features = ["chi", "a"]'))
    assert list(pool.ids[:2]) == ["row-1", "row-2"]
    assert pool.features == ("chi", "a [angstrom]")


SAID = rows(3).astype({"chi": object})
WRONG = {
    "missing file": (None, "", ["material.file", "no 'pool.csv'"]),
    "missing column": (SAID, 'features = ["chii"]', ["features", "'chii'", "mean 'chi'"]),
    "missing id": (SAID, 'id = "key"', ["material.id", "'key'"]),
    "a target as feature": (SAID, 'features = ["gap"]', ["'gap [eV]', which is a target"]),
    "text": (SAID.assign(chi=[1, "high", 2]), "", ["row 2, column 'chi'", "'high'"]),
    "empty cell": (SAID.assign(chi=["1", "2", ""]), "", ["row 3, column 'chi'", "an empty cell"]),
    "nan": (SAID.assign(chi=["nan", 1, 2]), "", ["row 1, column 'chi'", "'nan'"]),
    "doubled id": (SAID.assign(id=["a", "b", "a"]), "", ["'a' in rows 1 and 3"]),
    "empty id": (SAID.assign(id=["a", "", "b"]), "", ["row 2, column 'id'", "an empty cell"]),
    "one row": (SAID[:1], "", ["two or more rows", "1 "]),
    "no numbers": (SAID[["id", "name", "gap [eV]"]], "", ["columns of numbers besides"]),
    "doubled header": (SAID.set_axis([*"aabcde"], axis=1), "", ["two of 'a'"]),
    "doubled feature": (SAID, 'features = ["chi", "chi"]', ["material.chi", "used once"]),
    "unknown key": (SAID, 'colour = "red"', ["colour"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_file_that_holds_no_pool_is_refused(screen, case):
    """One sentence that names the file, with row and column."""
    frame, more, said = WRONG[case]
    folder = screen(frame, more=more)
    with pytest.raises(LoopError, match=r"campaign\.toml: ") as refused:
        read(folder)
    assert [each for each in said if each not in str(refused.value)] == []


@pytest.mark.parametrize("kind", ["csv", "parquet", "xyz", "db", "txt"])
def test_a_file_of_another_kind_is_refused(screen, kind):
    """Bytes that are no table and no structures, under a name that says they are."""
    folder = screen(file=f"pool.{kind}")
    (folder / f"pool.{kind}").write_bytes(b"\xff\xfe\x00nonsense")
    with pytest.raises(LoopError, match=rf"pool\.{kind}"):
        read(folder)


def test_a_row_that_ends_early_is_refused(screen):
    """It is the reader of tables that notices."""
    folder = screen(rows(3))
    (folder / "pool.csv").write_text("id,chi,a\nx,1,2\ny,1\n")
    with pytest.raises(LoopError, match="Expected 3 columns, got 2"):
        read(folder)


def test_row_numbers_of_pandas_are_no_feature(screen):
    """An index that was written beside the columns tells nothing of a material."""
    shuffled = rows().sample(frac=1, random_state=0)
    assert read(screen(shuffled, "pool.parquet")).features == ("a [angstrom]", "chi")
    folder = screen(rows())
    rows().to_csv(folder / "pool.csv")
    with pytest.raises(LoopError, match="none above column 1"):
        read(folder)


def crystals():
    """Three crystals of two elements."""
    return [bulk("Cu", cubic=True), bulk("Cu", cubic=True, a=3.8), bulk("Au", cubic=True)]


def write_xyz(folder):
    """Write an extended XYZ file."""
    ase.io.write(folder / "set.xyz", crystals(), format="extxyz")


def write_db(folder):
    """Write an ASE database."""
    with ase.db.connect(folder / "set.db") as db:
        for atoms in crystals():
            db.write(atoms)


def write_cifs(folder):
    """Write a folder of CIF files."""
    (folder / "set").mkdir()
    for name, atoms in zip(("row-1", "row-2", "row-3"), crystals(), strict=True):
        ase.io.write(folder / "set" / f"{name}.cif", atoms)


@pytest.mark.parametrize(
    ("file", "write"), [("set.xyz", write_xyz), ("set.db", write_db), ("set", write_cifs)]
)
def test_structures_are_described_by_what_they_are(screen, file, write):
    """Composition, mean atomic number, volume per atom, density: 8.9 and 19.3 g/cm^3."""
    folder = screen(file=file)
    write(folder)
    pool = read(folder)
    assert list(pool.ids) == ["row-1", "row-2", "row-3"]
    names = "Au, Cu, mean atomic number, volume per atom [angstrom^3], density [g/cm^3]"
    assert ", ".join(pool.features) == names
    assert pool.X[2, :3] == pytest.approx([1, 0, 1])
    assert pool.X[:, 4] == pytest.approx([(8.94 - 7.69) / (19.28 - 7.69), 0, 1], abs=0.01)


@pytest.mark.parametrize("more", ["", 'features = ["hull", "density"]'])
def test_structures_may_bring_ids_and_features_of_their_own(screen, more):
    """Keys of the file that are numbers are the features, beside what is asked for by name."""
    atoms = crystals()
    for n, each in enumerate(atoms):
        each.info |= {"id": f"oqmd-{n}", "hull": 0.1 * n, "gap": 2.0 - n}
    folder = screen(file="set.extxyz", more=more)
    ase.io.write(folder / "set.extxyz", atoms)
    pool = read(folder)
    assert list(pool.ids) == ["oqmd-0", "oqmd-1", "oqmd-2"]
    assert pool.features == (("hull", "density [g/cm^3]") if more else ("hull",))


def test_moved_atoms_are_another_pool(screen):
    """The digest is of the atoms too, even where the features stay the same."""
    folder = screen(file="set.xyz")
    write_xyz(folder)
    before = read(folder)
    moved = crystals()
    moved[0].rattle(0.01, seed=0)
    ase.io.write(folder / "set.xyz", moved, format="extxyz")
    assert np.allclose(read(folder).X, before.X)
    assert read(folder) != before


RELAX = '[oracle.structure]\nkind = "pool"\npool = "{pool}"\n[oracle.properties]\ngap = "{own}"'


def asked(folder):
    """The folder's oracle, and one candidate of id row-3."""
    settings, problem = stated(folder, tomllib.loads((folder / "campaign.toml").read_text()))
    why = Why(origin="manual")
    return oracle(settings.oracles[0], problem, folder), Candidate(
        id="0001-abc", point={"material": "row-3"}, why=why
    )


def test_structures_of_a_pool_are_evaluated_by_id(screen):
    """row-3 is gold: its density by EMT is within 2 % of 19.3 g/cm^3."""
    answers = RELAX.format(pool="material", own="density")
    folder = screen(file="set.xyz", oracle="atoms", answers=answers)
    text = (folder / "campaign.toml").read_text().replace('"eV"', '"g/cm^3"')
    (folder / "campaign.toml").write_text(text)
    write_xyz(folder)
    gold, candidate = asked(folder)
    (answer,) = gold.collect([candidate])
    assert answer.values["gap"] == pytest.approx(19.3, rel=0.02)


@pytest.mark.parametrize(
    ("file", "pool", "own", "said"),
    [
        ("set.xyz", "materail", "density", "Did you mean 'material'"),
        ("set.xyz", "material", "lattice_constant", "what any cell has"),
        ("pool.csv", "material", "density", r"the table pool\.csv"),
    ],
)
def test_structures_that_are_not_there_are_refused(screen, file, pool, own, said):
    """A pool of another name, a property that no cell has, a table without structures."""
    answers = RELAX.format(pool=pool, own=own)
    folder = screen(file=file, oracle="atoms", answers=answers)
    rows(3).to_csv(folder / "pool.csv", index=False)
    write_xyz(folder)
    text = (folder / "campaign.toml").read_text().replace('"eV"', '"g/cm^3"')
    (folder / "campaign.toml").write_text(text)
    with pytest.raises(LoopError, match=said):
        asked(folder)


@pytest.mark.parametrize(("made", "taken"), [("row-1", True), ("row-9", False)])
def test_a_laboratory_is_asked_by_id_and_says_what_it_made(screen, made, taken):
    """The worklist names the row; another row may have been made, one of no such id may not."""
    folder = screen(rows(5).drop(columns="id"))
    lab, candidate = asked(folder)
    lab.submit([candidate])
    assert "0001-abc,abc,row-3," in (folder / "worklist" / "worklist.csv").read_text()
    sheet = f"candidate,executed:material,gap [eV]\n0001-abc,{made},2.5\n"
    (folder / "results").mkdir()
    (folder / "results" / "monday.csv").write_text(sheet)
    os.utime(folder / "results" / "monday.csv", (0, 0))
    (receipt,) = lab.collect([candidate])
    assert [each.executed for each in receipt.observations] == [{"material": made}] * taken
    assert ["'row-9'" in each.reason for each in receipt.rejected] == [True] * (not taken)


MILLION = """
import resource, sys
import flows.rig
from pathlib import Path
from flows.pool import made
from flows.tables.problem import PoolTable
from loop.bayes import Bayes
from tests.loop import rigs

resource.setrlimit(resource.RLIMIT_DATA, (2 * 10**9, 2 * 10**9))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
table = PoolTable(kind="pool", name="m", file=sys.argv[2])
pool = made(table, Path(sys.argv[1]), ())
asked = pool.ids[::10_000]
assert [pool.decode(pool.encode(each)) for each in asked] == list(asked)
assert pool.X.shape == (1_000_000, 6), pool.X.shape
campaign = rigs.evaluated(rigs.asked(pool), lambda point: {"y": sum(pool.encode(point["m"]))}, 20)
chosen = Bayes().propose(campaign, 4)
assert {each.why.origin for each in chosen} == {"model"}
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("file", ["pool.parquet", "pool.csv"])
def test_a_million_rows_fit_in_600_megabytes(tmp_path, file):
    """Loading 1e6 x 6, a design and a model's batch of four, above the imports, at the peak.

    In a process that may have two gigabytes of data.
    """
    X = np.random.default_rng(0).normal(size=(1_000_000, 6))
    frame = pd.DataFrame(X.round(6), columns=list("abcdef"))
    frame.insert(0, "id", [f"material-{n}" for n in range(len(X))])
    if file.endswith(".csv"):
        frame.to_csv(tmp_path / file, index=False)
    else:
        frame.to_parquet(tmp_path / file)
    command = [sys.executable, "-c", MILLION, str(tmp_path), file]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(said.stdout) < 600
