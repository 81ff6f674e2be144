"""Whatever is wrong with a campaign folder is one message with exit code 2, and no traceback."""

import pytest

from flows.cli import main
from tests.flows.folders import CAMPAIGN, hill

TEXT = CAMPAIGN.format(evaluations=8, batch=1)
ALLOY = TEXT.replace(
    '[[parameter]]\nname = "T"\nkind = "continuous"\nlow = 300\nhigh = 1200\nunit = "K"\n',
    '[[parameter]]\nname = "alloy"\nkind = "composition"\nelements = ["Cu", "Au"]\n',
)
ATOMS = """
name = "alloy"
[[parameter]]
name = "alloy"
kind = "composition"
elements = ["Cu", "Au"]
[[target]]
name = "bulk_modulus"
unit = "GPa"
goal = "max"
[oracle]
kind = "atoms"
structure = {kind = "random-alloy", composition = "alloy"}
[stop]
evaluations = 4
"""

# What is broken: the whole text, what stands in it, what is put there, and what must be said.
BROKEN = [
    ("a syntax error", TEXT, "low = 300", "low = ", ["campaign.toml", "TOML", "syntax"]),
    ("an unknown key", TEXT, "low = 300", "lwo = 300", ["parameter.T", "'lwo'", "'low'"]),
    ("an unknown table", TEXT, "[stop]", "[stopp]", ["'stopp'", "'stop'"]),
    ("low above high", TEXT, "low = 300", "low = 3000", ["space.T", "low below high", "3000"]),
    ("a number in quotes", TEXT, "low = 300", 'low = "300"', ["parameter.T.low", "without quotes"]),
    ("an unknown kind", TEXT, '"continuous"', '"continous"', ["parameter.T", "'continuous'"]),
    ("no kind", TEXT, 'kind = "continuous"\n', "", ["parameter.T", "kind"]),
    ("a name twice", TEXT, 'name = "gas"', 'name = "T"', ["T", "used once", "2 parameters"]),
    ("one category", TEXT, '["Ar", "N2"]', '["Ar"]', ["space.gas.values", "two or more"]),
    ("an unknown unit", TEXT, 'unit = "K"', 'unit = "Kelvins2"', ["parameter.T.unit", "Kelvins2"]),
    ("an unknown goal", TEXT, '"max"', '"maximise"', ["target.yield.goal", "'maximise'", "'max'"]),
    ("no goal at all", TEXT, '"max"', '"observe"', ["target", "at least one goal"]),
    ("no oracle", TEXT, "[oracle]", "[stop2]", ["oracle"]),
    ("an unknown oracle", TEXT, '"function"', '"functoin"', ["oracle", "'functoin'", "'function'"]),
    ("a missing function", TEXT, "hill.py:height", "hill.py:depth", ["depth"]),
    ("a missing file", TEXT, "hill.py:height", "vale.py:height", ["vale.py"]),
    ("no budget", TEXT, "evaluations = 8", "", ["stop.evaluations", "missing"]),
    ("a budget of nothing", TEXT, "evaluations = 8", "evaluations = 0", ["stop.evaluations", "0"]),
    ("a batch of nothing", TEXT, "batch = 1", "batch = 0", ["run.batch", "0"]),
    ("more workers than may wait", TEXT, "batch = 1", "workers = 3", ["run.workers", "3"]),
    (
        "a bound on nothing",
        TEXT,
        "[oracle]",
        '[objective]\nbounds = ["purity >= 99 %"]\n[oracle]',
        ["objective.bounds[1]", "purity"],
    ),
    (
        "a bound in another unit",
        TEXT,
        "[oracle]",
        '[objective]\nbounds = ["yield >= 99 K"]\n[oracle]',
        ["objective.bounds[1]", "'K'"],
    ),
    (
        "an unknown term",
        TEXT,
        "[oracle]",
        '[[constraint]]\nterms = {"t" = 1}\nhigh = 5\n[oracle]',
        ["constraint", "'t'"],
    ),
    (
        "an empty space",
        TEXT,
        "[oracle]",
        '[[constraint]]\nterms = {"T" = 1}\nhigh = 5\n[oracle]',
        ["T <= 5", "none is left"],
    ),
    (
        "a step that does not divide",
        TEXT,
        'kind = "continuous"',
        'kind = "discrete"\nstep = 70',
        ["space.T.step", "70"],
    ),
    ("too many elements", ALLOY, '"Au"]', '"Au"]\nat_most = 3', ["space.alloy.at_most", "3"]),
    (
        "bounds that leave no composition",
        ALLOY,
        '"Au"]',
        '"Au"]\nhigh = {Cu = 0.3, Au = 0.3}',
        ["space.alloy", "sum to 1"],
    ),
    ("an unknown element", ATOMS, '"Au"]', '"Ax"]', ["Ax"]),
    (
        "an unknown calculator",
        ATOMS,
        'kind = "atoms"',
        'kind = "atoms"\ncalculator = "ase.calculators.emt:EMX"',
        ["oracle.calculator", "EMX"],
    ),
    ("an unknown property", ATOMS, '"bulk_modulus"', '"bulk_modulos"', ["bulk_modulos"]),
    ("a unit that is another", ATOMS, '"GPa"', '"g"', ["bulk_modulus", "'g'"]),
]


@pytest.mark.parametrize(
    ("text", "old", "new", "said"), [each[1:] for each in BROKEN], ids=[each[0] for each in BROKEN]
)
def test_a_broken_campaign_is_refused(tmp_path, capsys, text, old, new, said):
    """One message names the key, what was expected, what was got and the remedy; exit code 2."""
    assert old in text
    folder = hill(tmp_path)
    (folder / "campaign.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(SystemExit, match="2"):
        main(["run", str(folder), "--no-prefect"])
    message = capsys.readouterr().err
    assert message.startswith("athanor: ")
    assert message.count("\n") == 1
    assert all(word in message for word in ["expected", "got", *said])
    assert not (folder / "ledger.db").exists()


@pytest.mark.parametrize("command", ["check", "run", "turn", "status", "report", "export"])
def test_a_missing_folder_is_said(tmp_path, capsys, command):
    """Every command says that the folder is not there."""
    with pytest.raises(SystemExit, match="2"):
        main([command, str(tmp_path / "nowhere")])
    assert "nowhere: expected a campaign folder, got no such folder" in capsys.readouterr().err


def test_a_campaign_is_not_overwritten(tmp_path, capsys):
    """`init` leaves a folder alone that has a campaign."""
    folder = hill(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        main(["init", str(folder)])
    assert "never overwritten" in capsys.readouterr().err


def test_a_change_that_the_data_do_not_survive_is_refused(tmp_path, capsys):
    """Another bound in mid-campaign is refused with the key, the old and the new value."""
    folder = hill(tmp_path, evaluations=2)
    with pytest.raises(SystemExit, match="0"):
        main(["run", str(folder), "--no-prefect"])
    file = folder / "campaign.toml"
    file.write_text(file.read_text().replace("high = 1200", "high = 900"))
    with pytest.raises(SystemExit, match="2"):
        main(["run", str(folder), "--no-prefect"])
    assert "1200" in capsys.readouterr().err
