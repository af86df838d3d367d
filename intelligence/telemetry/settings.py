"""The section `telemetry` of product.yaml, with the accepted changes of measurement; and what may be kept of answers' texts."""

from datetime import date
from typing import Literal

from pydantic import Field

from intelligence.core.sections import Section

KeptTexts = Literal["keep", "hash", "cut"]


class AcceptedChange(Section):
    """An accepted change of measurement: from the day `since` on, the fault subject `of` is measured in a new way."""

    of: str = Field(min_length=1)
    since: date


class Telemetry(Section):
    """The accepted changes of measurement, and after how many days a lasting change is accepted as usual by itself."""

    accepted_changes: tuple[AcceptedChange, ...] = ()
    accepted_after_days: int = Field(14, ge=1, le=28)
