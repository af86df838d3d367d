-- The newest earlier decision on a feature other than to monitor it.
SELECT event_date, action, decision_id FROM decisions.feature_decisions
WHERE scope = $scope AND feature = $feature AND event_date < $event_date AND action <> 'monitor'
ORDER BY event_date DESC LIMIT 1
