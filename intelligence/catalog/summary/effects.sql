-- What features do to their users, where the evidence carries it: adjusted and unrefuted, and not likely to be chance among all
-- questions of the day.
SELECT feature, treatment, outcome, estimate, low, high, naive, grade, q_value
FROM causality.feature_effects
WHERE
    event_date = (SELECT max(event_date) FROM causality.feature_effects)
    AND grade < 'D'
    AND q_value <= 0.05
    AND (low > 0 OR high < 0)
ORDER BY q_value, feature, outcome
