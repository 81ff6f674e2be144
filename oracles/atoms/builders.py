"""What makes atoms of a candidate, and the screening that may stand before it."""

from dataclasses import dataclass
from typing import TypeAlias

from ase import Atoms
from pymatgen.core.composition import Composition
from pymatgen.core.periodic_table import Element

from loop.records import Candidate
from oracles.atoms.failures import Refusal
from oracles.atoms.prototypes import Prototype, Substitution
from oracles.atoms.slabs import Surface
from oracles.atoms.structures import Built, BulkElement, PoolStructure, RandomAlloy

Plain: TypeAlias = RandomAlloy | BulkElement | PoolStructure | Prototype | Substitution | Surface


@dataclass(frozen=True, slots=True, kw_only=True)
class Neutral:
    """A builder whose structures are refused as infeasible where their ions are not neutral."""

    builder: Plain

    @property
    def takes(self) -> frozenset[str]:
        """The parameters of its builder."""
        return self.builder.takes

    def build(self, candidate: Candidate) -> Built:
        """The builder's structure; Refusal where no oxidation states balance."""
        built = self.builder.build(candidate)
        require_neutral(built.crystal.atoms)
        return built


Builder: TypeAlias = Plain | Neutral


def require_neutral(atoms: Atoms) -> None:
    """Refuse as infeasible: no known oxidation states sum to zero, or none with anions that pull.

    The oxidation states that occur in nature, by pymatgen; each element has one of them (Fe3O4's
    two are found because pymatgen mixes integers). Of the guesses one must give every negative
    element a greater electronegativity than every positive one: D. W. Davies et al., Chem 1, 617
    (2016), whose SMACT screens so.
    """
    composition = Composition(atoms.get_chemical_formula(empirical=True))
    guesses = composition.oxi_state_guesses()
    formula = composition.reduced_formula
    if not any(any(guess.values()) for guess in guesses):
        raise Refusal("infeasible", f"no oxidation states of {formula} sum to zero")
    if not any(map(_pulls, guesses)):
        said = f"in {formula} the anions would be less electronegative than the cations"
        raise Refusal("infeasible", said)


def _pulls(states: dict[str, float]) -> bool:
    """Whether all that is negative is more electronegative (Pauling) than all that is positive."""
    pull = {each: float(Element(each).X) for each in states}
    negative = [pull[each] for each, state in states.items() if state < 0]
    positive = [pull[each] for each, state in states.items() if state > 0]
    return bool(negative and positive) and min(negative) > max(positive)
