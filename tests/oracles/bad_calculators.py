"""Real ASE calculators, each with one thing wrong, for `calculator = "bad_calculators:Name"`."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import get_native_id

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


class Unsettled(EMT):
    """An energy of a cycle that gave up, as ASE's Vasp hands it out."""

    converged = False


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


class KillsItsWorker(Flat):
    """Ends the process that it was forked from."""

    def go_wrong(self, atoms):
        """Kill -9, and then sleep as if nothing had happened."""
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(600)


class Stops(Flat):
    """Suspends the process that looks after its limits."""

    def go_wrong(self, atoms):
        """Stop it, and sleep."""
        os.kill(os.getppid(), signal.SIGSTOP)
        time.sleep(600)


class Hides(Flat):
    """Starts a daemon in a session of its own, and ends or hangs."""

    def __init__(self, *, hang):
        """What to do afterwards."""
        super().__init__()
        self.hang = hang

    def go_wrong(self, atoms):
        """Write down the daemon's process id."""
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                Path("pids.part").write_text(str(os.getpid()), encoding="ascii")
                Path("pids.part").rename("pids")
                time.sleep(600)
            os._exit(0)
        while not Path("pids").exists():
            time.sleep(0.01)
        if self.hang:
            time.sleep(600)
        raise RuntimeError("the daemon stays")


class Hungry(Flat):
    """Takes more and more memory."""

    def go_wrong(self, atoms):
        """10 MB at a time, and touch every page."""
        eaten = []
        while True:
            eaten.append(np.ones(10_000_000 // 8))
            time.sleep(0.005)


class Gulps(Flat):
    """Wants more memory at once than anybody has."""

    def go_wrong(self, atoms):
        """32 GB."""
        np.ones(4_000_000_000)


class Feeds(Flat):
    """Starts programs that each take a little memory."""

    def go_wrong(self, atoms):
        """100 MB in each of many."""
        code = "import time; eaten = b'x' * 100_000_000; time.sleep(600)"
        for _ in range(20):
            subprocess.Popen([sys.executable, "-c", code])
            time.sleep(0.1)
        time.sleep(600)


class Floods(Flat):
    """Prints without end."""

    def go_wrong(self, atoms):
        """A megabyte at a time."""
        while True:
            sys.stdout.write("hubble bubble toil and trouble\n" * 32_000)


class Litters(Flat):
    """Writes file after file."""

    def go_wrong(self, atoms):
        """A megabyte each."""
        for number in range(100_000):
            Path(f"{number}.dat").write_bytes(bytes(1_000_000))
            time.sleep(0.002)


class LeavesFunction(EMT):
    """Leaves something in the atoms that cannot be written."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        """A function, as a used EMT has one."""
        super().calculate(atoms, properties, system_changes)
        atoms.info["f"] = self.calculate


class GivesFunction(Flat):
    """An energy that is still to be called."""

    def go_wrong(self, atoms):
        """A function instead of its value."""
        self.results["energy"] = lambda: 0.0


class GivesTwo(Flat):
    """Two energies."""

    def go_wrong(self, atoms):
        """An array."""
        self.results["energy"] = np.zeros(2)


class Stubborn(EMT):
    """EMT with a self-consistent cycle that converges with slow mixing only."""

    def __init__(self, *, mixing=0.7, needs=0.1, **settings):
        """Keep both."""
        super().__init__(**settings)
        self.mixing, self.needs = mixing, needs

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        """What EMT says, unless the cycle does not converge."""
        if self.mixing > self.needs:
            raise SCFError(f"with mixing {self.mixing}")
        super().calculate(atoms, properties, system_changes)


class InOneFile(EMT):
    """EMT that passes its atoms through a file where it stands, as programs do, and takes time."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        """Write the cell, wait, and compute what is there by then."""
        own = Path(f"{get_native_id()}.npy")
        np.save(own, atoms.cell.array)
        own.rename("cell.npy")
        time.sleep(0.01)
        self.there = np.load("cell.npy")
        if not np.array_equal(self.there, atoms.cell.array):
            atoms = atoms.copy()
            atoms.set_cell(self.there, scale_atoms=True)
        super().calculate(atoms, properties, system_changes)


class InOneMemory(EMT):
    """EMT that passes its atoms through memory that the whole process shares, and takes time."""

    atoms_now = None

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        """Keep the atoms, wait, and compute what is there by then."""
        InOneMemory.atoms_now = atoms
        time.sleep(0.01)
        super().calculate(InOneMemory.atoms_now, properties, system_changes)


class Forceful(Flat):
    """Energies and forces, no stress."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012


class Fateful(Flat):
    """Goes another way with each element; well with the others."""

    def go_wrong(self, atoms):
        """As the calculator of that fate does."""
        fate = FATES.get(atoms.symbols[0])
        if fate is not None:
            fate.go_wrong(self, atoms)


FATES = {
    "Ag": Hangs,
    "Al": Killed,
    "Au": Segfaults,
    "Ca": Hungry,
    "Ir": Floods,
    "Ni": NotANumber,
    "Pb": Raises,
    "Pd": GivesFunction,
}


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
