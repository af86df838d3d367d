-- Users who sent outsize numbers of events on the days [$start, $end): at least a fiftieth of a day's events and more than
-- twenty times the median user's, on days with at least twenty users.
WITH sent AS (
    SELECT event_date, user_id, count(*) AS events
    FROM telemetry.events
    WHERE event_date >= $start AND event_date < $end
    GROUP BY ALL
),

days AS (
    SELECT event_date, count(*) AS users, sum(events) AS of_all, median(events) AS of_the_median
    FROM sent
    GROUP BY ALL
)

SELECT event_date, user_id
FROM sent JOIN days USING (event_date)
WHERE users >= 20 AND 50 * events >= of_all AND events > 20 * of_the_median
ORDER BY ALL
