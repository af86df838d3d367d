-- The users known so far, updated with the days [$start, $end). Updating with a day again changes nothing, and the order
-- of days does not matter: first event, last event and attributes of the latest event are idempotent and commutative.
WITH spans AS (
    SELECT user_id, min(event_time) AS first_seen_at, max(event_time) AS last_seen_at
    FROM telemetry.events
    WHERE event_date >= $start AND event_date < $end
    GROUP BY user_id
),
seen AS (
    SELECT
        user_id,
        first_seen_at,
        last_seen_at,
        arg_max(
            {'segment': segment, 'region': region, 'platform': platform, 'app_version': app_version}, (event_id, source)
        ) AS latest
    FROM telemetry.events INNER JOIN spans USING (user_id)
    WHERE event_date >= $start AND event_date < $end AND event_time = last_seen_at
    GROUP BY user_id, first_seen_at, last_seen_at
),
known AS (
    SELECT
        user_id,
        first_seen_at,
        last_seen_at,
        {'segment': segment, 'region': region, 'platform': platform, 'app_version': app_version} AS latest
    FROM warehouse.dim_users
),
folded AS (
    SELECT
        user_id,
        least(known.first_seen_at, seen.first_seen_at) AS first_seen_at,
        greatest(known.last_seen_at, seen.last_seen_at) AS last_seen_at,
        CASE
            WHEN known.last_seen_at IS NULL OR seen.last_seen_at >= known.last_seen_at THEN seen.latest
            ELSE known.latest
        END AS latest
    FROM known FULL JOIN seen USING (user_id)
)
SELECT
    user_id,
    first_seen_at,
    last_seen_at,
    latest.segment,
    latest.region,
    latest.platform,
    latest.app_version,
    len(list_filter(CAST($bots AS VARCHAR[]), lambda bot: user_id = bot OR user_id GLOB bot)) > 0 AS is_bot
FROM folded
