"""What campaign.toml may say: one strict model per table, and the JSON Schema made from them.

Strict means that nothing is guessed: an unknown key, a number in quotes or a NaN is refused, by
`flows.refusal`, with the key, what was expected, what was got and the remedy. Whether the values
make a campaign (a space with a point in it, units that fit) is decided in `flows.rig`.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flows.refusal import refusal
from loop.choices import Acquisition, Expertise
from loop.objective import Combine, Goal
from loop.records import Json, Kind


class _Table(BaseModel):
    """A table of campaign.toml: no unknown key, no conversion, no NaN."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)]
PAST = Field(default=None, description="the value before this parameter was added to the campaign")


class ContinuousTable(_Table):
    """Any number from low to high."""

    kind: Literal["continuous"]
    name: Name
    low: float
    high: float
    unit: str = ""
    log: bool = Field(default=False, description="true for a quantity that spans decades")
    past: float | None = PAST


class DiscreteTable(_Table):
    """Numbers in equal steps from low to high."""

    kind: Literal["discrete"]
    name: Name
    low: float
    high: float
    step: float
    unit: str = ""
    past: float | None = PAST


class IntegerTable(_Table):
    """Whole numbers from low to high."""

    kind: Literal["integer"]
    name: Name
    low: int
    high: int
    unit: str = ""
    past: float | None = PAST


class OrdinalTable(_Table):
    """One of several levels, in ascending order."""

    kind: Literal["ordinal"]
    name: Name
    levels: list[float | str] = Field(description="numbers at any distance, or names in order")
    unit: str = ""
    log: bool = Field(default=False, description="true for a quantity that spans decades")
    past: float | str | None = PAST


class CategoricalTable(_Table):
    """One of several names, with no order among them."""

    kind: Literal["categorical"]
    name: Name
    values: list[str]
    descriptors: dict[str, list[float]] | None = Field(
        default=None, description="numbers that tell what is similar, as many for every value"
    )
    descriptor_names: list[str] = Field(default=[], description="what those numbers are")
    past: str | None = PAST


class CompositionTable(_Table):
    """Fractions that sum to one."""

    kind: Literal["composition"]
    name: Name
    elements: list[str] = Field(description="element symbols, or names of any components")
    low: dict[str, float] | None = Field(default=None, description="lowest fraction, by element")
    high: dict[str, float] | None = Field(default=None, description="highest fraction, by element")
    at_most: int | None = Field(default=None, description="how many may be present at once")
    step: float | None = Field(default=None, description="every fraction is a multiple of it")
    past: dict[str, float] | None = PAST


class PoolTable(_Table):
    """One of the rows of a table, or one of many structures."""

    kind: Literal["pool"]
    name: Name
    file: str = Field(description="CSV, Parquet, extended XYZ, ASE database or folder of CIF files")
    id: str | None = Field(
        default=None, description="column of the ids; else the one called id, else row-1, row-2"
    )
    features: list[str] | None = Field(
        default=None, min_length=1, description="columns of numbers; else all but id and targets"
    )
    past: str | None = Field(
        default=None, description="the id that held before this parameter was added"
    )


class SpanTable(_Table):
    """Numbers from min to max."""

    min: float | None = None
    max: float | None = None


class DependentTable(_Table):
    """A parameter that is free only where another has one of these values."""

    parameter: str
    on: str = Field(description="an ordinal or categorical parameter")
    values: list[float | str]
    otherwise: float | str | dict[str, float] = Field(description="its value everywhere else")


class ConstraintTable(_Table):
    """One of: terms with low or high; expression; exclude; dependent."""

    terms: dict[str, float] | None = Field(
        default=None, description='{"alloy.Pt" = 1, "T" = 0.01}: low <= their sum <= high'
    )
    low: float | None = None
    high: float | None = None
    expression: str | None = Field(default=None, description="such as 'T * t <= 3000'")
    exclude: dict[str, list[float | str] | SpanTable] | None = Field(
        default=None, description='{solvent = ["water"], T = {min = 400}}: not all of it at once'
    )
    dependent: DependentTable | None = None


class TargetTable(_Table):
    """A quantity that is measured, and what is wanted of it; every number is in its unit."""

    name: Name
    goal: Goal
    unit: str = ""
    value: float | None = Field(default=None, description="to match, or the level to find")
    low: float | None = Field(default=None, description="where the window begins")
    high: float | None = Field(default=None, description="where the window ends")
    weight: float | None = Field(
        default=None, gt=0, description="by scalar or desirability: how much it counts, else 1"
    )
    worst: float | None = Field(default=None, description="value whose desirability is 0")
    best: float | None = Field(default=None, description="value whose desirability is 1")


class ObjectiveTable(_Table):
    """What several goals make together, and what else an answer must keep."""

    combine: Combine = Field(
        default="auto", description="auto: one goal alone, two to four by pareto, more by scalar"
    )
    reference: dict[str, float] = Field(
        default={}, description="by pareto: values that are just not worth having, by target"
    )
    bounds: list[str] = Field(default=[], description='such as "density <= 12 g/cm^3"')


class MeterTable(_Table):
    """What an evaluation costs, in one currency."""

    fixed: float = Field(default=0.0, ge=0, description="each time")
    hourly: float = Field(default=0.0, ge=0, description="for an hour of it")


class PromoteTable(_Table):
    """Who is asked of this oracle: the best that another one has found."""

    origin: str = Field(alias="from", description="name of the oracle whose best are taken")
    best: int = Field(ge=1, description="how many of them")


class _Oracle(_Table):
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


class _Asked(_Oracle):
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


class FunctionTable(_Asked):
    """A Python function answers."""

    kind: Literal["function"]
    function: str = Field(description='"file.py:name" in the folder, or "package.module:name"')
    wall_s: float | None = Field(default=None, gt=0, description="longest call, in seconds")


class TableTable(_Asked):
    """A table of known answers is looked up."""

    kind: Literal["table"]
    file: str = Field(description="a CSV or Parquet file in the campaign folder")
    columns: dict[str, str] = Field(default={}, description="names that the file spells otherwise")
    replicates: Literal["mean", "draw"] = "mean"
    match: Literal["exact", "nearest"] = "exact"


Arranged: TypeAlias = Annotated[
    Literal["random", "quasirandom"],
    Field(description="quasirandom: pairs as frequent as in an endless random alloy"),
]
SITES = Field(
    min_length=1, description='{A = "Cu", B = "guest"}: an element, or a parameter of elements'
)


class RandomAlloyTable(_Table):
    """Elements at random on the sites of a lattice."""

    kind: Literal["random-alloy"]
    composition: str = Field(description="name of the composition parameter")
    lattice: str = Field(default="fcc", description="fcc, bcc, hcp or diamond")
    supercell: list[int] = Field(default=[2, 2, 2], min_length=3, max_length=3)
    start: float | None = Field(default=None, description="lattice constant to start from, Å")
    ordering: Arranged = "random"


class BulkElementTable(_Table):
    """One element, on its own lattice unless another is named."""

    kind: Literal["element"]
    element: str = Field(description="name of the categorical parameter")
    lattice: str | None = None


class PoolStructureTable(_Table):
    """The structure that a pool has under the candidate's id."""

    kind: Literal["pool"]
    pool: str = Field(description="name of the pool parameter, whose file holds structures")


class PrototypeTable(_Table):
    """An ordered prototype whose sites hold elements, or parameters of elements."""

    kind: Literal["prototype"]
    prototype: str = Field(
        description="A1, A2, A3, B1, B2, B3, D0_3, L1_0, L1_2, perovskite, or a parameter of such"
    )
    sites: dict[str, str] = SITES
    supercell: list[int] = Field(default=[1, 1, 1], min_length=3, max_length=3)
    start: float | None = Field(default=None, description="lattice constant to start from, Å")
    ordering: Arranged = "random"


class SubstitutionTable(_Table):
    """A structure from a file, some of its elements replaced."""

    kind: Literal["substitution"]
    file: str = Field(description="the parent, in any form that a pool of structures has")
    sites: dict[str, str] = SITES
    supercell: list[int] = Field(default=[1, 1, 1], min_length=3, max_length=3)
    ordering: Arranged = "random"


class SlabTable(_Table):
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


Varied: TypeAlias = float | str  # a number, or the name of the parameter that has it
DENSITY = Field(
    default=None, description="k-points per 1/Å along each reciprocal vector; or a parameter"
)
GRID = Field(default=None, min_length=3, max_length=3, description="or their number along each")


class EspressoTable(_Table):
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
    k_grid: list[int] | None = GRID
    smearing: Literal["cold", "gaussian", "methfessel-paxton", "fermi-dirac", "none"] = "cold"
    width_ry: float = Field(default=0.01, gt=0, description="of the smearing, Ry")
    spin: dict[str, float] = Field(
        default={}, description="{Ni = 0.3}: starting magnetisation, -1 to 1, by element"
    )
    input_data: dict[str, Any] = Field(default={}, description="whatever else pw.x knows")


class GpawTable(_Table):
    """GPAW with plane waves, in a Python of its own."""

    python: str = Field(default="/usr/bin/python3", description="an interpreter that has GPAW")
    cutoff_ev: Varied = Field(description="of the plane waves, eV; or a parameter")
    xc: str = Field(default="PBE", description="functional, as GPAW names it")
    k_density: Varied | None = DENSITY
    k_grid: list[int] | None = GRID
    width_ev: float = Field(default=0.1, gt=0, description="of the Fermi-Dirac smearing, eV")
    spin: dict[str, float] = Field(
        default={}, description="{Ni = 0.6}: moment to start from, by element"
    )
    keywords: dict[str, Any] = Field(default={}, description="whatever else GPAW knows")


class AtomsTable(_Asked):
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
    calculator: str = Field(default="ase.calculators.emt:EMT", description="package.module:Class")
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


class CommandTable(_Asked):
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


class ServiceTable(_Asked):
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


class OwnTable(_Asked):
    """An oracle of one's own, in Python."""

    kind: Literal["python"]
    oracle: str = Field(description='"file.py:Class" in the folder, or "package.module:Class"')
    settings: dict[str, Any] = Field(default={}, description="keywords of the class")


class WeighTable(_Table):
    """Amounts to weigh for one sample of a mixture."""

    mixture: str | None = Field(default=None, description="the composition, where there are two")
    amount: float = Field(gt=0, description="mass of one sample, in the unit")
    unit: str = "g"
    fractions: Literal["mole", "mass"] = Field(
        default="mole", description="what the composition's fractions are"
    )
    purity: dict[str, float] = Field(default={}, description="by component: a share by mass")
    precursor: dict[str, str] = Field(
        default={}, description='what is weighed for a component: {Ni = "NiO"}'
    )
    balance: float = Field(default=0.0001, gt=0, description="its last digit, in the unit")


class FolderTable(_Oracle):
    """A laboratory answers: worklist/ out, results/ in."""

    kind: Literal["folder"]
    encoding: str | None = Field(default=None, description="of files that are not in UTF-8")
    decimal: Literal[".", ","] | None = Field(default=None, description="where files leave it open")
    delimiter: Literal[",", ";", "\t", "|"] | None = Field(
        default=None, description="between cells, where it is not comma, semicolon or tab"
    )
    sheet: str | None = Field(
        default=None, description="of a workbook; else every sheet with a candidate column"
    )
    columns: dict[str, str] = Field(
        default={}, description='headers as an instrument writes them: {"UTS (MPa)" = "UTS [MPa]"}'
    )
    lines: bool = Field(default=False, description="true: every line is a header and its value")
    id_in_name: str | None = Field(
        default=None, description="regular expression with a group id: the candidate in a file name"
    )
    reader: str | None = Field(
        default=None, description='"file.py:function" that makes rows of the files of `files`'
    )
    files: str = Field(default="*", description='which files the reader reads, such as "*.xy"')
    statuses: dict[str, Kind] = Field(
        default={}, description='words of your own in the column status: {spilt = "crashed"}'
    )
    plausible: dict[str, Annotated[list[float], Field(min_length=2, max_length=2)]] = Field(
        default={}, description="lowest and highest value that can be, by target"
    )
    tolerance: dict[str, float] = Field(
        default={}, description="how far off a parameter may be made before it is noted"
    )
    limit: dict[str, float] = Field(
        default={}, description="how far off a parameter may be made before a row is rejected"
    )
    censored: Literal["flag", "limit", "half"] = Field(
        default="flag", description="what <0.5 counts as: nothing, 0.5, or 0.25"
    )
    detection: dict[str, float] = Field(default={}, description="what <LOD means, by target")
    ad_hoc: bool = Field(
        default=False, description="true: rows without a candidate are taken, where they say all"
    )
    file_mb: float = Field(default=64.0, gt=0, description="largest file that is read")
    settle_s: float = Field(
        default=0.5, ge=0, description="how long a file that is new is watched before it is read"
    )
    poll_s: float | None = Field(
        default=None, gt=0, description="look so often; for network shares that tell no changes"
    )
    resolution: dict[str, float] = Field(
        default={}, description="finest steps that can be set, by parameter: {T = 1, alloy = 0.005}"
    )
    repeats: int = Field(default=1, ge=1, description="measurements wanted of each sample")
    weigh: WeighTable | None = Field(
        default=None, description="how a mixture is weighed in; the worklist tells the amounts"
    )


class ProposerTable(_Table):
    """How candidates are chosen."""

    kind: Literal["bayes", "design"] = "bayes"
    initial: int | None = Field(
        default=None, ge=1, description="space-filling candidates before the model chooses"
    )
    surrogate: Expertise = Field(
        default="auto", description="the model; auto: what predicts best, target by target"
    )
    acquisition: Acquisition = Field(
        default="auto", description="what a candidate is worth; auto: by what is wanted"
    )
    outliers: Literal["flag", "downweight"] = Field(
        default="flag", description="flag: name them; downweight: trust them less, too"
    )
    replicate: bool = Field(
        default=True, description="measure the best again where its rank hinges on one noisy value"
    )
    cost: str | None = Field(
        default=None,
        description='"learnt" from durations, or such as "2 + 0.01 * T" or "2 + material.price"',
    )


class StopTable(_Table):
    """When the campaign ends."""

    evaluations: int = Field(ge=1, description="the budget")
    cost: float | None = Field(
        default=None, gt=0, description="the budget in the unit of the oracles' costs"
    )
    reached: float | None = Field(default=None, description="stop when the first goal is there")
    plateau: int | None = Field(default=None, ge=1, description="answers without an improvement")
    plateau_by: float = Field(default=0.0, ge=0, description="what counts as an improvement")
    failures: float = Field(default=0.5, gt=0, le=1, description="share of failures that ends it")


class RunTable(_Table):
    """How it is run: all of this may change at any time."""

    batch: int | None = Field(
        default=None,
        ge=1,
        description="candidates that may wait at once; else 1, or one more than several workers",
    )
    workers: int | None = Field(default=None, ge=1, description="evaluations in flight; else batch")
    ledger: str | None = Field(default=None, description="database URL; else ledger.db")
    pool: str | None = Field(
        default=None,
        min_length=1,
        pattern="^[^/%&<>]+$",
        description="Prefect work pool whose workers (athanor worker) evaluate; else this process",
    )
    dask: bool | Annotated[str, Field(pattern="^(tcp|tls|ucx)://.+$")] = Field(
        default=False, description='true: on a Dask cluster here; "tcp://host:8786": on that one'
    )
    places: dict[Name, Annotated[int, Field(ge=1)]] = Field(
        default={},
        description="{vasp = 2}: each evaluation takes one of each; Prefect keeps count of all",
    )


Parameters: TypeAlias = Annotated[
    ContinuousTable
    | DiscreteTable
    | IntegerTable
    | OrdinalTable
    | CategoricalTable
    | CompositionTable
    | PoolTable,
    Field(discriminator="kind"),
]
Oracles: TypeAlias = Annotated[
    FunctionTable | TableTable | AtomsTable | CommandTable | ServiceTable | OwnTable | FolderTable,
    Field(discriminator="kind"),
]


class _Campaign(_Table):
    """A campaign, as campaign.toml asks for it, but for who answers."""

    model_config = ConfigDict(title="Athanor campaign")

    name: Name
    seed: int = Field(default=0, ge=0)
    parameter: list[Parameters] = Field(min_length=1)
    constraint: list[ConstraintTable] = []
    shared: list[str] = Field(
        default=[], description="parameters with one value in a batch, such as a furnace's"
    )
    target: list[TargetTable] = Field(min_length=1)
    objective: ObjectiveTable = ObjectiveTable()
    proposer: ProposerTable = ProposerTable()
    stop: StopTable
    run: RunTable = RunTable()


class One(_Campaign):
    """A campaign with [oracle]."""

    model_config = ConfigDict(title="Athanor campaign")

    oracle: Oracles

    @property
    def oracles(self) -> Sequence[Oracles]:
        """The one that answers."""
        return (self.oracle,)


class Several(_Campaign):
    """A campaign with [[oracle]], several times."""

    model_config = ConfigDict(title="Athanor campaign")

    oracle: list[Oracles] = Field(min_length=1)

    @property
    def oracles(self) -> Sequence[Oracles]:
        """All that answer, in the order of the file."""
        return self.oracle


Settings: TypeAlias = One | Several


def parse(raw: Mapping[str, Json], file: str) -> Settings:
    """The settings, or one SettingsError that names the key and the remedy."""
    model = Several if isinstance(raw.get("oracle"), list) else One
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise refusal(error, model, raw, file) from error


def schema() -> dict[str, Any]:
    """The JSON Schema of campaign.toml, with which editors complete and check it."""
    said = One.model_json_schema()
    several = Several.model_json_schema()["properties"]["oracle"]
    one = said["properties"]["oracle"]
    said["properties"]["oracle"] = {"anyOf": [one, several], "description": "one, or several"}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | said
