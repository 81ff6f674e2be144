"""Oracles that compute their answers, and what any oracle says of itself: [oracle]."""

from typing import Annotated, Any, Literal

from pydantic import Field

from flows.tables.dft import EspressoTable, GpawTable
from flows.tables.structure import Structures
from flows.tables.table import Table
from loop.records import Kind


class MeterTable(Table):
    """What an evaluation costs, in one currency."""

    fixed: float = Field(default=0.0, ge=0, description="each time")
    hourly: float = Field(default=0.0, ge=0, description="for an hour of it")


class PromoteTable(Table):
    """Who is asked of this oracle: the best that another one has found."""

    origin: str = Field(alias="from", description="name of the oracle whose best are taken")
    best: int = Field(ge=1, description="how many of them")


class OracleTable(Table):
    """What any oracle says of its place among others; alone it needs none of it."""

    name: str = Field(default="", max_length=200, description="what the campaign calls it")
    measures: list[str] | None = Field(
        default=None, min_length=1, description="targets; else all that it can"
    )
    cost: Annotated[float, Field(ge=0)] | Literal["measured"] = Field(
        default=1.0, description='of one evaluation, in a unit of your own; "measured": its hours'
    )
    approximates: bool = Field(
        default=False, description="true: stands in for the others, and answers no question itself"
    )
    evaluations: int | None = Field(
        default=None, ge=1, description="with promote elsewhere: how many are asked of it"
    )
    promote: PromoteTable | None = Field(
        default=None, description='{from = "emt", best = 5}: ask it only these'
    )


class AskedTable(OracleTable):
    """What may be laid around any oracle that computes its answers."""

    delay_s: float | None = Field(default=None, ge=0, description="to rehearse a slow world")
    attempts: int = Field(
        default=1, ge=1, description="runs in a row, as long as they crash or time out"
    )
    meter: MeterTable | None = Field(default=None, description="what it costs, into costs.db")
    cache: bool = Field(default=False, description="keep values in cache.db, and never ask again")
    noise: dict[str, float] = Field(
        default={}, description="standard deviation that is added, by target, in its unit"
    )


class FunctionTable(AskedTable):
    """A Python function answers."""

    kind: Literal["function"]
    function: str = Field(description='"file.py:name" in the folder, or "package.module:name"')
    wall_s: float | None = Field(default=None, gt=0, description="longest call, in seconds")


class TableTable(AskedTable):
    """A table of known answers is looked up."""

    kind: Literal["table"]
    file: str = Field(description="a CSV or Parquet file in the campaign folder")
    columns: dict[str, str] = Field(default={}, description="names that the file spells otherwise")
    replicates: Literal["mean", "draw"] = "mean"
    match: Literal["exact", "nearest"] = "exact"


class AtomsTable(AskedTable):
    """An ASE calculator answers."""

    kind: Literal["atoms"]
    structure: Structures
    neutral: bool = Field(
        default=False, description="true: refuse what has no balanced oxidation states"
    )
    miller: list[int] = Field(
        default=[1, 1, 1], min_length=3, max_length=3, description="of surface_energy"
    )
    phases: str | None = Field(
        default=None, description="structures that span the hull of hull_distance, besides elements"
    )
    calculator: str = Field(
        default="ase.calculators.emt:EMT",
        description='"package.module:Class", or "file.py:name" in the folder',
    )
    settings: dict[str, Any] = Field(default={}, description="keywords of the calculator")
    espresso: EspressoTable | None = Field(
        default=None, description="Quantum ESPRESSO, in place of calculator and settings"
    )
    gpaw: GpawTable | None = Field(
        default=None, description="GPAW, in place of calculator and settings"
    )
    relax: Literal["cell", "volume", "positions"] | None = Field(
        default=None,
        description="what is free; else volume with espresso and gpaw, and cell with others",
    )
    properties: dict[str, str] | None = Field(
        default=None, description="property of each target; else its own name"
    )
    fmax: float = Field(default=0.01, gt=0, description="largest force when relaxed, eV/angstrom")
    steps: int = Field(default=300, ge=1, description="relaxation steps before it has failed")
    volume_change: float = Field(
        default=0.3, gt=0, description="how far a relaxation may take the volume, relative to it"
    )
    wall_s: float = Field(default=600.0, gt=0, description="longest evaluation, s")
    memory_mb: float | None = Field(
        default=None, gt=0, description="its memory, programs included; Python and ASE take 150"
    )
    output_mb: float = Field(default=1000.0, gt=0, description="what it may write in its folder")
    keep: bool = Field(default=False, description="keep the folders of successes, too")
    config: str | None = Field(
        default=None, description="ASE's configuration file, in the campaign folder"
    )
    retry: list[dict[str, Any]] | None = Field(
        default=None,
        max_length=2,
        description="settings to change where the self-consistent cycle does not converge",
    )


class CommandTable(AskedTable):
    """A program answers: JSON in, JSON out."""

    kind: Literal["command"]
    command: list[str] = Field(
        min_length=1, description='program and arguments; "{campaign}" is this folder'
    )
    wall_s: float = Field(default=600.0, gt=0, description="longest run, s")
    exits: dict[str, Kind] = Field(
        default={}, description='{3 = "infeasible"}: failures by exit status'
    )
    environment: dict[str, str] = Field(default={}, description="variables of the program")
    inherit: bool = Field(default=True, description="false: no other variables than those")
    repeatable: bool = Field(default=True, description="false where a run does something for good")


class ServiceTable(AskedTable):
    """A server answers over HTTP."""

    kind: Literal["http"]
    url: str = Field(description='where candidates are posted, such as "http://host/candidates"')
    wall_s: float = Field(default=600.0, gt=0, description="longest wait for an answer, s")
    poll_s: float = Field(default=2.0, gt=0, description="time from one look to the next, s")
    request_s: float = Field(default=30.0, gt=0, description="longest single request, s")
    patience_s: float | None = Field(
        default=None, gt=0, description="how long a server that is gone is waited for; else wall_s"
    )
    statuses: dict[str, Kind] = Field(
        default={}, description='{422 = "infeasible"}: failures by status'
    )
    token: str = Field(default="", description="a file in this folder that holds a bearer token")


class OwnTable(AskedTable):
    """An oracle of one's own, in Python."""

    kind: Literal["python"]
    oracle: str = Field(description='"file.py:Class" in the folder, or "package.module:Class"')
    settings: dict[str, Any] = Field(default={}, description="keywords of the class")
