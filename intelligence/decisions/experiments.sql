-- The verdicts of a day on variants, each with the confidence with which its experiment concludes.
SELECT
    experiment, variant, verdict, reason, grade, feature, flag, starts_on, units_variant, confidence
FROM experiments.experiment_verdicts
WHERE event_date = $day AND verdict IN ('roll_back', 'ship')
ORDER BY experiment, variant
