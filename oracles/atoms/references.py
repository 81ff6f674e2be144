"""Energies that others are measured from, each computed once per calculator and settings.

A label names a reference in structures.db: `Cu` the bulk element, `Cu atom` the free atom, `N2
molecule` the molecule, `phase NAME DIGEST` a phase of a hull.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
from ase import Atoms
from ase.build import molecule
from ase.calculators.calculator import BaseCalculator
from ase.data import atomic_numbers, ground_state_magnetic_moments, reference_states

from oracles.atoms.checks import scalar, settled
from oracles.atoms.failures import Refusal
from oracles.atoms.relaxation import Limits, minimise, relax
from oracles.atoms.structures import Crystal, element

BOX = (12.0, 12.5, 13.0)  # angstrom, of free atoms: too large to interact, and of no symmetry
DIATOMIC = ("H", "N", "O", "F", "Cl")  # atoms that nobody has alone
VACUUM = 6.0  # angstrom around molecules, on every side


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """Known energies per atom (eV; of molecules in all), and how to find those that are not.

    `make` makes a fresh calculator. What is found beyond `known` is in `new`, and told at once.
    """

    make: Callable[[], BaseCalculator]
    limits: Limits
    known: Mapping[str, float]
    new: dict[str, float] = field(default_factory=dict)
    tell: Callable[[Mapping[str, float]], None] | None = None

    def element(self, symbol: str) -> float:
        """Energy per atom of the element as it is in nature: a crystal, or half a molecule."""
        state = reference_states[atomic_numbers[symbol]] if symbol in atomic_numbers else None
        if state is not None and state["symmetry"] == "diatom":
            return self.molecule(f"{symbol}2") / 2
        return self._once(symbol, lambda: self._bulk(element(symbol)), f"bulk {symbol}")

    def free_atom(self, symbol: str) -> float:
        """Energy of one atom alone, with the magnetic moment of its ground state."""
        return self._once(f"{symbol} atom", lambda: self._alone(symbol), f"the atom {symbol}")

    def molecule(self, name: str) -> float:
        """Energy of a relaxed molecule, as `ase.build.molecule` knows it by name."""
        return self._once(f"{name} molecule", lambda: self._molecule(name), f"the molecule {name}")

    def adsorbate(self, name: str) -> float:
        """Energy of a molecule, of half of one for the atoms in DIATOMIC, else of the free atom."""
        if name in DIATOMIC:
            return self.molecule(f"{name}2") / 2
        return self.free_atom(name) if name in atomic_numbers else self.molecule(name)

    def phase(self, name: str, atoms: Atoms) -> float:
        """Energy per atom of a relaxed phase; another structure of the same name is another."""
        crystal = Crystal(atoms=atoms, lattice="", supercell=(1, 1, 1))
        label = f"phase {name} {_digest(atoms)}"
        return self._once(label, lambda: self._bulk(crystal), f"the phase {name}")

    def _once(self, label: str, find: Callable[[], float], what: str) -> float:
        if label in self.known:
            return self.known[label]
        if label not in self.new:
            try:
                energy = find()
            except Refusal as refused:
                message = f"the reference, {what}: {refused}"
                raise Refusal(refused.kind, message, refused.cause) from refused
            self.new[label] = scalar(f"the energy of the reference, {what}", energy)
            if self.tell is not None:
                self.tell(self.new)
        return self.new[label]

    def _bulk(self, crystal: Crystal) -> float:
        atoms = relax(crystal, self.make(), self.limits).atoms
        return float(atoms.get_potential_energy()) / len(atoms)

    def _alone(self, symbol: str) -> float:
        if symbol not in atomic_numbers:
            raise Refusal("invalid_input", f"{symbol!r} is not a chemical element")
        moment = ground_state_magnetic_moments[atomic_numbers[symbol]]
        atom = Atoms(symbol, cell=BOX, pbc=True, magmoms=[moment] if moment else None)
        atom.calc = self.make()
        energy = float(atom.get_potential_energy())
        settled(atom.calc)
        return energy

    def _molecule(self, name: str) -> float:
        try:
            atoms = molecule(name, vacuum=VACUUM, pbc=True)
        except KeyError as error:
            raise Refusal("invalid_input", f"no molecule {name!r} in ase.build") from error
        atoms.calc = self.make()
        minimise(atoms, atoms, self.limits)
        return float(atoms.get_potential_energy())


def _digest(atoms: Atoms) -> str:
    digest = blake2b(digest_size=4)
    for part in (atoms.numbers, atoms.positions, atoms.cell.array):
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()
