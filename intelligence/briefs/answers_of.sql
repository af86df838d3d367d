-- The scored answers of a feature in a period, and those of them that are bad, with the sums over users that their interval needs.
SELECT
    $feature AS feature, CAST($first AS DATE) AS first_day, CAST($last AS DATE) AS last_day,
    CAST(sum(total) AS BIGINT) AS total, CAST(sum(hits) AS BIGINT) AS hits, CAST(sum(users) AS BIGINT) AS users,
    CAST(sum(hit_square_sum) AS BIGINT) AS hit_square_sum, CAST(sum(cross_sum) AS BIGINT) AS cross_sum,
    CAST(sum(total_square_sum) AS BIGINT) AS total_square_sum
FROM answers.quality_day
WHERE measure = 'bad' AND feature = $feature AND event_date BETWEEN $first AND $last
HAVING sum(total) > 0
