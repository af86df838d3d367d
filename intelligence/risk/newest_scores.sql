-- The newest day with scores, the version that gave them, and the newest day with health.
SELECT max(event_date) AS scored_day, arg_max(model_version, event_date) AS scored_version,
       (SELECT max(event_date) FROM metrics.feature_health) AS newest_day
FROM {scores}
