"""The section `drift` of product.yaml: how rare false alarms must be, and how often drift may request a training."""

from pydantic import Field

from intelligence.core.sections import Rate, Section


class Power(Section):
    """Days within which each kind of drift is detected, at 120 features and 50,000 events a day; `benchmarks.drift` checks it.

    `latency_shift` and `latency_ramp` multiply the latency of all features by 1.3, at once or gradually. `new_platform` adds
    30 % more events, all from a new platform. `label_shift` makes users leave three times as often without any earlier sign.
    """

    latency_shift: int = Field(5, ge=1)
    latency_ramp: int = Field(25, ge=1)
    new_platform: int = Field(10, ge=1)
    label_shift: int = Field(30, ge=1)


class Drift(Section):
    """What counts as drift, how many trainings it may request, and how long its pages are kept."""

    false_alarms_per_week: Rate = 0.01
    smallest_distance: float = Field(0.1, ge=0)
    matters_from: Rate = 0.03
    consecutive_days: int = Field(7, ge=1, le=14)
    cooldown_days: int = Field(7, ge=1)
    retrains_per_week: int = Field(1, ge=0)
    new_label_days: int = Field(7, ge=0)
    keep_pages_days: int = Field(35, ge=1)
    power: Power = Power()
