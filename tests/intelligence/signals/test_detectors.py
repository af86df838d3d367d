"""Detectors look back only, are not fooled by one day, and agree with what others compute."""

import numpy as np
import polars as pl
import pytest

from intelligence.signals.detectors import isolation, residuals, shifts, trends
from intelligence.signals.divergence import slopes
from intelligence.signals.forest import Forest
from intelligence.signals.scorecard import panel_of_levels
from intelligence.signals.series import history_of, panel_of, plain, stable_rate
from tests.intelligence.signals.products import day, feature_days, kpi_days, span

DAYS = 80


def levels(seed: int, series: int = 12) -> np.ndarray:
    draw = np.random.default_rng(seed)
    rhythm = draw.normal(0, 1, (series, 7))[:, np.arange(DAYS) % 7]
    return 10 + rhythm + draw.normal(0, 0.3, (series, DAYS))


def found(level: np.ndarray):
    return residuals(panel_of_levels(level), np.zeros(level.shape, bool), minimum_history_days=28)


@pytest.mark.parametrize("last", [40, 55, 79])
def test_no_score_of_a_day_depends_on_a_later_one(last: int) -> None:
    level = levels(1)
    changed = level.copy()
    changed[:, last + 1 :] = np.random.default_rng(2).normal(0, 99, changed[:, last + 1 :].shape)
    one, other = found(level), found(changed)
    judged = np.isfinite(one.z)
    upto = slice(0, last + 1)
    for a, b in (
        (one.z, other.z),
        (one.causal, other.causal),
        (shifts(one), shifts(other)),
        (trends(one), trends(other)),
        (isolation(one.causal, judged, judged), isolation(other.causal, judged, np.isfinite(other.z))),
    ):
        np.testing.assert_array_equal(a[:, upto], b[:, upto])


def test_a_single_series_is_scored_as_among_others_and_is_left_as_it_is() -> None:
    level = levels(3)
    together, alone = found(level), found(level[:1])
    np.testing.assert_allclose(alone.z[0], together.z[0])
    np.testing.assert_allclose(shifts(alone)[0], shifts(together)[0])
    np.testing.assert_allclose(trends(alone)[0], trends(together)[0])


def test_nothing_is_said_before_four_weeks_and_weekdays_are_no_news() -> None:
    z = found(levels(4)).z
    assert np.isnan(z[:, :28]).all()
    assert np.isfinite(z[:, 28:]).all()
    assert np.abs(z[:, 28:]).max() < 6
    assert 0.5 < np.nanstd(z) < 1.3


def test_one_wild_day_is_found_and_does_not_become_usual() -> None:
    level = levels(5)
    usual = found(level)
    wild = level.copy()
    wild[0, 50] += 6
    seen = found(wild)
    assert seen.z[0, 50] > 8
    assert abs(seen.expected[0, 57] - usual.expected[0, 57]) < 0.5
    assert np.abs(shifts(seen)[0, 50:57]).max() < 3.5, "a day is no shift"


def test_a_step_is_a_shift_and_a_ramp_is_a_trend() -> None:
    level = levels(6)
    level[0, 55:] += 0.6
    level[1, 45:66] += np.arange(21) * 0.06
    seen = found(level)
    assert shifts(seen)[0, 58:64].max() > 3.5
    assert trends(seen)[1, 55:66].max() > 2.5
    assert trends(seen)[1, 55:66].max() > trends(found(levels(6)))[1, 55:66].max() + 1.5
    assert np.abs(shifts(seen)[2:, 55:64]).max() < 3.5


def test_a_series_that_never_varies_has_no_score() -> None:
    level = levels(7)
    level[0] = 4.0
    assert np.isnan(found(level).z[0]).all()


def test_the_forest_orders_rows_as_that_of_scikit_learn_does() -> None:
    from scipy.stats import spearmanr
    from sklearn.ensemble import IsolationForest

    draw = np.random.default_rng(1)
    rows, asked = draw.standard_t(4, (2_000, 5)), draw.standard_t(4, (1_000, 5))
    mine = Forest.grown(rows, seed=3)
    theirs = -IsolationForest(n_estimators=100, random_state=0).fit(rows).score_samples(asked)
    assert spearmanr(mine.scores(asked), theirs).statistic > 0.93
    assert abs(mine.scores(asked).mean() - theirs.mean()) < 0.02
    np.testing.assert_array_equal(Forest.grown(rows, seed=3).scores(asked), mine.scores(asked))
    same = np.zeros((100, 5))
    assert np.isfinite(Forest.grown(same, seed=1).scores(same)).all()


def test_slopes_are_those_of_theil_and_sen_and_the_limit_is_crossed_where_the_line_says() -> None:
    from scipy.stats import theilslopes

    draw = np.random.default_rng(2)
    windows = draw.normal(0, 1, (20, 21)) + np.arange(21) * draw.normal(0, 0.3, (20, 1))
    mine = slopes(windows)
    for row, slope, low, high in zip(windows, mine.slope, mine.low, mine.high, strict=True):
        theirs = theilslopes(row)
        assert slope == pytest.approx(theirs.slope)
        assert low == pytest.approx(theirs.low_slope, abs=0.02)
        assert high == pytest.approx(theirs.high_slope, abs=0.02)
    soon, first, last = slopes(np.array([np.arange(21) * 0.001])).days_to(np.array([0.03]))
    assert (soon[0], first[0], last[0]) == pytest.approx((10, 10, 10))
    falling = slopes(np.array([-np.arange(21) * 0.001])).days_to(np.array([0.03]))
    assert np.isinf(falling[0][0])
    gaps = windows.copy()
    gaps[:, 4] = np.nan
    assert np.isfinite(slopes(gaps).slope).all()


def test_series_keep_their_counts_and_come_back_in_their_units() -> None:
    features, kpis = feature_days(1, features=3), kpi_days(1)
    panel = panel_of(features, kpis, days=span(60), leave_out=("sessions",))
    assert "sessions" not in {series.metric.name for series in panel.series}
    assert len(panel.series) == 9 * 3 + 7
    rows = features.filter(feature="f01").sort("event_date")
    of = {series.key: number for number, series in enumerate(panel.series)}
    errors = of["error_rate:f01"]
    np.testing.assert_allclose(
        panel.value[errors], (rows["failed_events"] / rows["usage_count"]).to_numpy(), err_msg="rates are of one day"
    )
    np.testing.assert_allclose(panel.total[errors], rows["usage_count"].to_numpy())
    for number, series in enumerate(panel.series):
        seen = np.isfinite(panel.level[number])
        back = plain(series.metric, panel.level[number, seen], 1 / panel.variance[number, seen])
        np.testing.assert_allclose(back, panel.value[number, seen], atol=1e-9, err_msg=series.key)


def test_the_variance_of_a_rate_is_that_of_its_counts() -> None:
    draw = np.random.default_rng(3)
    for rate, n in ((0.02, 400.0), (0.5, 60.0), (0.2, 2_000.0)):
        seen = stable_rate(draw.binomial(int(n), rate, 4_000) / n, np.full(4_000, n))
        assert seen.var() == pytest.approx(1 / n, rel=0.15)


def test_a_feature_without_a_row_was_not_used_and_one_that_is_new_has_no_past() -> None:
    features = feature_days(1, features=2).filter(
        ~((pl.col("feature") == "f00") & (pl.col("event_date") == day(50)))
        & ~((pl.col("feature") == "f01") & (pl.col("event_date") < day(40)))
    )
    panel = panel_of(features, kpi_days(1), days=span(60))
    of = {series.key: number for number, series in enumerate(panel.series)}
    assert panel.value[of["usage_count:f00"], 50] == 0
    assert np.isnan(panel.level[of["error_rate:f00"], 50])
    assert np.isnan(panel.value[of["usage_count:f01"], :40]).all()


def test_a_day_has_the_same_history_alone_and_among_others() -> None:
    first, days = day(0), span(900)
    by_day = {each: history for history, part in history_of(days, first=first) for each in part.each}
    assert set(by_day) == set(days.each)
    for number in (10, 400, 555, 899):
        ((history, part),) = history_of(span(number + 1).__class__(day(number), day(number + 1)), first=first)
        assert part.each == [day(number)]
        assert history.start == by_day[day(number)].start
        assert (day(number) - history.start).days <= 455
