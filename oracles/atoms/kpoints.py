"""Grids of k-points by their density, so that cells of different size agree.

Notation: b reciprocal lattice vectors with their factor of 2 pi, 1/angstrom.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil, pi

import numpy as np
from ase import Atoms
from ase.cell import Cell

Grid = tuple[int, int, int]

ALIKE = 0.15  # relative difference of b: a strained cell, not another one
ROUND = 1e-6  # of a point: 2.0000001 points are two
ALONE = 200.0  # angstrom^3 per atom, above which it is an atom or a molecule in a box: one point


def grid(cell: Cell, density: float) -> Grid:
    """Points along each b, at least `density` per 1/angstrom, at least one."""
    n1, n2, n3 = (max(1, ceil(length * density - ROUND)) for length in _lengths(cell))
    return n1, n2, n3


@dataclass(slots=True, kw_only=True)
class Grids:
    """The grid of each cell that comes: the stated one, or by density, the same for the alike.

    A grid that followed a cell while it is relaxed, compressed or strained would jump from one
    number of points to the next, and the energy with it.
    """

    density: float | None = None
    stated: Grid | None = None
    known: list[tuple[Sequence[float], Grid]] = field(default_factory=list)

    @classmethod
    def stating(cls, density: float | None, points: Sequence[int] | None) -> "Grids":
        """By density or by points; ValueError for both and for neither."""
        if (density is None) == (points is None):
            got = "neither" if density is None else "both"
            raise ValueError(f"expected k_density or k_grid, got {got}")
        if points is None:
            return cls(density=density)
        n1, n2, n3 = points
        return cls(stated=(n1, n2, n3))

    def of_atoms(self, atoms: Atoms) -> Grid:
        """The grid of their cell; one point for what is alone in it, however the grid is stated."""
        if atoms.get_volume() > ALONE * len(atoms):
            return (1, 1, 1)
        return self.of(atoms.cell)

    def of(self, cell: Cell) -> Grid:
        """The grid of a cell."""
        if self.stated is not None:
            return self.stated
        lengths = _lengths(cell)
        for seen, points in self.known:
            if np.allclose(lengths, seen, rtol=ALIKE):
                return points
        found = grid(cell, self.density or 0.0)
        self.known.append((lengths, found))
        return found


def _lengths(cell: Cell) -> list[float]:
    lengths: list[float] = (2 * pi * np.linalg.norm(cell.reciprocal().array, axis=1)).tolist()
    return lengths
