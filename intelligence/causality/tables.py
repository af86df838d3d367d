"""The tables of the causality layer: what features do to users, and where the change of a degraded feature lies."""

from typing import Final

from intelligence.core.tables import Claim, Column, Recipe, Table
from intelligence.experiments.tables import EXPERIMENT_VERDICTS, FACT_EXPOSURES
from intelligence.metrics.tables import FEATURE_HEALTH, USER_DAY
from intelligence.telemetry.tables import DAY_QUALITY
from intelligence.warehouse.tables import DIM_FEATURE_METADATA, DIM_RELEASES, DIM_USERS, FACT_EVENTS

_WINDOW: Final = "event_date >= $start AND event_date < $end"

ESTIMATOR_RECORD: Final = Table(
    layer="causality",
    name="estimator_record",
    recipe=Recipe(
        queries=("causality/known_answers.sql", "causality/record_units.sql"),
        functions=(
            "intelligence.causality.record:pairs_of",
            "intelligence.causality.record:record_rows",
        ),
        tables=(EXPERIMENT_VERDICTS, FACT_EXPOSURES, USER_DAY),
    ),
    description="One row per method: what it says where an own experiment knows the answer, and so how far it can be trusted.",
    columns=(
        Column("event_date", "DATE", "Day at the end of which this was known.", True),
        Column("method", "VARCHAR", "plain difference, or adjusted, by which feature_effects is estimated.", True),
        Column("pairs", "BIGINT", "Answers that were compared: one for each experiment, variant and outcome.", True),
        Column("bias", "DOUBLE", "Mean of method minus experiment, in standard deviations of the outcome.", True),
        Column("bias_low", "DOUBLE", "Lower bound of its 95 % interval.", True),
        Column("bias_high", "DOUBLE", "Upper bound.", True),
        Column("coverage", "DOUBLE", "Share of answers that differ by no more than both 95 % intervals allow.", True),
        Column("coverage_low", "DOUBLE", "Lower bound of its 95 % interval.", True),
        Column("coverage_high", "DOUBLE", "Upper bound.", True),
        Column("out_of_bounds", "BOOLEAN", "Whether the method loses a grade; NULL with too few pairs to say."),
        Column("compared", "VARCHAR", "The pairs, as JSON.", True),
        Column("answer", "VARCHAR", "The record in a sentence.", True),
    ),
    key=("event_date", "method"),
    day="event_date",
    lookback_days=None,
    newest_day_only=True,
    page="""
        SELECT method, pairs, printf('%+.3f (%+.3f to %+.3f)', bias, bias_low, bias_high) AS bias,
               printf('%.0f %% (%.0f to %.0f)', 100 * coverage, 100 * coverage_low, 100 * coverage_high) AS coverage, out_of_bounds
        FROM causality.estimator_record
        WHERE event_date = (SELECT max(event_date) FROM causality.estimator_record WHERE event_date < $end) ORDER BY method""",
    claims=(
        Claim(
            name="bias_and_coverage_lie_in_their_intervals",
            description="The bias and the coverage of each method lie in their intervals.",
            contradictions=f"""
                SELECT event_date, method, bias, bias_low, bias_high, coverage, coverage_low, coverage_high
                FROM causality.estimator_record
                WHERE {_WINDOW} AND (NOT bias BETWEEN bias_low AND bias_high OR NOT coverage BETWEEN coverage_low AND coverage_high)""",
        ),
    ),
)

FEATURE_EFFECTS: Final = Table(
    layer="causality",
    name="feature_effects",
    recipe=Recipe(
        queries=("causality/trial_user_days.sql", "causality/first_days.sql", "causality/feature_uses.sql"),
        functions=(
            "intelligence.causality.feature_effects:trial_days",
            "intelligence.causality.feature_effects:users_per_thousand",
            "intelligence.causality.feature_effects:feature_effects",
            "intelligence.causality.feature_effects:unanswered",
        ),
        tables=(USER_DAY, FACT_EVENTS, DIM_USERS, DIM_FEATURE_METADATA, ESTIMATOR_RECORD),
    ),
    description="One row per feature, treatment and outcome: what adopting the feature, or meeting its errors, does to users.",
    columns=(
        Column("event_date", "DATE", "Last day of the follow-up, on the product's clock.", True),
        Column("feature", "VARCHAR", "Product feature.", True),
        Column("treatment", "VARCHAR", "adopting or meeting_errors.", True),
        Column("outcome", "VARCHAR", "retained_7d, retained_28d, active_days_after or churned.", True),
        Column("estimate", "DOUBLE", "The adjusted effect, in the unit of the outcome; NULL without enough evidence."),
        Column("low", "DOUBLE", "Lower bound of its 95 % interval."),
        Column("high", "DOUBLE", "Upper bound."),
        Column("naive", "DOUBLE", "The plain difference between the arms."),
        Column("naive_low", "DOUBLE", "Lower bound of its 95 % interval."),
        Column("naive_high", "DOUBLE", "Upper bound."),
        Column("baseline", "DOUBLE", "Mean outcome of the comparable users if none of them were treated."),
        Column("units", "BIGINT", "Different users in both arms."),
        Column("treated", "BIGINT", "Treated rows, one per user and time zero."),
        Column("effective_control", "DOUBLE", "Number of equally weighted untreated rows that would tell as much."),
        Column("trimmed", "DOUBLE", "Share of the rows without a counterpart in the other arm, which were left out."),
        Column("overlap", "VARCHAR", "How far the arms can be compared, in words."),
        Column("refutations", "VARCHAR", "What was tried to refute it, as JSON: a list of tried, refuted and found."),
        Column("refuted", "BOOLEAN", "Whether one of them contradicts the estimate."),
        Column(
            "robustness",
            "DOUBLE",
            "Share of the remaining spread by which a hidden confounder brings the interval to 0.",
        ),
        Column("sensitivity", "VARCHAR", "How strong a hidden confounder would have to be, in words."),
        Column("q_value", "DOUBLE", "False discovery rate at which it is found among all questions of the day."),
        Column("grade", "VARCHAR", "Evidence grade: C or D; NULL without an estimate."),
        Column(
            "grade_reason", "VARCHAR", "What the grade means and what lowered it, or what evidence is missing.", True
        ),
        Column("first_zero", "DATE", "First time zero of the trials."),
        Column("last_zero", "DATE", "Last time zero."),
        Column("answer", "VARCHAR", "The answer in a sentence.", True),
    ),
    key=("event_date", "feature", "treatment", "outcome"),
    day="event_date",
    lookback_days=None,
    newest_day_only=True,
    page="""
        SELECT feature, treatment, outcome, round(estimate, 3) AS estimate, grade FROM causality.feature_effects
        WHERE event_date = (SELECT max(event_date) FROM causality.feature_effects WHERE event_date < $end) AND estimate IS NOT NULL
        ORDER BY grade, q_value, feature, treatment, outcome LIMIT 12""",
    claims=(
        Claim(
            name="estimates_have_interval_and_grade",
            description="Each estimate has an interval, a plain difference and a grade of C or D; without one all of them are empty.",
            contradictions=f"""
                SELECT event_date, feature, treatment, outcome FROM causality.feature_effects
                WHERE {_WINDOW} AND CASE
                    WHEN estimate IS NULL THEN coalesce(low, high, naive, naive_low, naive_high) IS NOT NULL OR grade IS NOT NULL
                    ELSE low IS NULL OR high IS NULL OR naive IS NULL OR refutations IS NULL OR coalesce(grade, '') NOT IN ('C', 'D')
                END""",
        ),
        Claim(
            name="intervals_hold_their_estimates",
            description="Each estimate and each plain difference lies in its interval.",
            contradictions=f"""
                SELECT event_date, feature, treatment, outcome, low, estimate, high, naive_low, naive, naive_high
                FROM causality.feature_effects
                WHERE {_WINDOW} AND (NOT estimate BETWEEN low AND high OR NOT naive BETWEEN naive_low AND naive_high)""",
        ),
        Claim(
            name="refuted_estimates_are_associations",
            description="An estimate that a refutation contradicts has grade D.",
            contradictions=f"""
                SELECT event_date, feature, treatment, outcome, refutations FROM causality.feature_effects
                WHERE {_WINDOW} AND refuted AND grade <> 'D'""",
        ),
    ),
)

DEGRADATIONS: Final = Table(
    layer="causality",
    name="degradations",
    recipe=Recipe(
        queries=("causality/degraded.sql", "causality/metric_cells.sql", "causality/at_the_time.sql"),
        functions=(
            "intelligence.causality.movement:since_trouble",
            "intelligence.causality.movement:movement",
            "intelligence.causality.movement:degradation",
            "intelligence.causality.movement:unexplained",
        ),
        tables=(FACT_EVENTS, DIM_FEATURE_METADATA, DIM_RELEASES, DAY_QUALITY, FEATURE_HEALTH),
    ),
    description="One row per degraded feature: where the change of its worst metric lies, as an association.",
    columns=(
        Column("event_date", "DATE", "Day on the product's clock.", True),
        Column("feature", "VARCHAR", "Degraded product feature.", True),
        Column("metric", "VARCHAR", "error_rate, crash_rate, slow_rate or bad_rating_rate: its worst objective.", True),
        Column("since", "DATE", "First day of its present state.", True),
        Column("before_first", "DATE", "First day of the week before it began to show.", True),
        Column("before_last", "DATE", "Last day of it.", True),
        Column("after_first", "DATE", "First day that is compared with it; the last one is event_date.", True),
        Column("before", "DOUBLE", "The metric in that week; NULL without enough evidence."),
        Column("after", "DOUBLE", "The metric since."),
        Column("change", "DOUBLE", "after - before."),
        Column("low", "DOUBLE", "Lower bound of the 95 % interval of the change."),
        Column("high", "DOUBLE", "Upper bound."),
        Column(
            "suspect", "VARCHAR", "The smallest part that accounts for most of the change; NULL where none stands out."
        ),
        Column("segment", "VARCHAR", "Its segment, where it is one."),
        Column("platform", "VARCHAR", "Its platform."),
        Column("release", "VARCHAR", "Its release."),
        Column("region", "VARCHAR", "Its region."),
        Column("variant", "VARCHAR", "Its flag arm: experiment and variant."),
        Column("accounts_for", "DOUBLE", "Share of the change that is gone without it, at most 1."),
        Column("share", "DOUBLE", "Its share of the metric's denominator since."),
        Column("rate", "DOUBLE", "The metric in it since."),
        Column("rate_low", "DOUBLE", "Lower bound of its 95 % interval."),
        Column("rate_high", "DOUBLE", "Upper bound."),
        Column("elsewhere", "DOUBLE", "The metric in everything else since."),
        Column("mix", "DOUBLE", "What a change of the mix over its dimensions contributes to the change."),
        Column("within", "DOUBLE", "What changes within the parts contribute; mix + within = change."),
        Column("at_the_time", "VARCHAR", "Releases, incidents, experiments and actions of these days, in words.", True),
        Column("grade", "VARCHAR", "Evidence grade: D, since a decomposition says where and not why.", True),
        Column("answer", "VARCHAR", "The answer in sentences.", True),
    ),
    key=("event_date", "feature"),
    day="event_date",
    lookback_days=None,
    newest_day_only=True,
    page="""
        SELECT feature, metric, suspect, round(accounts_for, 2) AS accounts_for, round(change, 4) AS change
        FROM causality.degradations
        WHERE event_date = (SELECT max(event_date) FROM causality.degradations WHERE event_date < $end)
        ORDER BY change DESC NULLS LAST, feature LIMIT 12""",
    claims=(
        Claim(
            name="every_degraded_feature_has_a_row",
            description="Each feature that is degraded on the day has its row, and no other.",
            contradictions=f"""
                SELECT event_date, feature, state, metric
                FROM (SELECT event_date, feature, state FROM metrics.feature_health WHERE state = 'degraded' AND {_WINDOW})
                FULL JOIN (SELECT event_date, feature, metric FROM causality.degradations WHERE {_WINDOW})
                USING (event_date, feature)
                WHERE state IS NULL OR metric IS NULL""",
        ),
        Claim(
            name="parts_sum_to_the_change",
            description="What changed in the mix and what changed within sum to the change, which lies in its interval.",
            contradictions=f"""
                SELECT event_date, feature, change, mix, within, low, high FROM causality.degradations
                WHERE {_WINDOW} AND (abs(mix + within - change) > 1e-9 OR NOT change BETWEEN low AND high)""",
        ),
        Claim(
            name="decompositions_are_associations",
            description="No row has another grade than D.",
            contradictions=f"SELECT event_date, feature, grade FROM causality.degradations WHERE {_WINDOW} AND grade <> 'D'",
        ),
    ),
)

TABLES: Final = (ESTIMATOR_RECORD, FEATURE_EFFECTS, DEGRADATIONS)
