"""The table of the decisions layer: one decision per feature and day, with the evidence that it was made from."""

from typing import Final

from intelligence.core.tables import Claim, Column, Recipe, Table, rate_claim
from intelligence.drift.tables import MODEL_WATCH
from intelligence.experiments.tables import EXPERIMENT_VERDICTS
from intelligence.metrics.tables import FACT_FEATURE_METRICS, FEATURE_HEALTH, USER_DAY
from intelligence.risk.tables import FEATURE_PANEL, FEATURE_RISK, training_table, verdict_table
from intelligence.signals.tables import EPISODES
from intelligence.telemetry.tables import DAY_QUALITY, EVENTS
from intelligence.warehouse.tables import DIM_FEATURE_METADATA, DIM_RELEASES, DIM_USERS, FACT_ANSWERS, FACT_EVENTS

_WINDOW: Final = "event_date >= $start AND event_date < $end"

FEATURE_DECISIONS: Final = Table(
    layer="decisions",
    name="feature_decisions",
    recipe=Recipe(
        tables=(
            *(FEATURE_HEALTH, FEATURE_RISK, MODEL_WATCH, FEATURE_PANEL, FACT_FEATURE_METRICS, DAY_QUALITY),
            *(EVENTS, FACT_EVENTS, DIM_FEATURE_METADATA, DIM_RELEASES, DIM_USERS, EXPERIMENT_VERDICTS, USER_DAY),
            EPISODES,
            FACT_ANSWERS,
        )
    ),
    description="One row per feature and day: what the policy would do, how far alone, why, and why not more.",
    columns=(
        Column(
            "decision_id",
            "VARCHAR",
            "SHA-256 of the evidence, the day and the policy: the same content, the same id.",
            True,
        ),
        Column("event_date", "DATE", "day whose evidence was decided on.", True),
        Column(
            "scope",
            "VARCHAR",
            "feature; rollout for a step of a flag; pipeline for the row about faulty telemetry.",
            True,
        ),
        Column("feature", "VARCHAR", "Product feature; telemetry in the scope pipeline.", True),
        Column("action", "VARCHAR", "rollback, throttle, hold, alert, ticket or monitor; advance for a rollout.", True),
        Column("level", "VARCHAR", "shadow, advise, approve or auto: how far it may go; NULL for monitor."),
        Column("confidence", "DOUBLE", "How sure at least it is that the action meets the trouble; NULL for monitor."),
        Column("score", "DOUBLE", "Expected benefit less cost, in users harmed for a day.", True),
        Column("benefit", "DOUBLE", "Probability x users x harm x effect.", True),
        Column("cost", "DOUBLE", "What the action costs.", True),
        Column(
            "candidates",
            "VARCHAR",
            "Every candidate with probability, confidence, benefit, cost and score, as JSON.",
            True,
        ),
        Column(
            "propensity",
            "DOUBLE",
            "Probability with which the policy takes this action here; 1 while it draws no lots.",
            True,
        ),
        Column(
            "lowered_by", "VARCHAR[]", "Rules that barred a better action or lowered the level, in their order.", True
        ),
        Column("why_not", "VARCHAR", "For each action not taken why not, as JSON.", True),
        Column("reasons", "VARCHAR", "The decision in plain words.", True),
        Column("episode", "VARCHAR", "The trouble that it answers: the feature and the day on which it began."),
        Column("flag_key", "VARCHAR", "Flag that steers the feature."),
        Column("exposure", "DOUBLE", "Share of users whom the flag showed the feature."),
        Column("users_7d", "DOUBLE", "Mean users a day over the last 7 days."),
        Column("evidence", "VARCHAR", "All that was known, as JSON; explains and replays the decision.", True),
        Column("missing", "VARCHAR[]", "Evidence that could not be found.", True),
        Column("lake_snapshot", "BIGINT", "Snapshot of the lake that was read; no part of the id.", False),
        Column("model_version", "BIGINT", "Champion whose scores were looked at."),
        Column("policy_version", "VARCHAR", "Hash of the policy's settings and code revision.", True),
    ),
    key=("event_date", "scope", "feature"),
    day="event_date",
    lookback_days=None,
    newest_day_only=True,
    page="""
        SELECT action, feature, reasons AS why, level, array_to_string(lowered_by, ', ') AS lowered_by
        FROM decisions.feature_decisions
        WHERE event_date = (SELECT max(event_date) FROM decisions.feature_decisions WHERE event_date < $end)
        ORDER BY list_position(['rollback', 'advance', 'throttle', 'hold', 'alert', 'ticket', 'monitor'], action), score DESC, feature
        LIMIT 15""",
    claims=(
        rate_claim("decisions.feature_decisions", "event_date", ("confidence", "propensity")),
        Claim(
            name="faulty_telemetry_acts_on_no_feature",
            description="On a day of faulty telemetry each feature is only monitored.",
            contradictions=f"""
                SELECT event_date, feature, action FROM decisions.feature_decisions
                WHERE {_WINDOW} AND scope = 'feature' AND action <> 'monitor'
                  AND json_extract_string(evidence, '$.quality') IN ('partial', 'empty')""",
        ),
        Claim(
            name="vital_features_wait_for_a_person",
            description="No feature of tier 0 is touched without a person where the policy asks for one.",
            contradictions=f"""
                SELECT event_date, feature, action, level FROM decisions.feature_decisions
                WHERE {_WINDOW} AND level = 'auto' AND list_contains(lowered_by, 'vital_needs_a_person')
                  AND action IN ('rollback', 'throttle', 'hold')""",
        ),
        Claim(
            name="ids_are_unique",
            description="No two decisions share an id.",
            contradictions=f"""
                SELECT decision_id, count(*) AS rows FROM decisions.feature_decisions WHERE {_WINDOW}
                GROUP BY decision_id HAVING count(*) > 1""",
        ),
    ),
)

ENTITY_DECISIONS: Final = Table(
    layer="decisions",
    name="entity_decisions",
    description="One row per decision on an entity, on the stream or asked for over HTTP: the answer, why, and what was known.",
    columns=(
        Column("store", "VARCHAR", "Name of the store that the decision comes from.", True),
        Column("number", "BIGINT", "Number of the decision in its store.", True),
        Column("is_asked", "BOOLEAN", "Whether it was asked for over HTTP; else it is the stream's.", True),
        Column("source", "VARCHAR", "Source of the event; NULL where it was asked for."),
        Column("event_id", "VARCHAR", "Id of the event, and so of the decision.", True),
        Column("event_time", "TIMESTAMP", "When the event happened, UTC.", True),
        Column("entity", "VARCHAR", "The user, or the device of one who is not logged in.", True),
        Column("feature", "VARCHAR", "Product feature of the event."),
        Column("value", "DOUBLE", "Worth of the event."),
        Column("answer", "VARCHAR", "allow, throttle or block.", True),
        Column("per_minute", "DOUBLE", "How many events per minute it keeps where it is throttled."),
        Column("reason", "VARCHAR", "The rule, the risk, or why there is no score, in words.", True),
        Column("rules", "VARCHAR[]", "Rules that apply.", True),
        Column(
            "is_fallback", "BOOLEAN", "Whether no score was used because there was none, or something failed.", True
        ),
        Column("level", "VARCHAR", "Autonomy level; below auto everybody is let through.", True),
        Column("lowered_by", "VARCHAR[]", "Rules of the policy that made the answer to a score milder."),
        Column("status", "VARCHAR", "counted, late or early: whether the event counts in windows."),
        Column("propensity", "DOUBLE", "Probability with which this answer is given here; 1 where no lot is drawn."),
        Column("is_drawn", "BOOLEAN", "Whether a lot gave an answer that the policy would not have given."),
        Column(
            "learned_version",
            "VARCHAR",
            "Version of entity_policy that decided instead of the score; NULL where none did.",
        ),
        Column("risk_score", "DOUBLE", "Probability of harm that the champion gave."),
        Column("model_version", "VARCHAR", "Version of entity_risk that scored."),
        Column("policy_version", "VARCHAR", "Hash of the policy's settings and code revision.", True),
        Column("windows", "VARCHAR", "The windows of the entity just after the event, as JSON."),
    ),
    key=("store", "is_asked", "number"),
    page="""
        SELECT event_time, entity, answer, reason AS why, event_id FROM decisions.entity_decisions
        WHERE answer <> 'allow' ORDER BY event_time DESC, number DESC LIMIT 15""",
    numbers="""
        SELECT CAST(event_time AS DATE) AS event_date, count(*) FILTER (answer = 'throttle') AS throttled,
            count(*) FILTER (answer = 'block') AS blocked
        FROM decisions.entity_decisions GROUP BY ALL ORDER BY event_date""",
    claims=(
        rate_claim("decisions.entity_decisions", "event_time", ("risk_score", "propensity")),
        Claim(
            name="lots_fall_between_safe_answers_only",
            description="No answer was drawn by lot that blocks, that a rule or the fallback gave, or that is not carried out.",
            contradictions="""
                SELECT store, number, answer, rules, propensity FROM decisions.entity_decisions
                WHERE event_time >= $start AND event_time < $end AND propensity < 1
                  AND (answer = 'block' OR is_fallback OR len(rules) > 0 OR level <> 'auto')""",
        ),
        Claim(
            name="answers_are_known",
            description="Each answer is allow, throttle or block, and a throttle has a number.",
            contradictions="""
                SELECT store, number, answer, per_minute FROM decisions.entity_decisions
                WHERE event_time >= $start AND event_time < $end
                  AND (answer NOT IN ('allow', 'throttle', 'block') OR (answer = 'throttle') <> (per_minute IS NOT NULL))""",
        ),
    ),
)

ENTITY_TRAINING: Final = training_table(
    "entity_training",
    Column("entity", "VARCHAR", "The user, or the device of one who is not logged in.", True),
    "entity risk",
    layer="decisions",
    floors=(
        Column("velocity", "DOUBLE", "Floor: number of events in the shortest window."),
        Column("isolation_forest", "DOUBLE", "Floor: how unusual the windows are among those of the days before."),
    ),
)
ENTITY_VERDICT: Final = verdict_table("entity_verdict", "entity risk", layer="decisions")

TABLES: Final = (FEATURE_DECISIONS, ENTITY_DECISIONS, ENTITY_TRAINING, ENTITY_VERDICT)
