"""An oracle of the user's own: written by init, asked by check, held to the contract."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.rig import load
from loop.run import turn
from tests.oracles.server import server

ROOT = Path(__file__).parents[2]


@pytest.fixture
def own(tmp_path, athanor):
    """A campaign folder with an oracle called my_furnace."""
    assert athanor("init", tmp_path / "lab", "--oracle", "my_furnace").code == 0
    return tmp_path / "lab"


def changed(file, *swaps):
    """Write the file with other words in it."""
    text = file.read_text()
    for word, other in swaps:
        assert word in text
        text = text.replace(word, other)
    file.write_text(text)


def test_what_init_writes_is_short_and_passes_the_suite(own):
    """About twenty lines beside imports and what they say of themselves; pytest runs the suite."""
    code = [line for line in (own / "my_furnace.py").read_text().splitlines() if line.strip()]
    said = [line for line in code if line.strip().startswith(('"""', "import", "from"))]
    assert len(code) - len(said) <= 20
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(own)]
    done = subprocess.run(words, cwd=own, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout
    assert b"10 passed, 3 skipped" in done.stdout


def test_what_init_writes_runs(own):
    """The names are the user's in every file, and the campaign takes turns."""
    assert "my_oracle" not in "".join(each.read_text() for each in own.iterdir())
    rig = load(own).rig
    for _ in range(3):
        after = turn(rig)
    assert len(after.results) + len(after.failures) == 2


def test_check_asks_once_and_records_nothing(own, athanor):
    """One real evaluation is part of the check, and the ledger stays empty."""
    said = athanor("check", own)
    assert said.code == 0
    assert "ok   one evaluation: strength 300." in said.out
    assert "ok   ledger: 0 events" in said.out
    assert "one evaluation" not in athanor("check", own, "--no-evaluate").out


@pytest.mark.parametrize(
    ("word", "other", "says"),
    [
        ("strength = 300", "strength = 1 / 0", "the oracle raised ZeroDivisionError: division"),
        ("strength = 300", 'strength = float("nan")', "expected strength as a finite float, got"),
        ("candidate=candidate.id, v", 'candidate="0001", v', "an answer to the candidate that w"),
        ('{"strength": strength}', '{"stress": strength}', "expected values of the targets"),
        ("for candidate in pending]", "for candidate in (pending * 2)]", "one answer per candidat"),
        ("if self.melts < T", "if T", "infeasible at T = "),
    ],
)
def test_check_says_how_the_contract_is_broken(own, athanor, word, other, says):
    """One line with what was expected and what was got; an honest no is no fault."""
    changed(own / "my_furnace.py", (word, other))
    said = athanor("check", own)
    well = says.startswith("infeasible")
    line = next(line for line in said.out.splitlines() if "one evaluation" in line)
    assert (said.code, line[:3]) == ((0, "ok ") if well else (3, "BAD"))
    assert says in line


@pytest.mark.parametrize("kind", ["crashed", "invalid_input", "timeout", "invalid_output"])
def test_check_fails_where_any_campaign_would(own, athanor, kind):
    """A failure that does not lie in the point is the oracle's."""
    changed(own / "my_furnace.py", ("if self.melts < T", "if T"), ("infeasible", kind))
    said = athanor("check", own)
    assert (said.code, f"BAD  one evaluation: {kind} at T" in said.out) == (3, True)


def test_check_asks_nobody_who_must_not_be_asked_twice(make, athanor):
    """A program that does something for good is left alone."""
    folder = make()
    changed(
        folder / "campaign.toml",
        ('kind = "function"', 'kind = "command"\ncommand = ["false"]\nrepeatable = false'),
        ('function = "measure.py:measure"', ""),
    )
    assert "not asked: it must not be asked twice" in athanor("check", folder).out


@pytest.mark.parametrize("around", ["", "attempts = 3\nnoise = {y = 1.0}\ncache = true"])
def test_check_does_not_wait_long_for_a_server(make, athanor, monkeypatch, around):
    """A server that is gone is said at once, however patient the campaign is."""
    monkeypatch.setattr("flows.rehearsal.PATIENCE_S", 0.2)
    folder = make()
    with server(lambda *_: (200, {}, b"")) as gone:
        url = gone.url
    changed(
        folder / "campaign.toml",
        ('kind = "function"', f'kind = "http"\nurl = "{url}"\npoll_s = 0.05\n{around}'),
        ('function = "measure.py:measure"', ""),
    )
    said = athanor("check", folder)
    assert said.code == 3
    line = next(line for line in said.out.splitlines() if "one evaluation" in line)
    assert line.startswith("BAD  one evaluation: timeout at x = ")
    assert "ConnectError" in line


@pytest.mark.parametrize("name", ["json", "my-oracle", "class", "Furnace", "test_it", "loop", ""])
def test_a_name_that_cannot_be_imported_is_refused(tmp_path, athanor, name):
    """Before anything is written."""
    said = athanor("init", tmp_path / "lab", "--oracle", name)
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "a name for a module of your own, such as my_oracle" in said.err
    assert not (tmp_path / "lab").exists()


def test_an_own_oracle_has_no_other_template(tmp_path, athanor):
    """One of the two options."""
    said = athanor("init", tmp_path / "lab", "--oracle", "my_lab", "--template", "table")
    assert said.code == 2


@pytest.mark.parametrize(
    ("word", "other", "says"),
    [
        ("{melts = 1100}", "{melt = 1100}", "unexpected keyword argument 'melt'"),
        (":MyFurnace", ":MyFurnance", "expected a function or class 'MyFurnance'"),
        (":MyFurnace", ":exp", "a class that takes these settings"),
        ("my_furnace.py:", "furnace.py:", "a file furnace.py in the campaign folder"),
        ("MPa", "K", "target.strength.unit"),
    ],
)
def test_an_oracle_that_cannot_be_made_is_one_message(own, athanor, word, other, says):
    """A misspelt setting, class or file; a unit that is not the oracle's."""
    changed(own / "campaign.toml", (word, other))
    said = athanor("check", own)
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "campaign.toml" in said.err
    assert says in said.err
