"""The names by which models and acquisitions are chosen, in campaign.toml as in Python."""

from typing import Literal, TypeAlias

Expertise: TypeAlias = Literal["auto", "matern", "rbf", "linear", "forest", "saas"]
Closed: TypeAlias = Literal["ucb", "logei", "logehvi", "variance", "straddle"]  # in closed form
Drawn: TypeAlias = Literal["qlogei", "qlognei", "qlognehvi", "qlogparego"]  # by joint draws
Acquisition: TypeAlias = Literal["auto"] | Closed | Drawn

AGREES = 0.5  # correlation below which a stand-in and the real thing are said to disagree
