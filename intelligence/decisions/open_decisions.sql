-- Decisions of the stream since $since that a score or a learned policy made between safe answers, and that were carried out: only there
-- another answer would have changed anything. Where there are more than $most, about as many, with all that concerns their users.
WITH open AS (
    SELECT event_id, event_time, number, entity, answer, propensity, windows, risk_score
    FROM decisions.entity_decisions
    WHERE NOT is_asked AND event_time >= $since AND level = 'auto' AND status = 'counted' AND answer IN ('allow', 'throttle')
        AND NOT is_fallback AND len(rules) = 0 AND len(lowered_by) = 0
        AND propensity IS NOT NULL AND windows IS NOT NULL AND risk_score IS NOT NULL
)
SELECT * FROM open
WHERE hash(entity) % 1000 < 1000 * $most / (SELECT greatest(count(*), 1) FROM open)
ORDER BY event_time, number
