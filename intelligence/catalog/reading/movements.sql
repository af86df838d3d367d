-- Where the change of each degraded feature lies, the newest days first; the feature's own where one is asked for.
SELECT event_date, feature, metric, since, before, after, change, low, high, suspect, accounts_for, grade, answer
FROM causality.degradations
WHERE
    ($feature = '' OR feature = $feature)
    AND event_date > (SELECT max(event_date) FROM metrics.kpi_day) - CAST($days AS INTEGER)
QUALIFY row_number() OVER (PARTITION BY feature, metric, since ORDER BY event_date DESC) = 1
ORDER BY event_date DESC, feature
