"""Who sits where on a lattice: at random, or as a special quasirandom structure.

Notation: n sites, t elements, z(k) neighbours in shell k, x (t,) fractions.
"""

from collections.abc import Mapping
from typing import Literal, TypeAlias

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray

Ordering: TypeAlias = Literal["random", "quasirandom"]
Array: TypeAlias = NDArray[np.float64]

SHELLS = 3  # first, second and third neighbours: in metals, farther pairs hardly interact
WEIGHTS = np.array([1.0, 0.5, 0.25])  # near pairs matter most
SWAPS = 4000  # 0.1 s for 32 atoms; of two elements, pairs are then as in the endless alloy
HOT, COLD = 0.1, 1e-4  # of the annealing, in units of `disorder`: a random cell has 0.1 to 0.4
REACH = 2.1  # in units of the cube root of the volume per site: the third shell of fcc is at 1.95
SAME = 0.02  # in the same units: distances that differ less are of one shell


def arranged(
    atoms: Atoms, counts: Mapping[str, int], ordering: Ordering, rng: np.random.Generator
) -> NDArray[np.str_]:
    """Symbols (n,) for the sites that the atoms occupy, as many of each as `counts` says."""
    symbols = rng.permutation(np.repeat(list(counts), list(counts.values())))
    if ordering == "random" or len(counts) == 1:
        return symbols
    elements = sorted(counts)
    types = np.searchsorted(elements, symbols)
    return np.array(elements)[quasirandom(shells(atoms), types, rng)]


def quasirandom(
    neighbours: Array, types: NDArray[np.intp], rng: np.random.Generator
) -> NDArray[np.intp]:
    """The types (n,) annealed by swaps until pairs are as frequent as in an endless random alloy.

    A. Zunger, S.-H. Wei, L. G. Ferreira, J. E. Bernard, Phys. Rev. Lett. 65, 353 (1990), of pairs
    only, by the annealing of A. van de Walle et al., CALPHAD 42, 13 (2013). pymatgen's own needs
    ATAT's programs or icet; these sixty lines need neither, for the cells that oracles are given.
    """
    now = np.array(types)
    value = disorder(neighbours, now)
    best, lowest = now.copy(), value
    for temperature in np.geomspace(HOT, COLD, SWAPS):
        i, j = rng.integers(len(now), size=2)
        if now[i] == now[j]:
            continue
        now[[i, j]] = now[[j, i]]
        tried = disorder(neighbours, now)
        if tried <= value or rng.random() < np.exp((value - tried) / temperature):
            value = tried
        else:
            now[[i, j]] = now[[j, i]]
        if value < lowest:
            best, lowest = now.copy(), value
        if lowest < 1e-12:
            break
    return best


def disorder(neighbours: Array, types: NDArray[np.intp]) -> float:
    """How far pairs (shells, n, n) are from those of an endless random alloy; 0 is as random.

    The sum over shells of WEIGHTS times the r.m.s. of P(ab) / (x(a) x(b)) - 1 over pairs of types,
    where P(ab) is the share of neighbours that are a beside b: Warren-Cowley parameters.
    """
    one = np.eye(types.max() + 1)[types]  # (n, t)
    x = one.mean(axis=0)
    pairs = one.T @ (neighbours @ one)  # (shells, t, t)
    pairs /= neighbours.sum(axis=(1, 2))[:, None, None]
    short = pairs / np.outer(x, x) - 1
    return float(WEIGHTS[: len(short)] @ np.sqrt((short**2).mean(axis=(1, 2))))


def shells(atoms: Atoms) -> Array:
    """How often site j is a neighbour of site i (shells, n, n), images counted, in each shell."""
    spacing = (atoms.get_volume() / len(atoms)) ** (1 / 3)
    i, j, distance = neighbor_list("ijd", atoms, REACH * spacing)
    lengths = np.sort(distance)
    starts = lengths[np.diff(lengths, prepend=0) > SAME * spacing]
    shell = np.searchsorted(starts, distance, side="right") - 1
    found = np.zeros((min(SHELLS, len(starts)), len(atoms), len(atoms)))
    near = shell < len(found)
    np.add.at(found, (shell[near], i[near], j[near]), 1)
    return found
