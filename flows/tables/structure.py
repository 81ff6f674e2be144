"""Which atoms a candidate is: oracle.structure."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from flows.tables.table import Table

Arranged: TypeAlias = Annotated[
    Literal["random", "quasirandom"],
    Field(description="quasirandom: pairs as frequent as in an endless random alloy"),
]
SITES = Field(
    min_length=1, description='{A = "Cu", B = "guest"}: an element, or a parameter of elements'
)


class RandomAlloyTable(Table):
    """Elements at random on the sites of a lattice."""

    kind: Literal["random-alloy"]
    composition: str = Field(description="name of the composition parameter")
    lattice: str = Field(default="fcc", description="fcc, bcc, hcp or diamond")
    supercell: list[int] = Field(default=[2, 2, 2], min_length=3, max_length=3)
    start: float | None = Field(default=None, description="lattice constant to start from, Å")
    ordering: Arranged = "random"


class BulkElementTable(Table):
    """One element, on its own lattice unless another is named."""

    kind: Literal["element"]
    element: str = Field(description="name of the categorical parameter")
    lattice: str | None = None


class PoolStructureTable(Table):
    """The structure that a pool has under the candidate's id."""

    kind: Literal["pool"]
    pool: str = Field(description="name of the pool parameter, whose file holds structures")


class PrototypeTable(Table):
    """An ordered prototype whose sites hold elements, or parameters of elements."""

    kind: Literal["prototype"]
    prototype: str = Field(
        description="A1, A2, A3, B1, B2, B3, D0_3, L1_0, L1_2, perovskite, or a parameter of such"
    )
    sites: dict[str, str] = SITES
    supercell: list[int] = Field(default=[1, 1, 1], min_length=3, max_length=3)
    start: float | None = Field(default=None, description="lattice constant to start from, Å")
    ordering: Arranged = "random"


class SubstitutionTable(Table):
    """A structure from a file, some of its elements replaced."""

    kind: Literal["substitution"]
    file: str = Field(description="the parent, in any form that a pool of structures has")
    sites: dict[str, str] = SITES
    supercell: list[int] = Field(default=[1, 1, 1], min_length=3, max_length=3)
    ordering: Arranged = "random"


class SlabTable(Table):
    """A slab with an adsorbate on it."""

    kind: Literal["slab"]
    element: str | None = Field(default=None, description="the host: a categorical parameter")
    composition: str | None = Field(default=None, description="or a composition, at random")
    facet: str = Field(
        default="fcc111", description="fcc111, fcc100, fcc110, bcc110, bcc100, bcc111, hcp0001"
    )
    size: list[int] = Field(
        default=[2, 2, 4], min_length=3, max_length=3, description="across, across, layers"
    )
    adsorbate: str = Field(description="an atom, a molecule, or a categorical parameter of them")
    site: str = Field(default="ontop", description="ASE's name of it: ontop, bridge, fcc, hcp ...")


Structures: TypeAlias = Annotated[
    RandomAlloyTable
    | BulkElementTable
    | PoolStructureTable
    | PrototypeTable
    | SubstitutionTable
    | SlabTable,
    Field(discriminator="kind"),
]
