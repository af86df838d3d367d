"""The base class of every section of product.yaml: typed, frozen, and closed to unknown keys."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_ADDRESS: Final = re.compile(r"https?://[^\s/@]+(/\S*)?")


def _is_an_address(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        # It is not shown: it may have a password.
        raise ValueError(
            "is no address such as http://127.0.0.1:11434/v1, without a user and a password before the host"
        )
    return text


Rate = Annotated[float, Field(gt=0, le=1)]
Address = Annotated[str, AfterValidator(_is_an_address)]


class Section(BaseModel):
    """A part of product.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
