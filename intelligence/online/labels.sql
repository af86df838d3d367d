-- Accepted events of users whose outcomes are known at $as_of: those older than $delay_hours, with whether one of the harmful outcomes
-- became true within that time and was received by then. Every event has the same time to turn out harmful.
SELECT
    event_id,
    event_time,
    user_id,
    feature,
    coalesce(harmed.kinds, []) AS outcomes,
    harmed.kinds IS NOT NULL AS label
FROM telemetry.events
LEFT JOIN (
    SELECT decision_id AS event_id, list(DISTINCT kind ORDER BY kind) AS kinds
    FROM (
        SELECT
            unnest(CAST($ids AS VARCHAR[])) AS decision_id,
            unnest(CAST($kinds AS VARCHAR[])) AS kind,
            unnest(CAST($happened AS TIMESTAMP[])) AS happened_at
    ) AS said
    INNER JOIN telemetry.events ON said.decision_id = events.event_id
    WHERE said.happened_at <= events.event_time + INTERVAL 1 HOUR * CAST($delay_hours AS INTEGER)
    GROUP BY decision_id
) AS harmed USING (event_id)
WHERE event_time <= CAST($as_of AS TIMESTAMP) - INTERVAL 1 HOUR * CAST($delay_hours AS INTEGER)
ORDER BY event_time, event_id
