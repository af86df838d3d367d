"""Usage: who came back, how far funnels are followed, and how users take up the product and its features."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any, Final

import duckdb
import polars as pl

from intelligence.catalog.product import Product
from intelligence.core.errors import UsageError
from intelligence.core.sql import sql
from intelligence.core.tables import Days, Read, Reads, Table
from intelligence.metrics.settings import LONGEST_WINDOW_DAYS, funnel_parameters, retention_parameters
from intelligence.metrics.tables import (
    ADOPTION_DAY,
    COHORT_ACTIVITY,
    FACT_FEATURE_METRICS,
    FEATURE_HEALTH,
    FUNNEL_DAY,
    FUNNEL_ENTRIES,
    FUNNEL_STEPS,
    LIFECYCLE_DAY,
    RETENTION_COHORTS,
    USE_CHANGES,
    USER_DAY,
)
from intelligence.telemetry.local_time import UTC_NAME
from intelligence.telemetry.tables import DAY_QUALITY
from intelligence.warehouse.tables import DIM_FEATURE_METADATA, DIM_RELEASES, FACT_EVENTS
from resources.lake.door import Lake

SHOWN_DAYS: Final = 91
_COHORTS: Final = (
    f"FROM {RETENTION_COHORTS.path} WHERE grain = $grain AND dimension = $dimension AND value = $value"
    " AND definition = $definition ORDER BY cohort, first_age, last_age"
)
_VALUES: Final = f"SELECT value FROM {LIFECYCLE_DAY.path} WHERE dimension = $dimension GROUP BY value ORDER BY sum(active) DESC, value"
_FUNNELS: Final = (
    f"FROM {FUNNEL_DAY.path} WHERE funnel IN (SELECT unnest($names)) AND event_date > (SELECT max(event_date)"
    f" FROM {FUNNEL_ENTRIES.path}) - CAST($days AS INTEGER) ORDER BY event_date, funnel, step, dimension, value"
)
# The days of use of a user are bits of one number: those of a range, and the 28 days before it.
DAYS_AT_ONCE: Final = 98
ADOPTION_DAYS_AT_ONCE: Final = 35
SILENCE_DAYS: Final = 28
READS: Reads = {
    USE_CHANGES: (Read(FACT_EVENTS, SILENCE_DAYS),),
    FUNNEL_ENTRIES: (Read(FACT_EVENTS), Read(DIM_FEATURE_METADATA)),
    FUNNEL_STEPS: (
        Read(FUNNEL_ENTRIES, LONGEST_WINDOW_DAYS + 1),
        Read(FACT_EVENTS, LONGEST_WINDOW_DAYS + 1),
        Read(DIM_FEATURE_METADATA),
    ),
    LIFECYCLE_DAY: (
        Read(USE_CHANGES),
        Read(USER_DAY),
        Read(FACT_FEATURE_METRICS),
        Read(FEATURE_HEALTH),
        # What happened, for the plot.
        Read(DIM_RELEASES),
        Read(DAY_QUALITY, 90),
    ),
    ADOPTION_DAY: (Read(USER_DAY, ADOPTION_DAY.lookback_days or 0),),
}


@dataclass(frozen=True, slots=True)
class UsageService:
    """Builds the tables of usage.

    Attributes:
        product: The product.
        lake: Its lake.
    """

    product: Product
    lake: Lake

    def over(self, lake: Lake) -> "UsageService":
        """Return the service over the lake of a run, which records for every table which telemetry the run had seen."""
        return replace(self, lake=lake)

    def written_retention(self, days: Days) -> dict[Table, int]:
        """Replace the rows of metrics.use_changes and metrics.cohort_activity of these days, and return how many there are of each.

        Both are made from the days of use of every user and feature, which are read from the events once.
        """
        written = {USE_CHANGES: 0, COHORT_ACTIVITY: 0}
        known = {"first_day": self.lake.first_day(days)}
        uses = f"CREATE OR REPLACE TEMP TABLE uses AS {sql('metrics/uses.sql')}"
        for part in parts(days, DAYS_AT_ONCE):
            given = {**known, **part.parameters}
            with self.lake.staging() as connection:
                self.lake.commit(partial(_made, query=uses, parameters=given), on=connection)
                for table, query, parameters in (
                    (USE_CHANGES, sql("metrics/use_changes.sql"), {}),
                    (
                        COHORT_ACTIVITY,
                        sql("metrics/cohort_activity.sql"),
                        retention_parameters(self.product.retention),
                    ),
                ):
                    written[table] += self.lake.replace(table, part, query, parameters, on=connection)
        return written

    def written_entries(self, days: Days) -> int:
        """Replace the rows of metrics.funnel_entries of these days, and return how many there are."""
        return self._written_funnels(FUNNEL_ENTRIES, days, sql("metrics/funnel_entries.sql"))

    def written_steps(self, days: Days) -> int:
        """Replace the rows of metrics.funnel_steps of these days, and return how many there are."""
        return self._written_funnels(FUNNEL_STEPS, days, sql("metrics/funnel_steps.sql"))

    def written_adoption(self, days: Days) -> int:
        """Replace the rows of metrics.adoption_day of these days, and return how many there are."""
        query, known = sql("metrics/adoption_day.sql"), {"first_day": self.lake.first_day(days)}
        return sum(self.lake.replace(ADOPTION_DAY, part, query, known) for part in parts(days, ADOPTION_DAYS_AT_ONCE))

    def cohorts(self, *, grain: str, definition: str, feature: str = "", segment: str = "") -> pl.DataFrame:
        """Return the rows of metrics.retention_cohorts of one part of the product, by cohort; none in an empty lake.

        Args:
            grain: `day` or `week`; users of a feature are counted by week only.
            definition: `exact` for day or week N, `rolling` or `bracket`.
            feature: Only users of this feature; empty for all users.
            segment: Only users who began in this segment; empty for all users.

        Raises:
            UsageError: There is nobody who used the feature, or who began in the segment.
        """
        dimension, value = ("feature", feature) if feature else ("segment", segment) if segment else ("all", "all")
        if not self.lake.exists():
            return RETENTION_COHORTS.frame([])
        given = {"grain": grain, "dimension": dimension, "value": value}
        found = self.lake.frame(
            _COHORTS, {**given, "definition": f"n_{grain}" if definition == "exact" else definition}
        )
        if found.is_empty() and dimension != "all":
            known = self.lake.frame(_VALUES, {"dimension": dimension})["value"].to_list()
            raise UsageError(
                value, f"is no {dimension} with users.", hint=f"There are {', '.join(known[:20]) or 'none'}."
            )
        return found

    def funnels(self, name: str = "") -> pl.DataFrame:
        """Return the rows of metrics.funnel_day of the last weeks, by day of entry; none in an empty lake.

        Args:
            name: Name of one funnel; empty for all.

        Raises:
            UsageError: product.yaml declares no funnel, or none of this name.
        """
        declared = [each.name for each in self.product.funnels]
        if not declared:
            raise UsageError(
                "funnels", "are not declared.", hint="Write `funnels` into product.yaml: see docs/usage.md."
            )
        if name and name not in declared:
            raise UsageError(name, "is no funnel of product.yaml.", hint=f"There are {', '.join(declared)}.")
        if not self.lake.exists():
            return FUNNEL_DAY.frame([])
        return self.lake.frame(_FUNNELS, {"names": [name] if name else declared, "days": SHOWN_DAYS})

    def _written_funnels(self, table: Table, days: Days, query: str) -> int:
        if not self.product.funnels:
            return self.lake.replace(table, days, "FROM none", frames={"none": table.frame([])})
        return sum(self.lake.replace(table, part, query, self.asked()) for part in parts(days, DAYS_AT_ONCE))

    def asked(self) -> Mapping[str, Any]:
        """Return the parameters of the queries of funnels, of which product.yaml declares at least one."""
        return funnel_parameters(self.product.funnels, of_equal_length=self.product.timezone == UTC_NAME)


def _made(connection: duckdb.DuckDBPyConnection, *, query: str, parameters: Mapping[str, Any]) -> None:
    connection.execute(query, dict(parameters))


def parts(days: Days, at_once: int) -> Iterator[Days]:
    """Yield the range in parts, in order.

    Args:
        days: The range.
        at_once: Largest number of days of a part.

    >>> from datetime import date
    >>> [len(part.each) for part in parts(Days(date(2026, 5, 1), date(2026, 7, 1)), 35)]
    [35, 26]
    """
    starts = days.each[::at_once]
    for start, end in zip(starts, chain(starts[1:], [days.end]), strict=True):
        yield Days(start, end)
