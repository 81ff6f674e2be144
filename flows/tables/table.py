"""What every table of campaign.toml is: strict, so that nothing is guessed."""

from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field


class Table(BaseModel):
    """A table of campaign.toml: no unknown key, no conversion, no NaN."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)]
