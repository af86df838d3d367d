"""Which night is to be closed: a past day whose quality nobody has judged yet."""

from collections.abc import Collection
from datetime import date, timedelta


def first_open_night(judged: Collection[date], *, today: date, since: date) -> date:
    """Return the first day of the week before `today`, from `since` on, that was not judged yet; else yesterday.

    >>> first_open_night([date(2026, 5, 4), date(2026, 5, 6)], today=date(2026, 5, 7), since=date(2026, 5, 4))
    datetime.date(2026, 5, 5)
    """
    week = (today - timedelta(days=back) for back in range(7, 0, -1))
    open_nights = (day for day in week if day >= since and day not in judged)
    return next(open_nights, today - timedelta(days=1))
