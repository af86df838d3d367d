-- What is unusual on the newest day for the worse, the most severe and surprising first, and in which part of the product its change
-- lies, where that is known.
WITH newest AS (SELECT max(event_date) AS event_date FROM metrics.kpi_day),
unusual AS (
    SELECT * FROM signals.episodes SEMI JOIN newest USING (event_date) WHERE is_open AND is_adverse
),
parts AS (
    SELECT episode, arg_max(suspect, accounts_for) AS suspect, max(accounts_for) AS accounts_for
    FROM unusual INNER JOIN causality.degradations AS degraded
        ON list_contains(features, degraded.feature) AND degraded.event_date = unusual.event_date
    WHERE suspect IS NOT NULL
    GROUP BY episode
)
SELECT episode, title, likely_cause, features, first_day, suspect, accounts_for
FROM unusual LEFT JOIN parts USING (episode)
ORDER BY list_position(['severe', 'notable', 'mild'], severity), surprise DESC, episode
