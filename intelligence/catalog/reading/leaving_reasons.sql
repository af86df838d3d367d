-- What the churn model gives as the first reasons of those at high and medium risk of leaving.
SELECT reason_1 AS reason, count(*) AS users, avg(churn_score) AS mean_score
FROM risk.user_churn
WHERE
    event_date = (SELECT max(event_date) FROM risk.user_churn) AND churn_bucket <> 'low' AND reason_1 IS NOT NULL
GROUP BY reason
ORDER BY users DESC, reason
LIMIT 12
