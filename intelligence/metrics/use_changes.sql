-- Who began, came back after a silence or fell silent on each day of the range [$start, $end). The days of use are bits, the last
-- day of the range being the lowest (see uses.sql): shifting right by one bit moves each use to the day after it.
WITH weeks AS (
    SELECT place, CAST(127 AS HUGEINT) << place AS within
    FROM (SELECT CAST(unnest(range(0, date_diff('day', $start, $end), 7)) AS HUGEINT) AS place)
),
known AS (
    SELECT dimension, value, user_id FROM metrics.use_changes WHERE change = 'new' AND event_date < $start
),
-- Within 28 days of a use, the day itself included or not.
spans AS (
    SELECT
        *,
        used | (used >> 1) AS two,
        two | (two >> 2) AS four,
        four | (four >> 4) AS eight,
        eight | (eight >> 8) AS sixteen,
        sixteen | (sixteen >> 12) AS current,
        (CAST(1 AS HUGEINT) << CAST(date_diff('day', $start, $end) AS HUGEINT)) - 1 AS within
    FROM temp.uses
),
turns AS (
    SELECT dimension, value, user_id, 'resurrected' AS change, within & xor(used, used & (current >> 1)) AS days FROM spans
    UNION ALL
    SELECT dimension, value, user_id, 'dormant', within & xor(used >> 28, (used >> 28) & current) FROM spans
),
-- A day is found by its week first: few weeks have any.
turned AS (
    SELECT
        dimension,
        value,
        user_id,
        change,
        CAST($end AS DATE) - 1 - CAST(place AS INTEGER) - CAST(number AS INTEGER) AS event_date
    FROM (
        SELECT turns.*, place, CAST((days & weeks.within) >> place AS INTEGER) AS bits
        FROM turns INNER JOIN weeks ON days & weeks.within > 0
    )
    INNER JOIN range(7) AS numbers (number) ON (bits >> CAST(number AS INTEGER)) & 1 = 1
),
-- The first day is the highest bit: all bits below it are set too, and counted.
beginnings AS (
    SELECT
        dimension,
        value,
        user_id,
        used | (used >> 1) AS two,
        two | (two >> 2) AS four,
        four | (four >> 4) AS eight,
        eight | (eight >> 8) AS sixteen,
        sixteen | (sixteen >> 16) AS half,
        half | (half >> 32) AS most,
        most | (most >> 64) AS below,
        CAST($end AS DATE) - CAST(bit_count(below) AS INTEGER) AS event_date
    FROM (FROM temp.uses WHERE (used >> CAST(date_diff('day', $start, $end) AS HUGEINT)) = 0) AS uses
    ANTI JOIN known USING (dimension, value, user_id)
),
-- A user belongs to what the first event says, whatever later ones say: so the counts of a segment or platform conserve.
openings AS (
    SELECT
        facts.user_id,
        arg_min(
            {'segment': segment, 'platform': coalesce(platform, 'unknown'), 'feature': facts.feature},
            (event_time, event_id, source)
        ) AS first
    FROM warehouse.fact_events AS facts
    INNER JOIN (FROM beginnings WHERE dimension = 'all') AS beginnings
        ON facts.user_id = beginnings.user_id AND facts.event_date = beginnings.event_date
    WHERE facts.event_date >= $start AND facts.event_date < $end
    GROUP BY facts.user_id
),
people AS (
    SELECT 'all' AS dimension, user_id, segment, platform, first_feature FROM metrics.use_changes
    WHERE change = 'new' AND dimension = 'all' AND event_date < $start
    UNION ALL
    SELECT 'all', user_id, first.segment, first.platform, first.feature FROM openings
),
changes AS (
    SELECT event_date, dimension, value, user_id, 'new' AS change FROM beginnings
    UNION ALL
    SELECT event_date, dimension, value, user_id, change
    FROM (FROM turned WHERE change = 'resurrected') AS turned
    ANTI JOIN beginnings USING (event_date, dimension, value, user_id)
    UNION ALL
    SELECT event_date, dimension, value, user_id, change FROM turned WHERE change = 'dormant'
)
SELECT changes.*, people.segment, people.platform, people.first_feature
FROM changes
LEFT JOIN people USING (dimension, user_id)
ORDER BY event_date
