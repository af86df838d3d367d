-- The versions of models and prompts that began to answer within the history, in place of other ones of the feature.
WITH seen AS (
    UNPIVOT (
        SELECT event_date, feature, model_version, prompt_version
        FROM answers.answer_day
        WHERE event_date >= $start AND event_date < $end
    )
    ON model_version, prompt_version INTO NAME changed VALUE version
)
SELECT feature, replace(changed, '_', ' ') AS changed, version, min(event_date) AS since
FROM seen INNER JOIN (SELECT feature, min(event_date) AS first_day FROM seen GROUP BY feature) USING (feature)
WHERE version <> 'unknown'
GROUP BY feature, changed, version
HAVING since > any_value(first_day)
ORDER BY since, feature, changed, version
