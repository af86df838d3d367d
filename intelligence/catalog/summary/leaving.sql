SELECT churn_bucket AS bucket, count(*) AS users, avg(churn_score) AS mean_score, mode(reason_1) AS reason
FROM risk.user_churn WHERE event_date = (SELECT max(event_date) FROM risk.user_churn)
GROUP BY bucket ORDER BY mean_score DESC
