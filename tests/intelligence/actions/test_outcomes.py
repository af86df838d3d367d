"""What an action achieved: only what its feature did beyond the untreated ones counts, and little evidence says nothing."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intelligence.actions.action import Kind
from intelligence.actions.outcomes import LEAST_CONTROLS, LEAST_DAYS, Outcome, outcome

DAY = date(2026, 7, 10)


def metrics(
    *,
    before: float,
    after: float,
    others: float = 0.02,
    drift: float = 0.0,
    days_after: int = 7,
    controls: int = 40,
    seed: int = 1,
) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(-6, days_after + 1):
        is_after = number > 0
        for feature in range(controls + 1):
            rate = (after if is_after else before) if feature == 0 else others
            bad = rng.binomial(400, min(1.0, rate + (drift if is_after else 0)))
            rows.append((DAY + timedelta(days=number), f"f{feature}", bad, 400))
    return with_users(
        pl.DataFrame(rows, schema=["event_date", "feature", "failed_events", "usage_count"], orient="row")
    )


def with_users(frame: pl.DataFrame) -> pl.DataFrame:
    """Let every event be of another user."""
    return frame.with_columns(failed_share_sum=pl.col("failed_events").cast(pl.Float64), users="usage_count")


@pytest.mark.parametrize("clients", [1, 2, 3])
@pytest.mark.parametrize(("side", "verdict"), [("before", "helped"), ("after", "harmed")])
def test_a_few_clients_that_go_or_come_are_no_achievement(clients: int, side: str, verdict: str) -> None:
    sound = metrics(before=0.02, after=0.02)
    day = pl.col("event_date") <= DAY if side == "before" else pl.col("event_date") > DAY
    loud = (pl.col("feature") == "f0") & day
    flooded = sound.with_columns(
        pl.col("failed_events") + 300 * loud,
        pl.col("usage_count") + 300 * loud,
        pl.col("failed_share_sum") + clients * loud,
        pl.col("users") + clients * loud,
    )
    assert verdict_of(with_users(flooded)) == verdict, "as if each event were another user's"
    found = outcome(flooded, feature="f0", day=DAY, objective="errors", acted_on=["f0"])
    assert found.verdict == "no difference shown"
    assert "few users made the difference" in found.reason


def verdict_of(frame: pl.DataFrame, feature: str = "f0") -> str:
    return outcome(frame, feature=feature, day=DAY, objective="errors", acted_on=["f0"]).verdict


def test_a_feature_that_recovers_while_the_others_stay_was_helped() -> None:
    found = outcome(metrics(before=0.1, after=0.02), feature="f0", day=DAY, objective="errors", acted_on=["f0"])
    assert found.verdict == "helped"
    assert found.effect == pytest.approx(-0.08, abs=0.015)
    assert found.effect_low is not None
    assert found.effect_high is not None
    assert found.effect_low < found.effect < found.effect_high < 0


def test_a_feature_that_gets_worse_was_harmed_and_one_that_follows_the_others_was_not_touched() -> None:
    assert verdict_of(metrics(before=0.02, after=0.1)) == "harmed"
    assert verdict_of(metrics(before=0.05, after=0.05, drift=0.1)) == "no difference shown"


def rolled_back(frame: pl.DataFrame) -> Outcome:
    return outcome(frame, feature="f0", day=DAY, objective="errors", acted_on=["f0"], kind=Kind.ROLLBACK)


def test_a_rollback_that_leaves_no_events_ended_the_harm_and_a_throttle_of_which_none_are_left_tells_nothing() -> None:
    gone = metrics(before=0.1, after=0.02).filter((pl.col("feature") != "f0") | (pl.col("event_date") <= DAY))
    found = rolled_back(gone)
    assert (found.verdict, found.after) == ("helped", 0.0)
    assert found.effect == pytest.approx(-0.1, abs=0.02)
    assert "per event that was usual before" in found.reason
    assert verdict_of(gone) == "not enough evidence"


def test_a_rollback_that_nobody_followed_shows_no_difference() -> None:
    assert rolled_back(metrics(before=0.1, after=0.1, others=0.1)).verdict == "no difference shown"


def test_after_a_rollback_few_days_after_are_held_against_as_few_before() -> None:
    found = rolled_back(metrics(before=0.1, after=0.1, days_after=LEAST_DAYS))
    assert found.after == pytest.approx(0.1, abs=0.03)


def test_use_that_falls_everywhere_is_no_merit_of_a_rollback() -> None:
    after = pl.col("event_date") > DAY
    halved = metrics(before=0.1, after=0.1, others=0.1).with_columns(
        pl.when(after).then(pl.col(name) // 2).otherwise(pl.col(name)).alias(name)
        for name in ("failed_events", "usage_count")
    )
    assert rolled_back(halved).verdict == "no difference shown"


def test_nobody_is_helped_by_what_happened_to_everybody() -> None:
    assert verdict_of(metrics(before=0.1, after=0.1, others=0.1, drift=-0.08)) == "no difference shown"


@pytest.mark.parametrize(
    "frame",
    [
        metrics(before=0.1, after=0.02, days_after=LEAST_DAYS - 1),
        metrics(before=0.1, after=0.02, controls=LEAST_CONTROLS - 1),
        metrics(before=0.1, after=0.02).with_columns(usage_count=pl.lit(1), failed_events=pl.lit(0)),
        metrics(before=0.1, after=0.02).filter(pl.col("feature") != "f0"),
    ],
    ids=["too few days", "too few controls", "too few events", "not used"],
)
def test_too_little_is_not_enough_evidence(frame: pl.DataFrame) -> None:
    assert verdict_of(frame) == "not enough evidence"


@given(seed=st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_treated_features_are_no_controls_for_each_other(seed: int) -> None:
    frame = metrics(before=0.1, after=0.02, seed=seed)
    some = [f"f{number}" for number in range(1, 21)]
    found = outcome(frame, feature="f0", day=DAY, objective=None, acted_on=["f0", *some])
    assert found.controls == 20
    assert found.metric == "errors"


def test_an_interval_holds_no_effect_in_most_draws() -> None:
    verdicts = [verdict_of(metrics(before=0.05, after=0.05, others=0.05, seed=seed)) for seed in range(60)]
    assert verdicts.count("no difference shown") >= 51
