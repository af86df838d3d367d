-- Sums are of decimals, not of floats: exact, and so bit for bit the same in whatever order threads add them.
-- The features of a visit are a set of bits, 64 features per block; visits and users are counted bit by bit, which is as
-- exact as count(DISTINCT …) and cheaper.
-- The spread of bad events over users is computed only from users with a bad event and from the few with very many events:
-- all others add nothing to the sums of bad events, and enter the sums of squared use as if they had equal numbers of events.
WITH terms AS (
    SELECT
        feature,
        slow_latency_ms,
        place >> 6 AS block,
        CAST(place & 63 AS UBIGINT) AS bit,
        CAST(1 AS UBIGINT) << CAST(place & 63 AS UBIGINT) AS mark
    FROM (
        SELECT feature, slow_latency_ms, row_number() OVER (ORDER BY feature) - 1 AS place
        FROM warehouse.dim_feature_metadata
    )
),
-- The events are read twice, which costs half as much as keeping them in memory.
events AS NOT MATERIALIZED (
    SELECT facts.*, terms.slow_latency_ms, terms.block, terms.mark
    FROM warehouse.fact_events AS facts INNER JOIN terms USING (feature)
    WHERE event_date >= $start AND event_date < $end
),
counted AS (
    SELECT
        event_date,
        feature,
        count(*) AS usage_count,
        count(latency_ms) AS timed_events,
        sum(CAST(latency_ms AS DECIMAL(18, 3))) AS latency_ms,
        quantile_cont(latency_ms, [0.5, 0.95, 0.99]) AS latency_quantiles,
        count(*) FILTER (latency_ms > slow_latency_ms) AS slow_events,
        count(*) FILTER (error_count > 0 OR crashed) AS failed_events,
        sum(error_count) AS errors,
        count(*) FILTER (crashed) AS crashed_events,
        count(rating) AS ratings,
        sum(CAST(rating AS DECIMAL(18, 6))) AS rating_sum,
        count(*) FILTER (rating <= 2) AS bad_ratings,
        coalesce(sum(CAST(duration_s AS DECIMAL(18, 3))), 0) AS duration_s,
        coalesce(sum(CAST(value AS DECIMAL(38, 6))), 0) AS value,
        list(user_id) FILTER (error_count > 0 OR crashed OR latency_ms > slow_latency_ms OR rating IS NOT NULL) AS noted
    FROM events
    GROUP BY event_date, feature
),
visits AS (
    SELECT
        event_date,
        user_id,
        block,
        count(*) AS events,
        bit_or(mark) AS touched,
        bit_or(mark) FILTER (crashed) AS crashed,
        bit_or(mark) FILTER (latency_ms IS NOT NULL) AS timed
    FROM events
    GROUP BY event_date, user_id, session_id, block
),
visitors AS (
    SELECT event_date, user_id, block, sum(events) AS events, bit_or(touched) AS touched, bit_or(timed) AS timed
    FROM visits
    GROUP BY event_date, user_id, block
),
bits AS (
    SELECT CAST(bit AS UBIGINT) AS bit FROM range(64) AS numbers (bit)
),
sessions AS (
    SELECT event_date, block, bit, count(*) AS sessions, count(*) FILTER ((crashed >> bit) & 1 = 1) AS crashed_sessions
    FROM visits INNER JOIN bits ON (touched >> bit) & 1 = 1
    GROUP BY event_date, block, bit
),
users AS (
    SELECT event_date, block, bit, count(*) AS users, count(*) FILTER ((timed >> bit) & 1 = 1) AS timed_users
    FROM visitors INNER JOIN bits ON (touched >> bit) & 1 = 1
    GROUP BY event_date, block, bit
),
busy AS (
    SELECT event_date, user_id
    FROM visitors INNER JOIN (
        SELECT event_date, sum(events) / count(DISTINCT user_id) AS usual FROM visitors GROUP BY event_date
    ) USING (event_date)
    GROUP BY event_date, user_id
    HAVING sum(events) > 8 * any_value(usual)
),
counted_users AS (
    SELECT event_date, feature, unnest(noted) AS user_id FROM counted
    UNION
    SELECT event_date, feature, user_id FROM warehouse.fact_events SEMI JOIN busy USING (event_date, user_id)
    WHERE event_date >= $start AND event_date < $end
),
by_user AS (
    SELECT
        event_date,
        feature,
        user_id,
        count(*) AS usage_count,
        count(latency_ms) AS timed_events,
        count(rating) AS ratings,
        count(*) FILTER (error_count > 0 OR crashed) AS failed_events,
        count(*) FILTER (crashed) AS crashed_events,
        count(*) FILTER (latency_ms > slow_latency_ms) AS slow_events,
        count(*) FILTER (rating <= 2) AS bad_ratings
    FROM (
        SELECT * FROM warehouse.fact_events SEMI JOIN counted_users USING (event_date, feature, user_id)
        WHERE event_date >= $start AND event_date < $end
    ) INNER JOIN terms USING (feature)
    GROUP BY event_date, feature, user_id
),
spread AS (
    SELECT
        event_date,
        feature,
        count(*) AS counted_users,
        count(*) FILTER (timed_events > 0) AS counted_timed_users,
        count(*) FILTER (ratings > 0) AS rating_users,
        sum(usage_count) AS counted_usage,
        sum(timed_events) AS counted_timed,
        sum(usage_count * usage_count) AS usage_square_sum,
        sum(timed_events * timed_events) AS timed_square_sum,
        sum(ratings * ratings) AS rating_square_sum,
        count(*) FILTER (failed_events > 0) AS failed_users,
        sum(failed_events * failed_events) AS failed_square_sum,
        sum(failed_events * usage_count) AS failed_cross_sum,
        sum(CAST(failed_events / nullif(usage_count, 0) AS DECIMAL(18, 9))) FILTER (failed_events > 0) AS failed_share_sum,
        sum(CAST((failed_events / nullif(usage_count, 0)) ** 2 AS DECIMAL(18, 9))) FILTER (failed_events > 0) AS failed_share_square_sum,
        max({'events': failed_events, 'user_id': user_id, 'total': usage_count}) FILTER (failed_events > 0) AS most_failed,
        count(*) FILTER (crashed_events > 0) AS crashed_users,
        sum(crashed_events * crashed_events) AS crashed_square_sum,
        sum(crashed_events * usage_count) AS crashed_cross_sum,
        sum(CAST(crashed_events / nullif(usage_count, 0) AS DECIMAL(18, 9))) FILTER (crashed_events > 0) AS crashed_share_sum,
        sum(CAST((crashed_events / nullif(usage_count, 0)) ** 2 AS DECIMAL(18, 9))) FILTER (crashed_events > 0) AS crashed_share_square_sum,
        max({'events': crashed_events, 'user_id': user_id, 'total': usage_count}) FILTER (crashed_events > 0) AS most_crashed,
        count(*) FILTER (slow_events > 0) AS slow_users,
        sum(slow_events * slow_events) AS slow_square_sum,
        sum(slow_events * timed_events) AS slow_cross_sum,
        sum(CAST(slow_events / nullif(timed_events, 0) AS DECIMAL(18, 9))) FILTER (slow_events > 0) AS slow_share_sum,
        sum(CAST((slow_events / nullif(timed_events, 0)) ** 2 AS DECIMAL(18, 9))) FILTER (slow_events > 0) AS slow_share_square_sum,
        max({'events': slow_events, 'user_id': user_id, 'total': timed_events}) FILTER (slow_events > 0) AS most_slow,
        count(*) FILTER (bad_ratings > 0) AS disliked_users,
        sum(bad_ratings * bad_ratings) AS disliked_square_sum,
        sum(bad_ratings * ratings) AS disliked_cross_sum,
        sum(CAST(bad_ratings / nullif(ratings, 0) AS DECIMAL(18, 9))) FILTER (bad_ratings > 0) AS disliked_share_sum,
        sum(CAST((bad_ratings / nullif(ratings, 0)) ** 2 AS DECIMAL(18, 9))) FILTER (bad_ratings > 0) AS disliked_share_square_sum,
        max({'events': bad_ratings, 'user_id': user_id, 'total': ratings}) FILTER (bad_ratings > 0) AS most_disliked
    FROM by_user
    GROUP BY event_date, feature
),
-- Answers of language models are few beside events, and of most products there are none.
answers_by_user AS (
    SELECT event_date, feature, user_id, count(*) AS scored_answers, count(*) FILTER (is_bad) AS bad_answers
    FROM warehouse.fact_answers
    WHERE event_date >= $start AND event_date < $end AND is_scored
    GROUP BY event_date, feature, user_id
),
answers AS (
    SELECT
        event_date,
        feature,
        sum(scored_answers) AS scored_answers,
        sum(bad_answers) AS bad_answers,
        count(*) AS answered_users,
        sum(scored_answers * scored_answers) AS answer_square_sum,
        count(*) FILTER (bad_answers > 0) AS let_down_users,
        sum(bad_answers * bad_answers) AS let_down_square_sum,
        sum(bad_answers * scored_answers) AS let_down_cross_sum,
        sum(CAST(bad_answers / scored_answers AS DECIMAL(18, 9))) AS let_down_share_sum,
        sum(CAST((bad_answers / scored_answers) ** 2 AS DECIMAL(18, 9))) AS let_down_share_square_sum,
        max({'events': bad_answers, 'user_id': user_id, 'total': scored_answers}) FILTER (bad_answers > 0) AS most_let_down
    FROM answers_by_user
    GROUP BY event_date, feature
),
reached AS (
    SELECT event_date, feature, users, timed_users, sessions, crashed_sessions
    FROM sessions
    INNER JOIN users USING (event_date, block, bit)
    INNER JOIN terms USING (block, bit)
)
SELECT
    event_date,
    feature,
    usage_count,
    users,
    sessions,
    crashed_sessions,
    1 - crashed_sessions / sessions AS crash_free_session_rate,
    timed_events,
    CAST(latency_ms AS DOUBLE) / nullif(timed_events, 0) AS mean_latency_ms,
    latency_quantiles[1] AS p50_latency_ms,
    latency_quantiles[2] AS p95_latency_ms,
    latency_quantiles[3] AS p99_latency_ms,
    slow_events,
    slow_events / nullif(timed_events, 0) AS slow_rate,
    failed_events,
    failed_events / usage_count AS error_rate,
    CAST(errors AS BIGINT) AS errors,
    crashed_events,
    crashed_events / usage_count AS crash_rate,
    ratings,
    CAST(rating_sum AS DOUBLE) / nullif(ratings, 0) AS mean_rating,
    bad_ratings,
    bad_ratings / nullif(ratings, 0) AS bad_rating_rate,
    CAST(duration_s AS DOUBLE) AS duration_s,
    CAST(value AS DOUBLE) AS value,
    coalesce(failed_users, 0) AS failed_users,
    CAST(coalesce(failed_square_sum, 0) AS BIGINT) AS failed_square_sum,
    CAST(coalesce(failed_cross_sum, 0) AS BIGINT) AS failed_cross_sum,
    CAST(coalesce(failed_share_sum, 0) AS DOUBLE) AS failed_share_sum,
    CAST(coalesce(failed_share_square_sum, 0) AS DOUBLE) AS failed_share_square_sum,
    most_failed.user_id AS most_failed_user,
    most_failed.events AS most_failed_events,
    most_failed.total AS most_failed_total,
    coalesce(crashed_users, 0) AS crashed_users,
    CAST(coalesce(crashed_square_sum, 0) AS BIGINT) AS crashed_square_sum,
    CAST(coalesce(crashed_cross_sum, 0) AS BIGINT) AS crashed_cross_sum,
    CAST(coalesce(crashed_share_sum, 0) AS DOUBLE) AS crashed_share_sum,
    CAST(coalesce(crashed_share_square_sum, 0) AS DOUBLE) AS crashed_share_square_sum,
    most_crashed.user_id AS most_crashed_user,
    most_crashed.events AS most_crashed_events,
    most_crashed.total AS most_crashed_total,
    coalesce(slow_users, 0) AS slow_users,
    CAST(coalesce(slow_square_sum, 0) AS BIGINT) AS slow_square_sum,
    CAST(coalesce(slow_cross_sum, 0) AS BIGINT) AS slow_cross_sum,
    CAST(coalesce(slow_share_sum, 0) AS DOUBLE) AS slow_share_sum,
    CAST(coalesce(slow_share_square_sum, 0) AS DOUBLE) AS slow_share_square_sum,
    most_slow.user_id AS most_slow_user,
    most_slow.events AS most_slow_events,
    most_slow.total AS most_slow_total,
    coalesce(disliked_users, 0) AS disliked_users,
    CAST(coalesce(disliked_square_sum, 0) AS BIGINT) AS disliked_square_sum,
    CAST(coalesce(disliked_cross_sum, 0) AS BIGINT) AS disliked_cross_sum,
    CAST(coalesce(disliked_share_sum, 0) AS DOUBLE) AS disliked_share_sum,
    CAST(coalesce(disliked_share_square_sum, 0) AS DOUBLE) AS disliked_share_square_sum,
    most_disliked.user_id AS most_disliked_user,
    most_disliked.events AS most_disliked_events,
    most_disliked.total AS most_disliked_total,
    coalesce(usage_square_sum, 0) + coalesce((usage_count - coalesce(counted_usage, 0)) ** 2 / nullif(users - coalesce(counted_users, 0), 0), 0) AS usage_square_sum,
    timed_users,
    coalesce(timed_square_sum, 0) + coalesce((timed_events - coalesce(counted_timed, 0)) ** 2 / nullif(timed_users - coalesce(counted_timed_users, 0), 0), 0) AS timed_square_sum,
    coalesce(rating_users, 0) AS rating_users,
    CAST(coalesce(rating_square_sum, 0) AS DOUBLE) AS rating_square_sum,
    CAST(coalesce(scored_answers, 0) AS BIGINT) AS scored_answers,
    CAST(coalesce(bad_answers, 0) AS BIGINT) AS bad_answers,
    CAST(bad_answers / scored_answers AS DOUBLE) AS bad_answer_rate,
    coalesce(answered_users, 0) AS answered_users,
    CAST(coalesce(answer_square_sum, 0) AS DOUBLE) AS answer_square_sum,
    coalesce(let_down_users, 0) AS let_down_users,
    CAST(coalesce(let_down_square_sum, 0) AS BIGINT) AS let_down_square_sum,
    CAST(coalesce(let_down_cross_sum, 0) AS BIGINT) AS let_down_cross_sum,
    CAST(coalesce(let_down_share_sum, 0) AS DOUBLE) AS let_down_share_sum,
    CAST(coalesce(let_down_share_square_sum, 0) AS DOUBLE) AS let_down_share_square_sum,
    most_let_down.user_id AS most_let_down_user,
    most_let_down.events AS most_let_down_events,
    most_let_down.total AS most_let_down_total
FROM counted
INNER JOIN reached USING (event_date, feature)
LEFT JOIN spread USING (event_date, feature)
LEFT JOIN answers USING (event_date, feature)
