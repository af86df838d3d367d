-- Who paid on each day, and who has stopped: by the week of first use, and for all. A payer is a user with value on a day; who has
-- not paid for 28 days has stopped, on the last of these days, and is recovered with the next payment.
WITH payments AS (
    SELECT event_date, user_id, value
    FROM metrics.user_day
    WHERE event_date < $end AND value > 0
),
followed AS (
    SELECT
        *,
        lag(event_date) OVER payer AS paid_before,
        lead(event_date) OVER payer AS pays_next,
        sum(value) OVER (PARTITION BY user_id ORDER BY event_date RANGE BETWEEN INTERVAL 27 DAY PRECEDING AND CURRENT ROW) AS value_28d,
        min(event_date) OVER (PARTITION BY user_id) AS first_paid
    FROM payments
    WINDOW payer AS (PARTITION BY user_id ORDER BY event_date)
),
moves AS (
    SELECT
        event_date,
        user_id,
        value,
        0.0 AS value_28d,
        CASE
            WHEN paid_before IS NULL THEN 'new'
            WHEN event_date - paid_before > 28 THEN 'recovered'
            ELSE 'repeat'
        END AS move
    FROM followed
    UNION ALL
    SELECT event_date + 28, user_id, 0.0, value_28d, 'stopped'
    FROM followed
    WHERE pays_next IS NULL OR pays_next - event_date > 28
),
cohorts AS (
    SELECT user_id, CAST(date_trunc('week', CAST(local_time(first_seen_at) AS DATE)) AS DATE) AS cohort_week
    FROM warehouse.dim_users
),
active AS (
    SELECT
        day.event_date,
        cohort_week,
        count(*) AS active_users,
        count(*) FILTER (first_paid IS NULL OR first_paid >= day.event_date) AS unpaid_users,
        sum(CAST(day.value AS DECIMAL(38, 6))) AS value
    FROM metrics.user_day AS day
    LEFT JOIN (SELECT user_id, min(event_date) AS first_paid FROM payments GROUP BY user_id) USING (user_id)
    LEFT JOIN cohorts USING (user_id)
    WHERE day.event_date >= $start AND day.event_date < $end
    GROUP BY ALL
),
counted AS (
    SELECT
        event_date,
        cohort_week,
        count(*) FILTER (move = 'new') AS new_payers,
        count(*) FILTER (move = 'repeat') AS repeat_payers,
        count(*) FILTER (move = 'recovered') AS recovered_payers,
        count(*) FILTER (move = 'stopped') AS stopped_payers,
        sum(CAST(value AS DECIMAL(38, 6))) FILTER (move = 'new') AS new_value,
        sum(CAST(value AS DECIMAL(38, 6))) FILTER (move = 'recovered') AS recovered_value,
        sum(CAST(value_28d AS DECIMAL(38, 6))) FILTER (move = 'stopped') AS stopped_value
    FROM moves
    LEFT JOIN cohorts USING (user_id)
    WHERE event_date >= $start AND event_date < $end
    GROUP BY ALL
),
together AS (
    SELECT
        coalesce(active.event_date, counted.event_date) AS event_date,
        coalesce(active.cohort_week, counted.cohort_week) AS cohort_week,
        active.* EXCLUDE (event_date, cohort_week),
        counted.* EXCLUDE (event_date, cohort_week)
    FROM active
    FULL JOIN counted
        ON active.event_date = counted.event_date AND active.cohort_week IS NOT DISTINCT FROM counted.cohort_week
)
SELECT
    event_date,
    CASE WHEN grouping(cohort_week) = 1 THEN 'all' ELSE coalesce(CAST(cohort_week AS VARCHAR), 'unknown') END AS cohort,
    CAST(coalesce(sum(active_users), 0) AS BIGINT) AS active_users,
    CAST(coalesce(sum(unpaid_users), 0) AS BIGINT) AS unpaid_users,
    CAST(coalesce(sum(new_payers), 0) AS BIGINT) AS new_payers,
    CAST(coalesce(sum(repeat_payers), 0) AS BIGINT) AS repeat_payers,
    CAST(coalesce(sum(recovered_payers), 0) AS BIGINT) AS recovered_payers,
    CAST(coalesce(sum(stopped_payers), 0) AS BIGINT) AS stopped_payers,
    coalesce(sum(new_payers), 0) / nullif(sum(unpaid_users), 0) AS paid_conversion_rate,
    CAST(coalesce(sum(value), 0) AS DOUBLE) AS value,
    CAST(coalesce(sum(new_value), 0) AS DOUBLE) AS new_value,
    CAST(coalesce(sum(recovered_value), 0) AS DOUBLE) AS recovered_value,
    CAST(coalesce(sum(stopped_value), 0) AS DOUBLE) AS stopped_value
FROM together
GROUP BY GROUPING SETS ((event_date), (event_date, cohort_week))
ORDER BY event_date, cohort
