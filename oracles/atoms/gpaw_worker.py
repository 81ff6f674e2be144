"""GPAW for a calculator elsewhere: a line of JSON in, a line of JSON out, atoms in extended XYZ.

Run by another Python than ours, with its own ASE and NumPy: it knows nothing of this package, and
nothing that ASE 3.22 or Python 3.9 do not know. `oracles.atoms.gpaw` speaks with it.

    in   {"atoms": "1.extxyz", "answer": "1-answer.extxyz", "grid": [4, 4, 4], "keywords": {...}}
    out  {"version": "22.8.0"}       at first
         {"answer": "1-answer.extxyz", "free_energy": -43.2}
         {"error": "KohnShamConvergenceError", "message": "..."}
"""

import json
import os
import sys
import traceback
from contextlib import suppress
from typing import Any, Callable, Dict  # noqa: UP035

Json = Dict[str, Any]  # noqa: UP006  (of any Python)

if sys.path and sys.path[0] == os.path.dirname(os.path.abspath(__file__)):  # noqa: PTH100, PTH120
    del sys.path[0]  # the modules beside this one are not this Python's


def serve() -> None:
    """Answer until stdin closes. What libraries print goes to stderr."""
    said = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    said.write(json.dumps(_answer(_version, {})) + "\n")
    for line in sys.stdin:
        said.write(json.dumps(_answer(_calculate, json.loads(line))) + "\n")


def _answer(function: Callable[[Json], Json], asked: Json) -> Json:
    """What a function answers, or the exception that it raised, by name."""
    try:
        return function(asked)
    except Exception as error:  # noqa: BLE001  (the other side classifies it)
        traceback.print_exc()
        return {"error": type(error).__name__, "message": str(error)}


def _version(_asked: Json) -> Json:
    import gpaw  # noqa: PLC0415  (its absence is an answer)

    return {"version": gpaw.__version__}


def _calculate(asked: Json) -> Json:
    from ase.calculators.singlepoint import SinglePointCalculator  # noqa: PLC0415
    from ase.io import read, write  # noqa: PLC0415
    from gpaw import GPAW  # noqa: PLC0415

    (atoms,) = read(asked["atoms"], index=":")
    keywords = asked["keywords"]
    kpts = {"size": asked["grid"], "gamma": True}
    atoms.calc = GPAW(kpts=kpts, txt="gpaw.txt", **keywords)
    energy = atoms.get_potential_energy()
    found = {"energy": energy, "forces": atoms.get_forces()}
    with suppress(NotImplementedError):  # of hybrids and of local orbitals; not all need it
        found["stress"] = atoms.get_stress()
    free = atoms.get_potential_energy(force_consistent=True)
    atoms.calc = SinglePointCalculator(atoms, **found)
    write(asked["answer"], atoms)
    return {"answer": asked["answer"], "free_energy": float(free)}


if __name__ == "__main__":
    serve()
