-- Experiments that started or ended on the days $first to $last, as the newest verdict on them knows.
WITH newest AS (
    SELECT experiment, arg_max(feature, event_date) AS feature, min(starts_on) AS starts_on,
           arg_max(ends_on, event_date) AS ends_on, max(event_date) AS known_on
    FROM experiments.experiment_verdicts
    WHERE event_date <= $last
    GROUP BY experiment
)
SELECT starts_on AS day, feature, 'experiment ' || experiment || ' starts' AS text, experiment AS about
FROM newest WHERE starts_on >= $first AND starts_on <= $last
UNION ALL
SELECT ends_on, feature, 'experiment ' || experiment || ' ends', experiment
FROM newest WHERE ends_on >= $first AND ends_on <= $last AND ends_on <= known_on
ORDER BY day, text
