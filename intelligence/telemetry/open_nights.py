"""Which day to close next: a past day whose telemetry quality was not assessed yet."""

from collections.abc import Collection
from datetime import date, timedelta


def first_unassessed_day(assessed: Collection[date], *, today: date, since: date) -> date:
    """Return the first day of the week before today that was not assessed yet; yesterday where all were.

    Args:
        assessed: The days that have a row in telemetry.day_quality.
        today: The present day on the product's clock.
        since: The first day of the telemetry; earlier days are ignored.

    >>> first_unassessed_day([date(2026, 5, 4), date(2026, 5, 6)], today=date(2026, 5, 7), since=date(2026, 5, 4))
    datetime.date(2026, 5, 5)
    """
    week = (today - timedelta(days=back) for back in range(7, 0, -1))
    open_nights = (day for day in week if day >= since and day not in assessed)
    return next(open_nights, today - timedelta(days=1))
