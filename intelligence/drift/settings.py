"""The section `drift` of product.yaml: how quiet the watch is to be, and how often it may have a model trained."""

from pydantic import Field

from intelligence.sections import Rate, Section


class Drift(Section):
    """What counts as drift, what it may set off, and how long its pages are kept."""

    false_alarms_per_week: Rate = 0.01
    smallest_distance: float = Field(0.1, ge=0)
    matters_from: Rate = 0.03
    consecutive_days: int = Field(3, ge=1, le=14)
    cooldown_days: int = Field(7, ge=1)
    retrains_per_week: int = Field(1, ge=0)
    new_label_days: int = Field(7, ge=0)
    keep_pages_days: int = Field(35, ge=1)
