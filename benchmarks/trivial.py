"""A campaign whose evaluations take no time, so that what is left is what runs it."""

from pathlib import Path

CAMPAIGN = """
name = "trivial"
[[parameter]]
name = "x"
kind = "continuous"
low = 0
high = 1
[[target]]
name = "y"
goal = "max"
[oracle]
kind = "function"
function = "measure.py:measure"
[proposer]
kind = "design"
[stop]
evaluations = {evaluations}
[run]
{run}
"""
MEASURE = "def measure(x):\n    return x\n"


def campaign(folder: Path, *, evaluations: int, run: str = "", measure: str = MEASURE) -> None:
    """Write its folder: points of the design, one in flight unless `run` says more."""
    (folder / "campaign.toml").write_text(CAMPAIGN.format(evaluations=evaluations, run=run))
    (folder / "measure.py").write_text(measure)
