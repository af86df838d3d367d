"""The tables of the drift layer: baselines of the champions, distances from them, daily verdicts, and Evidently pages."""

from typing import Final

from intelligence.core.tables import Claim, Column, Recipe, Table
from intelligence.metrics.tables import FEATURE_HEALTH, USER_DAY
from intelligence.risk.tables import FEATURE_PANEL, FEATURE_RISK, USER_CHURN
from intelligence.telemetry.tables import DAY_QUALITY
from intelligence.warehouse.tables import DIM_USERS

_WINDOW: Final = "event_date >= $start AND event_date < $end"

BASELINE_STATS: Final = Table(
    layer="drift",
    name="baseline_stats",
    description="What each champion was trained on, one row per predictor, and how far a week of it strays by chance.",
    columns=(
        Column("model", "VARCHAR", "Model in the registry.", True),
        Column("model_version", "BIGINT", "Its version.", True),
        Column("predictor", "VARCHAR", "Predictor, the score, the outcome or the expectation.", True),
        Column("role", "VARCHAR", "predictor, score, outcome or expectation.", True),
        Column("is_judged", "BOOLEAN", "Whether it can move: not a constant, and not bound to the calendar."),
        Column("importance", "DOUBLE", "Its share of what moves the score."),
        Column("rows", "BIGINT", "Rows with a value."),
        Column("missing_rate", "DOUBLE", "Share of rows without one."),
        Column("mean", "DOUBLE", "Mean."),
        Column("sd", "DOUBLE", "Standard deviation."),
        Column("p05", "DOUBLE", "5th percentile."),
        Column("p50", "DOUBLE", "Median."),
        Column("p95", "DOUBLE", "95th percentile."),
        Column("limit", "DOUBLE", "Distance beyond which it has moved; for the expectation the least PR-AUC."),
        Column("spread", "DOUBLE", "What its distances are divided by."),
        Column("grid", "DOUBLE[]", "Points at which its distribution is counted."),
        Column("shares", "DOUBLE[]", "Share of values at or below each point."),
        Column("first_day", "DATE", "First day of the training window that is compared with.", True),
        Column("last_day", "DATE", "Last day of it.", True),
        Column("lake_snapshot", "BIGINT", "Snapshot of the lake that was read.", True),
    ),
    key=("model", "model_version", "predictor"),
    page="""
        SELECT model || ' ' || model_version AS version, predictor, round(importance, 3) AS importance, round(mean, 4) AS mean,
               round("limit", 3) AS "limit"
        FROM drift.baseline_stats
        WHERE (model, model_version) IN (SELECT (model, max(model_version)) FROM drift.baseline_stats GROUP BY model)
        ORDER BY model, importance DESC NULLS FIRST LIMIT 20""",
)


def _drift(name: str, what: str, made_from: tuple[Table, ...]) -> Table:
    return Table(
        layer="drift",
        name=name,
        recipe=Recipe(tables=made_from),
        description=f"One row per predictor of {what} and day: how far the last seven days lie from the champion's training.",
        columns=(
            Column("event_date", "DATE", "Last day of the window.", True),
            Column("predictor", "VARCHAR", "Predictor, the score or the outcome.", True),
            Column("role", "VARCHAR", "predictor, score or outcome.", True),
            Column("importance", "DOUBLE", "Its share of what moves the score."),
            Column("distance", "DOUBLE", "Normed Wasserstein distance; NULL where it is not judged."),
            Column("limit", "DOUBLE", "What chance stays below, as often as product.yaml asks."),
            Column("is_moved", "BOOLEAN", "Whether the distance exceeds the limit.", True),
            Column("is_own_doing", "BOOLEAN", "Whether it has moved only where the platform itself acted.", True),
            Column("mean_baseline", "DOUBLE", "Mean in training."),
            Column("mean_now", "DOUBLE", "Mean of the window."),
            Column("percent_change", "DOUBLE", "Change of the mean in percent."),
            Column("missing_rate_baseline", "DOUBLE", "Share without a value in training."),
            Column("missing_rate_now", "DOUBLE", "Share without a value in the window."),
            Column("fault", "VARCHAR", "What is wrong with the column itself, if something is."),
            Column("model_version", "BIGINT", "Version of the champion.", True),
        ),
        key=("event_date", "predictor", "model_version"),
        day="event_date",
        lookback_days=None,
        newest_day_only=True,
        page=f"""
            SELECT predictor, CASE WHEN is_moved THEN 'moved' ELSE coalesce(fault, 'steady') END AS verdict,
                   round(distance, 3) AS distance, round("limit", 3) AS "limit", round(percent_change, 1) AS percent_change
            FROM drift.{name}
            WHERE (event_date, model_version) = (SELECT max((event_date, model_version)) FROM drift.{name} WHERE event_date < $end)
            ORDER BY is_moved DESC, distance / "limit" DESC NULLS LAST LIMIT 15""",
        claims=(
            Claim(
                name="nothing_has_moved",
                description="No predictor, score or outcome lies further from the training than chance puts it.",
                contradictions=f"""
                    SELECT event_date, predictor, distance, "limit" FROM drift.{name}
                    WHERE {_WINDOW} AND is_moved AND NOT is_own_doing""",
                severity="WARN",
                blocking=False,
            ),
        ),
    )


FEATURE_DRIFT: Final = _drift("feature_drift", "the feature model", (FEATURE_RISK, FEATURE_PANEL, FEATURE_HEALTH))
USER_DRIFT: Final = _drift("user_drift", "the churn model", (USER_CHURN, USER_DAY, DIM_USERS))

MODEL_WATCH: Final = Table(
    layer="drift",
    name="model_watch",
    recipe=Recipe(tables=(FEATURE_DRIFT, USER_DRIFT, DAY_QUALITY, FEATURE_PANEL, FEATURE_HEALTH, USER_DAY, DIM_USERS)),
    description="One row per champion and day: the verdict on drift, what the champion expects of itself, and what came true.",
    columns=(
        Column("event_date", "DATE", "Day on the product's clock.", True),
        Column("model", "VARCHAR", "Model in the registry.", True),
        Column("model_version", "BIGINT", "Version of the champion; 0 where there is none.", True),
        Column("state", "VARCHAR", "steady, moved, suspended (the telemetry is at fault) or unknown.", True),
        Column("reason", "VARCHAR", "Why, in words.", True),
        Column("moved", "VARCHAR[]", "What lies beyond its limit.", True),
        Column("that_matter", "VARCHAR[]", "Those of them that matter to the model.", True),
        Column("own_doing", "VARCHAR[]", "What moved only where the platform itself acted.", True),
        Column("rows", "BIGINT", "Rows of the window.", True),
        Column(
            "expected_pr_auc", "DOUBLE", "PR-AUC that the champion expects on the window, whose outcome is unknown."
        ),
        Column("expected_pr_auc_low", "DOUBLE", "Lower bound of its 90 % interval."),
        Column("expected_pr_auc_high", "DOUBLE", "Upper bound."),
        Column("least_expected_pr_auc", "DOUBLE", "Bound below which the expectation counts as moved."),
        Column("expected_precision", "DOUBLE", "Precision at capacity that it expects."),
        Column("expected_precision_low", "DOUBLE", "Lower bound of its 90 % interval."),
        Column("expected_precision_high", "DOUBLE", "Upper bound."),
        Column("expected_rate", "DOUBLE", "Share of rows that it expects to come true."),
        Column("expected_rate_low", "DOUBLE", "Lower bound of its 90 % interval."),
        Column("expected_rate_high", "DOUBLE", "Upper bound."),
        Column("known_through", "DATE", "Last day whose outcome is known and that the champion had not seen."),
        Column("known_rows", "BIGINT", "Rows of the 28 such days up to it.", True),
        Column("known_positives", "BIGINT", "Rows of them that came true.", True),
        Column("pr_auc", "DOUBLE", "PR-AUC of the champion on them."),
        Column("pr_auc_low", "DOUBLE", "Lower bound of its 95 % interval, clustered by unit."),
        Column("pr_auc_high", "DOUBLE", "Upper bound."),
        Column("precision_at_capacity", "DOUBLE", "Precision at capacity."),
        Column("calibration_error", "DOUBLE", "Expected calibration error."),
        Column("lake_snapshot", "BIGINT", "Snapshot of the lake that was read.", True),
    ),
    key=("event_date", "model", "model_version"),
    day="event_date",
    lookback_days=None,
    newest_day_only=True,
    page="""
        SELECT state, model, reason AS why, event_date AS day, round(pr_auc, 3) AS pr_auc
        FROM drift.model_watch WHERE event_date < $end ORDER BY event_date DESC, model LIMIT 14""",
    claims=(
        Claim(
            name="the_verdict_could_be_given",
            description="The telemetry of the window is whole, so that drift can be told from a fault of the pipeline.",
            contradictions=f"SELECT event_date, model, reason FROM drift.model_watch WHERE {_WINDOW} AND state = 'suspended'",
            severity="WARN",
            blocking=False,
        ),
        Claim(
            name="the_champion_stands_on_known_ground",
            description="Nothing that matters to the model has moved.",
            contradictions=f"SELECT event_date, model, reason FROM drift.model_watch WHERE {_WINDOW} AND state = 'moved'",
            severity="WARN",
            blocking=False,
        ),
    ),
)

DRIFT_PAGES: Final = Table(
    layer="drift",
    name="drift_pages",
    description="One row per Evidently page: which day and model it shows, why it is kept and where it lies.",
    columns=(
        Column("event_date", "DATE", "Last day of the window that it shows.", True),
        Column("model", "VARCHAR", "Model in the registry.", True),
        Column("model_version", "BIGINT", "Version of the champion.", True),
        Column(
            "kind",
            "VARCHAR",
            "alarm, week or newest: alarms and weeks are kept, the newest gives way to the next.",
            True,
        ),
        Column("state", "VARCHAR", "The verdict of the day.", True),
        Column("reason", "VARCHAR", "Why, in words.", True),
        Column("drift_page", "VARCHAR", "File with drift and summary.", True),
        Column("quality_page", "VARCHAR", "File with the quality of the scores; NULL before outcomes are known."),
        Column("report", "VARCHAR", "The same as JSON.", True),
        Column("bytes", "BIGINT", "Size of the files.", True),
    ),
    key=("event_date", "model", "model_version"),
    page="""
        SELECT state, model, reason AS why, event_date AS day, kind
        FROM drift.drift_pages ORDER BY event_date DESC, model LIMIT 14""",
)

TABLES: Final = (BASELINE_STATS, FEATURE_DRIFT, USER_DRIFT, MODEL_WATCH, DRIFT_PAGES)
