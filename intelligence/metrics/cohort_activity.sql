-- The users who reached a definition of retention on a day of the range [$start, $end). A definition is an interval of ages, and a
-- user reaches it with the first use in it: at an age from its first to its last, when the use before was at a lower age.
-- The days of use are bits, the last day of the range being the lowest: see uses.sql.
WITH definitions AS (SELECT unnest($definitions, recursive := true)),
-- A user of the product is looked at day by day and week by week, a user of a feature week by week.
periods AS (
    SELECT 'day' AS grain, 'all' AS dimension, CAST(day AS DATE) AS first_day, CAST(day AS DATE) AS last_day
    FROM generate_series($start, $end - INTERVAL 1 DAY, INTERVAL 1 DAY) AS series (day)
    UNION ALL
    SELECT
        'week',
        dimensions.dimension,
        greatest(CAST(day AS DATE), CAST($start AS DATE)),
        least(CAST(day AS DATE) + 6, CAST($end AS DATE) - 1)
    FROM generate_series(date_trunc('week', CAST($start AS DATE)), $end - INTERVAL 1 DAY, INTERVAL 7 DAY) AS series (day)
    CROSS JOIN (VALUES ('all'), ('feature')) AS dimensions (dimension)
),
marked AS (
    SELECT
        grain,
        dimension,
        first_day,
        CAST(CAST($end AS DATE) - 1 - last_day AS HUGEINT) AS place,
        CAST(CAST($end AS DATE) - first_day AS HUGEINT) AS above,
        ((CAST(1 AS HUGEINT) << (above - place)) - 1) << place AS within
    FROM periods
),
begun AS (
    SELECT uses.*, changes.event_date AS first_date, segment, platform, first_feature
    FROM temp.uses AS uses
    INNER JOIN (FROM metrics.use_changes WHERE change = 'new' AND event_date < $end) AS changes
        USING (dimension, value, user_id)
),
-- Of each period the first day of use counts, which is the highest bit; the use before is the lowest of the bits above. The bits of
-- a period are at most seven, so that they are a small number.
present AS (
    SELECT
        grain,
        begun.dimension,
        value,
        user_id,
        CAST((used & within) >> place AS INTEGER) AS bits,
        CAST($end AS DATE) - CAST(place AS INTEGER) - CAST(length(bin(bits)) AS INTEGER) AS event_date,
        used >> above AS earlier,
        CASE WHEN earlier > 0 THEN first_day - CAST(bit_count(xor(earlier, earlier - 1)) AS INTEGER) END AS previous_date,
        first_date,
        segment,
        platform,
        first_feature
    FROM begun INNER JOIN marked ON begun.dimension = marked.dimension AND used & within > 0
),
-- A silence that reaches further back than the bits has ended with this use; its beginning says when the use before was.
silences AS (
    SELECT dimension, value, user_id, max(event_date) - 28 AS previous_date
    FROM metrics.use_changes
    SEMI JOIN (FROM present WHERE previous_date IS NULL AND event_date > first_date) USING (dimension, value, user_id)
    WHERE change = 'dormant' AND event_date < $start
    GROUP BY dimension, value, user_id
),
aged AS (
    SELECT
        present.* EXCLUDE (bits, earlier, previous_date, first_date),
        CASE WHEN grain = 'day' THEN first_date ELSE CAST(date_trunc('week', first_date) AS DATE) END AS cohort,
        CASE WHEN grain = 'day' THEN 1 ELSE 7 END AS length,
        (present.event_date - cohort) // length AS age,
        CASE
            WHEN present.event_date = first_date THEN -1
            ELSE (coalesce(present.previous_date, silences.previous_date) - cohort) // length
        END AS previous_age
    FROM present LEFT JOIN silences USING (dimension, value, user_id)
),
reached AS (
    SELECT event_date, dimension, value, segment, platform, first_feature, cohort, number
    FROM aged
    INNER JOIN definitions
        ON aged.grain = definitions.grain
        AND age >= definitions.first_age
        AND previous_age < definitions.first_age
        AND age <= coalesce(definitions.last_age, age)
),
of_product AS (FROM reached WHERE dimension = 'all'),
counted AS (
    SELECT 'feature' AS dimension, value, number, event_date, cohort, count(*) AS users
    FROM reached
    WHERE dimension = 'feature'
    GROUP BY value, number, event_date, cohort
    UNION ALL
    -- Each day has a row for each definition, though nobody may have reached it: so the newest row is of the newest day.
    SELECT 'all', 'all', number, event_date, cohort, sum(users)
    FROM (
        SELECT number, event_date, cohort, 1 AS users FROM of_product
        UNION ALL
        SELECT
            number,
            CAST(day AS DATE),
            CASE WHEN grain = 'day' THEN CAST(day AS DATE) ELSE CAST(date_trunc('week', day) AS DATE) END,
            0
        FROM generate_series($start, $end - INTERVAL 1 DAY, INTERVAL 1 DAY) AS series (day) CROSS JOIN definitions
    )
    GROUP BY number, event_date, cohort
    UNION ALL
    SELECT 'segment', segment, number, event_date, cohort, count(*) FROM of_product GROUP BY segment, number, event_date, cohort
    UNION ALL
    SELECT 'platform', platform, number, event_date, cohort, count(*)
    FROM of_product
    GROUP BY platform, number, event_date, cohort
    UNION ALL
    SELECT 'first_feature', first_feature, number, event_date, cohort, count(*)
    FROM of_product
    WHERE number IN (SELECT number FROM definitions WHERE grain = 'week')
    GROUP BY first_feature, number, event_date, cohort
)
SELECT event_date, grain, dimension, value, cohort, definition, first_age, last_age, CAST(users AS BIGINT) AS users
FROM counted INNER JOIN definitions USING (number)
ORDER BY event_date
