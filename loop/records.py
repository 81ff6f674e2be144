"""What is written down: the problem, candidates, answers, and the events of the ledger.

Nouns only: every class is a frozen record of plain values, and the order of events is the order
of the ledger. A point is a mapping from parameter name to value (`loop.space.parameters`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from math import isfinite
from typing import Any, ClassVar, Literal, TypeAlias

from loop.errors import CampaignError
from loop.objective import Objective
from loop.space.space import SearchSpace
from loop.space.values import Point, Value

Json: TypeAlias = Any  # what json.loads returns

REAL = ""  # the fidelity of what is asked about; every other is a stand-in for it

Origin: TypeAlias = Literal[
    "design", "model", "fallback", "replicate", "manual", "attached", "promoted"
]
Kind: TypeAlias = Literal[
    "infeasible",  # the sample cannot be made, the structure is unphysical
    "not_converged",  # SCF, relaxation, fit of an equation of state
    "timeout",  # the wall limit was reached
    "crashed",  # the process was killed, the node lost
    "invalid_output",  # NaN, wrong unit, missing value, outside the plausible range
    "invalid_input",  # bad settings, no parameters for an element: the same for every candidate
    "cancelled",  # by a person
]
TRANSIENT: frozenset[Kind] = frozenset({"timeout", "crashed"})  # the same point may be asked again


@dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity:
    """What a candidate may be asked of: the real thing (`name` is REAL), or a stand-in for it.

    `oracles` answer together, by the names that the campaign gives them; `targets` is what they
    measure; `cost` is what asking once costs, in the campaign's own unit, and where `measured` the
    hours that the answers took come on top.
    """

    name: str
    targets: tuple[str, ...]
    oracles: tuple[str, ...] = ()
    cost: float = 1.0
    measured: bool = False

    def __post_init__(self) -> None:
        """Raise CampaignError for a cost that is no number from 0 on, or nothing to measure."""
        if not (isfinite(self.cost) and self.cost >= 0):
            raise CampaignError(
                f"the cost of {self.called}", "a number of 0 or more", f"{self.cost:g}"
            )
        if not self.targets:
            raise CampaignError(f"fidelity {self.called}", "a target that it measures", "none")

    @property
    def called(self) -> str:
        """The name for people."""
        return self.name or " and ".join(filter(None, self.oracles)) or "the real thing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is asked: the space, the objective, and the seed from which all randomness derives.

    `fidelities` are all that a candidate may be asked of, the real thing among them; none are
    stated where there is the real thing alone, at a cost of 1.
    """

    name: str
    space: SearchSpace
    objective: Objective
    seed: int = 0
    fidelities: tuple[Fidelity, ...] = ()

    @property
    def stand_ins(self) -> tuple[Fidelity, ...]:
        """The fidelities whose values are no answers to the question."""
        return tuple(each for each in self.fidelities if each.name != REAL)

    def fidelity(self, name: str) -> Fidelity:
        """The fidelity of that name; CampaignError where there is none."""
        for each in self.fidelities:
            if each.name == name:
                return each
        if name == REAL:
            return Fidelity(name=REAL, targets=self.objective.names)
        known = ", ".join(each.name for each in self.stand_ins) or "none"
        raise CampaignError("fidelity", f"a stand-in among {known}", repr(name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a model expects a measurement of one target to give, its noise included, in its unit."""

    mean: float
    sd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What the model of one target would have predicted of each outcome without having seen it.

    n           how many outcomes it was fitted on
    error       root mean square of predicted minus measured, in the target's unit
    r2          1 - sum of squared errors / that of the mean of the other outcomes: 1 is perfect, 0
                no better than a mean; None where outcomes do not differ, or there is one only
    coverage    share of the outcomes within their 95 % interval
    calibration root mean square of the errors over their standard deviations: 1 is right, above it
                the model is too sure, below it too careful
    at_bounds   what the fit has driven to the end of its range
    outliers    candidates whose outcome the model would not have believed
    says        one sentence for people
    correlation how a stand-in's outcome goes with that of the real thing at the same point, as
                fitted, by stand-in: from -1 to 1
    stand_ins   one sentence on each of them: whether the model learns from it
    """

    n: int
    error: float
    r2: float | None
    coverage: float
    calibration: float
    at_bounds: tuple[str, ...] = ()
    outliers: tuple[str, ...] = ()
    says: str = ""
    correlation: Mapping[str, float] = field(default_factory=dict)
    stand_ins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """Why a candidate was chosen.

    `cause` says why the model did not choose it, where it did not; `acquisition` and `value` are
    the criterion and what it gave; `distance` is to the `nearest` observed candidate, on encoded
    columns; `model` digests the data and the hyperparameters of the model, `surrogate` is its kind
    by target, and `health` how well it predicts each; `held` are the values that a person kept
    fixed for this turn. Model, predictions and health are those of the fidelity `of`, which is the
    real thing also where a stand-in is asked to learn about it; `asked` says why it is.
    """

    origin: Origin
    cause: str = ""
    acquisition: str = ""
    value: float | None = None
    predicted: Mapping[str, Prediction] = field(default_factory=dict)
    nearest: str = ""
    distance: float | None = None
    model: str = ""
    seed: int | None = None
    surrogate: Mapping[str, str] = field(default_factory=dict)
    health: Mapping[str, Health] = field(default_factory=dict)
    held: Mapping[str, Value] = field(default_factory=dict)
    of: str = REAL
    asked: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One point that is asked; the answer must carry its id.

    `fidelity` is REAL, or the name of the stand-in that is asked in place of the real thing: the
    same point at another fidelity is another candidate.
    """

    id: str
    point: Point
    why: Why
    fidelity: str = REAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where an answer comes from: an oracle with versions and attempt folder, or a file's row."""

    oracle: str
    versions: Mapping[str, str] = field(default_factory=dict)
    attempt: str = ""
    seconds: float | None = None
    file: str = ""
    sha256: str = ""
    row: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Values per target in the target's unit; any subset of the targets.

    `errors` are standard errors of the values, `repeats` how many measurements a value averages,
    `replicate` tells repeated answers to one candidate apart, `executed` is the point as it was
    really made, where it differs from what was asked, `notes` are columns that nobody asked for.
    A higher `revision` supersedes what was said with a lower one. `censored` are targets of which
    only a limit is known, such as `< 0.5`: no value, and nothing more to wait for.
    """

    candidate: str
    values: Mapping[str, float]
    source: Source
    errors: Mapping[str, float] = field(default_factory=dict)
    repeats: int = 1
    replicate: str = ""
    executed: Point | None = None
    notes: Mapping[str, str] = field(default_factory=dict)
    revision: int = 0
    censored: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """An honest no: its kind from the closed list, a message, and the tail of the log."""

    candidate: str
    kind: Kind
    message: str
    source: Source
    log: str = ""
    replicate: str = ""
    revision: int = 0


DRIFT = "drift "  # before a parameter, the header of a note: made further off than is tolerated
Observation: TypeAlias = Measured | Failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A row that could not be taken, and why. Rows count from 1 below the header; 0 is the file."""

    row: int
    reason: str
    column: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What one revision of a laboratory file holds: every row an observation or a rejection.

    `reading` digests the settings by which it was read, where they are not the usual ones.
    """

    file: str
    sha256: str
    rows: int
    observations: tuple[Observation, ...] = ()
    rejected: tuple[Rejection, ...] = ()
    reading: str = ""


class _Strict:
    """What the codec asks of every event: no unknown key, no NaN, no infinity."""

    __slots__ = ()
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened(_Strict):
    """The campaign began. `settings` is the campaign file as it was then."""

    problem: Problem
    settings: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amended(_Strict):
    """Settings that are safe to change were changed; `changes` says each, as `key: old -> new`."""

    settings: Mapping[str, Json]
    changes: tuple[str, ...]
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached(_Strict):
    """Past data came in, as candidates with their answers; `by` whom, and why.

    rows = candidates + duplicates + rejected rows, where a `file` is named.
    """

    candidates: tuple[Candidate, ...]
    observations: tuple[Observation, ...]
    file: str = ""
    sha256: str = ""
    rows: int = 0
    duplicates: int = 0
    rejected: tuple[Rejection, ...] = ()
    reason: str = ""
    by: str = ""

    def __post_init__(self) -> None:
        """Raise CampaignError unless every row of the file is accounted for."""
        rejected = sum(rejection.row > 0 for rejection in self.rejected)
        if self.file and len(self.candidates) + self.duplicates + rejected != self.rows:
            raise CampaignError(
                f"file {self.file}",
                f"{self.rows} rows accounted for",
                f"{len(self.candidates)} attached, {self.duplicates} duplicate, "
                f"{rejected} rejected",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed(_Strict):
    """Candidates were chosen. Written down before anyone acts on it."""

    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vetoed(_Strict):
    """A person refused a candidate: `by` whom, and why."""

    candidate: str
    reason: str
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited(_Strict):
    """A person changed a candidate before it was made: the whole point that is asked now."""

    candidate: str
    point: Point
    reason: str
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(_Strict):
    """An attempt at an evaluation began: `worker` is `host/process id/process start time`."""

    candidate: str
    attempt: int
    worker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Released(_Strict):
    """An attempt was given up in good order and without an answer: it counts for nothing."""

    candidate: str
    attempt: int
    worker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed(_Strict):
    """An answer came."""

    observation: Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested(_Strict):
    """A laboratory file was read, with all that was taken from it and all that was not.

    receipt.rows = taken rows + duplicates + rejected rows; `corrected` names the candidates whose
    earlier answer the file changed. `repeated` are those of the duplicates that another file had
    said before: should that file change its mind, this one still has said it.
    """

    receipt: Receipt
    duplicates: int = 0
    corrected: tuple[str, ...] = ()
    repeated: tuple[Observation, ...] = ()

    def __post_init__(self) -> None:
        """Raise CampaignError unless every row of the file is accounted for."""
        receipt = self.receipt
        rejected = sum(rejection.row > 0 for rejection in receipt.rejected)
        if len(receipt.observations) + self.duplicates + rejected != receipt.rows:
            raise CampaignError(
                f"file {receipt.file}",
                f"{receipt.rows} rows accounted for",
                f"{len(receipt.observations)} taken, {self.duplicates} duplicate, "
                f"{rejected} rejected",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Retracted(_Strict):
    """A person took a candidate's answers back: `by` whom, and why."""

    candidate: str
    reason: str
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved(_Strict):
    """A person decided which of several files is right about a candidate: `by` whom, and why.

    What the `file` says is kept; where it says several things, what it says in that `row`.
    """

    candidate: str
    file: str
    reason: str
    row: int | None = None
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected(_Strict):
    """A person corrected recorded values: `by` whom, and why; the old ones are kept."""

    observation: Measured
    reason: str
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused(_Strict):
    """Nothing more is begun until somebody resumes: `by` whom, and why.

    `stop` ends the processes that run the campaign, too: `soon` when what is in flight has been
    answered, `now` at once; what was in flight is then asked again after the campaign is resumed.
    """

    reason: str
    by: str = ""
    stop: Literal["", "soon", "now"] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed(_Strict):
    """A paused campaign goes on: `by` whom, and why."""

    reason: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed(_Strict):
    """The campaign stopped, and why."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reopened(_Strict):
    """The campaign goes on after it was closed, and why."""

    reason: str


Event: TypeAlias = (
    Opened
    | Amended
    | Attached
    | Proposed
    | Vetoed
    | Edited
    | Started
    | Released
    | Observed
    | Ingested
    | Retracted
    | Resolved
    | Corrected
    | Paused
    | Resumed
    | Closed
    | Reopened
)


def derive_seed(*parts: object) -> int:
    """A seed (below 2**31) from campaign seed, turn and purpose: the same parts, the same seed."""
    digest = blake2b("|".join(map(str, parts)).encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") >> 1
