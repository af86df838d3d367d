"""What every section of product.yaml is: typed, frozen, and without a word that it does not know."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Rate = Annotated[float, Field(gt=0, le=1)]


class Section(BaseModel):
    """A part of product.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
