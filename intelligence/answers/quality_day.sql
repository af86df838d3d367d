-- For each day, feature, versions, segment and measure: of how many answers (or ratings) it can be told, and of how many it holds,
-- with the sums over users by which intervals take into account that the answers of one user are not independent.
WITH measured AS (
    UNPIVOT (
        SELECT
            event_date,
            feature,
            model_version,
            prompt_version,
            segment,
            user_id,
            {'total': 1, 'hits': is_bad::BIGINT} AS bad,
            {'total': 1, 'hits': ungrounded_number::BIGINT} AS ungrounded_number,
            {'total': 1, 'hits': ungrounded_date::BIGINT} AS ungrounded_date,
            {'total': 1, 'hits': ungrounded_name::BIGINT} AS ungrounded_name,
            {'total': 1, 'hits': ungrounded_quote::BIGINT} AS ungrounded_quote,
            {'total': 1, 'hits': contradicted_direction::BIGINT} AS contradicted_direction,
            {'total': 1, 'hits': refusal::BIGINT} AS refusal,
            {'total': 1, 'hits': "empty"::BIGINT} AS "empty",
            {'total': 1, 'hits': cut_off::BIGINT} AS cut_off,
            {'total': 1, 'hits': repetition::BIGINT} AS repetition,
            {'total': 1, 'hits': other_language::BIGINT} AS other_language,
            {'total': 1, 'hits': broken_format::BIGINT} AS broken_format,
            {'total': 1, 'hits': unsafe::BIGINT} AS unsafe,
            {'total': 1, 'hits': personal_data::BIGINT} AS personal_data,
            {'total': 1, 'hits': (ratings > 0)::BIGINT} AS rated,
            {'total': ratings, 'hits': good_ratings} AS good_rating,
            {'total': 1, 'hits': followed_up::BIGINT} AS followed_up,
            {'total': 1, 'hits': is_corrected::BIGINT} AS corrected
        FROM warehouse.fact_answers
        WHERE event_date >= $start AND event_date < $end
    )
    ON COLUMNS(* EXCLUDE (event_date, feature, model_version, prompt_version, segment, user_id))
    INTO NAME measure VALUE counts
),
of_users AS (
    SELECT
        event_date,
        feature,
        model_version,
        prompt_version,
        segment,
        measure,
        user_id,
        sum(counts.total) AS total,
        sum(counts.hits) AS hits
    FROM measured
    WHERE counts.hits IS NOT NULL AND counts.total > 0
    GROUP BY ALL
)
SELECT
    event_date,
    feature,
    model_version,
    prompt_version,
    segment,
    measure,
    CAST(sum(total) AS BIGINT) AS total,
    CAST(sum(hits) AS BIGINT) AS hits,
    CAST(sum(hits) / sum(total) AS DOUBLE) AS rate,
    count(*) AS users,
    count(*) FILTER (hits > 0) AS hit_users,
    CAST(sum(hits * hits) AS BIGINT) AS hit_square_sum,
    CAST(sum(hits * total) AS BIGINT) AS cross_sum,
    CAST(sum(total * total) AS BIGINT) AS total_square_sum
FROM of_users
GROUP BY event_date, feature, model_version, prompt_version, segment, measure
