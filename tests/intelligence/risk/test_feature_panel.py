"""No leakage: later days change no bit of an earlier row, and a day computed alone equals the day within a range."""

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intelligence.core.tables import Days
from intelligence.metrics.health import STATES
from intelligence.risk.feature_panel import LOOKBACK_DAYS, feature_panel
from intelligence.risk.predictors import FEATURE_PREDICTORS, names_of

START = date(2026, 1, 5)
PREDICTORS = names_of(FEATURE_PREDICTORS)
ALLOWED = {"max_error_rate": 0.02, "max_crash_rate": 0.01, "max_slow_rate": 0.05, "max_bad_rating_rate": 0.4}


def day(number: int) -> date:
    return START + timedelta(days=number)


@dataclass(frozen=True)
class World:
    """All tables that the panel is made from, with all their days."""

    metrics: pl.DataFrame
    features: pl.DataFrame
    health: pl.DataFrame
    quality: pl.DataFrame
    releases: pl.DataFrame

    def known_on(self, last: int) -> "World":
        """Return the tables as of the end of a day, given by number, without later days, features or releases."""
        until = pl.col("event_date") <= day(last)
        return World(
            self.metrics.filter(until),
            self.features.filter(pl.col("first_seen_date") <= day(last)),
            self.health.filter(until),
            self.quality.filter(until),
            self.releases.filter(pl.col("first_seen_at").cast(pl.Date) <= day(last)),
        )

    def panel(self, first: int, end: int, *, lookback: int = LOOKBACK_DAYS) -> pl.DataFrame:
        """Return the panel of days, given by number, from the same rows that the asset loads."""
        shown = pl.col("event_date").is_between(day(first - lookback), day(end), closed="left")
        return feature_panel(
            self.metrics.filter(shown),
            self.features,
            self.health.filter(shown),
            self.quality.filter(shown),
            self.releases,
            days=Days(day(first), day(end)),
        )


def world(seed: int, *, features: int, length: int) -> World:
    rng = np.random.default_rng(seed)
    rows, health, known = [], [], []
    for number in range(features):
        seen = 0 if number % 3 == 0 else int(rng.integers(0, length))
        name = f"f{int(rng.integers(0, 10**6)):06}_{number}"
        rates = {allowed: rate * (1 + number % 2) for allowed, rate in ALLOWED.items()}
        known.append(
            {"feature": name, "first_seen_date": day(seen), "lifecycle": ["ga", "beta", None][number % 3], **rates}
        )
        state, since = "healthy", seen
        for at in range(seen, length):
            if rng.random() < 0.15:
                state, since = str(rng.choice(STATES)), at
            record = {"state": state, "since": day(since), "unjudged_days": int(rng.integers(0, 4))}
            health.append({"event_date": day(at), "feature": name, **record})
            if rng.random() < 0.9:
                rows.append({"event_date": day(at), "feature": name, **_used(rng)})
    verdicts = rng.choice(["whole", "whole", "whole", "partial", "empty"], size=length)
    releases = [datetime.combine(day(int(at)), time(int(at) % 24)) for at in rng.integers(0, length, size=6)]
    return World(
        pl.DataFrame(rows),
        pl.DataFrame(known, schema_overrides={"lifecycle": pl.String}),
        pl.DataFrame(health),
        pl.DataFrame({"event_date": [day(at) for at in range(length)], "verdict": verdicts.tolist()}),
        pl.DataFrame({"app_version": [f"v{at}" for at in range(6)], "first_seen_at": releases}),
    )


def _used(rng: np.random.Generator) -> dict[str, float | None]:
    usage = int(rng.integers(1, 900))
    bad = [int(rng.binomial(usage, share)) for share in (0.02, 0.01, 0.05)]
    ratings = usage // 7
    return {
        "usage_count": usage, "users": max(1, usage // 3), "timed_events": usage, "slow_events": bad[2],
        "failed_events": bad[0], "errors": bad[0] + int(rng.integers(0, 3)), "crashed_events": min(bad[1], usage),
        "ratings": ratings, "bad_ratings": int(rng.binomial(ratings, 0.2)),
        "p50_latency_ms": float(rng.gamma(5, 30)), "p95_latency_ms": float(rng.gamma(5, 120)),
        "mean_rating": float(rng.uniform(1, 5)) if ratings else None,
    }  # fmt: skip


def bits(rows: pl.DataFrame) -> tuple[object, bytes]:
    keys = rows.select("event_date", "feature", "state")
    numbers = rows.select("users_7d", *PREDICTORS)
    return keys.rows(), numbers.null_count().rows().__repr__().encode() + numbers.fill_null(-1e99).to_numpy().tobytes()


def of_day(rows: pl.DataFrame, number: int) -> tuple[object, bytes]:
    return bits(rows.filter(event_date=day(number)))


@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 10**6), features=st.integers(2, 14), last=st.integers(1, 60), data=st.data())
def test_days_features_and_releases_that_come_later_change_no_bit_of_an_earlier_row(
    seed: int, features: int, last: int, data: st.DataObject
) -> None:
    whole = world(seed, features=features, length=70)
    first = data.draw(st.integers(max(0, last - 20), last))
    then, later = whole.known_on(last), whole.panel(first, 70)
    assert bits(then.panel(first, last + 1)) == bits(later.filter(pl.col("event_date") <= day(last)))


@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 10**6), number=st.integers(0, 69))
def test_a_day_alone_is_to_the_last_bit_what_it_is_in_a_range(seed: int, number: int) -> None:
    whole = world(seed, features=9, length=70)
    assert of_day(whole.panel(number, number + 1), number) == of_day(whole.panel(0, 70), number)


def test_the_lookback_is_as_long_as_the_longest_reach_and_no_longer_and_the_asset_loads_as_much() -> None:
    whole = world(5, features=8, length=80)
    whole = replace(whole, quality=whole.quality.with_columns(verdict=pl.lit("whole")))
    alone = of_day(whole.panel(79, 80), 79)
    assert alone == of_day(whole.panel(79, 80, lookback=60), 79)
    assert alone != of_day(whole.panel(79, 80, lookback=LOOKBACK_DAYS - 1), 79)
    asset = Path(__file__).parents[3] / "assets" / "risk.py"
    assert f"PANEL_LOOKBACK_DAYS = {LOOKBACK_DAYS}\n" in asset.read_text(encoding="utf-8")


def test_two_hundred_features_and_a_new_one_among_them_keep_each_bit() -> None:
    whole = world(11, features=200, length=45)
    then = whole.known_on(40)
    assert bits(then.panel(38, 41)) == bits(whole.panel(38, 45).filter(pl.col("event_date") <= day(40)))


def steady(length: int, *, failed: int = 4, last: dict[str, object] | None = None) -> World:
    """Return two features of 400 events a day that keep their promises; `last` changes the last day of the first."""
    used = {
        "usage_count": 400, "users": 40, "timed_events": 400, "slow_events": 4, "failed_events": failed, "errors": failed,
        "crashed_events": 0, "ratings": 20, "bad_ratings": 2, "p50_latency_ms": 100.0, "p95_latency_ms": 300.0,
        "mean_rating": 4.0,
    }  # fmt: skip
    rows = [
        {"event_date": day(at), "feature": name, **used, **((last or {}) if (name, at) == ("a", length - 1) else {})}
        for name in "ab"
        for at in range(length)
    ]
    days = [day(at) for at in range(length)]
    health = [
        {"event_date": at, "feature": n, "state": "healthy", "since": START, "unjudged_days": 0}
        for n in "ab"
        for at in days
    ]
    known = [
        {"feature": name, "first_seen_date": START, "lifecycle": "beta" if name == "a" else "ga", **ALLOWED}
        for name in "ab"
    ]
    release = pl.DataFrame({"first_seen_at": [datetime.combine(day(length - 3), time(15))]})
    return World(
        pl.DataFrame(rows), pl.DataFrame(known), pl.DataFrame(health),
        pl.DataFrame({"event_date": days, "verdict": ["whole"] * length}), release,
    )  # fmt: skip


def test_a_row_counted_by_hand() -> None:
    row = steady(40, last={"failed_events": 32, "p95_latency_ms": 600.0, "mean_rating": 3.3}).panel(39, 40)
    found = row.filter(feature="a").row(0, named=True)
    assert (found["state"], found["users_7d"], found["is_beta"], found["is_sunset"]) == ("healthy", 40.0, 1.0, 0.0)
    assert found["error_burn_1d"] == pytest.approx(32 / 400 / 0.02)
    assert found["error_burn_7d"] == pytest.approx((6 * 4 + 32) / 2_800 / 0.02)
    share = (32 + 16 + 1) / (400 + 1_600 + 2)
    error = np.sqrt(share * (1 - share) * (1 / 400 + 1 / 1_600))
    assert found["error_residual_1d"] == pytest.approx((32 / 400 - 16 / 1_600) / error)
    assert found["p95_latency_growth_3d"] == pytest.approx(np.log(2) / 3)
    assert found["mean_rating_change_7d"] == pytest.approx(-0.1)
    assert (found["release_age_days"], found["releases_7d"]) == (2.0, 1.0)
    assert (found["days_in_state"], found["degraded_days_28d"], found["unjudged_days"]) == (28.0, 0.0, 0.0)
    assert found["usage_7d"] == pytest.approx(np.log(400))
    assert found["feature_age_days"] is None
    calm = row.filter(feature="b").row(0, named=True)
    assert calm["error_burn_against_age"] < 0 < found["error_burn_against_age"]
    assert calm["product_error_rise_3d"] == found["product_error_rise_3d"] > 0


def test_a_day_of_faulty_telemetry_counts_nothing() -> None:
    world_ = steady(40, last={"failed_events": 400, "usage_count": 400})
    faulty = pl.when(pl.col("event_date") == day(39)).then(pl.lit("partial")).otherwise("verdict")
    quality = world_.quality.with_columns(verdict=faulty)
    found = World(world_.metrics, world_.features, world_.health, quality, world_.releases).panel(39, 40)
    row = found.filter(feature="a").row(0, named=True)
    assert row["error_burn_1d"] is None
    assert row["error_burn_7d"] == pytest.approx(4 / 400 / 0.02)


@pytest.mark.parametrize("faulty_day", range(26, 40))
def test_usage_of_a_steady_rhythm_seems_not_to_grow_though_a_day_of_it_is_lost(faulty_day: int) -> None:
    world_ = steady(40)
    rhythm = pl.when(pl.col("event_date").dt.weekday() > 5).then(100).otherwise(400)
    is_lost = pl.col("event_date") == day(faulty_day)
    used = pl.when(is_lost).then(7).otherwise(rhythm)
    found = replace(
        world_,
        metrics=world_.metrics.with_columns(usage_count=used, users=used),
        quality=world_.quality.with_columns(verdict=pl.when(is_lost).then(pl.lit("partial")).otherwise("verdict")),
    ).panel(39, 40)
    assert found["usage_growth_7d"].to_list() == found["users_growth_7d"].to_list() == [0.0, 0.0]


def test_predictors_are_numbers_or_unknown_and_never_infinite() -> None:
    rows = world(3, features=12, length=60).panel(0, 60)
    assert rows.columns == ["event_date", "feature", "state", "users_7d", *PREDICTORS]
    for name in ("users_7d", *PREDICTORS):
        assert rows[name].dtype == pl.Float64
        assert rows[name].drop_nulls().is_finite().all(), name


def test_before_any_feature_is_known_there_is_an_empty_panel_of_the_same_shape() -> None:
    whole = steady(40)
    found = whole.panel(-3, 0)
    assert found.is_empty()
    assert found.schema == whole.panel(39, 40).schema


def test_a_lake_without_health_and_releases_still_has_a_panel() -> None:
    whole = steady(40)
    bare = World(whole.metrics, whole.features, whole.health.clear(), whole.quality, whole.releases.clear())
    found = bare.panel(38, 40)
    assert set(found["state"]) == {"unknown"}
    assert found["release_age_days"].null_count() == found.height
