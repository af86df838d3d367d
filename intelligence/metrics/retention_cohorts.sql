-- Each cohort with each definition, as known at the end of the newest day. A cohort is mature for a definition once all days that
-- can count for it are over; rolling retention counts any later use, and is mature once its first day is over.
WITH extent AS (SELECT min(event_date) AS first_day, max(event_date) AS newest_day FROM metrics.cohort_activity),
summed AS (
    SELECT grain, dimension, value, cohort, definition, first_age, last_age, CAST(sum(users) AS BIGINT) AS users
    FROM metrics.cohort_activity
    GROUP BY grain, dimension, value, cohort, definition, first_age, last_age
),
sizes AS (
    SELECT grain, dimension, value, cohort, users FROM summed
    WHERE definition IN ('n_day', 'n_week') AND first_age = 0 AND users > 0
),
definitions AS (
    SELECT DISTINCT grain, definition, first_age, last_age FROM metrics.cohort_activity
    WHERE dimension = 'all' AND first_age > 0
),
known AS (
    SELECT
        sizes.cohort,
        grain,
        sizes.dimension,
        sizes.value,
        definitions.definition,
        definitions.first_age,
        definitions.last_age,
        sizes.users,
        newest_day AS known_on,
        sizes.cohort >= first_day + 28 AS is_surely_new,
        sizes.cohort + CAST(
            CASE
                WHEN grain = 'day' THEN coalesce(definitions.last_age, definitions.first_age)
                ELSE 7 * coalesce(definitions.last_age, definitions.first_age) + 6
            END AS INTEGER
        ) <= newest_day AS is_mature
    FROM sizes
    INNER JOIN definitions USING (grain)
    CROSS JOIN extent
),
counted AS (
    SELECT known.*, CASE WHEN is_mature THEN coalesce(summed.users, 0) END AS retained
    FROM known
    LEFT JOIN summed
        ON known.grain = summed.grain
        AND known.dimension = summed.dimension
        AND known.value = summed.value
        AND known.cohort = summed.cohort
        AND known.definition = summed.definition
        AND known.first_age = summed.first_age
        AND known.last_age IS NOT DISTINCT FROM summed.last_age
)
SELECT
    * EXCLUDE (known_on, is_surely_new, is_mature),
    retained / users AS rate,
    greatest(0, (rate + 1.920729 / users - 1.959964 * sqrt(rate * (1 - rate) / users + 0.960365 / (users * users))) / (1 + 3.841459 / users)) AS low,
    least(1, (rate + 1.920729 / users + 1.959964 * sqrt(rate * (1 - rate) / users + 0.960365 / (users * users))) / (1 + 3.841459 / users)) AS high,
    is_mature,
    is_surely_new,
    known_on
FROM counted
