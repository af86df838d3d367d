"""The section `telemetry` of product.yaml: what a person says of changes in how the product is measured."""

from datetime import date

from pydantic import Field

from intelligence.core.sections import Section


class AcceptedChange(Section):
    """A change of measurement that a person knows of: from `since` on, `of` is measured as it is now."""

    of: str = Field(min_length=1)
    since: date


class Telemetry(Section):
    """Which changes of measurement are meant, and after how many days a change that lasts is taken as the new usual."""

    accepted_changes: tuple[AcceptedChange, ...] = ()
    accepted_after_days: int = Field(14, ge=1, le=28)
