"""The error tree: caught by name, by kind, and readable."""

import pytest

from loop.errors import (
    CampaignError,
    Conflict,
    ConstraintsInfeasible,
    LedgerError,
    LoopError,
    ObjectiveError,
    OracleError,
    PoolExhausted,
    SettingsError,
    Shortfall,
    SpaceError,
    UnitError,
)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (SpaceError, ValueError),
        (ObjectiveError, ValueError),
        (UnitError, ValueError),
        (SettingsError, ValueError),
        (CampaignError, ValueError),
        (LedgerError, RuntimeError),
        (OracleError, RuntimeError),
        (Shortfall, RuntimeError),
    ],
)
def test_every_error_is_a_builtin_too(error, builtin):
    """Whoever knows nothing of Athanor catches its errors as ValueError or RuntimeError."""
    assert issubclass(error, builtin)
    assert issubclass(error, LoopError)


def test_a_conflict_is_a_ledger_error():
    """Whoever gives up on ledger errors gives up on a conflict too."""
    assert issubclass(Conflict, LedgerError)


def test_the_message_names_place_expectation_finding_and_remedy():
    """The remedy stands last, where it is read."""
    error = SpaceError("space.T", "at most 1200 K", "1500 K", "Lower it.")
    assert str(error) == "space.T: expected at most 1200 K, got 1500 K. Lower it."


def test_without_a_remedy_the_message_ends_with_the_finding():
    """No trailing blank where there is nothing to advise."""
    assert str(SpaceError("space.T", "a number", "'x'")) == "space.T: expected a number, got 'x'."


@pytest.mark.parametrize("error", [PoolExhausted, ConstraintsInfeasible])
def test_a_shortfall_says_how_many_there_are(error):
    """The caller can ask again for what is available."""
    with pytest.raises(Shortfall, match="expected 5 points, got 2") as caught:
        raise error("space", "5 points", "2", available=2)
    assert caught.value.available == 2
