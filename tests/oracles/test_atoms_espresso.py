"""How Quantum ESPRESSO fails, by its right kind: only where `pw.x` and its example files are."""

from pathlib import Path
from shutil import which

import pytest

from loop.records import Failed, Measured
from oracles.atoms.retries import merged
from tests.oracles.test_atoms_attempts import repeated
from tests.oracles.test_atoms_bounds import answer, oracle

PSEUDO = Path("/usr/share/espresso/pseudo")  # Debian's package quantum-espresso-data
pytestmark = [
    pytest.mark.dft,
    pytest.mark.skipif(
        which("pw.x") is None or not (PSEUDO / "Si.pz-vbc.UPF").is_file(),
        reason="needs the packages quantum-espresso and quantum-espresso-data",
    ),
]
SILICON = {
    "profile": {
        "class": "ase.calculators.espresso:EspressoProfile",
        "command": "pw.x",
        "pseudo_dir": str(PSEUDO),
    },
    "pseudopotentials": {"Si": "Si.pz-vbc.UPF"},
    "kpts": [2, 2, 2],
    "input_data": {"ecutwfc": 12.0},
}
ENERGY = {"properties": {"a": "total_energy"}, "relax": "positions"}


def espresso(folder, changes, **settings):
    """Silicon at 12 Ry with 2 x 2 x 2 k-points, but for the changes."""
    return oracle(
        folder,
        "ase.calculators.espresso:Espresso",
        settings=merged(SILICON, changes),
        fmax=0.05,
        **{"wall_s": 120.0, "memory_mb": None, "output_mb": 200.0} | settings,
    )


@pytest.mark.parametrize(
    ("changes", "element", "kind", "says"),
    [
        ({"input_data": {"electron_maxstep": 2}}, "Si", "not_converged", "convergence NOT"),
        ({"input_data": {"control": {"colour": "red"}}}, "Si", "invalid_input", "colour = 'red'"),
        ({"input_data": {"ecutwfc": -1.0}}, "Si", "invalid_input", "ecutwfc out of range"),
        (
            {"pseudopotentials": {"Si": "no.UPF"}},
            "Si",
            "invalid_input",
            "no pseudopotential no.UPF",
        ),
        ({}, "Ge", "invalid_input", "no parameters (element Ge"),
    ],
)
def test_what_it_says_is_understood(tmp_path, changes, element, kind, says):
    """Its own words decide the kind and stand in the message."""
    found = answer(espresso(tmp_path, changes, retry=()), element=element)
    assert isinstance(found, Failed)
    assert (found.kind, says in found.message) == (kind, True), found


def test_its_limits_end_it(tmp_path):
    """The program, which is a process of the evaluation's process, ends at the wall limit."""
    found = answer(espresso(tmp_path, {"input_data": {"ecutwfc": 100.0}}, wall_s=0.7), element="Si")
    assert isinstance(found, Failed)
    assert found.kind == "timeout"


def test_more_steps_let_it_converge(tmp_path):
    """A cycle cut off after two steps gets more by itself; the value is that of enough steps."""
    few, enough = (
        answer(espresso(tmp_path, {"input_data": changes}, **ENERGY), number, element="Si")
        for number, changes in enumerate(({"electron_maxstep": 2}, {"mixing_beta": 0.3}), 1)
    )
    assert isinstance(few, Measured), few
    assert isinstance(enough, Measured), enough
    assert few.notes["not converged"] == "attempts/failed-0001-abc-1"
    assert few.values["a"] == pytest.approx(enough.values["a"], abs=1e-4)


def test_it_is_repeated_by_hand(tmp_path):
    """The folder of an attempt is enough to run it again and fail as it did."""
    found = answer(espresso(tmp_path, {"input_data": {"ecutwfc": -1.0}}, retry=()), element="Si")
    again = repeated(tmp_path / found.source.attempt)
    assert again.returncode == 1
    assert "ecutwfc out of range" in again.stdout
