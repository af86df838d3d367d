-- The features whose flags the platform itself had changed before a day.
SELECT DISTINCT feature FROM actions.action_log
WHERE list_contains($kinds, kind) AND feature IS NOT NULL AND day < $day
    AND (standing IN ('confirmed', 'unconfirmed') OR (standing = 'undone' AND CAST(changed_at AS DATE) > $day - 7))
ORDER BY feature
