-- What the series of the answers of features are computed from, with the sums over users that give each rate its variance; a user of
-- two versions or segments counts as two.
WITH measures AS (
    PIVOT (
        SELECT event_date, feature, measure, total, hits, users, hit_users, hit_square_sum, cross_sum, total_square_sum
        FROM answers.quality_day
        WHERE event_date >= $start AND event_date < $end
    )
    ON measure IN ('bad', 'refusal', 'good_rating')
    USING
        sum(total) AS total, sum(hits) AS hits, sum(users) AS users, sum(hit_users) AS hit_users,
        sum(hit_square_sum) AS hit_square_sum, sum(cross_sum) AS cross_sum, sum(total_square_sum) AS total_square_sum
    GROUP BY event_date, feature
),
costs AS (
    SELECT event_date, feature, sum(cost) AS cost, sum(priced_answers) AS priced_answers
    FROM answers.answer_day
    WHERE event_date >= $start AND event_date < $end
    GROUP BY event_date, feature
)
SELECT *
FROM costs LEFT JOIN measures USING (event_date, feature)
ORDER BY event_date, feature
