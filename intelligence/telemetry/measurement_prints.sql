-- Fingerprints of the days [$start, $end), which reveal events that were sent twice or on another day before:
-- the 256 least hashes of what identifies an event without its id, once with the time of day and once with the measurements.
-- Of a sample, the users whose hash is divisible by four.
SELECT
    event_date,
    min(hash(user_id, feature, event_type, epoch_us(event_time) % 86400000000), 256) AS timed,
    min(hash(user_id, feature, event_type, latency_ms, duration_s, rating, value), 256) AS measured,
    count(*) AS events,
    count(DISTINCT user_id) AS users
FROM telemetry.events
WHERE event_date >= $start AND event_date < $end AND hash(user_id) % 4 = 0
GROUP BY ALL
