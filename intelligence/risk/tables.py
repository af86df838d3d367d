"""The tables of the risk layer: the panel, scores, unseen scores of the last training, and the verdicts of the gate."""

from collections.abc import Sequence
from typing import Final

from intelligence.core.tables import Claim, Column, Recipe, Table
from intelligence.metrics.tables import FACT_FEATURE_METRICS, FEATURE_HEALTH, USER_DAY
from intelligence.risk.predictors import FEATURE_PREDICTORS, Predictor
from intelligence.telemetry.tables import DAY_QUALITY
from intelligence.warehouse.tables import DIM_FEATURE_METADATA, DIM_RELEASES, DIM_USERS

_WINDOW: Final = "event_date >= $start AND event_date < $end"


def _said(predictor: Predictor) -> str:
    return predictor.words.replace("{exp:", "{:").replace("{:.1f}", "n").replace("{:+.1f}", "n").replace("{:.0f}", "n")


FEATURE_PANEL: Final = Table(
    layer="risk",
    name="feature_panel",
    recipe=Recipe(
        functions=("intelligence.risk.feature_panel:feature_panel", "intelligence.telemetry.local_time:local_times"),
        tables=(FACT_FEATURE_METRICS, DIM_FEATURE_METADATA, FEATURE_HEALTH, DAY_QUALITY, DIM_RELEASES),
    ),
    description="One row per known feature and day: what a model may look at, all of it known by the end of that day.",
    columns=(
        Column("event_date", "DATE", "Day on the product's clock.", True),
        Column("feature", "VARCHAR", "Product feature.", True),
        Column("state", "VARCHAR", "Its state in metrics.feature_health on that day.", True),
        Column("users_7d", "DOUBLE", "Mean users a day over the last 7 days."),
        *(Column(each.name, "DOUBLE", f"Predictor: {_said(each)}.") for each in FEATURE_PREDICTORS),
    ),
    key=("event_date", "feature"),
    day="event_date",
    lookback_days=None,
    page="""
        SELECT feature, arg_max(state, event_date) AS state, list(error_burn_1d ORDER BY event_date) AS errors_14d,
               list(exp(p95_latency_growth_3d) ORDER BY event_date) AS p95_latency_growth_14d,
               round(arg_max(error_rise_7d, event_date), 1) AS error_rise_7d
        FROM risk.feature_panel WHERE event_date >= $end - INTERVAL 14 DAY AND event_date < $end
        GROUP BY feature ORDER BY error_rise_7d DESC NULLS LAST LIMIT 12""",
    claims=(
        Claim(
            name="panel_has_every_judged_feature",
            description="Each feature with a state on the day has its row, with the same state.",
            contradictions=f"""
                SELECT event_date, feature, health.state, panel.state AS state_in_panel
                FROM (SELECT * FROM metrics.feature_health WHERE {_WINDOW}) AS health
                LEFT JOIN (SELECT * FROM risk.feature_panel WHERE {_WINDOW}) AS panel USING (event_date, feature)
                WHERE health.state IS DISTINCT FROM panel.state""",
        ),
    ),
)

_SCORE_COLUMNS: Final = (
    Column(
        "reason_1", "VARCHAR", "The predictor that raises the risk most, in words; for users from a medium risk up."
    ),
    Column("reason_2", "VARCHAR", "The second."),
    Column("reason_3", "VARCHAR", "The third."),
    Column("model_kind", "VARCHAR", "Kind of model.", True),
    Column("model_version", "BIGINT", "Version in the MLflow registry that gave the score.", True),
    Column("trained_through", "DATE", "Last day whose outcome the model had seen.", True),
    Column("lake_snapshot", "BIGINT", "Snapshot of the lake that was scored.", True),
)


def _score_claims(table: str, score: str) -> tuple[Claim, ...]:
    low, high = (score.replace("_score", suffix) for suffix in ("_low", "_high"))
    return (
        Claim(
            name="scores_are_probabilities",
            description="Each score lies in [0, 1] and within its interval.",
            contradictions=f"SELECT * FROM {table} WHERE {_WINDOW} AND NOT ({low} BETWEEN 0 AND {score} AND {high} BETWEEN {score} AND 1)",
        ),
        Claim(
            name="one_model_scored_each_day",
            description="All scores of a day come from one version of the model.",
            contradictions=f"""
                SELECT event_date, count(DISTINCT model_version) AS versions FROM {table} WHERE {_WINDOW}
                GROUP BY event_date HAVING versions > 1""",
        ),
    )


FEATURE_RISK: Final = Table(
    layer="risk",
    name="feature_risk",
    recipe=Recipe(tables=(FEATURE_PANEL,)),
    description="One row per feature that is not degraded: the probability that it will be within the horizon, and why.",
    columns=(
        Column("event_date", "DATE", "day at whose end the score holds.", True),
        Column("feature", "VARCHAR", "Product feature.", True),
        Column("risk_score", "DOUBLE", "Calibrated probability of becoming degraded within the horizon.", True),
        Column("risk_low", "DOUBLE", "Lower bound of its 90 % interval.", True),
        Column("risk_high", "DOUBLE", "Upper bound.", True),
        Column("risk_bucket", "VARCHAR", "low, medium or high, by product.yaml.", True),
        Column("users_7d", "DOUBLE", "Mean users a day over the last 7 days.", True),
        Column("impact_score", "DOUBLE", "risk_score x users_7d: users a day who would be affected.", True),
        Column("impact_low", "DOUBLE", "risk_low x users_7d.", True),
        Column("impact_high", "DOUBLE", "risk_high x users_7d.", True),
        *_SCORE_COLUMNS,
    ),
    key=("event_date", "feature"),
    day="event_date",
    lookback_days=None,
    newest_day_only=True,
    page="""
        SELECT round(risk_score, 3) AS risk, feature, reason_1 AS why, risk_bucket AS bucket, round(impact_score, 1) AS impact
        FROM risk.feature_risk WHERE event_date = (SELECT max(event_date) FROM risk.feature_risk WHERE event_date < $end)
        ORDER BY risk_score DESC, feature LIMIT 12""",
    claims=(
        *_score_claims("risk.feature_risk", "risk_score"),
        Claim(
            name="only_features_that_are_not_degraded_are_scored",
            description="A feature that is degraded already has no risk of becoming so.",
            contradictions=f"""
                SELECT event_date, feature FROM risk.feature_risk SEMI JOIN
                (SELECT event_date, feature FROM metrics.feature_health WHERE state = 'degraded' AND {_WINDOW})
                USING (event_date, feature) WHERE {_WINDOW}""",
        ),
    ),
)

USER_CHURN: Final = Table(
    layer="risk",
    name="user_churn",
    recipe=Recipe(queries=("risk/user_panel.sql",), tables=(USER_DAY, DIM_USERS)),
    description="One row per user who was active lately: the probability of not coming back within the horizon, and why.",
    columns=(
        Column("event_date", "DATE", "day at whose end the score holds.", True),
        Column("user_id", "VARCHAR", "Key of dim_users.", True),
        Column("churn_score", "DOUBLE", "Calibrated probability of staying away for the horizon.", True),
        Column("churn_low", "DOUBLE", "Lower bound of its 90 % interval.", True),
        Column("churn_high", "DOUBLE", "Upper bound.", True),
        Column("churn_bucket", "VARCHAR", "low, medium or high, by product.yaml.", True),
        *_SCORE_COLUMNS,
    ),
    key=("event_date", "user_id"),
    day="event_date",
    lookback_days=27,
    newest_day_only=True,
    page="""
        SELECT churn_bucket AS bucket, count(*) AS users, round(avg(churn_score), 3) AS mean_score, mode(reason_1) AS commonest_reason
        FROM risk.user_churn WHERE event_date = (SELECT max(event_date) FROM risk.user_churn WHERE event_date < $end)
        GROUP BY bucket ORDER BY mean_score DESC""",
    claims=_score_claims("risk.user_churn", "churn_score"),
)


FLOORS: Final = (
    Column("persistence", "DOUBLE", "Floor: what it was lately."),
    Column("ewma", "DOUBLE", "Floor: a smoothed measure of the present."),
)


def training_table(
    name: str, unit: Column, what: str, *, layer: str = "risk", floors: Sequence[Column] = FLOORS
) -> Table:
    """Return the table of the last training of a model.

    Args:
        name: Its name.
        unit: The column of the unit.
        what: What the model predicts.
        layer: Its layer.
        floors: The columns of the floors, by the names in the task.
    """
    return Table(
        layer=layer,
        name=name,
        description=f"The last training for {what}: what each rival said on time that it had not seen, and what came true.",
        columns=(
            Column("event_date", "DATE", "day at whose end the scores hold.", True),
            unit,
            Column("fold", "BIGINT", "Fold of the rolling origin that judged the row.", True),
            Column("label", "BOOLEAN", "Whether it came true within the horizon.", True),
            Column("xgboost", "DOUBLE", "Probability by boosted trees, calibrated by what was known then.", True),
            Column("random_forest", "DOUBLE", "The same by a random forest.", True),
            Column("logistic_regression", "DOUBLE", "The same by a logistic regression.", True),
            Column("neural_network", "DOUBLE", "The same by a neural network; NULL where none was trained."),
            *floors,
            Column("chosen", "VARCHAR", "The rival that was chosen.", True),
            Column("choice", "VARCHAR", "By what it was chosen, in words; NULL in trainings before that was told."),
            Column("score", "DOUBLE", "Its probability.", True),
            Column(
                "is_flagged",
                "BOOLEAN",
                "Among the highest of its day, or of days with too few rows taken together, as many as can be looked at; NULL"
                " where all rows are too few.",
            ),
            Column("model_version", "BIGINT", "Version in the MLflow registry.", True),
            Column("lake_snapshot", "BIGINT", "Snapshot of the lake that was trained on.", True),
        ),
        key=("event_date", unit.name),
        page=f"""
            SELECT min(event_date) || ' to ' || max(event_date) AS unseen_days, chosen, count(*) FILTER (label) AS came_true,
                   count(*) FILTER (is_flagged) AS flagged, count(*) FILTER (is_flagged AND label) AS flagged_and_true
            FROM {layer}.{name} GROUP BY fold, chosen ORDER BY fold""",
        claims=(
            Claim(
                name="unseen_scores_are_probabilities",
                description="Each score lies in [0, 1].",
                contradictions=f"SELECT * FROM {layer}.{name} WHERE NOT score BETWEEN 0 AND 1",
            ),
        ),
    )


FEATURE_TRAINING: Final = training_table(
    "feature_training", Column("feature", "VARCHAR", "Product feature.", True), "feature risk"
)
USER_TRAINING: Final = training_table(
    "user_training", Column("user_id", "VARCHAR", "Key of dim_users.", True), "user churn"
)


def verdict_table(name: str, model: str, *, layer: str = "risk") -> Table:
    """Return the table of the gate's verdicts on a model.

    Args:
        name: Its name.
        model: What the model predicts.
        layer: Its layer.
    """
    return Table(
        layer=layer,
        name=name,
        description=f"One row per judged challenger of {model}: promote, hold, reject or not enough evidence, with the numbers.",
        columns=(
            Column("as_of", "DATE", "Last day of the telemetry that was trained on.", True),
            Column("lake_snapshot", "BIGINT", "Snapshot of the lake that was trained on.", True),
            Column("challenger", "BIGINT", "Version that was judged; 0 where none could be trained.", True),
            Column("champion", "BIGINT", "Version that it was compared with; NULL where there was none."),
            Column("kind", "VARCHAR", "Kind of the challenger."),
            Column("choice", "VARCHAR", "By what it was chosen among its rivals, in words."),
            Column("predictors", "VARCHAR", "What it was asked to look at.", True),
            Column("decision", "VARCHAR", "promote, hold, reject or not_enough_evidence.", True),
            Column("reason", "VARCHAR", "Why, in words.", True),
            Column("rows", "BIGINT", "Unseen rows on which both were judged.", True),
            Column("onsets", "BIGINT", "Rows of them that came true.", True),
            Column("pr_auc", "DOUBLE", "PR-AUC of the challenger on them."),
            Column("champion_pr_auc", "DOUBLE", "PR-AUC of the champion on the same rows."),
            Column(
                "advantage",
                "DOUBLE",
                "Paired difference in PR-AUC to the champion, or to the strongest floor where there was none.",
            ),
            Column("advantage_low", "DOUBLE", "Lower bound of its 95 % interval, clustered by unit."),
            Column("advantage_high", "DOUBLE", "Upper bound."),
            Column("calibration_error", "DOUBLE", "Expected calibration error of the challenger."),
            Column("precision_at_capacity", "DOUBLE", "Precision of the challenger at capacity."),
            Column("is_promoted", "BOOLEAN", "Whether the platform moved the alias `champion`.", True),
        ),
        key=("as_of", "challenger"),
        page=f"""
            SELECT decision, challenger, reason AS why, choice, as_of
            FROM {layer}.{name} ORDER BY as_of DESC, lake_snapshot DESC LIMIT 10""",
    )


FEATURE_VERDICT: Final = verdict_table("feature_verdict", "feature risk")
USER_VERDICT: Final = verdict_table("user_verdict", "user churn")

TABLES: Final = (
    FEATURE_PANEL,
    FEATURE_TRAINING,
    FEATURE_VERDICT,
    FEATURE_RISK,
    USER_TRAINING,
    USER_VERDICT,
    USER_CHURN,
)
