"""The tables of the metrics layer. Each rate is stored with its counts, so that it can be added and given an interval."""

from typing import Final

from intelligence.core.tables import Claim, Column, Recipe, Table, rate_claim
from intelligence.telemetry.tables import DAY_QUALITY
from intelligence.warehouse.tables import (
    DIM_FEATURE_METADATA,
    DIM_RELEASES,
    DIM_USERS,
    FACT_ANSWERS,
    FACT_EVENTS,
    FACT_SESSIONS,
)

# A payer without a payment for so many days has stopped.
SILENCE_DAYS: Final = 28
_WINDOW: Final = "event_date >= $start AND event_date < $end"


def _spread_columns(prefix: str, bad: str, total: str, words: str) -> tuple[Column, ...]:
    """Return the columns that describe how the bad events of one promise are spread over users."""
    return (
        Column(f"{prefix}_users", "BIGINT", f"Users with {words}.", True),
        Column(f"{prefix}_square_sum", "BIGINT", f"Sum over users of {bad} squared.", True),
        Column(f"{prefix}_cross_sum", "BIGINT", f"Sum over users of {bad} x {total}.", True),
        Column(f"{prefix}_share_sum", "DOUBLE", f"Sum over users of {bad} / {total}.", True),
        Column(f"{prefix}_share_square_sum", "DOUBLE", f"Sum over users of ({bad} / {total}) squared.", True),
        Column(f"most_{prefix}_user", "VARCHAR", f"The user with the most of {bad}."),
        Column(f"most_{prefix}_events", "BIGINT", f"That user's {bad}."),
        Column(f"most_{prefix}_total", "BIGINT", f"That user's {total}."),
    )


FACT_FEATURE_METRICS: Final = Table(
    layer="metrics",
    name="fact_feature_metrics",
    recipe=Recipe(
        queries=("metrics/fact_feature_metrics.sql",), tables=(FACT_EVENTS, DIM_FEATURE_METADATA, FACT_ANSWERS)
    ),
    description="One row per feature and day on which it was used: usage, latency, errors, crashes, ratings.",
    columns=(
        Column("event_date", "DATE", "Day on the product's clock.", True),
        Column("feature", "VARCHAR", "Product feature.", True),
        Column("usage_count", "BIGINT", "Events.", True),
        Column("users", "BIGINT", "Different users.", True),
        Column("sessions", "BIGINT", "Different sessions.", True),
        Column("crashed_sessions", "BIGINT", "Sessions in which this feature crashed.", True),
        Column("crash_free_session_rate", "DOUBLE", "1 - crashed_sessions / sessions.", True),
        Column("timed_events", "BIGINT", "Events with a latency.", True),
        Column("mean_latency_ms", "DOUBLE", "Mean latency."),
        Column("p50_latency_ms", "DOUBLE", "Median latency."),
        Column("p95_latency_ms", "DOUBLE", "95th percentile."),
        Column("p99_latency_ms", "DOUBLE", "99th percentile."),
        Column("slow_events", "BIGINT", "Timed events slower than the feature's slow_latency_ms.", True),
        Column("slow_rate", "DOUBLE", "slow_events / timed_events."),
        Column("failed_events", "BIGINT", "Events with an error or a crash.", True),
        Column("error_rate", "DOUBLE", "failed_events / usage_count.", True),
        Column("errors", "BIGINT", "Errors met in all events.", True),
        Column("crashed_events", "BIGINT", "Events that crashed.", True),
        Column("crash_rate", "DOUBLE", "crashed_events / usage_count.", True),
        Column("ratings", "BIGINT", "Events with a rating.", True),
        Column("mean_rating", "DOUBLE", "Mean rating, 1 to 5."),
        Column("bad_ratings", "BIGINT", "Ratings of 2 or less.", True),
        Column("bad_rating_rate", "DOUBLE", "bad_ratings / ratings."),
        Column("duration_s", "DOUBLE", "Time spent in all events.", True),
        Column("value", "DOUBLE", "Worth of all events.", True),
        *_spread_columns("failed", "failed_events", "usage_count", "a failed event"),
        *_spread_columns("crashed", "crashed_events", "usage_count", "a crashed event"),
        *_spread_columns("slow", "slow_events", "timed_events", "a slow event"),
        *_spread_columns("disliked", "bad_ratings", "ratings", "a rating of 2 or less"),
        *_spread_columns("let_down", "bad_answers", "scored_answers", "a bad answer"),
        Column("usage_square_sum", "DOUBLE", "Sum over users of usage_count squared.", True),
        Column("timed_users", "BIGINT", "Users with a timed event.", True),
        Column("timed_square_sum", "DOUBLE", "Sum over users of timed_events squared.", True),
        Column("rating_users", "BIGINT", "Users who rated.", True),
        Column("rating_square_sum", "DOUBLE", "Sum over users of ratings squared.", True),
        Column("scored_answers", "BIGINT", "Answers of a language model that are scored.", True),
        Column("bad_answers", "BIGINT", "Those of them that are bad.", True),
        Column("bad_answer_rate", "DOUBLE", "bad_answers / scored_answers."),
        Column("answered_users", "BIGINT", "Users with a scored answer.", True),
        Column("answer_square_sum", "DOUBLE", "Sum over users of scored_answers squared.", True),
    ),
    key=("event_date", "feature"),
    day="event_date",
    page="""
        SELECT feature, list(usage_count ORDER BY event_date) AS usage_14d, list(error_rate ORDER BY event_date) AS errors_14d,
               round(sum(failed_events) / sum(usage_count), 4) AS error_rate,
               round(sum(failed_users) / sum(users), 4) AS users_hit
        FROM metrics.fact_feature_metrics WHERE event_date >= $end - INTERVAL 14 DAY AND event_date < $end
        GROUP BY feature ORDER BY error_rate DESC LIMIT 12""",
    numbers=f"""
        SELECT event_date, count(*) AS features_used, CAST(sum(usage_count) AS BIGINT) AS events,
               sum(failed_events) / sum(usage_count) AS error_rate, sum(crashed_events) / sum(usage_count) AS crash_rate
        FROM metrics.fact_feature_metrics WHERE {_WINDOW} GROUP BY event_date ORDER BY event_date""",
    claims=(
        rate_claim(
            "metrics.fact_feature_metrics",
            "event_date",
            ("crash_free_session_rate", "slow_rate", "error_rate", "crash_rate", "bad_rating_rate", "bad_answer_rate"),
        ),
        Claim(
            name="usage_adds_up_to_events",
            description="The usage of all features on a day is the day's facts.",
            contradictions=f"""
                SELECT event_date, facts.n AS facts, metrics.n AS usage
                FROM (SELECT event_date, count(*) AS n FROM warehouse.fact_events WHERE {_WINDOW} GROUP BY event_date) AS facts
                FULL JOIN (SELECT event_date, CAST(sum(usage_count) AS BIGINT) AS n FROM metrics.fact_feature_metrics
                           WHERE {_WINDOW} GROUP BY event_date) AS metrics USING (event_date)
                WHERE facts.n IS DISTINCT FROM metrics.n""",
        ),
    ),
)

# Users who look like scripts: at least a quarter of a day's events, on a day with at least twenty users.
LIKE_A_BOT: Final = """
SELECT event_date, user_id, events, events / events_of_day AS share
FROM (SELECT event_date, user_id, events, sum(events) OVER day AS events_of_day, count(*) OVER day AS users
      FROM metrics.user_day WHERE event_date >= $start AND event_date < $end WINDOW day AS (PARTITION BY event_date))
WHERE users >= 20 AND events >= 0.25 * events_of_day
ORDER BY event_date, user_id
"""

USER_DAY: Final = Table(
    layer="metrics",
    name="user_day",
    recipe=Recipe(
        queries=("metrics/user_day.sql",), settings=("conversion_events",), tables=(FACT_EVENTS, FACT_SESSIONS)
    ),
    description="One row per user and day with activity.",
    columns=(
        Column("event_date", "DATE", "Day on the product's clock.", True),
        Column("user_id", "VARCHAR", "Key of dim_users.", True),
        Column("segment", "VARCHAR", "Kind of user on that day.", True),
        Column("events", "BIGINT", "Events.", True),
        Column("sessions", "BIGINT", "Sessions.", True),
        Column("features", "BIGINT", "Different features touched.", True),
        Column("duration_s", "DOUBLE", "Time spent.", True),
        Column("errors", "BIGINT", "Errors met.", True),
        Column("crashed_events", "BIGINT", "Events that crashed.", True),
        Column("conversions", "BIGINT", "Conversion events.", True),
        Column("ratings", "BIGINT", "Ratings given.", True),
        Column("rating_sum", "DOUBLE", "Sum of those ratings.", True),
        Column("value", "DOUBLE", "Worth of the events.", True),
    ),
    key=("event_date", "user_id"),
    day="event_date",
    page="""
        SELECT segment, count(*) AS user_days, round(avg(events), 2) AS events, round(avg(sessions), 2) AS sessions,
               count(*) FILTER (conversions > 0) AS converted
        FROM metrics.user_day WHERE event_date >= $start AND event_date < $end GROUP BY ALL ORDER BY user_days DESC LIMIT 12""",
    claims=(
        Claim(
            name="user_days_add_up_to_events",
            description="The events of a day's users are the day's facts.",
            contradictions=f"""
                SELECT event_date, facts.n AS facts, users.n AS events_of_users
                FROM (SELECT event_date, count(*) AS n FROM warehouse.fact_events WHERE {_WINDOW} GROUP BY event_date) AS facts
                FULL JOIN (SELECT event_date, CAST(sum(events) AS BIGINT) AS n FROM metrics.user_day WHERE {_WINDOW}
                           GROUP BY event_date) AS users USING (event_date)
                WHERE facts.n IS DISTINCT FROM users.n""",
        ),
        Claim(
            name="nobody_makes_the_day",
            description="No user makes a quarter of a day's events; a script that does belongs into `bots` of product.yaml.",
            contradictions=LIKE_A_BOT,
            severity="WARN",
            blocking=False,
        ),
    ),
)

KPI_DAY: Final = Table(
    layer="metrics",
    name="kpi_day",
    recipe=Recipe(queries=("metrics/kpi_day.sql",), tables=(USER_DAY, FACT_SESSIONS, DAY_QUALITY, DIM_RELEASES)),
    description="One row per day and segment ('all' is everybody): active users, stickiness, sessions, conversion.",
    columns=(
        Column("event_date", "DATE", "Day on the product's clock.", True),
        Column("segment", "VARCHAR", "Kind of user, or 'all'.", True),
        Column("dau", "BIGINT", "Users active on the day.", True),
        Column("wau", "BIGINT", "Users active in the 7 days up to it; NULL until 7 days of data exist."),
        Column("mau", "BIGINT", "Users active in the 28 days up to it; NULL until 28 days of data exist."),
        Column("stickiness", "DOUBLE", "dau / mau."),
        Column("events", "BIGINT", "Events.", True),
        Column("sessions", "BIGINT", "Sessions.", True),
        Column("sessions_per_user", "DOUBLE", "sessions / dau."),
        Column("session_depth", "DOUBLE", "events / sessions."),
        Column("crashed_users", "BIGINT", "Users who met a crash.", True),
        Column("crash_free_user_rate", "DOUBLE", "1 - crashed_users / dau."),
        Column("converted_users", "BIGINT", "Users with a conversion.", True),
        Column("conversion_rate", "DOUBLE", "converted_users / dau."),
        Column("ratings", "BIGINT", "Ratings given.", True),
        Column("mean_rating", "DOUBLE", "Mean rating, of LLM answers where those are what users rate."),
        Column("value", "DOUBLE", "Worth of the events.", True),
    ),
    key=("event_date", "segment"),
    day="event_date",
    lookback_days=27,
    page="""
        SELECT segment, list(dau ORDER BY event_date) AS dau_14d, arg_max(dau, event_date) AS dau,
               arg_max(mau, event_date) AS mau, round(arg_max(stickiness, event_date), 3) AS stickiness
        FROM metrics.kpi_day WHERE event_date >= $end - INTERVAL 14 DAY AND event_date < $end
        GROUP BY segment ORDER BY dau DESC LIMIT 8""",
    numbers=f"""
        SELECT event_date, dau, mau, conversion_rate, mean_rating, value
        FROM metrics.kpi_day WHERE segment = 'all' AND {_WINDOW} ORDER BY event_date""",
    claims=(
        rate_claim("metrics.kpi_day", "event_date", ("stickiness", "crash_free_user_rate", "conversion_rate")),
        Claim(
            name="longer_windows_hold_more_users",
            description="DAU <= WAU <= MAU.",
            contradictions=f"SELECT event_date, segment, dau, wau, mau FROM metrics.kpi_day WHERE {_WINDOW} AND (dau > wau OR wau > mau)",
        ),
    ),
)

FEATURE_HEALTH: Final = Table(
    layer="metrics",
    name="feature_health",
    recipe=Recipe(
        functions=("intelligence.metrics.health:feature_health",),
        settings=("health",),
        tables=(FACT_FEATURE_METRICS, DAY_QUALITY, KPI_DAY, DIM_FEATURE_METADATA, DIM_RELEASES),
    ),
    description="One row per known feature and day: does it keep its promises, how fast does it spend its error budget.",
    columns=(
        Column("event_date", "DATE", "Day on the product's clock.", True),
        Column("feature", "VARCHAR", "Product feature.", True),
        Column("state", "VARCHAR", "healthy, at_risk, degraded, or unknown while there was never evidence.", True),
        Column(
            "evidence",
            "VARCHAR",
            "enough, low_volume, no_events or pipeline_fault: whether this day could be judged.",
            True,
        ),
        Column("reason", "VARCHAR", "The state in words.", True),
        Column("since", "DATE", "First day of the present state.", True),
        Column("calm_days", "BIGINT", "Judged days in a row within the promises.", True),
        Column("unjudged_days", "BIGINT", "Days in a row that could not be judged.", True),
        Column(
            "worst_objective",
            "VARCHAR",
            "errors, crashes, latency, ratings or answers: the promise that burns fastest, of those with an alarm if any has one.",
        ),
        Column("burn_1d", "DOUBLE", "Its bad share of the day over the share allowed; 1 spends exactly the budget."),
        Column("burn_3d", "DOUBLE", "The same over the last 3 days."),
        Column("burn_28d", "DOUBLE", "The same over the last 28 days."),
        Column(
            "excess_bad_events", "DOUBLE", "Events of the day beyond what the promises allow, summed over them.", True
        ),
        Column("harmed_users", "BIGINT", "Users who met a bad event of the worst objective on the day."),
        Column("judged_users", "BIGINT", "Users who met any event of the worst objective on the day."),
        Column("user_rate_1d", "DOUBLE", "Mean over those users of the bad share of each."),
        Column("most_bad_user", "VARCHAR", "The user with the most bad events, where these are half of all or more."),
        Column("most_bad_events", "BIGINT", "The bad events of that user."),
        Column("usage_count", "BIGINT", "Events of the day.", True),
        Column("users", "BIGINT", "Users of the day.", True),
        Column("usage_share_7d", "DOUBLE", "Its share of the product's events, last 7 days."),
        Column("peak_share_7d", "DOUBLE", "Highest usage_share_7d so far.", True),
        Column("reach_28d", "DOUBLE", "User-days with this feature over all user-days, last 28 days."),
        Column("stage", "VARCHAR", "Adopted, Low or Replaced; New in its first 28 days.", True),
    ),
    key=("event_date", "feature"),
    day="event_date",
    lookback_days=None,
    page="""
        WITH fortnight AS (
            SELECT feature, arg_max(state, event_date) AS state, arg_max(reason, event_date) AS why,
                   list(coalesce(burn_1d, 0) ORDER BY event_date) AS burn_14d, arg_max(burn_1d, event_date) AS burn
            FROM metrics.feature_health WHERE event_date >= $end - INTERVAL 14 DAY AND event_date < $end GROUP BY feature
        )
        SELECT state, feature, why, burn_14d FROM fortnight
        ORDER BY list_position(['degraded', 'at_risk', 'unknown', 'healthy'], state), burn DESC NULLS LAST, feature LIMIT 10""",
    numbers=f"""
        SELECT event_date, count(*) FILTER (state = 'degraded') AS degraded_features,
               count(*) FILTER (state = 'at_risk') AS at_risk_features, count(*) FILTER (evidence = 'enough') AS assessed_features
        FROM metrics.feature_health WHERE {_WINDOW} GROUP BY event_date ORDER BY event_date""",
    claims=(
        Claim(
            name="every_used_feature_is_judged",
            description="Each feature with events on the day has its row.",
            contradictions=f"""
                SELECT event_date, feature FROM metrics.fact_feature_metrics ANTI JOIN metrics.feature_health
                USING (event_date, feature) WHERE {_WINDOW}""",
        ),
        Claim(
            name="faulty_days_change_no_state",
            description="On a day without evidence no feature becomes degraded.",
            contradictions=f"""
                SELECT event_date, feature, state, evidence, since FROM metrics.feature_health
                WHERE {_WINDOW} AND evidence <> 'enough' AND state = 'degraded' AND since = event_date""",
        ),
    ),
)

USE_CHANGES: Final = Table(
    layer="metrics",
    name="use_changes",
    recipe=Recipe(queries=("metrics/uses.sql", "metrics/use_changes.sql"), tables=(FACT_EVENTS,)),
    description="One row where a user began with the product or a feature, fell silent for 28 days, or came back after that.",
    columns=(
        Column("event_date", "DATE", "Day on the product's clock.", True),
        Column("dimension", "VARCHAR", "'all' for the product, 'feature' for a feature.", True),
        Column("value", "VARCHAR", "'all', or the feature.", True),
        Column("user_id", "VARCHAR", "Key of dim_users.", True),
        Column("change", "VARCHAR", "new, dormant (28 days without use, this one the last) or resurrected.", True),
        Column("segment", "VARCHAR", "Kind of user in the first event ever; for the product only."),
        Column("platform", "VARCHAR", "Platform in that event, or 'unknown'; for the product only."),
        Column("first_feature", "VARCHAR", "Feature of that event; for the product only."),
    ),
    key=("event_date", "dimension", "value", "user_id"),
    day="event_date",
    lookback_days=None,
    page="""
        SELECT dimension, change, list(users ORDER BY event_date) AS users_14d, arg_max(users, event_date) AS users
        FROM (SELECT event_date, dimension, change, count(*) AS users FROM metrics.use_changes
              WHERE event_date >= $end - INTERVAL 14 DAY AND event_date < $end GROUP BY ALL)
        GROUP BY dimension, change ORDER BY dimension, change""",
)

COHORT_ACTIVITY: Final = Table(
    layer="metrics",
    name="cohort_activity",
    recipe=Recipe(
        queries=("metrics/uses.sql", "metrics/cohort_activity.sql"),
        functions=("intelligence.metrics.settings:retention_parameters",),
        settings=("retention",),
        tables=(FACT_EVENTS, USE_CHANGES),
    ),
    description="Users who reached a definition of retention on a day, by cohort: added up over days, they are all who have.",
    columns=(
        Column("event_date", "DATE", "Day on the product's clock.", True),
        Column("grain", "VARCHAR", "day or week: what cohorts and ages are counted in.", True),
        Column("dimension", "VARCHAR", "all, segment, platform, first_feature or feature.", True),
        Column("value", "VARCHAR", "The segment, platform or feature; 'all' for the product.", True),
        Column("cohort", "DATE", "Day of the first use, or the Monday of its week.", True),
        Column(
            "definition", "VARCHAR", "n_day, n_week, rolling or bracket; at age 0 it is the size of the cohort.", True
        ),
        Column("first_age", "BIGINT", "First age that counts, in days or weeks since the cohort.", True),
        Column("last_age", "BIGINT", "Last age that counts; NULL for rolling, which has no end."),
        Column("users", "BIGINT", "Users of the cohort who reached it on this day.", True),
    ),
    key=("event_date", "grain", "dimension", "value", "cohort", "definition", "first_age", "last_age"),
    day="event_date",
    lookback_days=None,
    page="""
        SELECT grain, definition, first_age, CAST(sum(users) AS BIGINT) AS users, count(DISTINCT cohort) AS cohorts
        FROM metrics.cohort_activity WHERE dimension = 'all' AND event_date >= $start AND event_date < $end
        GROUP BY grain, definition, first_age ORDER BY grain, definition, first_age LIMIT 12""",
)

RETENTION_COHORTS: Final = Table(
    layer="metrics",
    name="retention_cohorts",
    recipe=Recipe(queries=("metrics/retention_cohorts.sql",), tables=(COHORT_ACTIVITY,)),
    description="One row per cohort and definition: who came back, as known at the end of the newest day. A view.",
    columns=(
        Column("cohort", "DATE", "Day of the first use, or the Monday of its week.", True),
        Column("grain", "VARCHAR", "day or week.", True),
        Column("dimension", "VARCHAR", "all, segment, platform, first_feature or feature.", True),
        Column("value", "VARCHAR", "The segment, platform or feature; 'all' for the product.", True),
        Column("definition", "VARCHAR", "n_day, n_week, rolling or bracket.", True),
        Column("first_age", "BIGINT", "First age that counts.", True),
        Column("last_age", "BIGINT", "Last age that counts; NULL for rolling."),
        Column("users", "BIGINT", "Users of the cohort.", True),
        Column("retained", "BIGINT", "Those who reached the definition; NULL for a cohort that is too young for it."),
        Column("rate", "DOUBLE", "retained / users."),
        Column("low", "DOUBLE", "Lower end of the 95 % interval (Wilson)."),
        Column("high", "DOUBLE", "Upper end of it."),
        Column("is_mature", "BOOLEAN", "Whether all days that can count are over.", True),
        Column(
            "is_surely_new",
            "BOOLEAN",
            "Whether the data begin 28 days before the cohort or earlier; users of an older cohort may have come before them.",
            True,
        ),
        Column("known_on", "DATE", "The newest day.", True),
    ),
    key=("cohort", "grain", "dimension", "value", "definition", "first_age", "last_age"),
    day="cohort",
    is_view=True,
    page="""
        SELECT cohort, users, max(rate) FILTER (first_age = 1) AS week_1, max(rate) FILTER (first_age = 4) AS week_4,
               max(rate) FILTER (first_age = 8) AS week_8
        FROM metrics.retention_cohorts WHERE grain = 'week' AND dimension = 'all' AND definition = 'n_week'
        GROUP BY cohort, users ORDER BY cohort DESC LIMIT 12""",
    claims=(
        Claim(
            name="nobody_is_retained_twice",
            description="No more users are retained than the cohort has, and none while it is too young.",
            contradictions="""
                SELECT cohort, grain, dimension, value, definition, first_age, users, retained FROM metrics.retention_cohorts
                WHERE retained > users OR (retained IS NOT NULL) <> is_mature""",
        ),
    ),
)

FUNNEL_ENTRIES: Final = Table(
    layer="metrics",
    name="funnel_entries",
    recipe=Recipe(
        queries=("metrics/funnel_entries.sql",),
        functions=("intelligence.metrics.settings:funnel_parameters",),
        settings=("funnels", "timezone"),
        tables=(FACT_EVENTS, DIM_FEATURE_METADATA),
    ),
    description="One row per entry into a funnel; a user enters again only after the window of the former entry.",
    columns=(
        Column("event_date", "DATE", "Day of the entry on the product's clock.", True),
        Column("funnel", "VARCHAR", "Funnel of product.yaml.", True),
        Column("step_name", "VARCHAR", "What its first step is called.", True),
        Column("user_id", "VARCHAR", "Key of dim_users.", True),
        Column("entered_at", "TIMESTAMP", "When, UTC.", True),
        Column("event_id", "VARCHAR", "The event.", True),
        Column("source", "VARCHAR", "Source of the event.", True),
        Column("segment", "VARCHAR", "Kind of user in that event, where the funnel is broken down by it."),
        Column("platform", "VARCHAR", "Platform in it, or 'unknown', where the funnel is broken down by it."),
        Column("app_version", "VARCHAR", "Release in it, or 'unknown', where the funnel is broken down by it."),
    ),
    key=("funnel", "user_id", "entered_at"),
    day="event_date",
    lookback_days=None,
    page="""
        SELECT funnel, step_name, count(*) AS entries, count(DISTINCT user_id) AS users, max(event_date) AS last_day
        FROM metrics.funnel_entries WHERE event_date >= $start AND event_date < $end GROUP BY ALL ORDER BY funnel LIMIT 20""",
)

FUNNEL_STEPS: Final = Table(
    layer="metrics",
    name="funnel_steps",
    recipe=Recipe(
        queries=("metrics/funnel_steps.sql",),
        functions=("intelligence.metrics.settings:funnel_parameters",),
        settings=("funnels", "timezone"),
        tables=(FACT_EVENTS, DIM_FEATURE_METADATA, FUNNEL_ENTRIES),
    ),
    description="What became of the entries of a day, by step, written on the day on which their windows were over.",
    columns=(
        Column("event_date", "DATE", "Day at whose end all windows were over.", True),
        Column("entered_on", "DATE", "Day of entry.", True),
        Column("funnel", "VARCHAR", "Funnel of product.yaml.", True),
        Column("step", "BIGINT", "Place of the step, from 1.", True),
        Column("step_name", "VARCHAR", "What it is called.", True),
        Column("dimension", "VARCHAR", "all, segment, platform or app_version.", True),
        Column("value", "VARCHAR", "As it was at the entry; 'all' for everybody.", True),
        Column("entered", "BIGINT", "Entries of the day.", True),
        Column("users", "BIGINT", "Users who entered.", True),
        Column("converted", "BIGINT", "Entries that reached the step within the window.", True),
        Column("converted_square_sum", "BIGINT", "Sum over users of converted squared.", True),
        Column("cross_sum", "BIGINT", "Sum over users of converted x entered.", True),
        Column("entered_square_sum", "BIGINT", "Sum over users of entered squared.", True),
        Column("reached_before", "BIGINT", "Entries that reached the step before; NULL for the first."),
        Column("median_s", "DOUBLE", "Median time since the step before."),
        Column("p90_s", "DOUBLE", "90th percentile of it."),
        Column("median_since_entry_s", "DOUBLE", "Median time since the entry."),
        Column("p90_since_entry_s", "DOUBLE", "90th percentile of it."),
    ),
    key=("entered_on", "funnel", "step", "dimension", "value"),
    day="event_date",
    lookback_days=None,
    page="""
        SELECT funnel, step_name, list(converted / entered ORDER BY entered_on) AS rates, arg_max(entered, entered_on) AS entered,
               arg_max(converted / entered, entered_on) AS rate
        FROM metrics.funnel_steps WHERE dimension = 'all' AND event_date >= $end - INTERVAL 14 DAY AND event_date < $end
        GROUP BY funnel, step, step_name ORDER BY funnel, step LIMIT 20""",
    claims=(
        Claim(
            name="steps_only_lose_entries",
            description="No step is reached by more entries than the step before it, and the first by all.",
            contradictions=f"""
                SELECT entered_on, funnel, step, dimension, value, entered, reached_before, converted FROM metrics.funnel_steps
                WHERE {_WINDOW} AND converted > coalesce(reached_before, entered) OR step = 1 AND converted < entered""",
        ),
    ),
)

FUNNEL_DAY: Final = Table(
    layer="metrics",
    name="funnel_day",
    recipe=Recipe(queries=("metrics/funnel_day.sql",), tables=(FUNNEL_ENTRIES, FUNNEL_STEPS)),
    description="Funnels by day of entry; a day whose windows are not over has only the number of entries. A view.",
    columns=(
        Column("event_date", "DATE", "Day of entry on the product's clock.", True),
        Column("funnel", "VARCHAR", "Funnel of product.yaml.", True),
        Column("step", "BIGINT", "Place of the step, from 1.", True),
        Column("step_name", "VARCHAR", "What it is called.", True),
        Column("dimension", "VARCHAR", "all, segment, platform or app_version.", True),
        Column("value", "VARCHAR", "As it was at the entry; 'all' for everybody.", True),
        Column("entered", "BIGINT", "Entries of the day.", True),
        Column("users", "BIGINT", "Users who entered.", True),
        Column("converted", "BIGINT", "Entries that reached the step; NULL while a window is open."),
        Column("rate", "DOUBLE", "converted / entered."),
        Column("low", "DOUBLE", "Lower end of its 95 % interval, in which users and not entries are independent."),
        Column("high", "DOUBLE", "Upper end of it."),
        Column("reached_before", "BIGINT", "Entries that reached the step before."),
        Column("drop_off_rate", "DOUBLE", "1 - converted / reached_before."),
        Column("median_s", "DOUBLE", "Median time since the step before."),
        Column("p90_s", "DOUBLE", "90th percentile of it."),
        Column("median_since_entry_s", "DOUBLE", "Median time since the entry."),
        Column("p90_since_entry_s", "DOUBLE", "90th percentile of it."),
        Column("is_complete", "BOOLEAN", "Whether the windows of all entries of the day are over.", True),
    ),
    key=("event_date", "funnel", "step", "dimension", "value"),
    day="event_date",
    is_view=True,
    page="""
        SELECT funnel, step_name, CAST(sum(entered) AS BIGINT) AS entered, sum(converted) / sum(entered) AS rate,
               1 - sum(converted) / sum(reached_before) AS drop_off
        FROM metrics.funnel_day WHERE dimension = 'all' AND is_complete AND event_date >= $end - INTERVAL 42 DAY
        AND event_date < $end GROUP BY funnel, step, step_name ORDER BY funnel, step LIMIT 20""",
    claims=(
        rate_claim("metrics.funnel_day", "event_date", ("rate", "low", "high", "drop_off_rate")),
        Claim(
            name="open_days_have_no_rate",
            description="A day whose windows are not over has no rate.",
            contradictions="SELECT event_date, funnel, step, rate FROM metrics.funnel_day WHERE NOT is_complete AND rate IS NOT NULL",
        ),
    ),
)

LIFECYCLE_DAY: Final = Table(
    layer="metrics",
    name="lifecycle_day",
    recipe=Recipe(
        queries=("metrics/lifecycle_day.sql",),
        tables=(USE_CHANGES, USER_DAY, FACT_FEATURE_METRICS, FEATURE_HEALTH, DIM_RELEASES, DAY_QUALITY),
    ),
    description="Users of the product, of a segment, a platform or a feature, by what the day was for them.",
    columns=(
        Column("event_date", "DATE", "Day on the product's clock.", True),
        Column("dimension", "VARCHAR", "all, segment, platform (both as in the first event ever) or feature.", True),
        Column("value", "VARCHAR", "The segment, platform or feature; 'all' for the product.", True),
        Column("active", "BIGINT", "Users of the day: new, returning and resurrected ones.", True),
        Column("new", "BIGINT", "Users for whom it is the first day.", True),
        Column("returned", "BIGINT", "Users with a day of use among the 28 before.", True),
        Column("resurrected", "BIGINT", "Users who are back after 28 days of silence or more.", True),
        Column("dormant", "BIGINT", "Users who have fallen silent: the day is the 28th without use.", True),
        Column(
            "current",
            "BIGINT",
            "Users with a day of use among the last 28: yesterday's, and new + resurrected - dormant.",
            True,
        ),
        Column(
            "median_days_to_first_use",
            "DOUBLE",
            "Of a feature's new users: median days since their first day in the product.",
        ),
        Column("stage", "VARCHAR", "Of a feature: New, Adopted, Low or Replaced, as metrics.feature_health judges it."),
    ),
    key=("event_date", "dimension", "value"),
    day="event_date",
    lookback_days=None,
    page="""
        SELECT dimension || CASE WHEN value = dimension THEN '' ELSE ' · ' || value END AS part,
               list(active ORDER BY event_date) AS active_14d, arg_max(new, event_date) AS new,
               arg_max(resurrected, event_date) AS resurrected, arg_max(dormant, event_date) AS dormant
        FROM metrics.lifecycle_day
        WHERE dimension <> 'feature' AND event_date >= $end - INTERVAL 14 DAY AND event_date < $end
        GROUP BY dimension, value ORDER BY dimension, arg_max(active, event_date) DESC LIMIT 12""",
    numbers=f"""
        SELECT event_date, active, new, returned, resurrected, dormant, current
        FROM metrics.lifecycle_day WHERE dimension = 'all' AND {_WINDOW} ORDER BY event_date""",
    claims=(
        Claim(
            name="each_active_user_is_in_one_state",
            description="Active users are new, returning or resurrected, and no number is negative.",
            contradictions=f"""
                SELECT event_date, dimension, value, active, new, returned, resurrected, dormant, current
                FROM metrics.lifecycle_day
                WHERE {_WINDOW} AND (active <> new + returned + resurrected OR least(new, returned, resurrected, dormant) < 0
                                     OR current < active)""",
        ),
        Claim(
            name="current_users_are_the_monthly_ones",
            description="Who is current has been active in the last 28 days: the MAU of kpi_day.",
            contradictions=f"""
                SELECT event_date, mau, current
                FROM metrics.kpi_day JOIN metrics.lifecycle_day USING (event_date)
                WHERE kpi_day.segment = 'all' AND dimension = 'all' AND {_WINDOW} AND mau <> current""",
        ),
    ),
)

ADOPTION_DAY: Final = Table(
    layer="metrics",
    name="adoption_day",
    recipe=Recipe(queries=("metrics/adoption_day.sql",), tables=(USER_DAY,)),
    description="One row per day and segment ('all' is everybody): features per user, and how many of the last 28 days users came.",
    columns=(
        Column("event_date", "DATE", "Day on the product's clock.", True),
        Column("segment", "VARCHAR", "Kind of user on the day, or 'all'.", True),
        Column("users", "BIGINT", "Users active on the day.", True),
        Column("features", "BIGINT", "Sum over these users of the different features that each touched.", True),
        Column("mean_features", "DOUBLE", "features / users: the breadth of use."),
        Column("median_features", "DOUBLE", "Median over users."),
        Column("p90_features", "DOUBLE", "90th percentile over users."),
        Column(
            "users_by_active_days",
            "BIGINT[]",
            "Users by active days in the last 28, from 1 to 28: the power-user curve; NULL until 28 days of data exist.",
        ),
    ),
    key=("event_date", "segment"),
    day="event_date",
    lookback_days=27,
    page="""
        SELECT segment, list(round(mean_features, 2) ORDER BY event_date) AS features_14d,
               arg_max(mean_features, event_date) AS mean_features, arg_max(median_features, event_date) AS median,
               arg_max(users_by_active_days, event_date) AS users_by_active_days
        FROM metrics.adoption_day WHERE event_date >= $end - INTERVAL 14 DAY AND event_date < $end
        GROUP BY segment ORDER BY arg_max(users, event_date) DESC LIMIT 8""",
    numbers=f"""
        SELECT event_date, mean_features, median_features, p90_features
        FROM metrics.adoption_day WHERE segment = 'all' AND {_WINDOW} ORDER BY event_date""",
    claims=(
        Claim(
            name="each_user_touches_a_feature",
            description="Each active user touches at least one feature.",
            contradictions=f"SELECT event_date, segment, users, features FROM metrics.adoption_day WHERE {_WINDOW} AND features < users",
        ),
    ),
)

PAYER_DAY: Final = Table(
    layer="metrics",
    name="payer_day",
    recipe=Recipe(queries=("metrics/payer_day.sql",), tables=(USER_DAY, DIM_USERS)),
    description="One row per day and week of first use ('all' is everybody): who began to pay, paid again, stopped or came back.",
    columns=(
        Column("event_date", "DATE", "Day on the product's clock.", True),
        Column("cohort", "VARCHAR", "Monday of the week in which its users were first seen, or 'all'.", True),
        Column("active_users", "BIGINT", "Users active on the day.", True),
        Column("unpaid_users", "BIGINT", "Of these, those who never paid before the day.", True),
        Column("new_payers", "BIGINT", "Users who pay for the first time.", True),
        Column("repeat_payers", "BIGINT", f"Users who paid in the {SILENCE_DAYS} days before.", True),
        Column("recovered_payers", "BIGINT", "Users who pay again after they had stopped.", True),
        Column("stopped_payers", "BIGINT", f"Users whose last payment is {SILENCE_DAYS} days ago on this day.", True),
        Column("paid_conversion_rate", "DOUBLE", "new_payers / unpaid_users."),
        Column("value", "DOUBLE", "Value of the day, less what was given back.", True),
        Column("new_value", "DOUBLE", "Of new payers.", True),
        Column("recovered_value", "DOUBLE", "Of recovered payers.", True),
        Column(
            "stopped_value", "DOUBLE", "What those who stopped had paid in the 28 days up to their last payment.", True
        ),
    ),
    key=("event_date", "cohort"),
    day="event_date",
    lookback_days=None,
    page="""
        SELECT event_date AS day, new_payers AS began, recovered_payers AS came_back, stopped_payers AS stopped, value
        FROM metrics.payer_day WHERE cohort = 'all' AND event_date >= $end - INTERVAL 7 DAY AND event_date < $end
        ORDER BY event_date DESC""",
    numbers=f"""
        SELECT event_date, new_payers, recovered_payers, stopped_payers, value, recovered_value, stopped_value
        FROM metrics.payer_day WHERE cohort = 'all' AND {_WINDOW} ORDER BY event_date""",
    claims=(
        rate_claim("metrics.payer_day", "event_date", ("paid_conversion_rate",)),
        Claim(
            name="cohorts_sum_to_all",
            description="The payers and the value of all cohorts of a day are those of everybody.",
            contradictions=f"""
                SELECT event_date FROM metrics.payer_day WHERE {_WINDOW} GROUP BY event_date
                HAVING sum(new_payers + repeat_payers + recovered_payers + stopped_payers) FILTER (cohort = 'all')
                       <> sum(new_payers + repeat_payers + recovered_payers + stopped_payers) FILTER (cohort <> 'all')
                    OR abs(sum(value) FILTER (cohort = 'all') - sum(value) FILTER (cohort <> 'all')) > 1e-6 * abs(sum(value))""",
        ),
    ),
)

SEGMENT_DIFFERENCES: Final = Table(
    layer="metrics",
    name="segment_differences",
    recipe=Recipe(
        queries=("metrics/user_values.sql",),
        functions=("intelligence.metrics.segments:segment_differences",),
        tables=(USER_DAY,),
    ),
    description="One row per declared segment and metric: its value over 28 days, that of all other users, and the difference.",
    columns=(
        Column("event_date", "DATE", "Last of the 28 days.", True),
        Column("segment", "VARCHAR", "Segment of the users when they were last seen.", True),
        Column("metric", "VARCHAR", "Metric of the registry.", True),
        Column("direction", "VARCHAR", "Which change is wanted: increase or decrease.", True),
        Column("users", "BIGINT", "Users of the segment in the denominator.", True),
        Column("other_users", "BIGINT", "All other users in the denominator.", True),
        Column("value", "DOUBLE", "Value of the segment; NULL without enough evidence."),
        Column("other_value", "DOUBLE", "Value of all other users."),
        Column("difference", "DOUBLE", "value - other_value."),
        Column("low", "DOUBLE", "Lower end of its 95 % interval, clustered by user."),
        Column("high", "DOUBLE", "Upper end."),
        Column("relative", "DOUBLE", "difference / other_value."),
        Column("p", "DOUBLE", "p-value of no difference."),
        Column("q", "DOUBLE", "False discovery rate at which it is found among all rows of the day."),
        Column("grade", "VARCHAR", "Evidence grade: D, an association; NULL without a number."),
        Column("note", "VARCHAR", "Why there is no number."),
    ),
    key=("event_date", "segment", "metric"),
    day="event_date",
    lookback_days=27,
    newest_day_only=True,
    page="""
        SELECT segment, metric, format('{:.4g} / {:.4g}', value, other_value) AS beside_others,
               format('{:+.3g} ({:+.3g} to {:+.3g})', difference, low, high) AS difference, round(q, 3) AS q
        FROM metrics.segment_differences WHERE event_date >= $start AND event_date < $end AND low IS NOT NULL
        ORDER BY q, segment, metric LIMIT 12""",
    claims=(
        Claim(
            name="no_value_without_its_interval",
            description="A difference has an interval around it, or a note that says why not, and its evidence grade.",
            contradictions=f"""
                SELECT event_date, segment, metric FROM metrics.segment_differences WHERE {_WINDOW}
                AND ((difference IS NOT NULL AND grade IS NULL) OR (low IS NULL AND note IS NULL)
                     OR NOT difference BETWEEN low AND high)""",
        ),
    ),
)

BEHAVIOUR_SEGMENTS: Final = Table(
    layer="metrics",
    name="behaviour_segments",
    recipe=Recipe(
        queries=("metrics/user_values.sql",),
        functions=("intelligence.metrics.behaviour:behaviour_segments",),
        tables=(USER_DAY,),
    ),
    description="One row per group of users that the data sets apart by what they do in 28 days, or one that says that there is none.",
    columns=(
        Column("event_date", "DATE", "Last of the 28 days.", True),
        Column("segment", "VARCHAR", "Name, by what sets the group apart; 'none found' where there is none.", True),
        Column("users", "BIGINT", "Users in it.", True),
        Column("share", "DOUBLE", "Share of the users with enough active days."),
        Column("stability", "DOUBLE", "Agreement with the groups of half of the users; 1 is the same."),
        Column("note", "VARCHAR", "Why none was found."),
    ),
    key=("event_date", "segment"),
    day="event_date",
    lookback_days=27,
    newest_day_only=True,
    page="""
        SELECT segment, users, round(share, 3) AS share, round(stability, 2) AS stability, note
        FROM metrics.behaviour_segments WHERE event_date >= $start AND event_date < $end ORDER BY users DESC""",
)

TABLES: Final = (
    FACT_FEATURE_METRICS,
    USER_DAY,
    KPI_DAY,
    FEATURE_HEALTH,
    USE_CHANGES,
    COHORT_ACTIVITY,
    RETENTION_COHORTS,
    FUNNEL_ENTRIES,
    FUNNEL_STEPS,
    FUNNEL_DAY,
    LIFECYCLE_DAY,
    ADOPTION_DAY,
    PAYER_DAY,
    SEGMENT_DIFFERENCES,
    BEHAVIOUR_SEGMENTS,
)
