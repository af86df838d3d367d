"""What signals would have flagged on the product's own past, at several rates of false alarms, before anything is switched on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import polars as pl

RATES: Final = (0.25, 0.5, 1.0, 2.0, 5.0)
LARGEST: Final = 12


@dataclass(frozen=True, slots=True)
class Replayed:
    """What one rate of false alarms would have flagged.

    Attributes:
        rate: False alarms per week that were asked for.
        first_day: First day on which anything could be flagged; None where the history is too short.
        last_day: Last day of the history.
        weeks: Length of that time.
        episodes: Episodes that began in it.
        severe: Those of them that became severe.
        adverse: Those of them that were a change for the worse.
        largest: The most surprising episodes as they were last known.
    """

    rate: float
    first_day: date | None
    last_day: date
    weeks: float
    episodes: int
    severe: int
    adverse: int
    largest: Sequence[Mapping[str, Any]]

    @property
    def per_week(self) -> float | None:
        """Return the episodes per week; None where nothing could be flagged."""
        return self.episodes / self.weeks if self.weeks > 0 else None


def replayed(rate: float, episodes: pl.DataFrame, *, first_day: date | None, last_day: date) -> Replayed:
    """Return what a rate would have flagged, each episode counted once, as it was last known.

    Args:
        rate: False alarms per week that were asked for.
        episodes: Rows of signals.episodes of the whole past.
        first_day: First day on which anything could be flagged; None where the history is too short.
        last_day: Last day of the history.
    """
    last = episodes.sort("event_date").unique("episode", keep="last", maintain_order=True)
    order = last.sort("surprise", "episode", descending=[True, False])
    columns = ("episode", "first_day", "last_day", "severity", "is_open", "title", "likely_cause")
    return Replayed(
        rate=rate,
        first_day=first_day,
        last_day=last_day,
        weeks=((last_day - first_day).days + 1) / 7 if first_day else 0.0,
        episodes=last.height,
        severe=last.filter(severity="severe").height,
        adverse=int(last["is_adverse"].sum()),
        largest=order.select(columns).head(LARGEST).to_dicts(),
    )
