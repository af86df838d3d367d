"""The tables of the signals layer: what was unusual on each day, and the troubles that it adds up to."""

from typing import Final

from intelligence.answers.tables import ANSWER_DAY, QUALITY_DAY
from intelligence.core.tables import Claim, Column, Recipe, Table
from intelligence.metrics.tables import FACT_FEATURE_METRICS, KPI_DAY
from intelligence.telemetry.tables import DAY_QUALITY
from intelligence.warehouse.tables import DIM_FEATURE_METADATA, DIM_RELEASES

# A day is assessed on a year of history, and on what its block of 91 days has beyond that.
HISTORY_DAYS: Final = 364
BLOCK_DAYS: Final = 91
LOOKBACK_DAYS: Final = HISTORY_DAYS + BLOCK_DAYS
_WINDOW: Final = "event_date >= $start AND event_date < $end"

ANOMALIES: Final = Table(
    layer="signals",
    name="anomalies",
    recipe=Recipe(
        queries=("signals/feature_series.sql", "signals/kpi_series.sql", "signals/answer_series.sql"),
        functions=(
            "intelligence.signals.series:panel_of",
            "intelligence.signals.series:history_of",
            "intelligence.signals.scoring:scored",
            "intelligence.signals.scoring:anomaly_rows",
        ),
        settings=("signals", "holidays"),
        tables=(
            FACT_FEATURE_METRICS,
            KPI_DAY,
            QUALITY_DAY,
            ANSWER_DAY,
            DAY_QUALITY,
            DIM_FEATURE_METADATA,
            DIM_RELEASES,
        ),
    ),
    description="One row per day and series that is unusual: a metric of a feature or of its answers, or of a segment of the product.",
    columns=(
        Column("event_date", "DATE", "Day on the product's clock.", True),
        Column("metric", "VARCHAR", "Metric: of fact_feature_metrics, of kpi_day or of the answers.", True),
        Column("feature", "VARCHAR", "Product feature; empty for a metric of the whole product.", True),
        Column(
            "segment", "VARCHAR", "Segment of a metric of the product, 'all' is everybody; empty for a feature.", True
        ),
        Column(
            "kind", "VARCHAR", "point, shift, trend or divergence, a trend that breaks a promise if it goes on.", True
        ),
        Column("value", "DOUBLE", "What was found: the day, the level after a shift, or the end of a trend."),
        Column("expected", "DOUBLE", "What was expected of it at the end of the day before."),
        Column("low", "DOUBLE", "Lower bound of what 95 % of days like it are expected to be."),
        Column("high", "DOUBLE", "Upper bound."),
        Column("observed", "DOUBLE", "The metric on the day itself."),
        Column("total", "DOUBLE", "Events, users or values behind it."),
        Column("direction", "VARCHAR", "up or down.", True),
        Column("is_adverse", "BOOLEAN", "Whether that is the bad direction.", True),
        Column("severity", "VARCHAR", "mild, notable or severe.", True),
        Column("surprise", "DOUBLE", "-log10 of the probability that a score as high comes by chance.", True),
        Column("needed_surprise", "DOUBLE", "The surprise from which on it counts, by the asked false alarms.", True),
        Column("residual_z", "DOUBLE", "Residual in standard deviations."),
        Column("isolation", "DOUBLE", "Score of the isolation forest in [0, 1]; NULL where the forest was not asked."),
        Column("shift_z", "DOUBLE", "Median of the last week against the three before, in standard errors."),
        Column("trend_z", "DOUBLE", "Slope of three weeks in standard errors."),
        Column("slope_per_day", "DOUBLE", "Median slope of the metric over three weeks."),
        Column("slope_low", "DOUBLE", "Lower bound of its 95 % interval."),
        Column("slope_high", "DOUBLE", "Upper bound."),
        Column("limit_value", "DOUBLE", "What the promise allows, of a divergence."),
        Column("breaks_in_days", "DOUBLE", "Days until the slope crosses it."),
        Column("breaks_in_days_low", "DOUBLE", "The same at the steepest slope of the interval."),
        Column("breaks_in_days_high", "DOUBLE", "The same at the flattest; NULL where that never crosses it."),
        Column("suppressed", "BOOLEAN", "Whether something speaks against it, so that it becomes no episode.", True),
        Column(
            "suppressed_by",
            "VARCHAR",
            "telemetry, known day, everything at once, flat line, low count or too small.",
        ),
    ),
    key=("event_date", "metric", "feature", "segment"),
    day="event_date",
    lookback_days=None,
    page="""
        SELECT coalesce(nullif(feature, ''), 'product · ' || segment) AS subject, metric, kind,
               printf('%.4g (%.4g to %.4g)', value, low, high) AS found, coalesce(suppressed_by, severity) AS severity
        FROM signals.anomalies WHERE event_date = $end - INTERVAL 1 DAY ORDER BY suppressed, surprise DESC LIMIT 12""",
    numbers=f"""
        SELECT event_date, count(*) FILTER (NOT suppressed) AS anomalies, count(*) FILTER (suppressed) AS suppressed
        FROM signals.anomalies WHERE {_WINDOW} GROUP BY event_date ORDER BY event_date""",
    claims=(
        Claim(
            name="suppressed_rows_have_a_reason",
            description="Each suppressed row names what speaks against it, and no other does.",
            contradictions=f"""
                SELECT event_date, metric, feature, segment, suppressed, suppressed_by FROM signals.anomalies
                WHERE {_WINDOW} AND suppressed <> (suppressed_by IS NOT NULL)""",
        ),
        Claim(
            name="anomalies_are_as_surprising_as_needed",
            description="No row is less surprising than the asked rate of false alarms needs.",
            contradictions=f"""
                SELECT event_date, metric, feature, segment, surprise, needed_surprise FROM signals.anomalies
                WHERE {_WINDOW} AND surprise < needed_surprise - 1e-3""",
        ),
        Claim(
            name="divergences_name_their_limit",
            description="Each divergence has a limit and the day on which it would be crossed, in its interval.",
            contradictions=f"""
                SELECT event_date, metric, feature, limit_value, breaks_in_days_low, breaks_in_days, breaks_in_days_high
                FROM signals.anomalies
                WHERE {_WINDOW} AND kind = 'divergence'
                  AND (limit_value IS NULL OR breaks_in_days IS NULL OR breaks_in_days < breaks_in_days_low - 1e-9
                       OR breaks_in_days > breaks_in_days_high + 1e-9)""",
        ),
    ),
)

EPISODES: Final = Table(
    layer="signals",
    name="episodes",
    recipe=Recipe(
        queries=("signals/answer_versions.sql",),
        functions=("intelligence.signals.episodes:episodes",),
        tables=(ANOMALIES, ANSWER_DAY, DIM_RELEASES),
    ),
    description="One row per day and trouble that is open or ended on it, as it was known then.",
    columns=(
        Column("event_date", "DATE", "Day on the product's clock.", True),
        Column("episode", "VARCHAR", "Id, the same on all of its days: its first day and what it is about.", True),
        Column("features", "VARCHAR[]", "Features that it is about; none where it is about the whole product.", True),
        Column("segments", "VARCHAR[]", "Segments of the product that it is about.", True),
        Column("first_day", "DATE", "First anomalous day.", True),
        Column("last_day", "DATE", "Latest anomalous day.", True),
        Column("anomalous_days", "BIGINT", "Anomalous days.", True),
        Column("days", "BIGINT", "Days from the first to event_date.", True),
        Column("is_open", "BOOLEAN", "Whether it goes on; it ends after calm days in a row.", True),
        Column("severity", "VARCHAR", "The highest so far: mild, notable or severe.", True),
        Column("is_adverse", "BOOLEAN", "Whether any of it is the bad direction.", True),
        Column("metric", "VARCHAR", "The metric with the most surprising anomaly so far.", True),
        Column("kind", "VARCHAR", "Kind of that anomaly.", True),
        Column("direction", "VARCHAR", "up or down.", True),
        Column("value", "DOUBLE", "What was found there."),
        Column("expected", "DOUBLE", "What was expected."),
        Column("low", "DOUBLE", "Lower bound of what was expected."),
        Column("high", "DOUBLE", "Upper bound."),
        Column("metrics", "VARCHAR[]", "All metrics that were anomalous.", True),
        Column("surprise", "DOUBLE", "The highest surprise so far.", True),
        Column("breaks_on", "DATE", "Day on which a promise would break if the newest trend goes on."),
        Column("breaks_from", "DATE", "The same at the steepest slope of the interval."),
        Column("breaks_until", "DATE", "The same at the flattest; NULL where that never breaks it."),
        Column(
            "likely_cause",
            "VARCHAR",
            "Releases, or versions that answer, first seen as it began: a coincidence in time, no proof.",
        ),
        Column("title", "VARCHAR", "The trouble in a sentence.", True),
    ),
    key=("event_date", "episode"),
    day="event_date",
    lookback_days=None,
    page="""
        SELECT CASE WHEN is_open THEN 'open' ELSE 'ended' END AS state, severity, title, days, likely_cause
        FROM signals.episodes WHERE event_date = $end - INTERVAL 1 DAY
        ORDER BY is_open DESC, list_position(['severe', 'notable', 'mild'], severity), surprise DESC LIMIT 12""",
    numbers=f"""
        SELECT event_date, count(*) FILTER (is_open) AS open_episodes,
               count(*) FILTER (first_day = event_date) AS new_episodes
        FROM signals.episodes WHERE {_WINDOW} GROUP BY event_date ORDER BY event_date""",
    claims=(
        Claim(
            name="episodes_keep_their_days_in_order",
            description="An episode begins no later than its latest anomaly, which is no later than the day.",
            contradictions=f"""
                SELECT event_date, episode, first_day, last_day FROM signals.episodes
                WHERE {_WINDOW} AND NOT (first_day <= last_day AND last_day <= event_date)""",
        ),
        Claim(
            name="a_feature_has_one_open_episode",
            description="No feature is in two open episodes on a day.",
            contradictions=f"""
                SELECT event_date, feature, count(*) AS episodes
                FROM (SELECT event_date, unnest(features) AS feature FROM signals.episodes WHERE {_WINDOW} AND is_open)
                GROUP BY event_date, feature HAVING count(*) > 1""",
        ),
    ),
)

TABLES: Final = (ANOMALIES, EPISODES)
