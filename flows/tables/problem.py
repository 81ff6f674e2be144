"""What may be varied, what it has to keep, and what is wanted: [[parameter]] to [objective]."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from flows.tables.table import Name, Table
from loop.objective import Combine, Goal

PAST = Field(default=None, description="the value before this parameter was added to the campaign")


class ContinuousTable(Table):
    """Any number from low to high."""

    kind: Literal["continuous"]
    name: Name
    low: float
    high: float
    unit: str = ""
    log: bool = Field(default=False, description="true for a quantity that spans decades")
    past: float | None = PAST


class DiscreteTable(Table):
    """Numbers in equal steps from low to high."""

    kind: Literal["discrete"]
    name: Name
    low: float
    high: float
    step: float
    unit: str = ""
    past: float | None = PAST


class IntegerTable(Table):
    """Whole numbers from low to high."""

    kind: Literal["integer"]
    name: Name
    low: int
    high: int
    unit: str = ""
    past: float | None = PAST


class OrdinalTable(Table):
    """One of several levels, in ascending order."""

    kind: Literal["ordinal"]
    name: Name
    levels: list[float | str] = Field(description="numbers at any distance, or names in order")
    unit: str = ""
    log: bool = Field(default=False, description="true for a quantity that spans decades")
    past: float | str | None = PAST


class CategoricalTable(Table):
    """One of several names, with no order among them."""

    kind: Literal["categorical"]
    name: Name
    values: list[str]
    descriptors: dict[str, list[float]] | None = Field(
        default=None, description="numbers that tell what is similar, as many for every value"
    )
    descriptor_names: list[str] = Field(default=[], description="what those numbers are")
    past: str | None = PAST


class CompositionTable(Table):
    """Fractions that sum to one."""

    kind: Literal["composition"]
    name: Name
    elements: list[str] = Field(description="element symbols, or names of any components")
    low: dict[str, float] | None = Field(default=None, description="lowest fraction, by element")
    high: dict[str, float] | None = Field(default=None, description="highest fraction, by element")
    at_most: int | None = Field(default=None, description="how many may be present at once")
    step: float | None = Field(default=None, description="every fraction is a multiple of it")
    past: dict[str, float] | None = PAST


class PoolTable(Table):
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


class SpanTable(Table):
    """Numbers from min to max."""

    min: float | None = None
    max: float | None = None


class DependentTable(Table):
    """A parameter that is free only where another has one of these values."""

    parameter: str
    on: str = Field(description="an ordinal or categorical parameter")
    values: list[float | str]
    otherwise: float | str | dict[str, float] = Field(description="its value everywhere else")


class ConstraintTable(Table):
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


class TargetTable(Table):
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


class ObjectiveTable(Table):
    """What several goals make together, and what else an answer must keep."""

    combine: Combine = Field(
        default="auto", description="auto: one goal alone, two to four by pareto, more by scalar"
    )
    reference: dict[str, float] = Field(
        default={}, description="by pareto: values that are just not worth having, by target"
    )
    bounds: list[str] = Field(default=[], description='such as "density <= 12 g/cm^3"')


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
