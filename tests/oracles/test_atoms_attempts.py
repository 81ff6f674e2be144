"""Attempts: their folders, repeating one by hand, other settings, what must be installed."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from loop.errors import OracleError
from loop.records import Failed, Measured
from oracles.atoms.calculators import make
from oracles.atoms.failures import Refusal
from oracles.atoms.retries import ladder, merged
from tests.oracles.test_atoms_bounds import answer, oracle

ESPRESSO = "ase.calculators.espresso:Espresso"
PROFILE = {"class": "ase.calculators.espresso:EspressoProfile", "pseudo_dir": "/nowhere"}
SLOW = ({"mixing": 0.3}, {"mixing": 0.05})


@pytest.fixture(autouse=True)
def _calculators_beside_the_tests(monkeypatch):
    """`bad_calculators` is importable, as a user's module beside a campaign would be."""
    monkeypatch.syspath_prepend(Path(__file__).parent)


def repeated(attempt):
    """What the script in an attempt folder does, run from elsewhere with nothing of ours set."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [str(attempt / "repeat.py")],
        cwd="/",
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_oracles_that_answer_one_candidate_at_once_have_folders_of_their_own(tmp_path):
    """Two oracles of one campaign, four times each at once: no folder is shared, lost or renamed.

    One of them fails, so that its folders are kept under another name while others are claimed.
    """
    asked = [oracle(tmp_path, "InOneFile", keep=True), oracle(tmp_path, "Raises")]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(answer, asked * 4))
    good, bad = found[::2], found[1::2]
    assert [each.values for each in good] == [answer(asked[0]).values] * 4
    assert {each.kind for each in bad} == {"crashed"}
    folders = {tmp_path / each.source.attempt for each in found}
    assert len(folders) == 8
    assert all((each / "request.json").is_file() for each in folders)


def test_a_number_that_a_failed_attempt_has_is_not_taken_again(tmp_path):
    """Else the next failure could not be kept."""
    asked = oracle(tmp_path, "Raises")
    folders = [answer(asked).source.attempt for _ in range(2)]
    assert folders == ["attempts/failed-0001-abc-1", "attempts/failed-0001-abc-2"]


def test_a_failure_is_repeated_by_hand(tmp_path):
    """The script in the folder fails as the attempt did, below it, and leaves its files alone."""
    found = answer(oracle(tmp_path, "Raises"))
    attempt = tmp_path / found.source.attempt
    before = {file: file.read_bytes() for file in attempt.iterdir()}
    for number in (1, 2):
        again = repeated(attempt)
        assert again.returncode == 1, again.stderr
        assert again.stdout.rstrip().endswith(f"crashed: {found.message}")
        told = json.loads((attempt / f"repeat-{number}" / "answer.json").read_text("utf-8"))
        assert (told["kind"], told["message"]) == ("crashed", found.message)
    assert {file: file.read_bytes() for file in before} == before


def test_a_success_is_repeated_by_hand(tmp_path):
    """Where all folders are kept, the script in one gives the value to the last digit."""
    found = answer(oracle(tmp_path, "Demanding", settings={"accuracy": 1}, keep=True))
    assert found.source.attempt == "attempts/0001-abc-1"
    again = repeated(tmp_path / found.source.attempt)
    assert again.returncode == 0, again.stderr
    assert f"lattice_constant = {found.values['a']!r}" in again.stdout


@pytest.mark.parametrize("needs", [0.3, 0.05])
def test_a_cycle_that_does_not_converge_gets_other_settings(tmp_path, needs):
    """The first settings that converge count; the answer says which, and the attempts before."""
    found = answer(oracle(tmp_path, "Stubborn", settings={"needs": needs}, retry=SLOW))
    tries = 2 if needs == 0.3 else 3
    before = [f"attempts/failed-0001-abc-{n}" for n in range(1, tries)]
    assert isinstance(found, Measured)
    assert found.notes == {"settings": f'{{"mixing": {needs}}}', "not converged": ", ".join(before)}
    assert all((tmp_path / each / "repeat.py").is_file() for each in before)
    request = json.loads((tmp_path / before[-1] / "request.json").read_text("utf-8"))
    assert request["settings"].get("mixing") == (None if tries == 2 else 0.3)


def test_a_cycle_that_never_converges_is_asked_three_times(tmp_path):
    """Two other settings at most: then it is not converged, with the folder of every attempt."""
    found = answer(oracle(tmp_path, "Stubborn", settings={"needs": 0.0}, retry=SLOW))
    assert isinstance(found, Failed)
    assert found.kind == "not_converged"
    assert found.source.attempt == "attempts/failed-0001-abc-3"
    assert found.message.endswith(
        'with {"mixing": 0.05}, after attempts/failed-0001-abc-1, attempts/failed-0001-abc-2'
    )


@pytest.mark.parametrize("calculator", ["Raises", "Endless"])
def test_other_failures_get_no_other_settings(tmp_path, calculator):
    """Slower mixing mends neither a crash nor a curve without a minimum: one attempt."""
    wanted = {"B": "bulk_modulus"}
    found = answer(oracle(tmp_path, calculator, properties=wanted, retry=SLOW))
    assert found.source.attempt == "attempts/failed-0001-abc-1"


def test_retries_change_what_they_name_and_nothing_else():
    """Settings are merged table by table; Espresso and GPAW have some, asked ones count more."""
    asked = {"input_data": {"ecutwfc": 12, "mixing_beta": 0.7}, "kpts": [2, 2, 2]}
    first, second = (merged(asked, each) for each in ladder(ESPRESSO, None))
    assert first["input_data"] == {"ecutwfc": 12, "mixing_beta": 0.3, "electron_maxstep": 300}
    assert second["kpts"] == [2, 2, 2]
    assert len(ladder("gpaw:GPAW", None)) == 2
    assert ladder("ase.calculators.emt:EMT", None) == ()
    assert ladder(ESPRESSO, ()) == ()
    with pytest.raises(OracleError, match=r"oracle\.retry: expected at most 2, got 3"):
        oracle(Path(), "Stubborn", retry=[{}, {}, {}])


@pytest.mark.parametrize(
    "settings",
    [
        {"directory": "/scratch/all"},
        {"input_data": {"control": {"outdir": "/scratch/all"}}},
        {"label": "../all"},
    ],
)
def test_a_folder_for_all_evaluations_is_refused(settings):
    """Evaluations that write in one folder are silently wrong: no setting may ask for it."""
    with pytest.raises(OracleError, match="a path inside the attempt folder"):
        oracle(Path(), "Demanding", settings=settings)


@pytest.mark.parametrize(
    "settings",
    [{"input_data": {"control": {"calculation": "vc-relax"}}}, {"nsw": 50}, {"NSW": 50}],
)
def test_a_program_that_moves_the_atoms_itself_is_refused(settings):
    """Its energy is of atoms that nobody has: pw.x and VASP are asked for single points alone."""
    with pytest.raises(OracleError, match="the energy must be of the atoms that are asked for"):
        oracle(Path(), "Demanding", settings=settings)
    still = {"input_data": {"calculation": "scf", "scf_must_converge": True}, "nsw": 0}
    assert oracle(Path(), "Demanding", settings=still)
    with pytest.raises(OracleError, match=r"has not converged is none, got False\. Leave it out"):
        oracle(Path(), "Demanding", settings={"input_data": {"scf_must_converge": False}})


def test_a_missing_program_is_named_before_anything_is_asked(tmp_path):
    """`require` says which program is not there, of which command."""
    profile = PROFILE | {"command": "athanor-no-such-pw.x -nk 2"}
    asked = oracle(tmp_path, ESPRESSO, settings={"profile": profile})
    with pytest.raises(OracleError, match=r"a program is not installed \(athanor-no-such-pw.x, of"):
        asked.require()


def test_a_missing_program_of_a_launcher_is_named(tmp_path, monkeypatch):
    """Behind `mpirun` the program is looked for, too, and its package told."""
    monkeypatch.setenv("PATH", str(tmp_path))
    launcher = tmp_path / "mpirun"
    launcher.write_text("#!/bin/sh\n", encoding="ascii")
    launcher.chmod(0o755)
    profile = PROFILE | {"command": "mpirun -np 2 pw.x"}
    with pytest.raises(Refusal, match=r"pw\.x, of .*the package quantum-espresso"):
        make(ESPRESSO, {"profile": profile}, tmp_path)


def test_a_missing_pseudopotential_is_named(tmp_path):
    """`require` says which file is not there, and where."""
    settings = {
        "profile": PROFILE | {"command": sys.executable},
        "pseudopotentials": {"Si": "Si.UPF"},
    }
    asked = oracle(tmp_path, ESPRESSO, settings=settings)
    with pytest.raises(OracleError, match=r"Si: no pseudopotential Si\.UPF in /nowhere"):
        asked.require()


def test_the_configuration_of_ase_counts(tmp_path):
    """A profile may come from ASE's own configuration file, which goes into the attempt's folder.

    Without one the message says that there is none; with one, its program is what is looked for.
    """
    with pytest.raises(OracleError, match="No configuration of 'espresso'"):
        oracle(tmp_path, ESPRESSO).require()
    config = tmp_path / "ase.ini"
    config.write_text(
        "[espresso]\ncommand = athanor-no-such-pw.x\npseudo_dir = /nowhere\n", "utf-8"
    )
    asked = oracle(tmp_path, ESPRESSO, config=config)
    with pytest.raises(OracleError, match=r"athanor-no-such-pw\.x"):
        asked.require()
    assert (tmp_path / "attempts" / "failed-check-2" / "ase.ini").is_file()
    with pytest.raises(OracleError, match=r"oracle\.config"):
        oracle(tmp_path, ESPRESSO, config=tmp_path / "nowhere.ini")


def test_what_is_there_is_not_complained_about(tmp_path):
    """A calculator that can run passes, and leaves no folder."""
    oracle(tmp_path, "Demanding", settings={"accuracy": 1}).require()
    assert list((tmp_path / "attempts").iterdir()) == []
