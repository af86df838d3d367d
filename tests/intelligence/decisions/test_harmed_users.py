"""Who can send events steers no flag: a touch needs people who are harmed, several of them, and no newcomers."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl
import pytest

from intelligence.core.sql import sql
from intelligence.core.tables import Days
from intelligence.decisions.autonomy import TOUCHING
from intelligence.decisions.evidence import Sources, evidence
from intelligence.decisions.record import decided
from intelligence.decisions.settings import Decisions
from intelligence.metrics.health import feature_health
from intelligence.metrics.settings import Health
from intelligence.metrics.tables import FACT_FEATURE_METRICS, FEATURE_HEALTH
from intelligence.warehouse.tables import DIM_USERS, FACT_SESSIONS, FACT_VISIT_EVENTS
from tests.intelligence.decisions.day_of_evidence import DAY, back, described, health, known_harmed, sources
from tests.intelligence.decisions.facts_of_a_day import AUTO, BROKEN_BY_A_RELEASE
from tests.intelligence.hand_made_lake import Warehouse, day, event
from tests.spread_of_users import of_users

People = Sequence[tuple[int, int]]


def hit(users: int, bad: int, events: int) -> list[tuple[int, int]]:
    return [(bad, events)] * users


def sound(users: int, events: int = 3) -> list[tuple[int, int]]:
    return [(0, events)] * users


def release_day(number: int, version: str, people: People) -> dict[str, Any]:
    counts = of_users({"errors": people})
    return {
        "event_date": back(number), "feature": "quiz", "platform": "ios", "app_version": version,
        "events": counts["usage_count"], "failed_events": counts["failed_events"], "users": counts["users"],
        "failed_users": counts["failed_users"], "failed_square_sum": counts["failed_square_sum"],
        "failed_cross_sum": counts["failed_cross_sum"], "events_square_sum": counts["usage_square_sum"],
        "failed_share_sum": float(counts["failed_share_sum"] or 0),
        "failed_share_square_sum": float(counts["failed_share_square_sum"] or 0),
    }  # fmt: skip


def day_of(new: People, old: People, *, known: int | None = None, days: int = 2) -> Sources:
    """Return a day on which quiz is said to be degraded; `new` are the users of the release 3.2.0, `old` all others."""
    rows = [
        {
            "feature": "quiz", "event_date": back(number), "mean_latency_ms": 200.0,
            **of_users({"errors": [*new, *old], "crashes": [(0, n) for _, n in [*new, *old]]}),
        }
        for number in range(days)
    ]  # fmt: skip
    metrics = pl.DataFrame(rows, infer_schema_length=None)
    harmed = sum(bad > 0 for bad, _ in [*new, *old]) if known is None else known
    return sources(
        health=pl.DataFrame([health("quiz")]),
        features=pl.DataFrame([described("quiz")]),
        metrics=metrics,
        release_days=pl.DataFrame(
            [
                release_day(n, version, people)
                for n in range(days)
                for version, people in (("3.2.0", new), ("3.1.0", old))
            ]
        ),
        known_harmed=pl.DataFrame([known_harmed("quiz", back(number), harmed) for number in range(days)]),
    )


def action(given: Sources, settings: Decisions = AUTO) -> tuple[str, dict[str, Any]]:
    row = decided(evidence(given, day=DAY, settings=settings), settings=settings).row(0, named=True)
    return row["action"], row


# The users of the new release, all others, and how many of the harmed are known (None: all of them).
NO_REASON_TO_TOUCH: Final[dict[str, tuple[People, People, int | None]]] = {
    "a script of 3,000 failures": ([*hit(1, 3_000, 3_000), *sound(40)], [*hit(2, 1, 3), *sound(90)], None),
    "a script on a release that nobody else has": (hit(1, 3_000, 3_000), [*hit(2, 1, 3), *sound(130)], None),
    "a script beside failures within the promise": ([*hit(1, 900, 900), *hit(2, 1, 3), *sound(80)], sound(80), None),
    "one tab that tries again": ([*hit(1, 86, 86), *sound(30)], [*hit(1, 1, 3), *sound(67)], None),
    "two clients that loop": ([*hit(2, 100, 100), *sound(50)], sound(120), None),
    "three clients that loop": ([*hit(3, 100, 100), *sound(50)], sound(200), None),
    "four clients that loop on a small release": (hit(4, 100, 100), sound(60), None),
    "five clients that loop among many": ([*hit(5, 100, 100), *sound(100)], sound(300), None),
    "a flood under 3,000 fresh names": (hit(3_000, 1, 1), [*hit(2, 1, 3), *sound(130)], 2),
    "a flood under 40 fresh names": ([*hit(40, 5, 5), *sound(30)], sound(130), 0),
    "a visitor with a new name for every event, and no cookies": (hit(200, 1, 1), sound(200, 1), 0),
    "a shared account that fails alone": ([*hit(1, 300, 400), *sound(50)], sound(150), None),
}
REASON_TO_TOUCH: Final[dict[str, tuple[People, People]]] = {
    "a bad release": ([*hit(40, 1, 3), *sound(30)], [*hit(2, 1, 3), *sound(150)]),
    "a bad release that everybody has": ([*hit(90, 2, 3), *sound(10)], sound(30)),
    "a bad release with a script in it": ([*hit(1, 500, 500), *hit(50, 2, 3), *sound(10)], sound(100)),
    "a bad release beside a shared account": ([*hit(40, 2, 3), *sound(10)], [(2, 200), *sound(60)]),
    "a bad release behind a loud sound client": ([*hit(40, 2, 3), *sound(10)], [(0, 4_000), *sound(60)]),
}


@pytest.mark.parametrize(("new", "old", "known"), NO_REASON_TO_TOUCH.values(), ids=NO_REASON_TO_TOUCH)
def test_what_few_users_or_newcomers_meet_touches_nothing(new: People, old: People, known: int | None) -> None:
    kind, row = action(day_of(new, old, known=known))
    assert kind not in TOUCHING, row["reasons"]


@pytest.mark.parametrize(("new", "old"), REASON_TO_TOUCH.values(), ids=REASON_TO_TOUCH)
def test_what_many_users_meet_is_answered(new: People, old: People) -> None:
    kind, row = action(day_of(new, old))
    assert kind == "rollback", row["why_not"]


@pytest.mark.parametrize("times", [1, 3, 10, 100, 1_000])
def test_one_users_failures_over_and_over_raise_no_decision(times: int) -> None:
    others = [*hit(4, 1, 3), *sound(60)]
    once, _ = action(day_of([*hit(1, 1, 1), *others], sound(100)))
    often, row = action(day_of([*hit(1, times, times), *others], sound(100)))
    assert often not in TOUCHING, row["reasons"]
    assert once not in TOUCHING


def test_how_many_must_be_harmed_is_a_setting() -> None:
    bad_release = REASON_TO_TOUCH["a bad release"]
    limits = AUTO.limits.model_copy(update={"minimum_harmed_users": 60})
    kind, row = action(day_of(*bad_release), AUTO.model_copy(update={"limits": limits}))
    assert kind not in TOUCHING
    assert {"harmed_users", "release_harms_users"} <= set(row["lowered_by"])


def test_a_record_from_before_users_were_counted_touches_nothing() -> None:
    unknown = replace(
        BROKEN_BY_A_RELEASE, harmed_users=None, known_harmed_users=None, user_share_1d=None, user_share_3d=None,
        effective_1d=None, effective_3d=None,
    )  # fmt: skip
    from intelligence.decisions.choice import choice

    assert choice(unknown, AUTO).action not in TOUCHING


def decided_on(warehouse: Warehouse, *newest: Any) -> dict[str, Any]:
    """Return the decision about quiz after nine sound days of 60 users and a tenth to which `newest` is added."""
    people = [
        event(
            datetime.combine(day(n), datetime.min.time()) + timedelta(minutes=place),
            f"u{place % 60}", app_version="2.0" if n == 9 and place % 2 else "1.0", platform="web", latency_ms=50.0,
        )
        for n in range(10)
        for place in range(180)
    ]  # fmt: skip
    days = Days(day(0), day(10))
    warehouse.put(*people, *newest)
    warehouse.declare(days)
    warehouse.build(DIM_USERS, FACT_VISIT_EVENTS, FACT_SESSIONS, FACT_FEATURE_METRICS, days=days)
    lake = warehouse.lake
    metrics, features = (
        lake.frame(f"FROM {FACT_FEATURE_METRICS.path}"),
        lake.frame("FROM warehouse.dim_feature_metadata"),
    )
    whole = metrics.select("event_date").unique().with_columns(verdict=pl.lit("whole"), dau=60, state=pl.lit("steady"))
    window = {"start": day(7), "end": day(10)}
    states = feature_health(
        metrics, features, whole, whole, lake.frame(f"FROM {FEATURE_HEALTH.path} LIMIT 0"), days=days, rules=Health()
    )
    known = Sources(
        health=states,
        features=features,
        metrics=metrics,
        quality=whole,
        panel=pl.DataFrame(
            {
                "event_date": [day(9)],
                "feature": ["quiz"],
                "users_7d": [60.0],
                "error_rise_7d": [9.0],
                "release_age_days": [1.0],
            }
        ),
        releases=lake.frame(
            "SELECT app_version, platform, min(event_time) AS first_seen_at FROM telemetry.events GROUP BY ALL"
        ),
        release_days=lake.frame(sql("decisions/release_days.sql"), {**window, "features": ["quiz"]}),
        known_harmed=lake.frame(sql("decisions/known_harmed.sql"), window),
        drift=whole,
        flags=pl.DataFrame(
            {
                "feature": ["quiz"],
                "flag_key": ["quiz-flag"],
                "exposure": [1.0],
                "is_locked": [False],
                "is_held": [False],
            }
        ),
        previous_actions=sources().previous_actions,
        model_version=1,
        trained_through=day(8),
    )
    return decided(evidence(known, day=day(9), settings=AUTO), settings=AUTO).filter(feature="quiz").row(0, named=True)


def failures(count: int, users: int, name: str) -> list[Any]:
    start = datetime.combine(day(9), datetime.min.time())
    return [
        event(
            start + timedelta(seconds=n), f"{name}{n % users}", app_version="2.0", platform="web", error_count=1,
            latency_ms=50.0,
        )
        for n in range(count)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("newest", "touches"),
    [
        (failures(600, 1, "bot"), False),
        (failures(600, 3, "bot"), False),
        (failures(600, 600, "fresh"), False),
        (failures(90, 30, "u"), True),
    ],
    ids=["one script", "three scripts", "600 fresh names", "thirty users of the release"],
)
def test_from_events_to_the_decision(warehouse: Warehouse, newest: list[Any], *, touches: bool) -> None:
    row = decided_on(warehouse, *newest)
    assert (row["action"] in TOUCHING) is touches, (row["reasons"], row["why_not"])
