-- The newest day whose verdict is moved, with the page of the first alarm since the last steady day of that champion.
WITH moved AS (
    SELECT event_date, model_version FROM drift.model_watch WHERE model = $model AND state = 'moved'
    ORDER BY event_date DESC, lake_snapshot, model_version LIMIT 1
), steady AS (
    SELECT max(event_date) AS last_day FROM drift.model_watch SEMI JOIN moved USING (model_version)
    WHERE model = $model AND state = 'steady' AND event_date < (SELECT event_date FROM moved)
), alarms AS (
    SELECT drift_page, event_date FROM drift.drift_pages SEMI JOIN moved USING (model_version)
    WHERE model = $model AND kind = 'alarm'
)
SELECT event_date, model_version,
       (SELECT arg_min(drift_page, event_date) FROM alarms
        WHERE event_date > coalesce((SELECT last_day FROM steady), DATE '0001-01-01')) AS drift_page
FROM moved
