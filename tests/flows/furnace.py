"""A furnace, and a test of strength: the laboratory's campaign that tests and benchmarks share."""

CAMPAIGN = """
name = "furnace"
[[parameter]]
name = "T"
kind = "continuous"
low = 300
high = 900
unit = "K"
{more}
[[target]]
name = "strength"
unit = "MPa"
goal = "max"
[oracle]
kind = "folder"
settle_s = {settle_s}
{oracle}
[proposer]
kind = "design"
[stop]
evaluations = {evaluations}
[run]
batch = {batch}
"""


def campaign(
    oracle: str = "",
    *,
    more: str = "",
    evaluations: int = 40,
    batch: int = 4,
    settle_s: float = 0.0,
) -> str:
    """The campaign file, with `more` parameters and constraints, and lines of [oracle]."""
    return CAMPAIGN.format(
        oracle=oracle, more=more, evaluations=evaluations, batch=batch, settle_s=settle_s
    )
