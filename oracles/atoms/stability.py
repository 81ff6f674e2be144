"""The distance from the convex hull of given phases, by pymatgen."""

from collections.abc import Mapping

from ase import Atoms
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core.composition import Composition

from oracles.atoms.checks import scalar
from oracles.atoms.references import References


def hull_distance(
    atoms: Atoms, energy: float, phases: Mapping[str, Atoms], references: References
) -> float:
    """How far atoms of `energy` (eV) are above the hull of the elements and phases, in eV/atom.

    Negative where they are below it: a phase that none of those given beats. Phases with other
    elements than the atoms have play no part; all are relaxed by the same calculator.
    """
    own = set(atoms.symbols)
    known = [
        PDEntry(Composition(each), references.element(each), name=each) for each in sorted(own)
    ]
    for name, phase in phases.items():
        if set(phase.symbols) <= own:
            total = references.phase(name, phase) * len(phase)
            known.append(PDEntry(_composition(phase), total, name=name))
    entry = PDEntry(_composition(atoms), energy)
    # Of the hull without the atoms themselves: where they are below it, that tells by how much.
    _, above = PhaseDiagram(known).get_decomp_and_e_above_hull(entry, allow_negative=True)
    return scalar("distance from the hull", above)


def _composition(atoms: Atoms) -> Composition:
    return Composition(atoms.get_chemical_formula())
