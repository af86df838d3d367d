"""Users and features are the same whatever the order in which days are built."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intelligence.core.tables import Days, standard_claims
from intelligence.warehouse.settings import Promises
from intelligence.warehouse.tables import DIM_FEATURE_METADATA, DIM_USERS
from tests.intelligence.hand_made_lake import NOON, PRODUCT, TWO_DAYS, Warehouse, day, event, random_events

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
    ("u1", datetime(2026, 5, 4, 9), datetime(2026, 5, 5, 9), "guest", None, "android", None, False),
    ("u2", datetime(2026, 5, 4, 9), datetime(2026, 5, 6, 9), "teacher", "south", None, None, False),
    ("u3", datetime(2026, 5, 6, 9), datetime(2026, 5, 7, 23), "student", None, None, None, False),
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
    claims = (*standard_claims(DIM_FEATURE_METADATA), *DIM_FEATURE_METADATA.claims)
    contradictions = warehouse.lake.inspected(DIM_FEATURE_METADATA, claims, TWO_DAYS).contradictions
    broken = {name: rows["feature"].to_list() for name, rows in contradictions.items() if rows.height}
    assert broken == {"declared_features_are_seen": ["never_used"]}


def test_a_flag_key_may_be_made_from_the_name_of_its_feature(warehouse: Warehouse) -> None:
    terms = Promises(flag_key="app.{feature}")
    product = PRODUCT.model_copy(update={"feature_defaults": terms, "features": {"quiz": Promises(flag_key="own")}})
    warehouse.put(event(NOON), event(NOON, feature="video_chat"))
    warehouse.declare(TWO_DAYS, product)
    keys = {name: row[2] for name, row in features_of(warehouse).items()}
    assert (
        keys
        == {"quiz": "own", "video_chat": terms.flag_of("video_chat")}
        == {"quiz": "own", "video_chat": "app.video-chat"}
    )


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
