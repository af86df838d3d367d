"""Metrics of features and days on a real lake, compared with the same computed plainly in Python."""

from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from intelligence.core.tables import Days
from intelligence.metrics.spread import OBJECTIVES
from intelligence.metrics.tables import FACT_FEATURE_METRICS, KPI_DAY, USER_DAY
from intelligence.warehouse.tables import FACT_EVENTS, FACT_SESSIONS, FACT_VISIT_EVENTS
from tests.intelligence.hand_made_lake import (
    CONVERSIONS,
    DAY_1,
    NOON,
    TWO_DAYS,
    Warehouse,
    day,
    event,
    random_events,
)
from tests.spread_of_users import of_users


def facts_of(warehouse: Warehouse) -> list[dict[str, Any]]:
    return warehouse.dicts(FACT_EVENTS)


def grouped(rows: list[dict[str, Any]], *names: str) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    groups = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in names)].append(row)
    return groups


def filled(rows: list[dict[str, Any]], name: str) -> list[float]:
    return [row[name] for row in rows if row[name] is not None]


def share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def quantile(values: list[float], q: float) -> float | None:
    return float(np.quantile(values, q)) if values else None


# Users who met nothing bad and do not do very much count as alike.
ROUGH = ("usage_square_sum", "timed_square_sum")


def spread_of(rows: list[dict[str, Any]], slow_limit: float) -> dict[str, Any]:
    """Return the columns that tell how bad events are spread over users, counted user by user."""
    by_user = {
        user: {
            "errors": (sum(row["error_count"] > 0 or row["crashed"] for row in mine), len(mine)),
            "crashes": (sum(row["crashed"] for row in mine), len(mine)),
            "latency": (sum(ms > slow_limit for ms in filled(mine, "latency_ms")), len(filled(mine, "latency_ms"))),
            "ratings": (sum(stars <= 2 for stars in filled(mine, "rating")), len(filled(mine, "rating"))),
            "answers": (0, 0),
        }
        for (user,), mine in grouped(rows, "user_id").items()
    }
    found = of_users({name: [counts[name] for counts in by_user.values()] for name in OBJECTIVES})
    for objective, (bad, _, prefix, _, _) in OBJECTIVES.items():
        most = max((counts[objective][0], user, counts[objective][1]) for user, counts in by_user.items())
        found |= {
            f"most_{prefix}_user": most[1] if found[bad] else None,
            f"most_{prefix}_events": most[0] or None,
            f"most_{prefix}_total": most[2] if found[bad] else None,
        }
    return {name: value for name, value in found.items() if name not in ROUGH}


def test_who_does_very_much_counts_in_the_squares_and_all_others_as_alike(warehouse: Warehouse) -> None:
    loud = [event(NOON + timedelta(seconds=n), "script", latency_ms=50.0) for n in range(200)]
    people = [
        event(NOON + timedelta(seconds=n), f"u{n % 20}", latency_ms=50.0, error_count=int(n == 0)) for n in range(40)
    ]
    warehouse.put(*loud, *people)
    warehouse.declare(TWO_DAYS)
    warehouse.build(FACT_VISIT_EVENTS, FACT_FEATURE_METRICS, days=TWO_DAYS)
    (row,) = warehouse.dicts(FACT_FEATURE_METRICS)
    assert (row["users"], row["usage_count"]) == (21, 240)
    assert row["usage_square_sum"] == row["timed_square_sum"] == 200**2 + 20 * 2**2
    assert (row["failed_users"], row["most_failed_user"], row["most_failed_total"]) == (1, "u0", 2)


@pytest.mark.parametrize("seed", [1, 2])
def test_feature_metrics_are_those_counted_plainly(warehouse: Warehouse, seed: int) -> None:
    days = Days(day(0), day(3))
    warehouse.put(*random_events(seed, days=3, count=400))
    warehouse.declare(days)
    warehouse.build(FACT_VISIT_EVENTS, FACT_FEATURE_METRICS, days=days)
    expected = []
    for (on, feature), rows in sorted(grouped(facts_of(warehouse), "event_date", "feature").items()):
        slow_limit = 200 if feature == "quiz" else 1_000
        visits = {(row["user_id"], row["session_id"]) for row in rows}
        crashed_visits = {(row["user_id"], row["session_id"]) for row in rows if row["crashed"]}
        latencies, ratings = filled(rows, "latency_ms"), filled(rows, "rating")
        slow = sum(latency > slow_limit for latency in latencies)
        failed = sum(row["error_count"] > 0 or row["crashed"] for row in rows)
        crashed, bad_ratings = sum(row["crashed"] for row in rows), sum(rating <= 2 for rating in ratings)
        expected.append(
            {
                "event_date": on,
                "feature": feature,
                "usage_count": len(rows),
                "users": len({row["user_id"] for row in rows}),
                "sessions": len(visits),
                "crashed_sessions": len(crashed_visits),
                "crash_free_session_rate": 1 - len(crashed_visits) / len(visits),
                "timed_events": len(latencies),
                "mean_latency_ms": mean(latencies),
                "p50_latency_ms": quantile(latencies, 0.5),
                "p95_latency_ms": quantile(latencies, 0.95),
                "p99_latency_ms": quantile(latencies, 0.99),
                "slow_events": slow,
                "slow_rate": share(slow, len(latencies)),
                "failed_events": failed,
                "error_rate": share(failed, len(rows)),
                "errors": sum(row["error_count"] for row in rows),
                "crashed_events": crashed,
                "crash_rate": share(crashed, len(rows)),
                "ratings": len(ratings),
                "mean_rating": mean(ratings),
                "bad_ratings": bad_ratings,
                "bad_rating_rate": share(bad_ratings, len(ratings)),
                "bad_answer_rate": None,
                "duration_s": sum(filled(rows, "duration_s")),
                "value": sum(filled(rows, "value")),
                **spread_of(rows, slow_limit),
            }
        )
    found = [
        {name: value for name, value in row.items() if name not in ROUGH}
        for row in warehouse.dicts(FACT_FEATURE_METRICS)
    ]
    assert len(found) == len(expected) == 9
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other)
    warehouse.assert_claims(days, FACT_EVENTS, FACT_FEATURE_METRICS)


def test_a_feature_without_latencies_or_ratings_has_counts_of_zero_and_rates_of_nothing(warehouse: Warehouse) -> None:
    warehouse.put(event(NOON, feature="chat"))
    warehouse.declare(TWO_DAYS)
    warehouse.build(FACT_VISIT_EVENTS, FACT_FEATURE_METRICS, days=TWO_DAYS)
    (row,) = warehouse.dicts(FACT_FEATURE_METRICS)
    assert (row["timed_events"], row["slow_events"], row["ratings"], row["bad_ratings"]) == (0, 0, 0, 0)
    assert [name for name, value in row.items() if value is None] == [
        "mean_latency_ms", "p50_latency_ms", "p95_latency_ms", "p99_latency_ms", "slow_rate", "mean_rating",
        "bad_rating_rate", *(f"most_{prefix}_{of}" for prefix in ("failed", "crashed", "slow", "disliked", "let_down")
                             for of in ("user", "events", "total")), "bad_answer_rate",
    ]  # fmt: skip


@pytest.mark.parametrize("seed", [1, 2])
def test_user_days_are_those_counted_plainly(warehouse: Warehouse, seed: int) -> None:
    days = Days(day(0), day(3))
    warehouse.put(*random_events(seed, days=3, count=300))
    warehouse.build(FACT_VISIT_EVENTS, FACT_SESSIONS, USER_DAY, days=days)
    expected = [
        {
            "event_date": on,
            "user_id": user,
            "segment": min(row["segment"] for row in rows),
            "events": len(rows),
            "sessions": len({row["session_id"] for row in rows}),
            "features": len({row["feature"] for row in rows}),
            "duration_s": sum(filled(rows, "duration_s")),
            "errors": sum(row["error_count"] for row in rows),
            "crashed_events": sum(row["crashed"] for row in rows),
            "conversions": sum(row["event_type"] in CONVERSIONS for row in rows),
            "ratings": len(filled(rows, "rating")),
            "rating_sum": sum(filled(rows, "rating")),
            "value": sum(filled(rows, "value")),
        }
        for (on, user), rows in sorted(grouped(facts_of(warehouse), "event_date", "user_id").items())
    ]
    assert warehouse.dicts(USER_DAY) == expected
    warehouse.assert_claims(days, USER_DAY)


def naive_kpis(
    users: list[dict[str, Any]], days: list[date], first_day: date
) -> dict[tuple[date, str], dict[str, Any]]:
    """Return the KPIs by day and segment, from the rows of user_day; a segment has a row while it has events in the last 28 days."""
    everybody = [*users, *({**row, "segment": "all"} for row in users)]
    kpis = {}
    for on in days:
        month = [row for row in everybody if 0 <= (on - row["event_date"]).days < 28]
        for segment in {"all", *(row["segment"] for row in month)}:
            active = [row for row in month if row["segment"] == segment]
            today = [row for row in active if row["event_date"] == on]
            week = {row["user_id"] for row in active if (on - row["event_date"]).days < 7}
            mau = len({row["user_id"] for row in active})
            known = (on - first_day).days + 1
            dau, visits, events = len(today), sum(r["sessions"] for r in today), sum(r["events"] for r in today)
            crashed, converted = sum(r["crashed_events"] > 0 for r in today), sum(r["conversions"] > 0 for r in today)
            ratings = sum(row["ratings"] for row in today)
            kpis[on, segment] = {
                "event_date": on,
                "segment": segment,
                "dau": dau,
                "wau": len(week) if known >= 7 else None,
                "mau": mau if known >= 28 else None,
                "stickiness": share(dau, mau) if known >= 28 else None,
                "events": events,
                "sessions": visits,
                "sessions_per_user": share(visits, dau),
                "session_depth": share(events, visits),
                "crashed_users": crashed,
                "crash_free_user_rate": 1 - crashed / dau if dau else None,
                "converted_users": converted,
                "conversion_rate": share(converted, dau),
                "ratings": ratings,
                "mean_rating": sum(row["rating_sum"] for row in today) / ratings if ratings else None,
                "value": sum(row["value"] for row in today),
            }
    return kpis


@pytest.mark.parametrize("seed", [1, 2])
def test_kpis_are_those_counted_plainly_by_segment_and_over_days_without_anybody(
    warehouse: Warehouse, seed: int
) -> None:
    days = Days(day(0), day(40))
    quiet = {day(n) for n in (9, 10, 33, 39)}
    events = [row for row in random_events(seed, days=40, count=300) if row["event_time"].date() not in quiet]
    of_guests = [{**row, "segment": "guest"} for row in random_events(seed + 10, days=2, count=4)]
    warehouse.put(*events, *of_guests)
    warehouse.build(FACT_VISIT_EVENTS, FACT_SESSIONS, USER_DAY, KPI_DAY, days=days)
    expected = naive_kpis(warehouse.dicts(USER_DAY), [day(n) for n in range(40)], DAY_1)
    found = {(row["event_date"], row["segment"]): row for row in warehouse.dicts(KPI_DAY)}
    assert found.keys() == expected.keys()
    for key, row in found.items():
        assert row == pytest.approx(expected[key]), key
    assert {row["segment"] for row in found.values()} == {"all", "guest", "student", "teacher", "unknown"}
    warehouse.assert_claims(days, KPI_DAY)


def test_windows_are_nothing_until_they_are_full(warehouse: Warehouse) -> None:
    days = Days(day(0), day(30))
    warehouse.put(*(event(datetime(2026, 5, 4, 12) + timedelta(days=n), f"u{n}") for n in range(30)))
    warehouse.build(FACT_VISIT_EVENTS, FACT_SESSIONS, USER_DAY, KPI_DAY, days=days)
    everybody = [row for row in warehouse.dicts(KPI_DAY) if row["segment"] == "all"]
    assert [row["wau"] for row in everybody] == [None] * 6 + [7] * 24
    assert [row["mau"] for row in everybody] == [None] * 27 + [28] * 3
    assert [row["stickiness"] for row in everybody] == [None] * 27 + [pytest.approx(1 / 28)] * 3


def test_kpis_day_by_day_are_those_of_one_range(warehouse: Warehouse) -> None:
    warehouse.put(*random_events(5, days=31, count=200))
    whole = Days(day(0), day(31))
    warehouse.build(FACT_VISIT_EVENTS, FACT_SESSIONS, USER_DAY, KPI_DAY, days=whole)
    together = warehouse.rows(KPI_DAY)
    for number in (30, 0, 27, 14):
        warehouse.build(KPI_DAY, days=Days(day(number), day(number + 1)))
    assert warehouse.rows(KPI_DAY) == together
