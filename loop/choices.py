"""The names by which things are chosen in campaign.toml, and models in Python, too."""

from typing import Literal, TypeAlias

Expertise: TypeAlias = Literal["auto", "matern", "rbf", "linear", "forest", "saas"]
Closed: TypeAlias = Literal["ucb", "logei", "logehvi", "variance", "straddle"]  # in closed form
Drawn: TypeAlias = Literal["qlogei", "qlognei", "qlognehvi", "qlogparego"]  # by joint draws
Acquisition: TypeAlias = Literal["auto"] | Closed | Drawn

AGREES = 0.5  # correlation below which a stand-in and the real thing are said to disagree

# What a table [oracle] says of its oracle's place among others, and not of the oracle.
PLACE = frozenset({"name", "measures", "cost", "approximates", "evaluations", "promote"})
