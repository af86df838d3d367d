"""The plan of a simulation. It does not import numpy, since every product.yaml is validated with it."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from intelligence.core.errors import PlatformError
from intelligence.simulation.planned_changes import PlannedDrift, PlannedFault

DAYS_PER_CYCLE: Final = 90
FEWEST_FEATURES_WITH_TROUBLE: Final = 4


class SimulationPlanError(PlatformError, ValueError):
    """A plan asks for something that cannot be simulated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationPlan:
    """The size of a simulated product and the days to simulate.

    Attributes:
        features: Number of product features.
        days: Number of days.
        events_per_day: Mean number of events on a day, over a week.
        seed: Seed of everything drawn, from 0 up.
        first_day: The first day, in UTC.
        planted: Whether bad releases, slow decays, pipeline faults and a confounded feature are planted; experiments run
            either way.
        drift: A planned drift, with or without planted truths.
        fault: A planned fault of the pipeline, with or without planted truths.

    Raises:
        SimulationPlanError: A value is out of its range. It is a ValueError too.

    >>> SimulationPlan(days=7).last_day
    datetime.date(2026, 5, 10)
    >>> SimulationPlan(seed=-1)
    Traceback (most recent call last):
    intelligence.simulation.plan.SimulationPlanError: seed: -1 is less than 0. Use a whole number from 0 up.
    """

    features: int = 120
    days: int = 90
    events_per_day: int = 50_000
    seed: int = 7
    first_day: date = date(2026, 5, 4)
    planted: bool = True
    drift: PlannedDrift | None = None
    fault: PlannedFault | None = None

    def __post_init__(self) -> None:
        lowest = {
            "features": (self.features, 1, "A product has features; 120 is the default."),
            "days": (self.days, 1, "Simulate at least one day; 90 is a full cycle of planted truths."),
            "events_per_day": (self.events_per_day, 1, "A stream has events; 50,000 is the default."),
            "seed": (self.seed, 0, "Use a whole number from 0 up."),
        }
        for name, (value, least, hint) in lowest.items():
            if value < least:
                raise SimulationPlanError(name, f"{value} is less than {least}.", hint=hint)
        if self.planted and self.features < FEWEST_FEATURES_WITH_TROUBLE:
            raise SimulationPlanError(
                "features",
                f"{self.features} leaves no room for a bad release, a slow decay and a clean feature.",
                hint=f"Use {FEWEST_FEATURES_WITH_TROUBLE} or more, or plant nothing (`planted: false`).",
            )
        if self.days > (date.max - self.first_day).days:
            raise SimulationPlanError(
                "days",
                f"{self.days:,} days from {self.first_day} on reach past the year 9999.",
                hint="Begin earlier or simulate fewer days.",
            )

    @property
    def last_day(self) -> date:
        """Return the last day of the plan."""
        return self.date_of(self.days - 1)

    def date_of(self, index: int) -> date:
        """Return the date of the day `index`, counted from 0 on `first_day`."""
        return self.first_day + timedelta(days=index)
