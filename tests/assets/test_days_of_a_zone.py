"""Dagster's days in any time zone begin and end on the dates of their keys, whatever its clock does at midnight."""

from datetime import date, timedelta

import dagster as dg
import pytest

from intelligence.core.tables import Days
from intelligence.telemetry.local_time import skipped_days

ZONES = {
    "UTC": "2025-11-02", "America/New_York": "2025-11-02", "Europe/Berlin": "2026-03-29", "Africa/Cairo": "2023-04-28",
    "America/Asuncion": "2023-10-01", "Asia/Beirut": "2024-03-31", "America/Havana": "2025-11-02",
    "Australia/Lord_Howe": "2025-10-05", "America/Sao_Paulo": "2018-11-04", "Pacific/Apia": "2011-12-30",
    "Pacific/Kiritimati": "2025-06-01", "Asia/Kathmandu": "2025-06-01",
}  # fmt: skip


@pytest.mark.parametrize("zone", ZONES)
def test_a_window_has_the_date_of_its_key(zone: str) -> None:
    that = date.fromisoformat(ZONES[zone])
    span = Days(that - timedelta(days=3), that + timedelta(days=4))
    days = dg.DailyPartitionsDefinition(start_date=str(span.start), end_date=str(span.end), timezone=zone)
    keys = days.get_partition_keys()
    assert keys == [str(span.start + timedelta(days=n)) for n in range(7)]
    skipped = {str(day) for day in skipped_days(zone, span)}
    for key in (key for key in keys if key not in skipped):
        window = days.time_window_for_partition_key(key)
        assert str(window.start.date()) == key
        after = window.end.date() - timedelta(days=1)
        assert str(after) == key or str(after) in skipped
