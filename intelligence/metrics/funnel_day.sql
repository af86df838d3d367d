-- Funnels by day of entry: all steps of the days whose windows are over, and the number of entries of the later days.
-- The interval is Wilson's; where users entered more than once, as many entries count as would vary as much one by one.
WITH judged AS (
    SELECT
        entered_on AS event_date,
        funnel,
        step,
        step_name,
        dimension,
        value,
        entered,
        users,
        converted,
        reached_before,
        converted / entered AS rate,
        converted_square_sum - 2 * rate * cross_sum + rate * rate * entered_square_sum AS spread,
        CASE
            WHEN converted = 0 OR converted = entered OR spread <= 0 THEN users
            ELSE least(entered, rate * (1 - rate) * entered * entered / spread)
        END AS n,
        median_s,
        p90_s,
        median_since_entry_s,
        p90_since_entry_s
    FROM metrics.funnel_steps
),
over AS (SELECT funnel, max(entered_on) AS last_day FROM metrics.funnel_steps GROUP BY funnel),
open AS (
    SELECT event_date, entries.funnel, step_name, user_id, unnest(['all', 'segment', 'platform', 'app_version']) AS dimension,
           unnest(['all', segment, platform, app_version]) AS value
    FROM metrics.funnel_entries AS entries LEFT JOIN over USING (funnel)
    WHERE last_day IS NULL OR event_date > last_day
)
SELECT
    event_date,
    funnel,
    step,
    step_name,
    dimension,
    value,
    entered,
    users,
    converted,
    rate,
    greatest(0, (rate + 1.920729 / n - 1.959964 * sqrt(rate * (1 - rate) / n + 0.960365 / (n * n))) / (1 + 3.841459 / n)) AS low,
    least(1, (rate + 1.920729 / n + 1.959964 * sqrt(rate * (1 - rate) / n + 0.960365 / (n * n))) / (1 + 3.841459 / n)) AS high,
    reached_before,
    1 - converted / nullif(reached_before, 0) AS drop_off_rate,
    median_s,
    p90_s,
    median_since_entry_s,
    p90_since_entry_s,
    true AS is_complete
FROM judged
UNION ALL BY NAME
SELECT
    event_date,
    funnel,
    CAST(1 AS BIGINT) AS step,
    step_name,
    dimension,
    value,
    count(*) AS entered,
    count(DISTINCT user_id) AS users,
    false AS is_complete
FROM open
WHERE value IS NOT NULL
GROUP BY event_date, funnel, step_name, dimension, value
