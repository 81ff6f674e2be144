"""Real ASE calculators, each with one thing wrong, for `calculator = "bad_calculators:Name"`."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from ase.calculators.calculator import Calculator, SCFError, all_changes
from ase.calculators.emt import EMT


class Flat(Calculator):
    """No forces and no stress, and an energy that does not depend on anything."""

    implemented_properties = ["energy", "forces", "stress"]  # noqa: RUF012  (as ASE has it)

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        """Zero everywhere, then whatever is wrong."""
        super().calculate(atoms, properties, system_changes)
        self.results = {"energy": 0.0, "forces": np.zeros((len(atoms), 3)), "stress": np.zeros(6)}
        self.go_wrong(atoms)

    def go_wrong(self, atoms):
        """Nothing, here."""


class Endless(Flat):
    """The larger the better: there is no equilibrium volume."""

    def go_wrong(self, atoms):
        """Lower the energy with the volume, and say nothing of the stress."""
        self.results["energy"] = -atoms.get_volume()


class NotANumber(Flat):
    """NaN forces, as EMT gives for coincident atoms."""

    def go_wrong(self, atoms):
        """One component is enough."""
        self.results["forces"][0, 0] = np.nan


class Raises(Flat):
    """An exception that nobody expects."""

    def go_wrong(self, atoms):
        """Raise it."""
        raise RuntimeError("the moon is in the wrong house")


class Unconverged(Flat):
    """A self-consistent cycle that gave up."""

    def go_wrong(self, atoms):
        """Raise what ASE offers for it."""
        raise SCFError("after 100 cycles")


class WithoutPseudopotential(Flat):
    """What ASE's Espresso raises without a pseudopotential."""

    def go_wrong(self, atoms):
        """Raise the element."""
        raise KeyError(atoms.symbols[0])


class WithoutProgram(Flat):
    """A program that is not installed."""

    def go_wrong(self, atoms):
        """Start it."""
        subprocess.run(["athanor-no-such-program"], check=True)  # noqa: S607


class ProgramFails(Flat):
    """A program that dies of a signal."""

    def go_wrong(self, atoms):
        """Start it."""
        subprocess.run([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], check=True)


class Exits(Flat):
    """A library that ends the process, politely."""

    def go_wrong(self, atoms):
        """Exit as if all were well."""
        sys.exit(0)


class Vanishes(Flat):
    """A library that ends the process behind Python's back."""

    def go_wrong(self, atoms):
        """Exit as if all were well."""
        os._exit(0)


class Segfaults(Flat):
    """A library that reads where it must not."""

    def go_wrong(self, atoms):
        """Read address 0."""
        ctypes.string_at(0)


class Killed(Flat):
    """Out of memory, as the kernel settles it."""

    def go_wrong(self, atoms):
        """Kill -9."""
        os.kill(os.getpid(), signal.SIGKILL)


class Hangs(Flat):
    """Never answers, and has started a program that never answers either."""

    def go_wrong(self, atoms):
        """Leave both process ids where the attempt runs."""
        with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as program:
            Path("pids.part").write_text(f"{os.getpid()} {program.pid}", encoding="ascii")
            Path("pids.part").rename("pids")
            time.sleep(600)


class Forceful(Flat):
    """Energies and forces, no stress."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012


class Demanding(EMT):
    """EMT that wants a setting."""

    def __init__(self, *, accuracy):
        """Refuse negative accuracy."""
        if accuracy < 0:
            raise ValueError(f"accuracy {accuracy}")
        super().__init__()


def not_a_calculator():
    """Make something else."""
    return "something else"
