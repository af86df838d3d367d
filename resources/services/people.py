"""People: how segments of users differ, and which groups the data sets apart."""

from dataclasses import dataclass, replace
from datetime import date
from typing import Final

import polars as pl

from intelligence.core.sql import sql
from intelligence.core.tables import Days, Read, Reads
from intelligence.metrics.tables import BEHAVIOUR_SEGMENTS, PAYER_DAY, SEGMENT_DIFFERENCES, USER_DAY
from intelligence.warehouse.tables import DIM_USERS
from resources.lake.door import Lake

READS: Final[Reads] = {
    PAYER_DAY: (Read(USER_DAY), Read(DIM_USERS)),
    SEGMENT_DIFFERENCES: (Read(USER_DAY, 27),),
    BEHAVIOUR_SEGMENTS: (Read(USER_DAY, 27),),
}
WINDOW_DAYS: Final = 28


@dataclass(frozen=True, slots=True)
class PeopleService:
    """Compares users: by their payments, by declared segments, and by what they do."""

    lake: Lake

    def over(self, lake: Lake) -> "PeopleService":
        """Return the service over the lake of a run, which records for every table which telemetry the run had seen."""
        return replace(self, lake=lake)

    def payers_written(self, days: Days) -> int:
        """Replace the rows of metrics.payer_day of these days, and return how many there are."""
        return self.lake.replace(PAYER_DAY, days, sql("metrics/payer_day.sql"))

    def segment_differences_of(self, days: Days) -> pl.DataFrame:
        """Return the rows of metrics.segment_differences, for each day from the 28 days that end with it."""
        from intelligence.metrics.segments import segment_differences

        rows = [{"event_date": day, **row} for day in days.each for row in segment_differences(self._users(day))]
        return SEGMENT_DIFFERENCES.frame(rows)

    def behaviour_segments_of(self, days: Days) -> pl.DataFrame:
        """Return the rows of metrics.behaviour_segments, for each day from the 28 days that end with it."""
        from intelligence.metrics.behaviour import behaviour_segments

        rows = [{"event_date": day, **row} for day in days.each for row in behaviour_segments(self._users(day))]
        return BEHAVIOUR_SEGMENTS.frame(rows)

    def _users(self, day: date) -> pl.DataFrame:
        return self.lake.frame(sql("metrics/user_values.sql"), {"day": day, "window_days": WINDOW_DAYS})
