"""Events become facts and visits, compared with the same found by hand or plainly in Python."""

from collections import defaultdict
from datetime import datetime, timedelta
from itertools import groupby

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intelligence.core.sql import sql
from intelligence.core.tables import Days
from intelligence.metrics.tables import FACT_FEATURE_METRICS, USER_DAY
from intelligence.warehouse.tables import DIM_RELEASES, DIM_USERS, FACT_EVENTS, FACT_SESSIONS, FACT_VISIT_EVENTS
from tests.intelligence.hand_made_lake import (
    NOON,
    TWO_DAYS,
    Event,
    Warehouse,
    day,
    event,
)


def sessions_of(warehouse: Warehouse, *events: Event) -> list[str]:
    """Return each event's session, as a letter in the order of appearance."""
    warehouse.put(*events)
    warehouse.build(FACT_VISIT_EVENTS, days=TWO_DAYS)
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
    warehouse.build(FACT_VISIT_EVENTS, FACT_SESSIONS, days=TWO_DAYS)
    columns = "event_date, user_id, duration_s, events, features, errors, crashed, converted"
    assert warehouse.rows(FACT_SESSIONS, columns) == [
        (day(0), "u1", 480.0, 2, 2, 2, False, False),
        (day(1), "u1", 0.0, 1, 1, 0, False, True),
        (day(1), "u2", 0.0, 1, 1, 0, True, False),
    ]
    warehouse.assert_claims(TWO_DAYS, FACT_EVENTS, FACT_SESSIONS)


def test_a_fact_says_zero_and_false_where_the_source_says_nothing(warehouse: Warehouse) -> None:
    warehouse.put(event(NOON))
    warehouse.build(FACT_VISIT_EVENTS, days=TWO_DAYS)
    assert warehouse.rows(FACT_EVENTS, "error_count, crashed, segment, latency_ms, rating") == [
        (0, False, "unknown", None, None)
    ]


def test_a_repeated_delivery_is_no_second_fact(warehouse: Warehouse) -> None:
    warehouse.put(event(NOON, event_id="x"), event(NOON, event_id="x", is_duplicate=True))
    warehouse.build(FACT_VISIT_EVENTS, days=TWO_DAYS)
    assert warehouse.rows(FACT_EVENTS, "event_id") == [("x",)]


def test_many_features_are_counted_as_the_different_ones_that_they_are(warehouse: Warehouse) -> None:
    random = np.random.default_rng(5)
    names = [f"feature_{number:03}" for number in range(150)]
    touched = {
        (user, session): [names[number] for number in random.integers(0, 150, size=random.integers(1, 200))]
        for user in ("u1", "u2")
        for session in ("s1", "s2")
    }
    warehouse.put(
        *(
            event(NOON, user, feature, session_id=session, crashed=feature.endswith("7") and session == "s1")
            for (user, session), features in touched.items()
            for feature in features
        )
    )
    warehouse.declare(TWO_DAYS)
    warehouse.build(FACT_SESSIONS, USER_DAY, FACT_FEATURE_METRICS, days=TWO_DAYS)
    assert {row[:2]: row[2] for row in warehouse.rows(FACT_SESSIONS, "user_id, session_id, features")} == {
        visit: len(set(features)) for visit, features in touched.items()
    }
    by_user = {
        user: {name for (of, _), each in touched.items() if of == user for name in each} for user in ("u1", "u2")
    }
    assert dict(warehouse.rows(USER_DAY, "user_id, features")) == {user: len(each) for user, each in by_user.items()}
    found = warehouse.rows(FACT_FEATURE_METRICS, "feature, users, sessions, crashed_sessions")
    assert found == [
        (
            name,
            sum(name in each for each in by_user.values()),
            sum(name in features for features in touched.values()),
            sum(
                name in features for (_, session), features in touched.items() if session == "s1" and name.endswith("7")
            ),
        )
        for name in sorted(set.union(*by_user.values()))
    ]


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
    warehouse.build(FACT_VISIT_EVENTS, FACT_SESSIONS, days=TWO_DAYS)
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


def test_a_fact_without_its_user_feature_or_release_is_found(warehouse: Warehouse) -> None:
    release = {"platform": "web", "app_version": "1.0"}
    warehouse.put(
        event(NOON, "u1", "quiz", **release),
        event(NOON, "u2", "chat", app_version="1.0"),
        event(NOON, "u2", "chat", platform="ios"),
        event(NOON + timedelta(days=1), "u3", "quiz", **release),
    )
    warehouse.build(FACT_VISIT_EVENTS, DIM_USERS, days=TWO_DAYS)
    warehouse.declare(TWO_DAYS)
    warehouse.lake.replace(DIM_RELEASES, TWO_DAYS, sql("warehouse/dim_releases.sql"))
    (joins,) = (claim for claim in FACT_EVENTS.claims if claim.name == "facts_join_their_dims")

    def missing(days: Days) -> list[tuple[str, str]]:
        return sorted(warehouse.lake.inspected(FACT_EVENTS, [joins], days).contradictions[joins.name].rows())

    assert missing(TWO_DAYS) == []
    for gone in ("dim_users WHERE user_id <> 'u2'", "dim_feature_metadata WHERE feature = 'quiz'", "dim_releases"):
        warehouse.lake.commit(lambda connection, of=gone: connection.execute(f"DELETE FROM warehouse.{of}"))
    assert missing(Days(day(0), day(1))) == [
        ("dim_feature_metadata", "quiz"),
        ("dim_releases", "1.0"),
        ("dim_users", "u1"),
    ]
    assert missing(Days(day(1), day(2))) == [
        ("dim_feature_metadata", "quiz"),
        ("dim_releases", "1.0"),
        ("dim_users", "u3"),
    ]


def test_what_arrives_without_a_session_while_a_day_is_built_contradicts_nothing(warehouse: Warehouse) -> None:
    warehouse.put(event(NOON, "u1"), event(NOON, "u2"))
    warehouse.build(FACT_VISIT_EVENTS, FACT_SESSIONS, days=TWO_DAYS)
    warehouse.declare(TWO_DAYS)
    warehouse.deliver(event(NOON, "u3", event_id="later"))
    warehouse.build(FACT_FEATURE_METRICS, USER_DAY, days=TWO_DAYS)
    warehouse.assert_claims(TWO_DAYS, FACT_SESSIONS, FACT_FEATURE_METRICS, USER_DAY)
