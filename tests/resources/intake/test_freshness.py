"""Freshness compares the newest event with the last intake, and is asked for in product.yaml."""

from datetime import date
from typing import Any

import pytest

from intelligence.core.tables import Days
from intelligence.telemetry.tables import EVENTS, freshness_claim

ANY_DAYS = Days(date(2026, 6, 1), date(2026, 6, 2))


@pytest.mark.parametrize(("hours", "late"), [(1, True), (11.9, True), (12, False), (48, False)])
def test_the_newest_event_may_be_as_old_as_asked(bench: Any, hours: float, late: bool) -> None:
    # The workbench takes files in at noon of 2026-07-01.
    bench.deliver(
        "a.csv", "event_time,user_id,feature,event_type\n2026-07-01T00:00:00,u,f,use\n2026-06-01T00:00:00,u,f,use\n"
    )
    bench.ingest()
    assert lateness(bench, hours) == late


def test_an_empty_lake_is_not_late(bench: Any) -> None:
    assert lateness(bench, 1) == 0


def lateness(bench: Any, hours: float) -> int:
    claim = freshness_claim(hours)
    return bench.lake.inspected(EVENTS, [claim], ANY_DAYS).contradictions[claim.name].height
