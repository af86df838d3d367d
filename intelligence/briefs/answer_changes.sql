-- What new versions of the last six weeks changed, as it stands on the newest day, and the day on which it was first shown; of a
-- feature in trouble what any version changed.
SELECT
    feature, changed, version, since, measure, min(event_date) AS shown_on, max(event_date) AS event_date,
    arg_max(hits_before, event_date) AS hits_before, arg_max(total_before, event_date) AS total_before,
    arg_max(hits_after, event_date) AS hits_after, arg_max(total_after, event_date) AS total_after,
    arg_max(difference, event_date) AS difference, arg_max(low, event_date) AS low, arg_max(high, event_date) AS high,
    verdict, any_value(grade) AS grade
FROM answers.version_changes
WHERE verdict <> 'none shown'
GROUP BY feature, changed, version, since, measure, verdict
HAVING max(event_date) = (SELECT max(event_date) FROM metrics.kpi_day)
    OR feature IN (
        SELECT feature FROM metrics.feature_health
        WHERE event_date = (SELECT max(event_date) FROM metrics.feature_health) AND state IN ('degraded', 'at_risk')
    )
ORDER BY since DESC, feature, abs(arg_max(difference, event_date)) DESC, measure
