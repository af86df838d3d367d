-- What adopting $feature does to active days, as the newest day up to $day says.
SELECT estimate, low, high, baseline, grade FROM causality.feature_effects
WHERE feature = $feature AND treatment = 'adopting' AND outcome = 'active_days_after' AND estimate IS NOT NULL AND event_date <= $day
ORDER BY event_date DESC
LIMIT 1
