-- Episodes of unusual metrics, severe or notable, that began on the days $first to $last, as the newest day up to $last knows them;
-- one row for each of their features. `about` is a segment, of an episode of the product.
WITH newest AS (
    SELECT * FROM signals.episodes
    WHERE event_date <= $last AND first_day >= $first AND first_day <= $last
    QUALIFY row_number() OVER (PARTITION BY episode ORDER BY event_date DESC) = 1
)
SELECT
    first_day AS day,
    unnest(CASE WHEN len(features) > 0 THEN features ELSE [CAST(NULL AS VARCHAR)] END) AS feature,
    title AS text,
    segments[1] AS about
FROM newest
WHERE severity IN ('severe', 'notable')
ORDER BY first_day, list_position(['severe', 'notable'], severity), episode, feature
