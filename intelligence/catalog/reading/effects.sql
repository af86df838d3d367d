-- What features do to their users, the claims that the evidence carries first; the feature's own where one is asked for.
SELECT
    event_date, feature, treatment, outcome, estimate, low, high, naive, naive_low, naive_high, baseline, units, treated,
    grade, grade_reason, refuted, q_value, sensitivity, overlap, answer,
    coalesce(grade < 'D' AND q_value <= 0.05 AND (low > 0 OR high < 0), false) AS is_claimed
FROM causality.feature_effects
WHERE
    event_date = (SELECT max(event_date) FROM causality.feature_effects)
    AND ($feature = '' OR feature = $feature)
ORDER BY is_claimed DESC, grade NULLS LAST, q_value NULLS LAST, feature, treatment, outcome
