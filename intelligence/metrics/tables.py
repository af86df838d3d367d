"""The tables of the metrics layer. Each rate is stored with its counts, so that it can be added and given an interval."""

from typing import Final

from intelligence.core.tables import Claim, Column, Recipe, Table, rate_claim
from intelligence.telemetry.tables import DAY_QUALITY
from intelligence.warehouse.tables import DIM_FEATURE_METADATA, DIM_RELEASES, DIM_USERS, FACT_EVENTS, FACT_SESSIONS

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
    recipe=Recipe(queries=("metrics/fact_feature_metrics.sql",), tables=(FACT_EVENTS, DIM_FEATURE_METADATA)),
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
        Column("usage_square_sum", "DOUBLE", "Sum over users of usage_count squared.", True),
        Column("timed_users", "BIGINT", "Users with a timed event.", True),
        Column("timed_square_sum", "DOUBLE", "Sum over users of timed_events squared.", True),
        Column("rating_users", "BIGINT", "Users who rated.", True),
        Column("rating_square_sum", "DOUBLE", "Sum over users of ratings squared.", True),
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
            ("crash_free_session_rate", "slow_rate", "error_rate", "crash_rate", "bad_rating_rate"),
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
        Column("worst_objective", "VARCHAR", "errors, crashes, latency or ratings: the promise that burns fastest."),
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
        Column("value", "DOUBLE", "Value of the day.", True),
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
    PAYER_DAY,
    SEGMENT_DIFFERENCES,
    BEHAVIOUR_SEGMENTS,
)
