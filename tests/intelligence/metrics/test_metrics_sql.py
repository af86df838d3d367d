"""The SQL of the warehouse and the metrics, on a real lake, against the same computed by hand or plainly in Python."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intelligence.metrics.tables import FACT_FEATURE_METRICS, KPI_DAY, USER_DAY
from intelligence.product import Product, product_from
from intelligence.sql import sql
from intelligence.tables import Days, Table, standard_claims
from intelligence.telemetry.tables import RAW_EVENTS
from intelligence.warehouse.features import declared_features, default_feature
from intelligence.warehouse.tables import DIM_FEATURE_METADATA, DIM_USERS, FACT_EVENTS, FACT_SESSIONS
from resources.lake import Lake

DAY_1 = date(2026, 5, 4)
NOON = datetime(2026, 5, 4, 12)
CONVERSIONS = ("complete", "subscribe")
PRODUCT = product_from(
    """
name: Demo
sources: [{name: app, files: x}]
feature_defaults: {owner: house, slow_latency_ms: 1000}
features:
  quiz: {owner: team-quiz, tier: 0, slow_latency_ms: 200, flag_key: quiz-flag}
  never_used: {lifecycle: beta}
"""
)
TYPES = {
    "VARCHAR": pl.String, "DATE": pl.Date, "TIMESTAMP": pl.Datetime("us"), "DOUBLE": pl.Float64, "BIGINT": pl.Int64,
    "BOOLEAN": pl.Boolean,
}  # fmt: skip
SCHEMA = {column.name: TYPES[column.type] for column in RAW_EVENTS.columns}
PARAMETERS = {"session_gap_minutes": 30, "conversion_events": list(CONVERSIONS)}
QUERIES = {
    DIM_USERS: "warehouse/dim_users.sql",
    FACT_EVENTS: "warehouse/fact_events.sql",
    FACT_SESSIONS: "warehouse/fact_sessions.sql",
    FACT_FEATURE_METRICS: "metrics/fact_feature_metrics.sql",
    USER_DAY: "metrics/user_day.sql",
    KPI_DAY: "metrics/kpi_day.sql",
}
Event = Mapping[str, Any]


def day(number: int) -> date:
    return DAY_1 + timedelta(days=number)


def event(at: datetime, user: str = "u1", feature: str = "quiz", **other: Any) -> Event:
    return {"event_time": at, "user_id": user, "feature": feature, "event_type": "use", **other}


class Warehouse:
    """A lake whose events are put in by hand, and whose tables are built by the queries under test."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake

    def put(self, *events: Event) -> None:
        """Put these events in the place of all others and empty the tables that were made from them."""

        def emptied(connection: Any) -> None:
            for table in (RAW_EVENTS, DIM_FEATURE_METADATA, *QUERIES):
                connection.execute(f"DELETE FROM {table.path}")

        self.lake.commit(emptied)
        self.deliver(*events)

    def deliver(self, *events: Event) -> None:
        """Add these events."""
        origin = {"ingested_at": NOON, "source": "app", "source_file": "a", "batch_id": "b", "is_duplicate": False}
        rows = [
            {
                **dict.fromkeys(SCHEMA),
                **origin,
                "event_id": f"e{number:05}",
                "event_date": row["event_time"].date(),
                "source_row": number,
                **row,
            }
            for number, row in enumerate(events)
        ]
        delivered = pl.DataFrame(rows, schema=SCHEMA)

        def written(connection: Any) -> None:
            connection.register("delivered", delivered)
            connection.execute(f"INSERT INTO {RAW_EVENTS.path} BY NAME FROM delivered")

        self.lake.commit(written)

    def build(self, *tables: Table, days: Days, first_day: date = DAY_1) -> None:
        for table in tables:
            self.lake.replace(table, days, sql(QUERIES[table]), {**PARAMETERS, "first_day": first_day})

    def declare(self, days: Days, product: Product = PRODUCT) -> None:
        frames = {"declared": declared_features(product), "defaults": default_feature(product)}
        self.lake.replace(DIM_FEATURE_METADATA, days, sql("warehouse/dim_feature_metadata.sql"), frames=frames)

    def rows(self, table: Table, columns: str = "*") -> list[tuple[Any, ...]]:
        return self.lake.frame(f"SELECT {columns} FROM {table.path} ORDER BY ALL").rows()

    def dicts(self, table: Table) -> list[dict[str, Any]]:
        key = ", ".join(table.key)
        return self.lake.frame(f"FROM {table.path} ORDER BY {key}").to_dicts()

    def assert_claims(self, days: Days, *tables: Table) -> None:
        for table in tables:
            for claim in (*standard_claims(table), *table.claims):
                if claim.name != "facts_join_their_dims":
                    assert self.lake.contradictions(claim, days).is_empty(), claim.name


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    folder = tmp_path_factory.mktemp("warehouse")
    lake = Lake(catalog=f"sqlite:{folder}/catalog.sqlite", store=f"{folder}/files")
    yield Warehouse(lake)
    lake.close()


TWO_DAYS = Days(day(0), day(2))


def sessions_of(warehouse: Warehouse, *events: Event) -> list[str]:
    """Return each event's session, as a letter in the order of appearance."""
    warehouse.put(*events)
    warehouse.build(FACT_EVENTS, days=TWO_DAYS)
    found = [row[1] for row in warehouse.rows(FACT_EVENTS, "event_id, concat(user_id, session_id)")]
    assert len(found) == len(events)
    return [chr(ord("a") + sorted(set(found), key=found.index).index(name)) for name in found]


def test_a_visit_goes_on_after_exactly_thirty_minutes_and_ends_a_microsecond_later(warehouse: Warehouse) -> None:
    half_hour = timedelta(minutes=30)
    later = NOON + half_hour
    much_later = later + half_hour + timedelta(microseconds=1)
    assert sessions_of(warehouse, event(NOON), event(later), event(much_later)) == ["a", "a", "b"]


def test_a_visit_may_last_for_hours_if_no_silence_is_longer_than_the_gap(warehouse: Warehouse) -> None:
    visits = sessions_of(warehouse, *(event(NOON + n * timedelta(minutes=29)) for n in range(12)))
    assert visits == ["a"] * 12


def test_a_visit_ends_at_midnight(warehouse: Warehouse) -> None:
    before, after = datetime(2026, 5, 4, 23, 59, 59), datetime(2026, 5, 5)
    assert sessions_of(warehouse, event(before), event(after)) == ["a", "b"]


def test_users_have_visits_of_their_own(warehouse: Warehouse) -> None:
    soon = NOON + timedelta(minutes=1)
    assert sessions_of(warehouse, event(NOON, "u1"), event(NOON, "u2"), event(soon, "u1"), event(soon, "u2")) == [
        "a", "b", "a", "b",
    ]  # fmt: skip


def test_ids_that_are_given_are_kept_however_long_the_silence(warehouse: Warehouse) -> None:
    hours = [NOON + timedelta(hours=n) for n in range(3)]
    given_ids = [event(at, session_id="s") for at in hours]
    loose = [event(hours[0] + timedelta(minutes=5)), event(hours[2])]
    assert sessions_of(warehouse, *given_ids, *loose) == ["a", "a", "a", "b", "c"]
    ids = {row[0] for row in warehouse.rows(FACT_EVENTS, "session_id")}
    assert ids == {"s", "u1@2026-05-04#1", "u1@2026-05-04#2"}


def test_a_given_id_over_midnight_or_of_two_users_is_a_visit_for_each(warehouse: Warehouse) -> None:
    warehouse.put(
        event(datetime(2026, 5, 4, 23, 50), session_id="s", feature="quiz"),
        event(datetime(2026, 5, 4, 23, 58), session_id="s", feature="chat", error_count=2),
        event(datetime(2026, 5, 5, 0, 10), session_id="s", event_type="complete"),
        event(datetime(2026, 5, 5, 0, 10), session_id="s", user="u2", crashed=True),
    )
    warehouse.build(FACT_EVENTS, FACT_SESSIONS, days=TWO_DAYS)
    columns = "event_date, user_id, duration_s, events, features, errors, crashed, converted"
    assert warehouse.rows(FACT_SESSIONS, columns) == [
        (day(0), "u1", 480.0, 2, 2, 2, False, False),
        (day(1), "u1", 0.0, 1, 1, 0, False, True),
        (day(1), "u2", 0.0, 1, 1, 0, True, False),
    ]
    warehouse.assert_claims(TWO_DAYS, FACT_EVENTS, FACT_SESSIONS)


def test_a_fact_says_zero_and_false_where_the_source_says_nothing(warehouse: Warehouse) -> None:
    warehouse.put(event(NOON))
    warehouse.build(FACT_EVENTS, days=TWO_DAYS)
    assert warehouse.rows(FACT_EVENTS, "error_count, crashed, segment, latency_ms, rating") == [
        (0, False, "unknown", None, None)
    ]


def test_a_repeated_delivery_is_no_second_fact(warehouse: Warehouse) -> None:
    warehouse.put(event(NOON, event_id="x"), event(NOON, event_id="x", is_duplicate=True))
    warehouse.build(FACT_EVENTS, days=TWO_DAYS)
    assert warehouse.rows(FACT_EVENTS, "event_id") == [("x",)]


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    minutes=st.lists(
        st.tuples(st.sampled_from(["u1", "u2"]), st.integers(0, 2 * 24 * 60 - 1)), min_size=1, max_size=60, unique=True
    )
)
def test_visits_are_those_found_by_walking_through_each_users_day(
    warehouse: Warehouse, minutes: list[tuple[str, int]]
) -> None:
    events = [event(datetime(2026, 5, 4) + timedelta(minutes=at), user) for user, at in minutes]
    warehouse.put(*events)
    warehouse.build(FACT_EVENTS, FACT_SESSIONS, days=TWO_DAYS)
    naive = defaultdict(list)
    for (user, on), times in groupby(sorted(minutes), key=lambda item: (item[0], item[1] // 1440)):
        last = None
        for _, at in times:
            if last is None or at - last > 30:
                naive[user, day(on)].append(0)
            naive[user, day(on)][-1] += 1
            last = at
    found = defaultdict(list)
    for user, on, _, count in warehouse.rows(FACT_SESSIONS, "user_id, event_date, started_at, events"):
        found[user, on].append(count)
    assert found == naive


def random_events(seed: int, *, days: int, count: int) -> list[Event]:
    """Return events of few users and features, with gaps in every optional column."""
    random = np.random.default_rng(seed)

    def maybe(value: Any) -> Any:
        return value if random.random() < 0.7 else None

    return [
        event(
            datetime(2026, 5, 4) + timedelta(seconds=int(random.integers(0, days * 86_400))),
            f"u{random.integers(0, 25)}",
            str(random.choice(["quiz", "chat", "search"])),
            event_type=str(random.choice(["use", "view", "complete", "subscribe"])),
            session_id=maybe(f"s{random.integers(0, 4)}"),
            latency_ms=maybe(float(random.integers(1, 2_500))),
            error_count=maybe(int(random.choice([0, 0, 0, 1, 3]))),
            crashed=maybe(bool(random.random() < 0.1)),
            rating=maybe(float(random.integers(1, 6))),
            duration_s=maybe(float(random.integers(0, 500)) / 8),
            value=maybe(float(random.integers(-50, 500)) / 4),
            segment=maybe(str(random.choice(["student", "teacher"]))),
        )
        for _ in range(count)
    ]


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


@pytest.mark.parametrize("seed", [1, 2])
def test_feature_metrics_are_those_counted_plainly(warehouse: Warehouse, seed: int) -> None:
    days = Days(day(0), day(3))
    warehouse.put(*random_events(seed, days=3, count=400))
    warehouse.declare(days)
    warehouse.build(FACT_EVENTS, FACT_FEATURE_METRICS, days=days)
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
                "duration_s": sum(filled(rows, "duration_s")),
                "value": sum(filled(rows, "value")),
            }
        )
    found = warehouse.dicts(FACT_FEATURE_METRICS)
    assert len(found) == len(expected) == 9
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other)
    warehouse.assert_claims(days, FACT_EVENTS, FACT_FEATURE_METRICS)


def test_a_feature_without_latencies_or_ratings_has_counts_of_zero_and_rates_of_nothing(warehouse: Warehouse) -> None:
    warehouse.put(event(NOON, feature="chat"))
    warehouse.declare(TWO_DAYS)
    warehouse.build(FACT_EVENTS, FACT_FEATURE_METRICS, days=TWO_DAYS)
    (row,) = warehouse.dicts(FACT_FEATURE_METRICS)
    assert (row["timed_events"], row["slow_events"], row["ratings"], row["bad_ratings"]) == (0, 0, 0, 0)
    assert [name for name, value in row.items() if value is None] == [
        "mean_latency_ms", "p50_latency_ms", "p95_latency_ms", "p99_latency_ms", "slow_rate", "mean_rating",
        "bad_rating_rate",
    ]  # fmt: skip


@pytest.mark.parametrize("seed", [1, 2])
def test_user_days_are_those_counted_plainly(warehouse: Warehouse, seed: int) -> None:
    days = Days(day(0), day(3))
    warehouse.put(*random_events(seed, days=3, count=300))
    warehouse.build(FACT_EVENTS, USER_DAY, days=days)
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
    """Return the KPIs by day and segment, from the rows of user_day; a segment is told while its last 28 days hold it."""
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
    warehouse.build(FACT_EVENTS, USER_DAY, KPI_DAY, days=days)
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
    warehouse.build(FACT_EVENTS, USER_DAY, KPI_DAY, days=days)
    everybody = [row for row in warehouse.dicts(KPI_DAY) if row["segment"] == "all"]
    assert [row["wau"] for row in everybody] == [None] * 6 + [7] * 24
    assert [row["mau"] for row in everybody] == [None] * 27 + [28] * 3
    assert [row["stickiness"] for row in everybody] == [None] * 27 + [pytest.approx(1 / 28)] * 3


def test_kpis_day_by_day_are_those_of_one_range(warehouse: Warehouse) -> None:
    warehouse.put(*random_events(5, days=31, count=200))
    whole = Days(day(0), day(31))
    warehouse.build(FACT_EVENTS, USER_DAY, KPI_DAY, days=whole)
    together = warehouse.rows(KPI_DAY)
    for number in (30, 0, 27, 14):
        warehouse.build(KPI_DAY, days=Days(day(number), day(number + 1)))
    assert warehouse.rows(KPI_DAY) == together


FOLDED = [
    event(datetime(2026, 5, 4, 9), "u1", segment="student", platform="web"),
    event(datetime(2026, 5, 4, 9), "u2", segment="student"),
    event(datetime(2026, 5, 5, 9), "u1", segment="teacher", platform="ios"),
    event(datetime(2026, 5, 5, 9), "u1", segment="guest", platform="android"),  # the same moment: the later id wins
    event(datetime(2026, 5, 6, 9), "u3", segment=None, region="north"),
    event(datetime(2026, 5, 6, 9), "u2", segment="teacher", region="south"),
    event(datetime(2026, 5, 7, 23), "u3", segment="student"),
]


KNOWN_USERS = [
    ("u1", datetime(2026, 5, 4, 9), datetime(2026, 5, 5, 9), "guest", None, "android", None),
    ("u2", datetime(2026, 5, 4, 9), datetime(2026, 5, 6, 9), "teacher", "south", None, None),
    ("u3", datetime(2026, 5, 6, 9), datetime(2026, 5, 7, 23), "student", None, None, None),
]


@pytest.mark.parametrize("order", [[3, 2, 1, 0], [0, 1, 2, 3, 2, 0], [2, 2, 0, 3, 1], [1, 0, 3, 1, 2]])
def test_users_are_the_same_however_often_and_in_whatever_order_days_are_folded_in(
    warehouse: Warehouse, order: list[int]
) -> None:
    warehouse.put(*FOLDED)
    for number in order:
        warehouse.build(DIM_USERS, days=Days(day(number), day(number + 1)))
    assert warehouse.rows(DIM_USERS) == KNOWN_USERS


@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1_000), order=st.permutations(range(3)), again=st.integers(0, 2))
def test_folding_days_one_by_one_is_folding_them_together(
    warehouse: Warehouse, seed: int, order: list[int], again: int
) -> None:
    warehouse.put(*random_events(seed, days=3, count=60))
    warehouse.build(DIM_USERS, days=Days(day(0), day(3)))
    together = warehouse.rows(DIM_USERS)
    warehouse.lake.commit(lambda connection: connection.execute(f"DELETE FROM {DIM_USERS.path}"))
    for number in [*order, again]:
        warehouse.build(DIM_USERS, days=Days(day(number), day(number + 1)))
    assert warehouse.rows(DIM_USERS) == together


@pytest.mark.parametrize(
    ("at", "first", "last", "segment"),
    [
        pytest.param(datetime(2026, 5, 4, 1), datetime(2026, 5, 4, 1), datetime(2026, 5, 5, 9), "guest", id="earlier"),
        pytest.param(datetime(2026, 5, 5, 9), datetime(2026, 5, 4, 9), datetime(2026, 5, 5, 9), "late", id="as late"),
        pytest.param(datetime(2026, 5, 5, 10), datetime(2026, 5, 4, 9), datetime(2026, 5, 5, 10), "late", id="later"),
    ],
)
def test_a_late_event_is_taken_up_when_its_day_is_folded_again(
    warehouse: Warehouse, at: datetime, first: datetime, last: datetime, segment: str
) -> None:
    warehouse.put(*FOLDED)
    warehouse.build(DIM_USERS, days=Days(day(0), day(4)))
    warehouse.deliver(event(at, "u1", event_id="late", source_file="late", segment="late"))
    warehouse.build(DIM_USERS, days=Days(at.date(), at.date() + timedelta(days=1)))
    u1 = warehouse.dicts(DIM_USERS)[0]
    assert (u1["first_seen_at"], u1["last_seen_at"], u1["segment"]) == (first, last, segment)


def features_of(warehouse: Warehouse) -> dict[str, tuple[Any, ...]]:
    columns = "feature, owner, tier, flag_key, is_declared, first_seen_date, slow_latency_ms"
    return {row[0]: row[1:] for row in warehouse.rows(DIM_FEATURE_METADATA, columns)}


def test_features_are_those_declared_and_those_seen(warehouse: Warehouse) -> None:
    warehouse.put(event(NOON), event(NOON + timedelta(days=1), feature="chat"), event(NOON + timedelta(days=1)))
    warehouse.declare(TWO_DAYS)
    assert features_of(warehouse) == {
        "quiz": ("team-quiz", 0, "quiz-flag", True, day(0), 200.0),
        "never_used": ("house", 2, None, True, None, 1_000.0),
        "chat": ("house", 2, None, False, day(1), 1_000.0),
    }
    warehouse.assert_claims(TWO_DAYS, DIM_FEATURE_METADATA)


def test_a_features_first_day_does_not_depend_on_the_order_of_days(warehouse: Warehouse) -> None:
    warehouse.put(*(event(NOON + timedelta(days=n), feature=name) for n, name in enumerate(["chat", "quiz", "chat"])))
    first_days = []
    for order in ([2, 1, 0], [0, 1, 2, 0], [1, 2, 0, 2]):
        for number in order:
            warehouse.declare(Days(day(number), day(number + 1)))
        first_days.append({name: row[4] for name, row in features_of(warehouse).items()})
        warehouse.lake.commit(lambda connection: connection.execute(f"DELETE FROM {DIM_FEATURE_METADATA.path}"))
    assert first_days == [{"chat": day(0), "quiz": day(1), "never_used": None}] * 3


def test_a_feature_that_is_no_longer_declared_keeps_its_first_day_and_falls_back_to_the_defaults(
    warehouse: Warehouse,
) -> None:
    warehouse.put(event(NOON), event(NOON + timedelta(days=1)))
    warehouse.declare(Days(day(0), day(1)))
    undeclared = PRODUCT.model_copy(update={"features": {}})
    warehouse.declare(Days(day(1), day(2)), undeclared)
    assert features_of(warehouse) == {"quiz": ("house", 2, None, False, day(0), 1_000.0)}
