"""The tables of the forecasts layer: what comes, as it was forecast on each day, and how that turned out."""

from typing import Final

from intelligence.core.tables import Claim, Column, Recipe, Table
from intelligence.metrics.tables import FACT_FEATURE_METRICS, FEATURE_HEALTH, KPI_DAY, USER_DAY
from intelligence.telemetry.tables import DAY_QUALITY
from intelligence.warehouse.tables import DIM_RELEASES, DIM_USERS

_WINDOW: Final = "event_date >= $start AND event_date < $end"
_JUDGED: Final = "(SELECT max(event_date) FROM forecasts.accuracy WHERE event_date < $end AND actual IS NOT NULL)"
_NEWEST: Final = "(SELECT max(event_date) FROM forecasts.{} WHERE event_date < $end)"

_READ: Final = (KPI_DAY, USER_DAY, FACT_FEATURE_METRICS, DIM_USERS, DAY_QUALITY)

FORECASTS: Final = Table(
    layer="forecasts",
    name="forecasts",
    recipe=Recipe(
        queries=("forecasts/history.sql",),
        functions=(
            "intelligence.forecasts.cleaning:histories",
            "intelligence.forecasts.forecast:forecast_rows",
            "intelligence.forecasts.settings:history_parameters",
        ),
        settings=("forecasts",),
        tables=(*_READ, FEATURE_HEALTH, DIM_RELEASES),
    ),
    description="One row per series and day ahead: what is expected, with its intervals and the coverage that was measured.",
    columns=(
        Column("event_date", "DATE", "Day at the end of which the forecast was made.", True),
        Column("series", "VARCHAR", "What is forecast, such as dau or conversion_rate.", True),
        Column("segment", "VARCHAR", "Kind of user, or 'all'.", True),
        Column("feature", "VARCHAR", "Product feature, for feature_users; empty for the whole product.", True),
        Column("horizon_days", "BIGINT", "Days ahead; 0 in the row that says why there is no forecast.", True),
        Column("forecast_date", "DATE", "Day that is forecast.", True),
        Column("value", "DOUBLE", "Expected value, a median; NULL without enough evidence."),
        Column("low_80", "DOUBLE", "Lower bound of the 80 % interval."),
        Column("high_80", "DOUBLE", "Upper bound."),
        Column("low_95", "DOUBLE", "Lower bound of the 95 % interval."),
        Column("high_95", "DOUBLE", "Upper bound."),
        Column("model", "VARCHAR", "damped_trend or seasonal_naive; NULL without a forecast."),
        Column(
            "coverage_80", "DOUBLE", "Share of earlier such intervals of the series, as far ahead, that held what came."
        ),
        Column("coverage_80_low", "DOUBLE", "Lower bound of its 95 % interval."),
        Column("coverage_80_high", "DOUBLE", "Upper bound."),
        Column("coverage_95", "DOUBLE", "The same of the 95 % intervals."),
        Column("coverage_95_low", "DOUBLE", "Lower bound of its 95 % interval."),
        Column("coverage_95_high", "DOUBLE", "Upper bound."),
        Column("pooled_80", "DOUBLE", "Coverage of the 80 % intervals of all series together, as far ahead."),
        Column("pooled_95", "DOUBLE", "The same of the 95 % intervals."),
        Column(
            "origins", "BIGINT", "Earlier days from which such a forecast was tried; 0 where none reached so far.", True
        ),
        Column(
            "error",
            "DOUBLE",
            "Mean absolute error of the damped trend in the back-test, over that of the seasonal naive.",
        ),
        Column("note", "VARCHAR", "What to know of it: why there is no forecast, or a shift, or faulty days."),
    ),
    key=("event_date", "series", "segment", "feature", "horizon_days"),
    day="event_date",
    lookback_days=None,
    newest_day_only=True,
    page=f"""
        SELECT series || CASE WHEN feature <> '' THEN ' ' || feature WHEN segment <> 'all' THEN ' ' || segment ELSE '' END AS series,
               list(round(value, 3) ORDER BY horizon_days) FILTER (horizon_days <= 28) AS next_28_days,
               max(value) FILTER (horizon_days = 28) AS in_28_days,
               printf('%.4g to %.4g', max(low_80) FILTER (horizon_days = 28), max(high_80) FILTER (horizon_days = 28)) AS low_high_80,
               printf('%.0f %% of %d', 100 * max(coverage_80) FILTER (horizon_days = 28), max(origins) FILTER (horizon_days = 28))
               AS held_80
        FROM forecasts.forecasts
        WHERE event_date = {_NEWEST.format("forecasts")} AND horizon_days > 0
        GROUP BY ALL HAVING count(*) >= 28 ORDER BY min(segment <> 'all'), min(feature <> ''), series LIMIT 20""",
    claims=(
        Claim(
            name="quantiles_are_in_order",
            description="low_95 <= low_80 <= value <= high_80 <= high_95, and all of them are there or none.",
            contradictions=f"""
                SELECT event_date, series, segment, feature, horizon_days, low_95, low_80, value, high_80, high_95
                FROM forecasts.forecasts
                WHERE {_WINDOW} AND CASE
                    WHEN value IS NULL THEN coalesce(low_80, high_80, low_95, high_95) IS NOT NULL OR note IS NULL
                    ELSE NOT coalesce(low_95 <= low_80 AND low_80 <= value AND value <= high_80 AND high_80 <= high_95, false)
                END""",
        ),
        Claim(
            name="forecasts_stay_in_their_bounds",
            description="Rates lie between 0 and 1, ratings between 1 and 5, and counts are not negative.",
            contradictions=f"""
                SELECT event_date, series, segment, feature, horizon_days, low_95, high_95 FROM forecasts.forecasts
                WHERE {_WINDOW} AND CASE
                    WHEN series IN ('conversion_rate', 'retention_7d') THEN low_95 < 0 OR high_95 > 1
                    WHEN series = 'mean_rating' THEN low_95 < 1 OR high_95 > 5
                    WHEN series <> 'value' THEN low_95 < 0
                    ELSE false
                END""",
        ),
        Claim(
            name="longer_windows_hold_more_users",
            description="DAU <= WAU <= MAU in every forecast.",
            contradictions=f"""
                SELECT event_date, segment, horizon_days, dau, wau, mau
                FROM (
                    SELECT event_date, segment, horizon_days, max(value) FILTER (series = 'dau') AS dau,
                           max(value) FILTER (series = 'wau') AS wau, max(value) FILTER (series = 'mau') AS mau
                    FROM forecasts.forecasts WHERE {_WINDOW} GROUP BY event_date, segment, horizon_days
                )
                WHERE dau > wau OR wau > mau""",
        ),
    ),
)

ACCURACY: Final = Table(
    layer="forecasts",
    name="accuracy",
    recipe=Recipe(
        queries=("forecasts/history.sql", "forecasts/made_before.sql"),
        functions=(
            "intelligence.forecasts.accuracy:accuracy_rows",
            "intelligence.forecasts.settings:history_parameters",
        ),
        settings=("forecasts",),
        tables=(FORECASTS, *_READ),
    ),
    description="One row per series and band of days ahead: what came, held against what had been forecast for the day.",
    columns=(
        Column("event_date", "DATE", "Day that had been forecast.", True),
        Column("series", "VARCHAR", "What was forecast.", True),
        Column("segment", "VARCHAR", "Kind of user, or 'all'.", True),
        Column("feature", "VARCHAR", "Product feature; empty for the whole product.", True),
        Column("band", "VARCHAR", "Days ahead: 1-7, 8-28 or 29-90.", True),
        Column("forecasts", "BIGINT", "Forecasts of the day that were made as many days before.", True),
        Column("actual", "DOUBLE", "What came; NULL where the day cannot be judged."),
        Column("forecast", "DOUBLE", "What the newest of them expected.", True),
        Column("low_95", "DOUBLE", "Lower bound of its 95 % interval.", True),
        Column("high_95", "DOUBLE", "Upper bound.", True),
        Column(
            "relative_error", "DOUBLE", "Mean of actual / forecast - 1 over the forecasts; NULL where one expected 0."
        ),
        Column("inside_80", "DOUBLE", "Share of the forecasts whose 80 % interval held what came."),
        Column("inside_95", "DOUBLE", "The same of the 95 % intervals."),
        Column("judged_days", "BIGINT", "Days of the last 7 on which there was such a forecast to judge.", True),
        Column("days_above", "BIGINT", "Those of them on which more came than the newest 95 % interval holds.", True),
        Column("days_below", "BIGINT", "Those on which less came.", True),
        Column(
            "is_signal",
            "BOOLEAN",
            "Whether the forecast was wrong beyond its interval, on at least 3 days on one side.",
            True,
        ),
        Column("answer", "VARCHAR", "The row in a sentence.", True),
    ),
    key=("event_date", "series", "segment", "feature", "band"),
    day="event_date",
    lookback_days=None,
    page=f"""
        SELECT band, count(*) AS series, round(avg(inside_80), 3) AS inside_80, round(avg(inside_95), 3) AS inside_95,
               count(*) FILTER (is_signal) AS signals
        FROM forecasts.accuracy WHERE event_date = {_JUDGED} GROUP BY band
        ORDER BY min(CAST(split_part(band, '-', 1) AS INTEGER))""",
    numbers=f"""
        SELECT event_date, avg(inside_80) AS inside_80, avg(inside_95) AS inside_95,
               count(*) FILTER (is_signal) AS signals
        FROM forecasts.accuracy WHERE {_WINDOW} GROUP BY event_date ORDER BY event_date""",
    claims=(
        Claim(
            name="shares_are_fractions",
            description="Shares lie between 0 and 1, and the narrower interval holds no more than the wider one.",
            contradictions=f"""
                SELECT event_date, series, segment, feature, band, inside_80, inside_95 FROM forecasts.accuracy
                WHERE {_WINDOW} AND (inside_80 NOT BETWEEN 0 AND 1 OR inside_95 NOT BETWEEN 0 AND 1 OR inside_80 > inside_95)""",
        ),
        Claim(
            name="signals_have_days",
            description="A signal rests on at least 3 judged days on one side of their intervals.",
            contradictions=f"""
                SELECT event_date, series, segment, feature, band, days_above, days_below FROM forecasts.accuracy
                WHERE {_WINDOW} AND is_signal <> (greatest(days_above, days_below) >= 3)""",
        ),
    ),
)

TABLES: Final = (FORECASTS, ACCURACY)
