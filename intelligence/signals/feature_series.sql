-- What the series of features are computed from, with the sums over users that give each rate its variance.
SELECT
    event_date, feature, usage_count, users, sessions, usage_square_sum,
    failed_events, failed_users, failed_square_sum, failed_cross_sum, failed_share_sum, failed_share_square_sum,
    crashed_events, crashed_users, crashed_square_sum, crashed_cross_sum, crashed_share_sum, crashed_share_square_sum,
    timed_events, timed_users, timed_square_sum, p95_latency_ms,
    slow_events, slow_users, slow_square_sum, slow_cross_sum, slow_share_sum, slow_share_square_sum,
    ratings, rating_users, rating_square_sum, mean_rating,
    bad_ratings, disliked_users, disliked_square_sum, disliked_cross_sum, disliked_share_sum, disliked_share_square_sum,
    duration_s
FROM metrics.fact_feature_metrics
WHERE event_date >= $start AND event_date < $end
ORDER BY event_date, feature
