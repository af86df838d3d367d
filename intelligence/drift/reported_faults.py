"""The notices about the telemetry itself: one when a fault begins, one when the telemetry is whole again."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, Final

import polars as pl

from intelligence.drift.episodes import FRESH_DAYS, Notice
from intelligence.telemetry.doubts import in_words

FAULTY: Final = ("partial", "empty")


def telemetry_notices(quality: pl.DataFrame) -> list[Notice]:
    """Return the notices for the newest days: one for each fault, however many days and features it affects, and its end.

    `quality` contains rows of telemetry.day_quality. The policy's alert on a faulty day has the same `episode` as the
    notice of the fault, so that only one of the two needs to be sent.
    """
    rows = quality.sort("event_date").rows(named=True)
    if not rows:
        return []
    oldest = rows[-1]["event_date"] - timedelta(days=FRESH_DAYS)
    found = {notice.key: notice for notice in _begun(rows, oldest)} | {each.key: each for each in _over(rows, oldest)}
    return list(found.values())


def _begun(rows: list[dict[str, Any]], oldest: date) -> Iterator[Notice]:
    announced: set[str] = set()
    for row in rows:
        if row["verdict"] not in FAULTY:
            continue
        since = row["since"] or row["event_date"]
        key = f"telemetry@{since}"
        if key not in announced and row["event_date"] >= oldest:
            title = f"Telemetry is not whole since {since}: nothing is touched"
            yield Notice(key, key, title, in_words(row), has_page=False)
            announced.add(key)


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
