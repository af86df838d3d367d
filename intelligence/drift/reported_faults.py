"""What people are told of the telemetry itself: once when something of it begins to be in doubt, once when it is whole again."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, Final

import polars as pl

from intelligence.drift.episodes import FRESH_DAYS, Notice
from intelligence.telemetry.doubts import in_words

FAULTY: Final = ("partial", "empty")


def telemetry_notices(quality: pl.DataFrame) -> list[Notice]:
    """Return what has to be told of the newest days: each fault once, however many days and features it hits, and its end.

    `quality` has the rows of telemetry.day_quality. What a fault's notice has as `episode` is also that of the policy's alert
    on such a day, so that one of the two is enough.
    """
    rows = quality.sort("event_date").rows(named=True)
    if not rows:
        return []
    oldest = rows[-1]["event_date"] - timedelta(days=FRESH_DAYS)
    found = {notice.key: notice for notice in _begun(rows, oldest)} | {each.key: each for each in _over(rows, oldest)}
    return list(found.values())


def _begun(rows: list[dict[str, Any]], oldest: date) -> Iterator[Notice]:
    told: set[str] = set()
    for row in rows:
        if row["verdict"] not in FAULTY:
            continue
        since = row["since"] or row["event_date"]
        key = f"telemetry@{since}"
        if key not in told and row["event_date"] >= oldest:
            title = f"Telemetry is not whole since {since}: nothing is touched"
            yield Notice(key, key, title, in_words(row), has_page=False)
            told.add(key)


def _over(rows: list[dict[str, Any]], oldest: date) -> Iterator[Notice]:
    last: dict[str, Any] | None = None
    for row in rows:
        if row["verdict"] in FAULTY:
            last = row
        elif row["verdict"] == "whole" and last:
            episode = f"telemetry@{last['since'] or last['event_date']}"
            if row["event_date"] >= oldest:
                title = f"Telemetry is whole again since {row['event_date']}"
                yield Notice(f"{episode}: over", episode, title, f"{row['reason']}.", has_page=False)
            last = None
