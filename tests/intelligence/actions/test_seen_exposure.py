"""What a flag promised shows in the telemetry or it does not, and neither chance nor the weekday decides which."""

from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelligence.actions.action import Kind
from intelligence.actions.flags import FlagChange, changed_document, first_document, former_rule
from intelligence.actions.seen_exposure import (
    LEAST_BASELINE_DAYS,
    LEAST_USERS,
    SeenExposure,
    first_day_after,
    ratio_interval,
    seen_exposure,
    still_served,
)

DAY = date(2026, 7, 20)
SINCE = DAY + timedelta(days=2)
COUNTS = st.integers(0, 3_000)


def days(before: float, after: float | None, *, active: int = 1_000, sound: bool = True, week: int = 7) -> pl.DataFrame:
    """Return a week with `before` users a day and, if it is there, the first whole day after with `after` users."""
    rows: list[Any] = [(DAY - timedelta(days=number), before, active, True) for number in range(week)]
    rows += [(DAY + timedelta(days=1), before, active, True)]
    rows += [(SINCE, after, active, sound)] if after is not None else []
    return pl.DataFrame(rows, schema=["event_date", "users", "active", "is_sound"], orient="row")


def assessed(frame: pl.DataFrame, promised: float = 0.0) -> SeenExposure:
    return seen_exposure(frame, decided_on=DAY, since=SINCE, promised=promised)


@pytest.mark.parametrize(
    ("after", "promised", "verdict"),
    [
        (0, 0.0, "seen"),
        (2, 0.0, "seen"),
        (300, 0.0, "not seen"),
        (260, 0.0, "not seen"),
        (150, 0.5, "seen"),
        (300, 0.5, "not seen"),
        (225, 0.5, "not enough evidence"),
        (300, 0.9, "not enough evidence"),
    ],
)
def test_the_fall_that_was_promised_is_looked_for(after: int, promised: float, verdict: str) -> None:
    found = assessed(days(300, after), promised)
    assert found.verdict == verdict, found
    assert found.reason


def test_the_numbers_stand_in_the_verdict_and_in_its_sentence() -> None:
    found = assessed(days(300, 290))
    assert (found.day, found.share_before, found.share_after) == (SINCE, 0.3, 0.29)
    assert found.ratio == pytest.approx(0.967, abs=0.001)
    assert found.reason == (
        "29.0% of active users used it on 2026-07-22, 30.0% on a usual day before: 97% of that, where 0% was promised."
    )


@pytest.mark.parametrize(
    ("frame", "verdict"),
    [
        (days(300, None), "too early"),
        (days(300, 300, sound=False), "too early"),
        (days(300, 300, week=LEAST_BASELINE_DAYS - 1), "not enough evidence"),
        (days(LEAST_USERS - 1, LEAST_USERS - 1), "not enough evidence"),
        (days(0, 0), "not enough evidence"),
        (days(300, 300).with_columns(is_sound=pl.col("event_date") > DAY), "not enough evidence"),
    ],
    ids=["not over", "a faulty day", "a short week", "few users", "no users", "a faulty week"],
)
def test_what_cannot_be_known_is_not_said(frame: pl.DataFrame, verdict: str) -> None:
    assert assessed(frame).verdict == verdict


def test_a_faulty_day_is_passed_over_and_the_next_sound_one_counts() -> None:
    later = days(300, 0).tail(1).with_columns(event_date=pl.lit(SINCE + timedelta(days=1)))
    assert assessed(pl.concat([days(300, 300, sound=False), later])).day == SINCE + timedelta(days=1)


def test_a_day_that_leaves_it_open_is_followed_by_one_that_tells() -> None:
    open_day = days(300, 225)
    for users, verdict in ((300, "not seen"), (150, "seen"), (225, "not enough evidence")):
        next_day = days(300, users).tail(1).with_columns(event_date=pl.lit(SINCE + timedelta(days=1)))
        assert assessed(pl.concat([open_day, next_day]), 0.5).verdict == verdict


def test_what_a_day_has_told_no_later_one_takes_back() -> None:
    next_day = days(300, 300).tail(1).with_columns(event_date=pl.lit(SINCE + timedelta(days=1)))
    assert assessed(pl.concat([days(300, 0), next_day])).verdict == "seen"


def test_days_up_to_the_decision_and_more_than_a_week_after_the_change_tell_nothing() -> None:
    assert seen_exposure(days(300, 300).head(7), decided_on=DAY, since=date.min, promised=0.0).verdict == "too early"
    late = days(300, 300).with_columns(event_date=pl.col("event_date").replace(SINCE, SINCE + timedelta(days=7)))
    assert assessed(late).verdict == "too early"


def test_a_busy_weekday_is_no_sign_that_nothing_changed() -> None:
    """Halved on the weekday on which twice as many as usual come: as many as on a usual day, and still no reproach."""
    busy = days(300, 300).with_columns(
        users=pl.when(pl.col("event_date") == SINCE - timedelta(days=7)).then(600).otherwise(pl.col("users"))
    )
    assert assessed(busy, 0.5).verdict == "not enough evidence"


@given(before=st.integers(LEAST_USERS, 900), active=st.integers(1_000, 100_000), promised=st.floats(0, 1))
def test_a_promise_kept_is_never_called_unseen_and_an_idle_flag_never_seen(
    before: int, active: int, promised: float
) -> None:
    assert assessed(days(before, promised * before, active=active), promised).verdict != "not seen"
    assert assessed(days(before, before, active=active), promised).verdict != "seen"


@given(before=COUNTS, fewer=COUNTS, more=COUNTS, promised=st.floats(0, 1))
def test_more_users_after_never_speak_for_the_change(before: int, fewer: int, more: int, promised: float) -> None:
    order = ["seen", "not enough evidence", "not seen"]
    low, high = (assessed(days(before, after), promised).verdict for after in sorted((fewer, more)))
    assert order.index(low) <= order.index(high)


@given(before=st.integers(1, 3_000), after=COUNTS, exposed=st.floats(0.01, 100), times=st.integers(2, 50))
def test_an_interval_holds_its_ratio_and_narrows_with_evidence(
    before: int, after: int, exposed: float, times: int
) -> None:
    ratio, (low, high) = after / before / exposed, ratio_interval(after, before, exposed=exposed)
    assert low <= ratio * (1 + 1e-9) + 1e-12
    assert ratio <= high * (1 + 1e-9)
    closer, farther = ratio_interval(after * times, before * times, exposed=exposed)
    assert low <= closer * (1 + 1e-9) + 1e-12
    assert farther <= high * (1 + 1e-9)


def test_chance_alone_doubts_nothing() -> None:
    rng = np.random.default_rng(5)
    for promised in (0.0, 0.5, 0.8):
        for usual in (25, 60, 300):
            draws = [
                assessed(days(float(rng.poisson(usual * 7)) / 7, int(rng.poisson(usual * promised))), promised).verdict
                for _ in range(200)
            ]
            assert "not seen" not in draws, (promised, usual)


def test_the_first_whole_day_begins_after_the_change_or_was_made_after_it() -> None:
    assert first_day_after(datetime(2026, 7, 20, 23, 59)) == DAY + timedelta(days=1)
    made = {DAY - timedelta(days=1): datetime(2026, 11, 1), DAY: datetime(2026, 11, 1), SINCE: datetime(2026, 11, 3)}
    assert first_day_after(datetime(2026, 11, 2), made) == DAY + timedelta(days=1)
    assert first_day_after(datetime(2026, 11, 4), made) == SINCE + timedelta(days=1)


@pytest.mark.parametrize(
    ("kind", "targeting", "default", "left"),
    [
        (Kind.ROLLBACK, {}, "on", 0.0),
        (Kind.ROLLBACK, {"if": [{"==": [{"var": "region"}, "eu"]}, "on", "off"]}, "on", 0.0),
        (Kind.THROTTLE, {}, "on", 0.6),
        (Kind.THROTTLE, {"fractional": [["on", 50], ["off", 50]]}, "on", 0.2),
        (Kind.THROTTLE, {"fractional": [["on", 30], ["off", 70]]}, "on", 0.0),
        (Kind.HOLD, {}, "on", None),
        (Kind.ROLLBACK, {}, "off", None),
    ],
)
def test_who_is_served_still_follows_from_the_rule_before(
    kind: Kind, targeting: Any, default: str, left: float | None
) -> None:
    before = first_document(["f"])
    before["flags"]["f"].update(targeting=targeting, defaultVariant=default)
    after = changed_document(before, FlagChange("f", kind, "a1", step=0.4))
    found = still_served(after, "f", kind=kind, step=0.4, former=former_rule(before, "f"))
    assert found == (None if left is None else pytest.approx(left))


def test_nothing_is_claimed_where_the_safe_variant_is_used_as_well() -> None:
    before = first_document(["f"])
    before["flags"]["f"].update(
        variants={"new": "b", "old": "a"}, defaultVariant="new", metadata={"safe_variant": "old", "on_variant": "new"}
    )
    after = changed_document(before, FlagChange("f", Kind.ROLLBACK, "a1"))
    assert still_served(after, "f", kind=Kind.ROLLBACK, step=0.5, former=former_rule(before, "f")) is None
