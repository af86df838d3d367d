-- The active days of the users in the sample, for the history, the earlier days and the follow-up of all trials.
SELECT user_id, event_date, segment, events, sessions, features, duration_s, errors, conversions
FROM metrics.user_day
WHERE event_date >= $first_day AND event_date <= $last_day AND hash(user_id) % 1000 < $users_per_thousand
ORDER BY user_id, event_date
