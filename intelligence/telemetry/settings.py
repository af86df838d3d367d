"""The section `telemetry` of product.yaml: which changes in how the product is measured are accepted."""

from datetime import date

from pydantic import Field

from intelligence.core.sections import Section


class AcceptedChange(Section):
    """An accepted change of measurement: from the day `since` on, the fault subject `of` is measured in a new way."""

    of: str = Field(min_length=1)
    since: date


class Telemetry(Section):
    """The accepted changes of measurement, and after how many days a lasting change is accepted as usual by itself."""

    accepted_changes: tuple[AcceptedChange, ...] = ()
    accepted_after_days: int = Field(14, ge=1, le=28)
