"""Programs of density functional theory: oracle.espresso and oracle.gpaw."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from flows.tables.table import Table

Varied: TypeAlias = float | str  # a number, or the name of the parameter that has it
DENSITY = Field(
    default=None, description="k-points per 1/Å along each reciprocal vector; or a parameter"
)
GRID = Field(default=None, min_length=3, max_length=3, description="or their number along each")
Grid: TypeAlias = list[Annotated[int, Field(ge=1)]]


class EspressoTable(Table):
    """Quantum ESPRESSO, `pw.x`."""

    command: str = Field(default="pw.x", description='such as "mpirun -np 4 pw.x"')
    pseudo_dir: str = Field(
        default="/usr/share/espresso/pseudo", description="folder of the pseudopotentials"
    )
    pseudopotentials: dict[str, str] = Field(
        min_length=1, description='{Si = "Si.pz-vbc.UPF"}: a file for every element'
    )
    cutoff_ry: Varied = Field(description="of the wave functions, Ry; or a parameter")
    density_cutoff_ry: float | None = Field(
        default=None, gt=0, description="of the density, Ry; else four times the other"
    )
    k_density: Varied | None = DENSITY
    k_grid: Grid | None = GRID
    smearing: Literal["cold", "gaussian", "methfessel-paxton", "fermi-dirac", "none"] = "cold"
    width_ry: float = Field(default=0.01, gt=0, description="of the smearing, Ry")
    spin: dict[str, Annotated[float, Field(ge=-1, le=1)]] = Field(
        default={}, description="{Ni = 0.3}: starting magnetisation, -1 to 1, by element"
    )
    input_data: dict[str, Any] = Field(default={}, description="whatever else pw.x knows")


class GpawTable(Table):
    """GPAW with plane waves, in a Python of its own."""

    python: str = Field(default="/usr/bin/python3", description="an interpreter that has GPAW")
    cutoff_ev: Varied = Field(description="of the plane waves, eV; or a parameter")
    xc: str = Field(default="PBE", description="functional, as GPAW names it")
    k_density: Varied | None = DENSITY
    k_grid: Grid | None = GRID
    width_ev: float = Field(default=0.1, gt=0, description="of the Fermi-Dirac smearing, eV")
    spin: dict[str, float] = Field(
        default={}, description="{Ni = 0.6}: moment to start from, by element"
    )
    keywords: dict[str, Any] = Field(default={}, description="whatever else GPAW knows")
