-- Units first exposed on each day before $end, by experiment and variant, and those that were seen in a second variant then.
-- The flags in $rolled_out are left out.
SELECT
    event_date,
    experiment,
    variant,
    count(*) FILTER (is_first) AS units,
    count(*) FILTER (NOT is_first) AS in_two,
    min(feature) AS first_feature,
    max(feature) AS last_feature,
    bool_or(of_answer) AS of_answers
FROM experiments.fact_exposures
WHERE event_date < $end AND NOT list_contains($rolled_out, experiment)
GROUP BY ALL
ORDER BY ALL
