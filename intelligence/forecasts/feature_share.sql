-- Which share of all user-days of the four weeks up to $day is of users of $feature, and on which share nothing else was used.
WITH days AS (
    SELECT event_date, user_id, features FROM metrics.user_day WHERE event_date > $day - 28 AND event_date <= $day
),
used AS (
    SELECT DISTINCT event_date, user_id FROM warehouse.fact_events
    WHERE feature = $feature AND event_date > $day - 28 AND event_date <= $day
)
SELECT
    count(*) FILTER (user_id IN (SELECT user_id FROM used)) / nullif(count(*), 0) AS share,
    count(*) FILTER (features = 1 AND (event_date, user_id) IN (SELECT event_date, user_id FROM used)) / nullif(count(*), 0) AS only
FROM days
