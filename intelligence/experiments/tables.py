"""The tables of the experiments layer: who was exposed to what, what they did, and what follows from it."""

from typing import Final

from intelligence.core.tables import Claim, Column, Recipe, Table
from intelligence.experiments.quantities import COUNTS, SUMS
from intelligence.metrics.tables import USER_DAY
from intelligence.telemetry.tables import DAY_QUALITY
from intelligence.warehouse.tables import FACT_ANSWERS, FACT_EVENTS

# What a verdict is called where people read it.
WORDS: Final = {
    "ship": "ship",
    "roll_back": "roll back",
    "review": "review",
    "keep_running": "keep running",
    "not_enough_evidence": "not enough evidence",
}
_WINDOW: Final = "event_date >= $start AND event_date < $end"
_NEWEST: Final = "(SELECT max(event_date) FROM experiments.experiment_verdicts WHERE event_date < $end)"

FACT_EXPOSURES: Final = Table(
    layer="experiments",
    name="fact_exposures",
    recipe=Recipe(queries=("experiments/fact_exposures.sql",), tables=(FACT_EVENTS, FACT_ANSWERS)),
    description="One row per experiment, unit and variant: the first time that the unit was seen in it.",
    columns=(
        Column("event_date", "DATE", "Day of that first time, on the product's clock.", True),
        Column("experiment", "VARCHAR", "Experiment.", True),
        Column("user_id", "VARCHAR", "The unit; key of dim_users.", True),
        Column("variant", "VARCHAR", "Variant that it was seen in.", True),
        Column("exposed_at", "TIMESTAMP", "When, UTC.", True),
        Column("feature", "VARCHAR", "Feature of that event or answer.", True),
        Column("segment", "VARCHAR", "Kind of user at that time.", True),
        Column("platform", "VARCHAR", "Platform at that time, or 'unknown'.", True),
        Column("of_answer", "BOOLEAN", "Whether the answer of a language model showed it, and no event.", True),
        Column(
            "is_first",
            "BOOLEAN",
            "Whether it is the unit's first variant; false for a unit seen in another one before.",
            True,
        ),
    ),
    key=("experiment", "user_id", "variant"),
    day="event_date",
    lookback_days=None,
    page="""
        SELECT experiment || ' · ' || variant AS variant, count(*) FILTER (is_first) AS units,
               count(*) FILTER (NOT is_first) AS in_two, min(event_date) AS first_day, max(event_date) AS last_day
        FROM experiments.fact_exposures WHERE event_date < $end
        GROUP BY experiment, variant ORDER BY last_day DESC, experiment, variant LIMIT 20""",
    numbers=f"""
        SELECT event_date, count(*) FILTER (is_first) AS units, count(*) FILTER (NOT is_first) AS in_two_variants
        FROM experiments.fact_exposures WHERE {_WINDOW} GROUP BY event_date ORDER BY event_date""",
)

EXPERIMENT_MOMENTS: Final = Table(
    layer="experiments",
    name="experiment_moments",
    recipe=Recipe(
        queries=("experiments/unit_values.sql",),
        functions=(
            "intelligence.experiments.running:running",
            "intelligence.experiments.running:parameters",
            "intelligence.experiments.daily:daily_moments",
        ),
        settings=("experiments", "conversion_events"),
        tables=(FACT_EXPOSURES, USER_DAY, FACT_EVENTS, FACT_ANSWERS, DAY_QUALITY),
    ),
    description="Counts, sums and products of what the units of an experiment did, by metric, day of exposure and segment,"
    " as known at the end of each day; all results are computed from them.",
    columns=(
        Column("event_date", "DATE", "Day at the end of which this was known.", True),
        Column("measured_in", "VARCHAR", "since_exposure, or day for what was done on the day alone.", True),
        Column("experiment", "VARCHAR", "Experiment.", True),
        Column("variant", "VARCHAR", "Variant.", True),
        Column("metric", "VARCHAR", "Metric of the registry.", True),
        Column("exposed_on", "DATE", "Day of the units' first exposure.", True),
        Column("segment", "VARCHAR", "Kind of user at that time.", True),
        *(Column(name, "BIGINT", f"Number of {name}.".replace("_", " "), True) for name in COUNTS),
        *(
            Column(name, "DOUBLE", "Sum over units; x and y are the metric, a and b the same before.", True)
            for name in SUMS
        ),
        Column("unit_values", "DOUBLE[]", "Values of x of each unit, sorted, where the metric is a quantile."),
    ),
    key=("event_date", "measured_in", "experiment", "variant", "metric", "exposed_on", "segment"),
    day="event_date",
    lookback_days=None,
    page=f"""
        SELECT experiment, variant, metric, CAST(sum(units) AS BIGINT) AS units, CAST(sum(n) AS BIGINT) AS with_outcome
        FROM experiments.experiment_moments
        WHERE {_WINDOW} AND measured_in = 'since_exposure' GROUP BY ALL ORDER BY experiment, metric, variant LIMIT 30""",
)

EXPERIMENT_RESULTS: Final = Table(
    layer="experiments",
    name="experiment_results",
    recipe=Recipe(
        functions=(
            "intelligence.experiments.running:running",
            "intelligence.experiments.standing:standing",
        ),
        settings=("experiments",),
        tables=(EXPERIMENT_MOMENTS, FACT_EXPOSURES, DAY_QUALITY),
    ),
    description="The effect of each variant on each metric, as it was known at the end of each day; none of an unhealthy experiment.",
    columns=(
        Column("event_date", "DATE", "Day at the end of which this was known.", True),
        Column("experiment", "VARCHAR", "Experiment.", True),
        Column("variant", "VARCHAR", "Variant, which is compared with the control.", True),
        Column("metric", "VARCHAR", "Metric of the registry.", True),
        Column("segment", "VARCHAR", "Kind of user, or 'all'.", True),
        Column("role", "VARCHAR", "goal, guardrail or signal.", True),
        Column("direction", "VARCHAR", "Which change is wanted: increase or decrease.", True),
        Column("n_control", "BIGINT", "Units of the control with an outcome."),
        Column("n_variant", "BIGINT", "Units of the variant with an outcome."),
        Column("control", "DOUBLE", "Value of the control."),
        Column("value", "DOUBLE", "Value of the variant."),
        Column("effect", "DOUBLE", "Difference in the unit of the metric, adjusted by what was before the exposure."),
        Column(
            "low", "DOUBLE", "Lower end of the interval that the design allows on this day; NULL where it allows none."
        ),
        Column("high", "DOUBLE", "Upper end of it."),
        Column("relative", "DOUBLE", "Effect over the value of the control."),
        Column("relative_low", "DOUBLE", "Lower end of its interval."),
        Column("relative_high", "DOUBLE", "Upper end of it."),
        Column("watched_low", "DOUBLE", "Lower end of the always-valid interval, by which harm is watched for."),
        Column("watched_high", "DOUBLE", "Upper end of it."),
        Column("p", "DOUBLE", "p-value of a single look."),
        Column("p_adjusted", "DOUBLE", "The same, adjusted for the number of metrics of its role, or of segments."),
        Column("p_always_valid", "DOUBLE", "p-value that holds however often one looks."),
        Column(
            "chance_to_win",
            "DOUBLE",
            "Probability that the variant is ahead in the wanted direction, with a flat prior.",
        ),
        Column("variance_left", "DOUBLE", "Share of the variance that is left after adjusting (CUPED)."),
        Column("margin", "DOUBLE", "Largest harm accepted of a guardrail.", True),
        Column("scale", "VARCHAR", "Scale of the margin: relative or absolute.", True),
        Column("grade", "VARCHAR", "Evidence grade of the effect; NULL where there is no effect."),
        Column("note", "VARCHAR", "Why there is no effect."),
    ),
    key=("event_date", "experiment", "variant", "metric", "segment"),
    day="event_date",
    lookback_days=None,
    page=f"""
        SELECT experiment || ' · ' || variant AS variant, metric || ' (' || role || ')' AS metric,
               printf('%+.1f %% (%+.1f to %+.1f)', 100 * relative, 100 * relative_low, 100 * relative_high) AS effect,
               round(p_adjusted, 4) AS p_adjusted, coalesce(grade, note) AS grade
        FROM experiments.experiment_results
        WHERE event_date = {_NEWEST} AND segment = 'all' ORDER BY experiment, role, metric LIMIT 40""",
    claims=(
        Claim(
            name="effects_have_intervals_and_grades",
            description="No effect without its grade, and none outside of its own interval.",
            contradictions=f"""
                SELECT event_date, experiment, variant, metric, segment, effect, low, high, grade
                FROM experiments.experiment_results
                WHERE {_WINDOW} AND effect IS NOT NULL
                AND (grade IS NULL OR NOT coalesce(effect BETWEEN low AND high, true) OR watched_low IS NULL)""",
        ),
    ),
)

EXPERIMENT_VERDICTS: Final = Table(
    layer="experiments",
    name="experiment_verdicts",
    recipe=EXPERIMENT_RESULTS.recipe,
    description="What should become of each variant, as it was known at the end of each day, and what is wrong with its experiment.",
    columns=(
        Column("event_date", "DATE", "Day at the end of which this was known.", True),
        Column("experiment", "VARCHAR", "Experiment.", True),
        Column("variant", "VARCHAR", "Variant, which is compared with the control.", True),
        Column("control", "VARCHAR", "The control.", True),
        Column("verdict", "VARCHAR", "ship, roll_back, review, keep_running or not_enough_evidence.", True),
        Column("until", "DATE", "Day until which it should keep running, where that is known."),
        Column("reason", "VARCHAR", "Why, in a sentence.", True),
        Column("is_healthy", "BOOLEAN", "Whether effects are shown.", True),
        Column("problems", "VARCHAR[]", "What is wrong with the experiment, in sentences.", True),
        Column("grade", "VARCHAR", "Evidence grade of its effects: A for an own experiment that is healthy.", True),
        Column(
            "is_declared",
            "BOOLEAN",
            "Whether product.yaml declares it; else the shares and metrics are defaults.",
            True,
        ),
        Column("confidence", "DOUBLE", "Confidence of its intervals: 1 less the chance of a false finding.", True),
        Column("design", "VARCHAR", "group_sequential, always_valid or fixed.", True),
        Column("starts_on", "DATE", "First day.", True),
        Column("ends_on", "DATE", "Last planned day; NULL without one."),
        Column("units_control", "BIGINT", "Units of the control.", True),
        Column("units_variant", "BIGINT", "Units of the variant.", True),
        Column("units_in_two", "BIGINT", "Units seen in more than one variant, which are left out.", True),
        Column("feature", "VARCHAR", "Feature that it is on."),
        Column("flag", "VARCHAR", "Flag that shows the variants."),
        Column("owner", "VARCHAR", "Who decides about it.", True),
        Column("hypothesis", "VARCHAR", "What was expected.", True),
    ),
    key=("event_date", "experiment", "variant"),
    day="event_date",
    lookback_days=None,
    page=f"""
        SELECT experiment || ' · ' || variant AS variant, replace(verdict, '_', ' ') AS verdict, units_control AS control,
               units_variant AS treated, concat_ws('; ', reason, CASE WHEN NOT is_declared THEN 'not declared' END) AS why
        FROM experiments.experiment_verdicts WHERE event_date = {_NEWEST} ORDER BY experiment, variant LIMIT 20""",
    numbers=f"""
        SELECT event_date, count(*) AS variants, count(*) FILTER (NOT is_healthy) AS unhealthy,
               count(*) FILTER (verdict = 'ship') AS to_ship, count(*) FILTER (verdict = 'roll_back') AS to_roll_back
        FROM experiments.experiment_verdicts WHERE {_WINDOW} GROUP BY event_date ORDER BY event_date""",
)

TABLES: Final = (FACT_EXPOSURES, EXPERIMENT_MOMENTS, EXPERIMENT_RESULTS, EXPERIMENT_VERDICTS)
