"""What is planted becomes an episode on its first days, and what is not stays silent."""

from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from intelligence.catalog.product import product_from
from intelligence.core.errors import ProductFileError
from intelligence.signals.bands import bands
from intelligence.signals.metrics import ANSWER_METRICS
from intelligence.signals.settings import KnownDays, Signals
from tests.intelligence.signals.products import (
    Arrays,
    anomalies,
    answer_days,
    day,
    episodes_of,
    feature_days,
    kpi_days,
    quality_days,
    scored_product,
    span,
)

ANSWERS = [metric.name for metric in ANSWER_METRICS]


def told(
    features: pl.DataFrame, kpis: pl.DataFrame, quality: pl.DataFrame, settings: Signals | None = None
) -> pl.DataFrame:
    return anomalies(scored_product(features, kpis, quality, settings=settings))


def bad_release(rows: Arrays) -> None:
    rows["failed_events"][3, 50:54] = np.round(rows["usage_count"][3, 50:54] * 0.06)


def decay(rows: Arrays) -> None:
    ramp = np.minimum(np.arange(1, 16) / 15, 1)
    rows["p95_latency_ms"][4, 45:60] *= 1 + 2 * ramp
    rows["failed_events"][4, 45:60] = np.round(rows["usage_count"][4, 45:60] * (0.003 + 0.02 * ramp))


def test_a_bad_release_is_an_episode_from_its_first_day_with_what_was_expected() -> None:
    rows = told(feature_days(1, change=bad_release), kpi_days(1), quality_days())
    mine = rows.filter(feature="f03", metric="error_rate", suppressed=False)
    first = mine.row(0, named=True)
    assert first["event_date"] == day(50)
    assert (first["kind"], first["direction"], first["is_adverse"]) == ("point", "up", True)
    assert first["value"] == pytest.approx(0.06, abs=0.005)
    assert first["low"] <= first["expected"] <= first["high"] < 0.03
    assert first["surprise"] >= first["needed_surprise"]
    found = episodes_of(rows, span(60)).filter(pl.col("features").list.contains("f03"))
    assert found["episode"].unique().to_list() == [f"{day(50)}-f03"]
    assert found["event_date"].min() == day(50)
    assert "error rate of f03" in found["title"][0].lower()


def test_a_slow_decay_is_named_with_the_day_on_which_its_promise_breaks() -> None:
    rows = told(feature_days(2, change=decay), kpi_days(2), quality_days())
    mine = rows.filter(feature="f04", suppressed=False, is_adverse=True)
    assert mine["event_date"].min() <= day(53)
    named = rows.filter(feature="f04", metric="error_rate", kind="divergence", suppressed=False)
    assert named.height
    first = named.row(0, named=True)
    assert first["limit_value"] == 0.02
    assert 0 < first["breaks_in_days_low"] <= first["breaks_in_days"] <= 28
    assert first["slope_low"] > 0
    assert any("crosses 0.02 on" in title for title in episodes_of(rows, span(60))["title"])


def needless_refusals(rows: Arrays) -> None:
    for name, share in (("refusal", 0.3), ("bad", 0.33)):
        rows[name][2, 45:] = np.round(rows["scored_answers"][2, 45:] * share)


def of_answers(seed: int, change: Callable[[Arrays], None] = lambda _: None) -> pl.DataFrame:
    product = feature_days(seed), kpi_days(seed), quality_days()
    return anomalies(scored_product(*product, answer_days(seed, change=change)))


def test_answers_that_become_bad_are_one_episode_with_the_version_that_came_and_honest_ones_none() -> None:
    rows = of_answers(8, needless_refusals)
    told = rows.filter(pl.col("metric").is_in(ANSWERS), suppressed=False, is_adverse=True)
    assert set(told["feature"]) == {"f02"}
    assert set(told["metric"]) == {"bad_answer_rate", "refusal_rate"}
    assert told["event_date"].min() == day(45)
    versions = pl.DataFrame(
        [("f02", "model version", "m-2", day(45)), ("f01", "prompt version", "p-2", day(45))],
        schema=["feature", "changed", "version", "since"],
        orient="row",
    )
    found = episodes_of(rows, span(60), versions=versions).filter(pl.col("features").list.contains("f02"))
    assert found["episode"].unique().to_list() == [f"{day(45)}-f02"]
    newest = found.sort("event_date").row(-1, named=True)
    assert newest["likely_cause"] == f"model version m-2 of f02, first seen on {day(45)}"
    assert "of f02" in newest["title"]
    assert episodes_of(rows, span(60)).filter(pl.col("features").list.contains("f02"))["likely_cause"].is_null().all()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_clean_answers_add_no_alarms_to_those_asked_for(seed: int) -> None:
    found = episodes_of(of_answers(seed), span(60))
    assert found["episode"].n_unique() <= 4
    assert found.filter(severity="severe").is_empty()


def test_few_answers_alarm_nobody_and_days_without_any_are_missing_and_not_zero() -> None:
    def few(rows: Arrays) -> None:
        for name in rows:
            rows[name][1] = np.round(rows[name][1] * 0.1)
        rows["bad"][1, 50] = rows["scored_answers"][1, 50]

    answers = answer_days(3, change=few).filter(~((pl.col("feature") == "f03") & (pl.col("event_date") == day(50))))
    scored = scored_product(feature_days(3), kpi_days(3), quality_days(), answers)
    assert anomalies(scored).filter(pl.col("metric").is_in(ANSWERS), feature="f01").is_empty()
    at = next(
        i
        for i, each in enumerate(scored.panel.series)
        if (each.metric.name, each.feature) == ("bad_answer_rate", "f03")
    )
    assert np.isnan(scored.panel.value[at, 50])
    assert np.isfinite(scored.panel.value[at, 49])


def test_a_product_without_answers_has_the_series_that_it_had() -> None:
    without = scored_product(feature_days(1), kpi_days(1), quality_days()).panel
    nothing = scored_product(feature_days(1), kpi_days(1), quality_days(), answer_days(1).clear()).panel
    assert [each.key for each in nothing.series] == [each.key for each in without.series]
    assert not {each.metric.name for each in without.series} & set(ANSWERS)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_clean_products_have_no_more_episodes_than_asked_for(seed: int) -> None:
    """Three products of 60 days: 4.6 weeks that are assessed, one false alarm asked for in each."""
    rows = told(feature_days(seed), kpi_days(seed), quality_days())
    found = episodes_of(rows, span(60))
    assert found["episode"].n_unique() <= 4
    assert found.filter(severity="severe").is_empty()


def test_more_false_alarms_are_allowed_where_more_are_asked_for() -> None:
    features, kpis, quality = feature_days(4), kpi_days(4), quality_days()
    counts = [told(features, kpis, quality, Signals(false_alarms_per_week=rate)).height for rate in (0.1, 1, 30)]
    assert counts == sorted(counts)
    assert counts[0] < counts[2]


def test_a_holiday_is_no_anomaly_and_neither_is_a_day_that_was_cut() -> None:
    def dip(rows: Arrays) -> None:
        for name in ("usage_count", "users", "sessions", "timed_events"):
            rows[name][:, 45] = np.round(rows[name][:, 45] * 0.3)
            rows[name][:, 52] = np.round(rows[name][:, 52] * 0.5)

    kpis = kpi_days(5, activity={45: 0.3, 52: 0.5})
    rows = told(feature_days(5, change=dip), kpis, quality_days(partial=(52, ())))
    on = rows.filter(pl.col("event_date").is_in([day(45), day(52)]))
    assert on.filter(metric="dau").height == 2
    assert on["suppressed"].all()
    reasons = dict(on.filter(metric="dau").select("event_date", "suppressed_by").iter_rows())
    assert reasons == {day(45): "everything at once", day(52): "telemetry"}
    assert (
        episodes_of(rows, span(60)).filter(pl.col("first_day").is_in([day(45), day(46), day(52), day(53)])).is_empty()
    )


def test_a_lasting_fall_of_the_whole_product_is_news_after_two_days() -> None:
    activity = dict.fromkeys(range(45, 60), 0.5)

    def fall(rows: Arrays) -> None:
        for name in ("usage_count", "users", "sessions", "timed_events"):
            rows[name][:, 45:] = np.round(rows[name][:, 45:] * 0.5)

    rows = told(feature_days(6, change=fall), kpi_days(6, activity=activity), quality_days())
    dau = rows.filter(metric="dau").sort("event_date")
    assert dau["suppressed"].to_list()[:3] == [True, True, False]
    assert rows.filter(~pl.col("suppressed"), pl.col("metric") == "usage_count").is_empty(), "no feature fell by itself"


def test_only_what_rests_on_a_doubted_column_is_set_aside() -> None:
    def broken(rows: Arrays) -> None:
        rows["p95_latency_ms"][3, 50] *= 40
        rows["failed_events"][3, 50] = np.round(rows["usage_count"][3, 50] * 0.08)

    rows = told(feature_days(7, change=broken), kpi_days(7), quality_days(partial=(50, ("latency_ms",))))
    mine = {row["metric"]: row for row in rows.filter(feature="f03", event_date=day(50)).iter_rows(named=True)}
    assert mine["p95_latency_ms"]["suppressed_by"] == "telemetry"
    assert not mine["error_rate"]["suppressed"]


def test_a_shift_across_nearly_everything_is_a_fault_and_no_anomaly_of_a_feature() -> None:
    def stuck(rows: Arrays) -> None:
        rows["failed_events"][:, 50] = np.round(rows["usage_count"][:, 50] * 0.2)

    rows = told(feature_days(8, change=stuck), kpi_days(8), quality_days()).filter(
        metric="error_rate", event_date=day(50)
    )
    assert rows.height > 10
    assert rows["suppressed_by"].unique().to_list() == ["everything at once"]


def test_a_known_day_is_kept_silent_for_volumes_and_on_request_for_everything() -> None:
    def low(rows: Arrays) -> None:
        rows["usage_count"][3, 50] = np.round(rows["usage_count"][3, 50] * 0.2)
        rows["failed_events"][3, 50] = np.round(rows["usage_count"][3, 50] * 0.3)

    features = feature_days(9, change=low)
    found = {}
    for everything in (False, True):
        known = Signals(known_days=(KnownDays(first=day(50), reason="a move of the servers", everything=everything),))
        rows = told(features, kpi_days(9), quality_days(), known).filter(feature="f03", event_date=day(50))
        found[everything] = dict(rows.select("metric", "suppressed_by").iter_rows())
    assert found[False]["usage_count"] == found[True]["usage_count"] == "known day"
    assert found[False]["error_rate"] is None
    assert found[True]["error_rate"] == "known day"


def test_a_handful_of_events_is_no_anomaly() -> None:
    def tiny(rows: Arrays) -> None:
        rows["usage_count"][3] = 40
        rows["failed_events"][3] = 0
        rows["failed_events"][3, 50] = 3

    rows = told(feature_days(10, change=tiny), kpi_days(10), quality_days()).filter(feature="f03", metric="error_rate")
    assert rows.filter(~pl.col("suppressed")).is_empty()


def test_a_short_history_says_nothing() -> None:
    features = feature_days(11, days=25, change=lambda rows: rows["failed_events"].__setitem__((3, 24), 200))
    found = scored_product(features, kpi_days(11, days=25), quality_days(25))
    assert anomalies(found).is_empty()
    assert found.first_day is None
    assert bands(found).is_empty()


def test_a_day_is_the_same_alone_and_among_others() -> None:
    features, kpis, quality = feature_days(12, change=bad_release), kpi_days(12), quality_days()
    whole = told(features, kpis, quality)
    for last in (50, 51):
        until = pl.col("event_date") <= day(last)
        alone = told(features.filter(until), kpis.filter(until), quality.filter(until))
        assert alone.filter(event_date=day(last)).equals(whole.filter(event_date=day(last)))
        assert alone.filter(event_date=day(last)).height


def test_a_page_shows_the_most_unusual_series_with_its_band() -> None:
    shown = bands(scored_product(feature_days(1, change=bad_release), kpi_days(1), quality_days()))
    assert shown["series"][0] == "f03: error rate"
    of_one = shown.filter(series="f03: error rate")
    assert of_one["event_date"].to_list() == [day(number) for number in range(60)]
    assert of_one["expected"].null_count() == 28
    marked = of_one.filter(pl.col("suppressed").is_not_null())
    assert marked["event_date"].min() == day(50)
    from intelligence.signals.pictures import bands_picture

    releases = pl.DataFrame({"app_version": ["1.0"], "platform": ["web"], "first_seen_at": [datetime(2026, 4, 21)]})
    assert bands_picture(shown, releases).startswith(b"\x89PNG")


def test_settings_name_what_is_wrong_with_them() -> None:
    base = "name: Demo\nsources: [{name: app, simulate: {}}]\nsignals: "
    settings = product_from(base + "{false_alarms_per_week: 0.5, leave_out: [sessions]}").signals
    assert (settings.false_alarms_per_week, settings.leave_out) == (0.5, ("sessions",))
    with pytest.raises(ProductFileError, match="leaves out typo, which is no metric"):
        product_from(base + "{leave_out: [typo]}")
    with pytest.raises(ProductFileError, match="before it begins"):
        product_from(base + "{known_days: [{first: 2026-05-04, last: 2026-05-03, reason: x}]}")
    assert KnownDays(first=day(3), reason="x").until == day(3)
    assert day(3) + timedelta(days=1) == day(4)
