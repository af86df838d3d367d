"""The days of a product: where its calendar begins and ends, and which days an asset reads of another one."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

import dagster as dg

from assets.graph.tables import key_of, until_yesterday
from intelligence.core.tables import Days, Read
from intelligence.telemetry.local_time import UTC_NAME
from resources.intake.delivery import days_made
from resources.platform import Platform


@dataclass(frozen=True)
class Calendar:
    """The product's days, on its own clock.

    Attributes:
        first_day: `start` in product.yaml, else the earliest day of the simulator or in the lake.
        end: The day after the last one, where the end of the product's data is known; None where days continue.
        timezone: The time zone in which a day begins.
    """

    first_day: date
    end: date | None
    timezone: str

    @classmethod
    def of(cls, platform: Platform) -> "Calendar":
        """Return the calendar by the present product file and lake."""
        return cls(_first_day(platform), _end(platform), platform.product.timezone)

    @property
    def partitions(self) -> dg.DailyPartitionsDefinition:
        """Return the days as Dagster's partitions."""
        end = self.end.isoformat() if self.end else None
        return dg.DailyPartitionsDefinition(start_date=self.first_day.isoformat(), end_date=end, timezone=self.timezone)

    @property
    def freshness(self) -> dg.FreshnessPolicy | None:
        """Return the policy by which a table is late: yesterday is expected by the next noon; None for a product that has ended."""
        if self.end:
            return None
        return dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=36), warn_window=timedelta(hours=26))


def _first_day(platform: Platform) -> date:
    if platform.product.start:
        return platform.product.start
    span = _span(platform)
    known = [platform.product.first_declared_day(), span.start if span else None]
    return min((day for day in known if day), default=date(2000, 1, 1))


def _span(platform: Platform) -> Days | None:
    return platform.lake.span() if platform.lake.exists() else None


def _end(platform: Platform) -> date | None:
    """Return the day after the product's last day, including days that a demo was given later; None where days continue."""
    product = platform.product
    last = product.last_declared_day()
    if last is None:
        return None
    made = [] if product.end else list(days_made(product, platform.landing))
    span = None if product.end or product.timezone == UTC_NAME else _span(platform)
    return max([last, *made, *([span.end - timedelta(days=1)] if span else [])]) + timedelta(days=1)


def days_of(context: dg.AssetExecutionContext) -> Days:
    """Return the days of this run: one day or a range."""
    window = context.partition_time_window
    return Days(window.start.date(), window.end.date())


def looking_back(days: int) -> dg.TimeWindowPartitionMapping:
    """Return the partition mapping of a day that is made from the same day and the `days` before it."""
    return _days_from_to(-days, 0)


def earlier_self(days: int) -> dg.TimeWindowPartitionMapping:
    """Return the partition mapping of a day that is made from the `days` before it of the same table."""
    return _days_from_to(-days, -1)


def _days_from_to(start_offset: int, end_offset: int) -> dg.TimeWindowPartitionMapping:
    with warnings.catch_warnings():
        # The first days of a product have no earlier ones; the parameter that says so is in beta.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.TimeWindowPartitionMapping(
            start_offset=start_offset, end_offset=end_offset, allow_nonexistent_upstream_partitions=True
        )


def deps_of(reads: Iterable[Read], *, daily: bool = True) -> list[dg.AssetDep]:
    """Return the declared reads as dependencies of an asset.

    Args:
        reads: The tables that the asset reads, each with the number of earlier days.
        daily: Whether the asset has a partition for each day.
    """
    return [_dep(each, daily=daily) for each in reads]


def _dep(read: Read, *, daily: bool) -> dg.AssetDep:
    if read.until_yesterday:
        return dg.AssetDep(until_yesterday(read.table))
    mapping = looking_back(read.days_before) if daily and read.days_before and read.table.day else None
    return dg.AssetDep(key_of(read.table), partition_mapping=mapping)
