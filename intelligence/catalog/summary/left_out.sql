SELECT count(*) AS events, count(DISTINCT user_id) AS bots
FROM telemetry.events SEMI JOIN (SELECT user_id FROM warehouse.dim_users WHERE is_bot) USING (user_id)
