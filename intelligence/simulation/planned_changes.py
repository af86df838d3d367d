"""Changes that a simulated product goes through beside what is planted in it: drift of the world, faults of its pipeline.

Kept free of numpy, since every product file is checked against it.
"""

from typing import Final, Literal

from pydantic import Field

from intelligence.core.sections import Section

RAMP_DAYS: Final = 30


class PlannedDrift(Section):
    """How the world changes for good, from the day `from_day` on, counted from 0.

    `latency_shift` multiplies every latency by `size` at once, `latency_ramp` little by little over 30 days.
    `new_platform` brings users on a platform of their own who come seldom; with them there are `size` times the events.
    `label_shift` multiplies the chance with which users leave by `size`, and those who leave for it give no sign before.
    """

    kind: Literal["latency_shift", "latency_ramp", "new_platform", "label_shift"]
    from_day: int = Field(ge=0)
    size: float = Field(1.3, gt=1)

    def latency_multiplier(self, index: int) -> float:
        """Return what every latency of the day `index` is multiplied by.

        >>> PlannedDrift(kind="latency_ramp", from_day=10, size=1.3).latency_multiplier(24)
        1.15
        """
        since = index - self.from_day + 1
        if since <= 0 or self.kind not in ("latency_shift", "latency_ramp"):
            return 1.0
        return 1 + (self.size - 1) * (min(since / RAMP_DAYS, 1.0) if self.kind == "latency_ramp" else 1.0)


class PlannedFault(Section):
    """What a pipeline does to the events on the way, on `days` days from `from_day` on, counted from 0.

    `lost_hours` never delivers half of the day, `emptied_column` no latency, and `flat_line` always the same one. The
    others are named for what they do; an `outage` is no fault of the pipeline: for six hours nearly everything fails for real,
    and people leave.
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
        """Return whether the events of the day `index` are hit."""
        return self.from_day <= index < self.from_day + self.days
