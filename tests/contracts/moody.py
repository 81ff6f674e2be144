"""A real ASE calculator that treats every alloy well, and pure copper badly."""

import time

import numpy as np
from ase.calculators.calculator import SCFError, all_changes
from ase.calculators.emt import EMT


class Moody(EMT):
    """EMT, in one of the troubles of `oracles.testing` where there is nothing but copper."""

    def __init__(self, *, trouble=""):
        """Keep the trouble for later."""
        super().__init__()
        self.trouble = trouble

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        """What EMT says, unless there is trouble."""
        super().calculate(atoms, properties, system_changes)
        if set(atoms.symbols) == {"Cu"}:
            self.go_wrong()

    def go_wrong(self):
        """Be in trouble."""
        match self.trouble:
            case "refuses":
                raise SCFError("after 100 cycles")
            case "raises":
                raise RuntimeError("the moon is in the wrong house")
            case "hangs":
                time.sleep(600)
            case "nan":
                self.results["forces"] = np.full_like(self.results["forces"], np.nan)
