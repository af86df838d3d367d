-- What was decided in a period, about all features or one, the newest first and of a day the most worthwhile.
SELECT
    decision_id, event_date, scope, feature, action, coalesce(level, 'no level') AS level, confidence, score, reasons,
    CAST($first AS DATE) AS first_day, CAST($last AS DATE) AS last_day
FROM decisions.feature_decisions
WHERE event_date BETWEEN $first AND $last AND ($feature = '' OR feature = $feature)
ORDER BY event_date DESC, score DESC, scope, feature
