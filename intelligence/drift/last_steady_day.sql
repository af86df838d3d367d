SELECT coalesce(max(event_date), DATE '0001-01-01') FROM drift.model_watch
WHERE model = $model AND model_version = $model_version AND event_date < $event_date AND state = 'steady'
