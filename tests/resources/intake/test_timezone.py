"""A day is the date on the product's clock, whatever zone it lives in and whenever that was declared."""

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from intelligence.catalog.product import product_from
from intelligence.core.errors import ProductFileError
from intelligence.core.tables import Days
from intelligence.telemetry.local_time import skipped_days, start_of_day
from intelligence.telemetry.tables import EVENTS
from resources.intake import redating
from resources.intake.redating import is_of_another_clock
from resources.lake.door import Lake

HEADER = "event_id,event_time,user_id,feature,event_type"
# By zone, a day around which its clock does something.
CLOCKS = {
    "America/New_York": date(2025, 11, 2), "Europe/Berlin": date(2026, 3, 29), "Australia/Lord_Howe": date(2025, 10, 5),
    "Africa/Cairo": date(2025, 4, 25), "America/Asuncion": date(2023, 10, 1), "Asia/Beirut": date(2025, 3, 30),
    "Pacific/Apia": date(2011, 12, 30), "America/Sao_Paulo": date(2018, 11, 4), "America/Havana": date(2025, 11, 2),
    "Pacific/Kiritimati": date(2025, 6, 1), "Asia/Kathmandu": date(2025, 6, 1), "Europe/Moscow": date(2014, 10, 26),
    "Antarctica/Troll": date(2025, 10, 26),
}  # fmt: skip
ANY_DAYS = Days(date(2000, 1, 1), date(2030, 1, 1))
TOMORROW = date(2026, 7, 2)


def moments_around(zone: str) -> list[datetime]:
    """Return times in UTC around the beginnings of three days, and all through them."""
    rng = random.Random(zone)
    starts = [start_of_day(CLOCKS[zone] + timedelta(days=n), zone) for n in (-1, 0, 1, 2)]
    near = [start + timedelta(seconds=s) for start in starts for s in (-1, 0, 1)]
    return near + [starts[0] + timedelta(seconds=rng.randrange(4 * 86_400)) for _ in range(40)]


def deliver(bench: Any, name: str, moments: list[datetime]) -> None:
    lines = [f"{name}{n},{moment.isoformat()}Z,u{n % 7},search,use" for n, moment in enumerate(moments)]
    bench.deliver(f"{name}.csv", "\n".join([HEADER, *lines]) + "\n")


def live_in(bench: Any, zone: str) -> None:
    bench.product = bench.product.model_copy(update={"timezone": zone})
    bench.lake = Lake(catalog=bench.lake.catalog, store=bench.lake.store, timezone=zone)


def dated(bench: Any) -> list[tuple[datetime, date]]:
    return bench.events("event_time, event_date")


def on_the_clock(moments: list[datetime], zone: str) -> list[tuple[datetime, date]]:
    return sorted((at, at.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).date()) for at in moments)


def assert_consistent(bench: Any) -> None:
    ledger = bench.rows("SELECT DISTINCT unnest(days) AS day FROM telemetry.batches ORDER BY day")
    assert ledger == bench.rows("SELECT DISTINCT event_date FROM telemetry.events ORDER BY event_date")
    claims = [claim for claim in EVENTS.claims if claim.name == "events_stay_in_their_time"]
    found = bench.lake.inspected(EVENTS, claims, ANY_DAYS)
    assert found.contradictions["events_stay_in_their_time"].is_empty()


@pytest.mark.parametrize("zone", CLOCKS)
def test_events_belong_to_the_day_of_the_products_clock_also_when_it_is_declared_later(bench: Any, zone: str) -> None:
    moments = moments_around(zone)
    deliver(bench, "a", moments)
    bench.ingest()
    assert dated(bench) == on_the_clock(moments, "UTC")
    assert not is_of_another_clock(bench.lake, bench.product)
    live_in(bench, zone)
    assert is_of_another_clock(bench.lake, bench.product)
    report = bench.ingest()
    span = bench.lake.span()
    assert span is not None
    assert report.change == (
        f"the product's timezone changed from UTC to {zone}: {(span.end - span.start).days} days are rebuilt"
    )
    assert dated(bench) == on_the_clock(moments, zone)
    assert not {day for _, day in dated(bench)} & {*skipped_days(zone, ANY_DAYS)}
    deliver(bench, "b", [moment + timedelta(minutes=7) for moment in moments])
    assert bench.ingest().change is None
    assert dated(bench) == on_the_clock([*moments, *(at + timedelta(minutes=7) for at in moments)], zone)
    assert_consistent(bench)


def test_a_changed_time_zone_makes_every_day_stale_and_back_again(bench: Any) -> None:
    deliver(bench, "a", moments_around("America/New_York"))
    bench.ingest()
    quality = next(table for table in [*bench.lake.stale(before=TOMORROW)] if table == "telemetry.day_quality")
    (days,) = bench.lake.stale(before=TOMORROW)[quality]
    build(bench, days)
    assert quality not in bench.lake.stale(before=TOMORROW)
    live_in(bench, "America/New_York")
    bench.ingest()
    (moved,) = bench.lake.stale(before=TOMORROW)[quality]
    assert moved.start == bench.lake.span().start
    build(bench, moved)
    assert quality not in bench.lake.stale(before=TOMORROW)
    before = bench.snapshot()
    bench.ingest()
    assert bench.snapshot() == before, "nothing is left to do"


def build(bench: Any, days: Days) -> None:
    from intelligence.telemetry.tables import DAY_QUALITY

    rows = f"SELECT unnest(generate_series(DATE '{days.start}', DATE '{days.end}' - 1, INTERVAL 1 DAY))::DATE AS event_date"
    bench.lake.replace(DAY_QUALITY, days, rows)


def test_a_change_that_is_cut_off_leaves_everything_as_it_was(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = moments_around("Asia/Kathmandu")
    deliver(bench, "a", moments)
    bench.ingest()
    before = bench.snapshot()
    live_in(bench, "Asia/Kathmandu")

    def killed(*_: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(redating, "reach", killed)
        with pytest.raises(KeyboardInterrupt):
            bench.ingest()
    assert (bench.snapshot(), dated(bench)) == (before, on_the_clock(moments, "UTC"))
    bench.ingest()
    assert dated(bench) == on_the_clock(moments, "Asia/Kathmandu")


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo", "Africa/Cairo"])
def test_start_and_end_are_days_of_the_products_clock(bench: Any, zone: str) -> None:
    live_in(bench, zone)
    first, last = date(2025, 4, 25), date(2025, 4, 27)
    bench.product = bench.product.model_copy(update={"start": first, "end": last})
    begins, ends = start_of_day(first, zone), start_of_day(last + timedelta(days=1), zone)
    second = timedelta(seconds=1)
    deliver(bench, "a", [begins - second, begins, ends - second, ends])
    bench.ingest()
    assert [at for at, _ in dated(bench)] == [begins, ends - second]
    assert bench.lake.span() == Days(first, last + timedelta(days=1))


# By how a time is written: what it is in UTC where the source lives in New York.
TIMES = {
    "2025-07-01T12:00:00": "2025-07-01 16:00:00", "2025-01-01 12:00:00": "2025-01-01 17:00:00",
    "2025-07-01T12:00:00Z": "2025-07-01 12:00:00", "2025-07-01T12:00:00+02:00": "2025-07-01 10:00:00",
    "2025-07-01 12:00:00.5": "2025-07-01 16:00:00.5", "2025-07-01": "2025-07-01 04:00:00",
    "2025-07-01 12:00": "2025-07-01 16:00:00", " 2025-07-01 12:00:00 ": "2025-07-01 16:00:00",
    "2025-07-01 12:00:00 UTC": "2025-07-01 12:00:00", "2025-07-01 12:00:00 Europe/Berlin": "2025-07-01 10:00:00",
    "2025-11-02 01:30:00": "2025-11-02 06:30:00", "2025-03-09 03:00:00": "2025-03-09 07:00:00",
    "2025-11-02 02:00:00": "2025-11-02 07:00:00", "2025-11-02 00:59:59": "2025-11-02 04:59:59",
}  # fmt: skip


def test_times_without_a_zone_are_of_the_sources_clock_and_others_are_what_they_say(bench: Any) -> None:
    bench.declare(timezone="America/New_York")
    lines = [f"e{n:02},{written},u1,search,use" for n, written in enumerate([*TIMES, "2025-03-09 02:30:00"])]
    bench.deliver("a.csv", "\n".join([HEADER, *lines]) + "\n")
    bench.ingest()
    assert [str(at) for _, at in sorted(bench.events("event_id, event_time::VARCHAR"))] == [*TIMES.values()]
    assert bench.rejected("value") == [("2025-03-09 02:30:00",)], "the clock never showed it"


def test_typed_times_are_of_the_sources_clock_and_of_utc_without_one(bench: Any) -> None:
    noon = datetime(2025, 7, 1, 12)
    rows = {"event_id": ["e1"], "event_time": [noon], "user_id": ["u"], "feature": ["search"], "event_type": ["use"]}
    bench.deliver("a.parquet", pl.DataFrame(rows))
    bench.ingest()
    bench.declare(timezone="Asia/Kolkata")
    bench.deliver("b.parquet", pl.DataFrame({**rows, "event_id": ["e2"]}))
    bench.ingest()
    assert bench.events("event_id, event_time") == [("e1", noon), ("e2", noon - timedelta(hours=5, minutes=30))]


@pytest.mark.parametrize("where", ["timezone: {}", "sources: [{{name: app, files: x, timezone: {}}}]"])
def test_a_zone_that_is_none_is_told_with_the_nearest(where: str) -> None:
    text = (
        "name: Demo\n"
        + where.format("Europe/Berln")
        + ("" if "sources" in where else "\nsources: [{name: app, files: x}]")
    )
    with pytest.raises(ProductFileError, match="did you mean `Europe/Berlin`"):
        product_from(text)
