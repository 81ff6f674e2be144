"""What campaign.toml may say, of the models in `flows.tables`, and the JSON Schema made from it.

Strict means that nothing is guessed: an unknown key, a number in quotes or a NaN is refused, by
`flows.refusal`, with the key, what was expected, what was got and the remedy. Whether the values
make a campaign (a space with a point in it, units that fit) is decided in `flows.rig`.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import ConfigDict, Field, ValidationError

from flows.refusal import refusal
from flows.tables.oracle import (
    AtomsTable,
    CommandTable,
    FunctionTable,
    OracleTable,
    OwnTable,
    ServiceTable,
    TableTable,
)
from flows.tables.problem import ConstraintTable, ObjectiveTable, Parameters, TargetTable
from flows.tables.table import Name, Table
from loop.choices import Acquisition, Expertise
from loop.records import Json, Kind


class WeighTable(Table):
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


class FolderTable(OracleTable):
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
    tolerance: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default={}, description="how far off a parameter may be made before it is noted"
    )
    limit: dict[str, Annotated[float, Field(ge=0)]] = Field(
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


class ProposerTable(Table):
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


class StopTable(Table):
    """When the campaign ends."""

    evaluations: int = Field(ge=1, description="the budget")
    cost: float | None = Field(
        default=None, gt=0, description="the budget in the unit of the oracles' costs"
    )
    reached: float | None = Field(default=None, description="stop when the first goal is there")
    plateau: int | None = Field(default=None, ge=1, description="answers without an improvement")
    plateau_by: float = Field(default=0.0, ge=0, description="what counts as an improvement")
    failures: float = Field(default=0.5, gt=0, le=1, description="share of failures that ends it")


class RunTable(Table):
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
    places_of: dict[Name, list[Name]] = Field(
        default={}, description="{emt = []}: which places this oracle takes, where not all"
    )


Oracles: TypeAlias = Annotated[
    FunctionTable | TableTable | AtomsTable | CommandTable | ServiceTable | OwnTable | FolderTable,
    Field(discriminator="kind"),
]


class _Campaign(Table):
    """A campaign, as campaign.toml asks for it, but for who answers."""

    model_config = ConfigDict(title="Athanor campaign")

    name: Name
    seed: int = Field(default=0, ge=0)
    parameter: list[Parameters] = Field(min_length=1)
    constraint: list[ConstraintTable] = Field(default=[])
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
