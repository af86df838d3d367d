-- Actions on the evidence of the days $first to $last that were carried out, or may have been; those on flags are named as such.
SELECT
    day,
    feature,
    CASE WHEN kind IN ('rollback', 'throttle', 'hold', 'advance') THEN 'flag: ' ELSE 'action: ' END
    || title || CASE WHEN standing = 'confirmed' THEN '' ELSE ' (' || standing || ')' END AS text
FROM actions.action_log
WHERE day >= $first AND day <= $last AND standing IN ('sent', 'confirmed', 'unconfirmed', 'undone')
ORDER BY day, planned_at, action_id
