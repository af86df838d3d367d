"""The section `drift` of product.yaml: how quiet the watch is to be, and how often it may have a model trained."""

from pydantic import Field

from intelligence.core.sections import Rate, Section


class Power(Section):
    """Within how many days drift of each kind is found, at 120 features and 50,000 events a day; `benchmarks.drift` checks it.

    A shift and a ramp by 1.3 of the latency of all features, a new platform with three tenths of the events on top, and
    users who leave three times as often without a sign before.
    """

    latency_shift: int = Field(5, ge=1)
    latency_ramp: int = Field(25, ge=1)
    new_platform: int = Field(10, ge=1)
    label_shift: int = Field(30, ge=1)


class Drift(Section):
    """What counts as drift, what it may set off, and how long its pages are kept."""

    false_alarms_per_week: Rate = 0.01
    smallest_distance: float = Field(0.1, ge=0)
    matters_from: Rate = 0.03
    consecutive_days: int = Field(7, ge=1, le=14)
    cooldown_days: int = Field(7, ge=1)
    retrains_per_week: int = Field(1, ge=0)
    new_label_days: int = Field(7, ge=0)
    keep_pages_days: int = Field(35, ge=1)
    power: Power = Power()
