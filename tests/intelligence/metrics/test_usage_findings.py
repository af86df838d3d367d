"""The widest drop and the cohort that stays less: what is planted is named, and chance is not."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from intelligence.metrics.tables import FUNNEL_DAY, RETENTION_COHORTS
from intelligence.metrics.usage_findings import less_retained_cohorts, widest_drop

FIRST = date(2026, 5, 4)
SHARES = {"web": 0.4, "ios": 0.3, "android": 0.3}


def funnel_days(
    seed: int, *, breaks_on: int | None = None, entries: int = 300, days: int = 60, noise: float = 0.0
) -> pl.DataFrame:
    """Rows of funnel_day with three steps; on android the last one breaks on a day, where asked."""
    random, rows = np.random.default_rng(seed), []
    for number in range(days):
        drift = random.normal(0, noise)
        per_platform = {}
        for platform, share in SHARES.items():
            entered = random.poisson(entries * share)
            second = random.binomial(entered, 0.6 + drift)
            rate = 0.5 + drift
            if breaks_on is not None and platform == "android" and number >= breaks_on:
                rate *= 0.6
            per_platform[platform] = (entered, second, random.binomial(second, rate))
        parts = {("platform", name): counts for name, counts in per_platform.items()}
        parts["all", "all"] = tuple(map(sum, zip(*per_platform.values(), strict=True)))
        for (dimension, value), counts in parts.items():
            for step, name in ((2, "use"), (3, "complete")):
                rows.append(
                    {
                        "event_date": FIRST + timedelta(days=number),
                        "funnel": "practice",
                        "step": step,
                        "step_name": name,
                        "dimension": dimension,
                        "value": value,
                        "entered": counts[0],
                        "converted": counts[step - 1],
                        "reached_before": counts[step - 2],
                        "is_complete": True,
                    }
                )
    return FUNNEL_DAY.frame(rows)


def test_the_widest_drop_is_named_with_the_platform_on_which_it_broke() -> None:
    found = widest_drop(funnel_days(1, breaks_on=35))
    assert found is not None
    assert (found.funnel, found.step, found.broken_step) == ("practice", 3, "complete")
    assert found.breakage is not None
    assert (found.breakage.dimension, found.breakage.value) == ("platform", "android")
    assert abs((found.breakage.since - FIRST).days - 35) <= 2
    assert found.breakage.after == pytest.approx(0.3, abs=0.03)
    assert found.breakage.before == pytest.approx(0.5, abs=0.03)
    assert "complete" in found.sentence()
    assert "platform android stands out since 2026-06-0" in found.sentence()


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_where_nothing_broke_no_platform_is_blamed(noise: float) -> None:
    drops = [widest_drop(funnel_days(seed, noise=noise)) for seed in range(20)]
    assert all(drop is not None and (drop.step, round(drop.lost, 1)) == (3, 0.5) for drop in drops)
    assert sum(drop is not None and drop.breakage is not None for drop in drops) <= 2
    assert "; no platform stands out beyond chance." in drops[0].sentence()  # type: ignore[union-attr]


def test_where_no_part_is_looked_at_none_is_said_to_be_like_the_others() -> None:
    drop = widest_drop(funnel_days(1).filter(dimension="all"))
    assert drop is not None
    assert drop.sentence().endswith("do not go on to complete.")


def test_the_widest_drop_is_the_widest_though_another_funnel_broke() -> None:
    steeper = funnel_days(2).with_columns(funnel=pl.lit("steeper"), converted=pl.col("converted") // 20)
    drop = widest_drop(pl.concat([funnel_days(1, breaks_on=35), steeper]))
    assert drop is not None
    assert (drop.funnel, drop.broken_funnel, drop.broken_step) == ("steeper", "practice", "complete")
    assert "; in practice at complete platform android stands out since 2026-06-0" in drop.sentence()


def test_a_break_in_a_funnel_that_is_little_used_now_is_still_named() -> None:
    broken = funnel_days(1, breaks_on=25)
    seldom = broken.filter(pl.col("event_date") < FIRST + timedelta(days=45))
    late = FIRST + timedelta(days=59)
    few = broken.filter(event_date=late).with_columns(
        pl.lit(2, pl.Int64).alias(name) for name in ("entered", "reached_before", "converted")
    )
    drop = widest_drop(pl.concat([seldom, few, funnel_days(2).with_columns(funnel=pl.lit("other"))]))
    assert drop is not None
    assert drop.funnel in {"practice", "other"}


def test_a_break_that_was_mended_is_not_said_to_go_on() -> None:
    broken, sound = funnel_days(1, breaks_on=20), funnel_days(7)
    mended = FIRST + timedelta(days=40)
    rows = pl.concat([broken.filter(pl.col("event_date") < mended), sound.filter(pl.col("event_date") >= mended)])
    drop = widest_drop(rows)
    assert drop is not None
    assert drop.breakage is None
    while_it_lasts = widest_drop(rows.filter(pl.col("event_date") < mended))
    assert while_it_lasts is not None
    assert while_it_lasts.breakage is not None


def test_without_complete_days_or_with_few_entries_there_is_no_drop() -> None:
    rows = funnel_days(1, entries=1, days=5)
    assert widest_drop(rows) is None
    assert widest_drop(funnel_days(1).with_columns(is_complete=pl.lit(False))) is None


def cohorts(seed: int, *, worse: int | None = None, spread: float = 0.0, number: int = 9) -> pl.DataFrame:
    """Rows of retention_cohorts for weeks 1 to 4 of some weekly cohorts, one of which stays less where asked."""
    random, rows = np.random.default_rng(seed), []
    for place in range(number):
        users, lift = 200, random.normal(0, spread)
        for week, rate in enumerate((0.7, 0.65, 0.6, 0.55), start=1):
            is_mature = place + week < number + 1
            here = (rate + lift) * (0.6 if place == worse else 1)
            rows.append(
                {
                    "cohort": FIRST + timedelta(weeks=place),
                    "grain": "week",
                    "dimension": "all",
                    "value": "all",
                    "definition": "n_week",
                    "first_age": week,
                    "last_age": week,
                    "users": users,
                    "retained": random.binomial(users, here) if is_mature else None,
                    "is_mature": is_mature,
                    "is_surely_new": True,
                }
            )
    return RETENTION_COHORTS.frame(rows).with_columns(rate=pl.col("retained") / pl.col("users"))


@pytest.mark.parametrize("spread", [0.0, 0.03])
def test_the_cohort_that_stays_less_is_named_and_no_other(spread: float) -> None:
    found = less_retained_cohorts(cohorts(3, worse=4, spread=spread))
    assert [gap.cohort for gap in found] == [FIRST + timedelta(weeks=4)]
    assert found[0].retained / found[0].users < found[0].expected - 0.1
    assert "the week from 2026-06-01 on stay less" in found[0].sentence()


@pytest.mark.parametrize("spread", [0.0, 0.04])
def test_where_all_cohorts_are_alike_few_are_named(spread: float) -> None:
    named = sum(bool(less_retained_cohorts(cohorts(seed, spread=spread))) for seed in range(60))
    assert named <= 8


def test_cohorts_that_may_be_older_or_too_young_are_not_compared() -> None:
    rows = cohorts(3, worse=4)
    assert less_retained_cohorts(rows.with_columns(is_surely_new=pl.lit(False))) == []
    assert less_retained_cohorts(rows.with_columns(is_mature=pl.lit(False))) == []
    assert less_retained_cohorts(cohorts(3, worse=1, number=3)) == []
