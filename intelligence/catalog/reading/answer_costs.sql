-- What answers cost and how long they took in the last days, by feature and versions.
SELECT
    feature, model_version, prompt_version, min(event_date) AS first_day, max(event_date) AS event_date,
    CAST(sum(answers) AS BIGINT) AS answers, CAST(sum(erased_answers) AS BIGINT) AS erased_answers, CAST(sum(good_answers) AS BIGINT) AS good_answers, sum(cost) AS cost,
    sum(cost_per_good_answer * good_answers) / nullif(sum(good_answers) FILTER (cost_per_good_answer IS NOT NULL), 0) AS cost_per_good_answer,
    median(p50_latency_ms) AS p50_latency_ms, median(p95_latency_ms) AS p95_latency_ms
FROM answers.answer_day
WHERE
    ($feature = '' OR feature = $feature)
    AND event_date > (SELECT max(event_date) FROM metrics.kpi_day) - CAST($days AS INTEGER)
GROUP BY feature, model_version, prompt_version
ORDER BY ALL
