"""Every error Athanor raises on purpose, in one tree.

LoopError                 a rule was broken; says where, what was expected, what was got, what to do
├── SpaceError            a parameter, a constraint, a point (ValueError)
├── ObjectiveError        a target or a bound (ValueError)
├── UnitError             a unit that is unknown or of another dimension (ValueError)
├── SettingsError         the campaign folder or its campaign.toml (ValueError)
├── CampaignError         events that contradict one another or the problem (ValueError)
├── LedgerError           the memory cannot be read or written (RuntimeError)
│   └── Conflict          somebody else appended first: replay and decide again
├── OracleError           the world cannot be asked at all (RuntimeError)
└── Shortfall             fewer candidates than asked for (RuntimeError)
    ├── PoolExhausted         every point of a finite space has been proposed
    └── ConstraintsInfeasible no feasible point was found within the sampling budget

A failed evaluation is not here: it is a value, `loop.records.Failed`.
"""


class LoopError(Exception):
    """A broken rule: where it was broken, what was expected, what was got, and the remedy."""

    def __init__(self, where: str, expected: str, got: str, remedy: str = "") -> None:
        """Keep the four parts; `str()` joins them into one message."""
        super().__init__(where, expected, got, remedy)
        self.where = where
        self.expected = expected
        self.got = got
        self.remedy = remedy

    def __str__(self) -> str:
        """One message, remedy last."""
        message = f"{self.where}: expected {self.expected}, got {self.got}."
        return f"{message} {self.remedy}" if self.remedy else message


class SpaceError(LoopError, ValueError):
    """A parameter, a constraint or a point breaks a rule of the search space."""


class ObjectiveError(LoopError, ValueError):
    """A target or a bound breaks a rule of the objective."""


class UnitError(LoopError, ValueError):
    """A unit is unknown, or cannot be converted into the one that is asked for."""


class SettingsError(LoopError, ValueError):
    """The campaign folder or its campaign.toml cannot be used."""


class CampaignError(LoopError, ValueError):
    """An event contradicts the campaign it is appended to."""


class LedgerError(LoopError, RuntimeError):
    """The ledger cannot be read or written."""


class Conflict(LedgerError):
    """Another writer appended first; the caller replays and decides again."""


class OracleError(LoopError, RuntimeError):
    """The world cannot be asked at all: the same for every candidate."""


class Shortfall(LoopError, RuntimeError):
    """Fewer candidates exist or were found than were asked for: `available` of them."""

    def __init__(
        self, where: str, expected: str, got: str, remedy: str = "", *, available: int
    ) -> None:
        """Keep how many candidates could be had, so that the caller may ask for those."""
        super().__init__(where, expected, got, remedy)
        self.available = available


class PoolExhausted(Shortfall):
    """Every point of a finite space has been proposed already."""


class ConstraintsInfeasible(Shortfall):
    """No feasible point was found within the sampling budget."""
