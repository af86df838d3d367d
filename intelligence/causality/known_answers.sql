-- The variants whose effects an own experiment knows at the end of a day: declared and healthy, with units that have been observed
-- for $days days since their exposure.
SELECT experiment, variant, control, starts_on AS first_zero, least(event_date, $day - $days) AS last_zero
FROM (
    FROM experiments.experiment_verdicts
    WHERE event_date <= $day
    QUALIFY event_date = max(event_date) OVER (PARTITION BY experiment)
)
WHERE is_declared AND is_healthy AND starts_on <= $day - $days
ORDER BY experiment, variant
