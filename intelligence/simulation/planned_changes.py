"""Planned changes of a simulated product in addition to the planted truths: drift of its use, faults of its pipeline.

The module does not import numpy, since every product.yaml is validated with it.
"""

from typing import Final, Literal

from pydantic import Field

from intelligence.core.sections import Section

RAMP_DAYS: Final = 30


class PlannedDrift(Section):
    """A permanent change of the product's use, from the day `from_day` on, counted from 0.

    `latency_shift` multiplies every latency by `size` at once, `latency_ramp` gradually over 30 days.
    `new_platform` adds users on a platform of their own who visit rarely; with them there are `size` times the events.
    `label_shift` multiplies the probability that a user leaves by `size`; users who leave for it show no sign before.
    """

    kind: Literal["latency_shift", "latency_ramp", "new_platform", "label_shift"]
    from_day: int = Field(ge=0)
    size: float = Field(1.3, gt=1)

    def latency_multiplier(self, index: int) -> float:
        """Return the factor of every latency on the day `index`.

        >>> PlannedDrift(kind="latency_ramp", from_day=10, size=1.3).latency_multiplier(24)
        1.15
        """
        since = index - self.from_day + 1
        if since <= 0 or self.kind not in ("latency_shift", "latency_ramp"):
            return 1.0
        return 1 + (self.size - 1) * (min(since / RAMP_DAYS, 1.0) if self.kind == "latency_ramp" else 1.0)


class PlannedFault(Section):
    """A fault of the pipeline that delivers the events, on `days` days from `from_day` on, counted from 0.

    `lost_hours` loses the events of half of the day, `emptied_column` all latencies, and `flat_line` makes all latencies
    equal. The names of the others say what they do. An `outage` is no fault of the pipeline: for six hours nearly everything
    really fails, and many visits end.
    """

    kind: Literal[
        "lost_hours",
        "emptied_column",
        "flat_line",
        "unit",
        "unit_of_one_release",
        "unit_of_one_platform",
        "stuck_errors",
        "stuck_crashes",
        "one_rating",
        "one_platform",
        "silent_platform",
        "replayed",
        "sent_twice",
        "one_user",
        "capped",
        "mixed_up_names",
        "emptied_for_one_platform",
        "outage",
    ]
    from_day: int = Field(ge=0)
    days: int = Field(1, ge=1)

    def touches(self, index: int) -> bool:
        """Return whether the fault changes the events of the day `index`."""
        return self.from_day <= index < self.from_day + self.days
