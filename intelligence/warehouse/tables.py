"""The tables of the warehouse layer: a star schema around events and sessions."""

from typing import Final

from intelligence.core.tables import Claim, Column, Recipe, Table
from intelligence.telemetry.tables import EVENTS
from intelligence.warehouse.answer_scores import SCORES

_WINDOW: Final = "event_date >= $start AND event_date < $end"

_FACT_COLUMNS: Final = (
    Column("event_id", "VARCHAR", "Identity of the event.", True),
    Column("event_date", "DATE", "Day on the product's clock.", True),
    Column("event_time", "TIMESTAMP", "When it happened, UTC.", True),
    Column("user_id", "VARCHAR", "Key of dim_users.", True),
    Column("session_id", "VARCHAR", "Key of fact_sessions, with the day and the user.", True),
    Column("feature", "VARCHAR", "Key of dim_feature_metadata.", True),
    Column("event_type", "VARCHAR", "What was done.", True),
    Column("latency_ms", "DOUBLE", "Time to respond."),
    Column("error_count", "BIGINT", "Errors met; 0 where the source says nothing.", True),
    Column("crashed", "BOOLEAN", "Ended in a crash; false where the source says nothing.", True),
    Column("rating", "DOUBLE", "Rating, 1 to 5."),
    Column("duration_s", "DOUBLE", "Time spent."),
    Column("value", "DOUBLE", "Money or other worth."),
    Column("platform", "VARCHAR", "Platform."),
    Column("app_version", "VARCHAR", "Key of dim_releases, with the platform."),
    Column("region", "VARCHAR", "Region."),
    Column("segment", "VARCHAR", "Kind of user, 'unknown' where not given.", True),
    Column("experiment", "VARCHAR", "Experiment exposed to."),
    Column("variant", "VARCHAR", "Arm of it."),
    Column("source", "VARCHAR", "Source in product.yaml, within which event_id is an identity.", True),
)
# NULL in telemetry where the source has no value; fact_events replaces NULL by a default.
_MAY_BE_UNSAID: Final = ("error_count", "crashed", "segment")

DIM_USERS: Final = Table(
    layer="warehouse",
    name="dim_users",
    recipe=Recipe(queries=("warehouse/dim_users.sql",), settings=("bots",), tables=(EVENTS,)),
    description="One row per user: first and last day seen, and the attributes of the latest event.",
    columns=(
        Column("user_id", "VARCHAR", "Pseudonymous id.", True),
        Column("first_seen_at", "TIMESTAMP", "First event, UTC.", True),
        Column("last_seen_at", "TIMESTAMP", "Latest event, UTC.", True),
        Column("segment", "VARCHAR", "Kind of user in the latest event."),
        Column("region", "VARCHAR", "Region in the latest event."),
        Column("platform", "VARCHAR", "Platform in the latest event."),
        Column("app_version", "VARCHAR", "Release in the latest event."),
        Column("is_bot", "BOOLEAN", "Whether `bots` in product.yaml names the user; its events are no facts.", True),
    ),
    key=("user_id",),
    page="""
        SELECT coalesce(segment, 'unknown') AS segment, count(*) AS users, count(*) FILTER (last_seen_at >= $end - INTERVAL 28 DAY)
               AS active_28d, count(*) FILTER (first_seen_at >= $end - INTERVAL 28 DAY) AS new_28d
        FROM warehouse.dim_users GROUP BY ALL ORDER BY users DESC LIMIT 12""",
    claims=(
        Claim(
            name="users_are_seen_in_order",
            description="Nobody was last seen before being first seen.",
            contradictions="SELECT user_id, first_seen_at, last_seen_at FROM warehouse.dim_users WHERE last_seen_at < first_seen_at",
        ),
    ),
)

DIM_FEATURE_METADATA: Final = Table(
    layer="warehouse",
    name="dim_feature_metadata",
    recipe=Recipe(
        queries=("warehouse/dim_feature_metadata.sql",),
        functions=(
            "intelligence.warehouse.features:declared_features",
            "intelligence.warehouse.features:default_feature",
        ),
        settings=("features", "feature_defaults"),
        tables=(EVENTS,),
    ),
    description="One row per product feature: who owns it, how important it is and what it promises.",
    columns=(
        Column("feature", "VARCHAR", "Name of the product feature.", True),
        Column("owner", "VARCHAR", "Who answers for it.", True),
        Column("lifecycle", "VARCHAR", "beta, live or sunset.", True),
        Column("tier", "BIGINT", "0 is vital, 3 is minor.", True),
        Column("flag_key", "VARCHAR", "Feature flag that steers it."),
        Column("is_declared", "BOOLEAN", "Whether product.yaml names it; else these are the defaults.", True),
        Column("first_seen_date", "DATE", "First day with an event; NULL before any."),
        Column("max_error_rate", "DOUBLE", "Share of events that may fail.", True),
        Column("max_crash_rate", "DOUBLE", "Share of events that may crash.", True),
        Column("slow_latency_ms", "DOUBLE", "An event slower than this is slow.", True),
        Column("max_slow_rate", "DOUBLE", "Share of timed events that may be slow.", True),
        Column("max_bad_rating_rate", "DOUBLE", "Share of ratings that may be 2 or less.", True),
        Column("max_bad_answer_rate", "DOUBLE", "Share of scored answers that may be bad.", True),
    ),
    key=("feature",),
    page="""
        SELECT owner, tier, count(*) AS features, count(*) FILTER (is_declared) AS declared,
               count(*) FILTER (first_seen_date IS NULL) AS never_seen
        FROM warehouse.dim_feature_metadata GROUP BY ALL ORDER BY tier, owner LIMIT 20""",
    claims=(
        Claim(
            name="declared_features_are_seen",
            description="Each feature that product.yaml declares has had an event: else its name may be misspelt.",
            contradictions="""
                SELECT feature, owner, tier FROM warehouse.dim_feature_metadata
                WHERE is_declared AND first_seen_date IS NULL ORDER BY feature""",
            severity="WARN",
            blocking=False,
        ),
    ),
)

DIM_RELEASES: Final = Table(
    layer="warehouse",
    name="dim_releases",
    recipe=Recipe(queries=("warehouse/dim_releases.sql",), tables=(EVENTS,)),
    description="One row per release and platform, as first and last seen in events.",
    columns=(
        Column("app_version", "VARCHAR", "Release.", True),
        Column("platform", "VARCHAR", "Platform, or 'unknown'.", True),
        Column("first_seen_at", "TIMESTAMP", "First event, UTC.", True),
        Column("last_seen_at", "TIMESTAMP", "Latest event, UTC.", True),
    ),
    key=("app_version", "platform"),
    page="""
        SELECT app_version, platform, CAST(local_time(first_seen_at) AS DATE) AS first_seen,
               CAST(local_time(last_seen_at) AS DATE) AS last_seen
        FROM warehouse.dim_releases ORDER BY first_seen_at DESC LIMIT 12""",
)

# The releases, with times on the product's clock instead of UTC.
RELEASES: Final = """
    SELECT * REPLACE (local_time(first_seen_at) AS first_seen_at, local_time(last_seen_at) AS last_seen_at)
    FROM warehouse.dim_releases"""

FACT_VISIT_EVENTS: Final = Table(
    layer="warehouse",
    name="fact_visit_events",
    recipe=Recipe(queries=("warehouse/fact_visit_events.sql",), settings=("session_gap_minutes",), tables=(EVENTS,)),
    description="The events whose source gives no session id, each in a visit that ends after 30 minutes of silence.",
    columns=tuple(
        Column(column.name, column.type, "As delivered.") if column.name in _MAY_BE_UNSAID else column
        for column in _FACT_COLUMNS
    ),
    key=("event_date", "source", "event_id"),
    day="event_date",
    page="""
        SELECT event_date, count(*) AS events, count(DISTINCT user_id) AS users, count(DISTINCT session_id) AS visits
        FROM warehouse.fact_visit_events WHERE event_date >= $start AND event_date < $end
        GROUP BY event_date ORDER BY event_date DESC LIMIT 12""",
)

FACT_EVENTS: Final = Table(
    layer="warehouse",
    name="fact_events",
    recipe=Recipe(
        queries=("warehouse/fact_events.sql",),
        tables=(EVENTS, FACT_VISIT_EVENTS, DIM_USERS, DIM_FEATURE_METADATA, DIM_RELEASES),
    ),
    description="One row per event of a person, each within a session. A view over events and fact_visit_events.",
    columns=_FACT_COLUMNS,
    key=("event_date", "source", "event_id"),
    day="event_date",
    is_view=True,
    page="""
        SELECT coalesce(platform, 'unknown') AS platform, count(*) AS events, count(*) FILTER (error_count > 0) AS failed,
               count(*) FILTER (crashed) AS crashed, round(avg(latency_ms)) AS mean_latency_ms
        FROM warehouse.fact_events WHERE event_date >= $start AND event_date < $end
        GROUP BY ALL ORDER BY events DESC LIMIT 12""",
    claims=(
        Claim(
            name="every_event_became_a_fact",
            description="As many facts as events on each day, those of bots left out.",
            contradictions=f"""
                SELECT event_date, events.n AS events, facts.n AS facts
                FROM (SELECT event_date, count(*) AS n
                      FROM telemetry.events ANTI JOIN (SELECT user_id FROM warehouse.dim_users WHERE is_bot) USING (user_id)
                      WHERE {_WINDOW} GROUP BY event_date) AS events
                FULL JOIN (SELECT event_date, count(*) AS n FROM warehouse.fact_events WHERE {_WINDOW} GROUP BY event_date)
                    AS facts USING (event_date)
                WHERE events.n IS DISTINCT FROM facts.n""",
        ),
        Claim(
            name="facts_join_their_dims",
            description="Each fact finds its user, its feature and, where it names one, its release.",
            contradictions=f"""
                WITH named AS MATERIALIZED (
                    SELECT user_id, feature, app_version, coalesce(platform, 'unknown') AS platform,
                           grouping_id(user_id, feature) AS grouped
                    FROM warehouse.fact_events WHERE {_WINDOW}
                    GROUP BY GROUPING SETS ((user_id), (feature), (app_version, coalesce(platform, 'unknown')))
                )
                SELECT 'dim_users' AS dim, user_id AS missing
                FROM named ANTI JOIN warehouse.dim_users USING (user_id) WHERE grouped = 1
                UNION SELECT 'dim_feature_metadata', feature
                FROM named ANTI JOIN warehouse.dim_feature_metadata USING (feature) WHERE grouped = 2
                UNION SELECT 'dim_releases', app_version
                FROM named ANTI JOIN warehouse.dim_releases USING (app_version, platform)
                WHERE grouped = 3 AND app_version IS NOT NULL""",
        ),
    ),
)

FACT_SESSIONS: Final = Table(
    layer="warehouse",
    name="fact_sessions",
    recipe=Recipe(queries=("warehouse/fact_sessions.sql",), settings=("conversion_events",), tables=(FACT_EVENTS,)),
    description="One row per visit of a user on a day; a visit over midnight is two.",
    columns=(
        Column("event_date", "DATE", "Day on the product's clock.", True),
        Column("user_id", "VARCHAR", "Key of dim_users.", True),
        Column("session_id", "VARCHAR", "Visit.", True),
        Column("started_at", "TIMESTAMP", "First event, UTC.", True),
        Column("ended_at", "TIMESTAMP", "Last event, UTC.", True),
        Column("duration_s", "DOUBLE", "From the first to the last event.", True),
        Column("events", "BIGINT", "Events in it (session depth).", True),
        Column("features", "BIGINT", "Different features touched.", True),
        Column("errors", "BIGINT", "Errors met.", True),
        Column("crashed", "BOOLEAN", "Whether any event crashed.", True),
        Column("converted", "BOOLEAN", "Whether any event was a conversion.", True),
        Column("segment", "VARCHAR", "Kind of user.", True),
        Column("platform", "VARCHAR", "Platform."),
        Column("app_version", "VARCHAR", "Release."),
    ),
    key=("event_date", "user_id", "session_id"),
    day="event_date",
    page="""
        SELECT segment, count(*) AS sessions, round(avg(events), 2) AS depth, round(median(duration_s)) AS median_duration_s,
               round(avg(CAST(converted AS INTEGER)), 3) AS converted_rate
        FROM warehouse.fact_sessions WHERE event_date >= $start AND event_date < $end GROUP BY ALL ORDER BY sessions DESC
        LIMIT 12""",
    claims=(
        Claim(
            name="sessions_add_up_to_events",
            description="The events of a day's sessions are the day's facts.",
            contradictions=f"""
                SELECT event_date, facts.n AS facts, sessions.n AS events_in_sessions
                FROM (SELECT event_date, count(*) AS n FROM warehouse.fact_events WHERE {_WINDOW} GROUP BY event_date) AS facts
                FULL JOIN (SELECT event_date, CAST(sum(events) AS BIGINT) AS n FROM warehouse.fact_sessions WHERE {_WINDOW}
                           GROUP BY event_date) AS sessions USING (event_date)
                WHERE facts.n IS DISTINCT FROM sessions.n""",
        ),
    ),
)

FACT_ANSWERS: Final = Table(
    layer="warehouse",
    name="fact_answers",
    recipe=Recipe(
        queries=("warehouse/fact_answers.sql",),
        functions=("intelligence.warehouse.answer_scores:score_parameters",),
        settings=("answers",),
        tables=(DIM_USERS,),
    ),
    description="One row per answer of a language model: its circumstances, ratings and scores, without its texts.",
    columns=(
        Column("event_date", "DATE", "Day on the product's clock.", True),
        Column("source", "VARCHAR", "Source in product.yaml, within which answer_id is an identity.", True),
        Column("answer_id", "VARCHAR", "Identity of the answer.", True),
        Column("event_time", "TIMESTAMP", "When it was given, UTC.", True),
        Column("user_id", "VARCHAR", "Who asked.", True),
        Column("session_id", "VARCHAR", "Visit or conversation."),
        Column("feature", "VARCHAR", "Feature that gave it.", True),
        Column("model_version", "VARCHAR", "Model with its version, 'unknown' where not given.", True),
        Column("prompt_version", "VARCHAR", "Version of the prompt, 'unknown' where not given.", True),
        Column("segment", "VARCHAR", "Kind of user, 'unknown' where not given.", True),
        Column("experiment", "VARCHAR", "Experiment exposed to."),
        Column("variant", "VARCHAR", "Arm of it."),
        Column("latency_ms", "DOUBLE", "Time to answer."),
        Column("tokens_in", "BIGINT", "Tokens of the request."),
        Column("tokens_out", "BIGINT", "Tokens of the answer."),
        Column("cost", "DOUBLE", "What it cost."),
        Column("ratings", "BIGINT", "Ratings of it, by the user and others.", True),
        Column("good_ratings", "BIGINT", "Ratings of 4 and more.", True),
        Column("bad_ratings", "BIGINT", "Ratings of 2 and less.", True),
        Column("mean_rating", "DOUBLE", "Mean of the ratings."),
        Column("lowest_rating", "DOUBLE", "Lowest of the ratings."),
        Column("highest_rating", "DOUBLE", "Highest of the ratings."),
        Column("is_corrected", "BOOLEAN", "Whether a person said what it should have been.", True),
        Column("followed_up", "BOOLEAN", "Whether the user asked again about the same."),
        Column("is_scored", "BOOLEAN", "Whether it has texts from which anything can be scored.", True),
        Column("is_erased", "BOOLEAN", "Whether its texts were erased before it was scored.", True),
        *(
            Column(score.name, "BOOLEAN", f"Whether it {score.says}; NULL where that cannot be told.")
            for score in SCORES
        ),
        Column(
            "is_bad", "BOOLEAN", "Whether one of the scores in `answers.harms` is true; NULL where nothing is scored."
        ),
    ),
    key=("event_date", "source", "answer_id"),
    day="event_date",
    page="""
        SELECT feature, prompt_version, count(*) AS answers, count(*) FILTER (is_bad) AS bad, avg(mean_rating) AS rating
        FROM warehouse.fact_answers WHERE event_date >= $start AND event_date < $end
        GROUP BY ALL ORDER BY bad DESC LIMIT 12""",
    claims=(
        Claim(
            name="every_answer_is_there_once",
            description="The answers that count are the delivered ones that are no bot's, each once.",
            contradictions=f"""
                SELECT event_date, delivered, stored
                FROM (
                    SELECT event_date, count(DISTINCT (source, answer_id)) AS delivered
                    FROM telemetry.raw_answers ANTI JOIN (SELECT user_id FROM warehouse.dim_users WHERE is_bot) USING (user_id)
                    WHERE NOT is_duplicate AND {_WINDOW} GROUP BY event_date
                )
                FULL JOIN (
                    SELECT event_date, count(*) AS stored FROM warehouse.fact_answers WHERE {_WINDOW} GROUP BY event_date
                ) USING (event_date)
                WHERE delivered < stored""",
        ),
        Claim(
            name="bad_answers_show_why",
            description="An answer that is bad shows at least one score.",
            contradictions=f"""
                SELECT event_date, answer_id FROM warehouse.fact_answers
                WHERE {_WINDOW} AND is_bad AND NOT ({" OR ".join(f'coalesce("{score.name}", false)' for score in SCORES)})""",
        ),
    ),
)

TABLES: Final = (
    DIM_USERS,
    DIM_FEATURE_METADATA,
    DIM_RELEASES,
    FACT_VISIT_EVENTS,
    FACT_EVENTS,
    FACT_SESSIONS,
    FACT_ANSWERS,
)
