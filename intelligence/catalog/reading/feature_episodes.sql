-- The newest row of each episode of a feature in the last days.
SELECT episode, first_day, last_day, is_open, severity, is_adverse, title, likely_cause, breaks_on, breaks_from, breaks_until
FROM signals.episodes
WHERE
    list_contains(features, $feature)
    AND event_date > (SELECT max(event_date) FROM metrics.kpi_day) - CAST($days AS INTEGER)
QUALIFY row_number() OVER (PARTITION BY episode ORDER BY event_date DESC) = 1
ORDER BY is_open DESC, last_day DESC, list_position(['severe', 'notable', 'mild'], severity), episode
