"""The base class of every section of product.yaml: typed, frozen, and closed to unknown keys."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Rate = Annotated[float, Field(gt=0, le=1)]


class Section(BaseModel):
    """A part of product.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
