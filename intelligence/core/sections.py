"""The base class of every section of product.yaml: typed, frozen, and closed to unknown keys."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Rate = Annotated[float, Field(gt=0, le=1)]
Address = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/@]+(/\S*)?$")]


class Section(BaseModel):
    """A part of product.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
