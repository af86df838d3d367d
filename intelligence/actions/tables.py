"""The tables of the actions layer: a copy of the outbox for people and for lineage, and the outcome of each action."""

from typing import Final

from intelligence.core.tables import Claim, Column, Table

ACTION_LOG: Final = Table(
    layer="actions",
    name="action_log",
    description="One row per action of the outbox: what was to be done because of which decision, and where it stands.",
    columns=(
        Column("action_id", "VARCHAR", "Idempotency key: decision, action and target.", True),
        Column("decision_id", "VARCHAR", "Decision that asked for it.", True),
        Column("day", "DATE", "day whose evidence was decided on.", True),
        Column("kind", "VARCHAR", "rollback, throttle, hold, advance, alert or ticket.", True),
        Column("target", "VARCHAR", "Where it goes: a name in `actions: targets` of product.yaml.", True),
        Column("feature", "VARCHAR", "Product feature; NULL where it is about the pipeline or a model."),
        Column("episode", "VARCHAR", "Incident to which it belongs.", True),
        Column("title", "VARCHAR", "What it says or does, in short.", True),
        Column(
            "standing",
            "VARCHAR",
            "planned, approved, sent, confirmed, failed, expired, undone, rejected or unconfirmed.",
            True,
        ),
        Column("reason", "VARCHAR", "Why it stands there."),
        Column("attempts", "BIGINT", "How often it was tried.", True),
        Column("planned_at", "TIMESTAMP", "When it was planned, UTC.", True),
        Column("changed_at", "TIMESTAMP", "When it came to where it stands, UTC.", True),
    ),
    key=("action_id",),
    page="""
        SELECT standing, title, reason AS why, target, day FROM actions.action_log
        ORDER BY planned_at DESC, action_id LIMIT 15""",
    claims=(
        Claim(
            name="every_action_has_come_to_an_end",
            description="No action is unconfirmed or failed: nobody has to look at what became of one.",
            contradictions="""
                SELECT action_id, feature, kind, target, standing, reason FROM actions.action_log
                WHERE standing IN ('unconfirmed', 'failed')""",
            severity="WARN",
            blocking=False,
        ),
    ),
)

OUTCOMES: Final = Table(
    layer="actions",
    name="outcomes",
    description="One row per confirmed action on a feature: what it was to bring down, before, after, and against a control.",
    columns=(
        Column("action_id", "VARCHAR", "Action.", True),
        Column("decision_id", "VARCHAR", "Decision that asked for it.", True),
        Column("feature", "VARCHAR", "Product feature.", True),
        Column("kind", "VARCHAR", "What was done.", True),
        Column("day", "DATE", "day whose evidence was acted on.", True),
        Column("metric", "VARCHAR", "Rate that it was to bring down.", True),
        Column("verdict", "VARCHAR", "helped, harmed, no difference shown or not enough evidence.", True),
        Column("reason", "VARCHAR", "The verdict in words.", True),
        Column("before", "DOUBLE", "Rate of the week up to the day."),
        Column(
            "after",
            "DOUBLE",
            "Rate of the days after, at most a week; of a rollback, bad events per event usual before.",
        ),
        Column("control_change", "DOUBLE", "Mean change of features on which nobody acted."),
        Column(
            "effect",
            "DOUBLE",
            "Change of the feature less that of the controls; below 0 where bad events became fewer.",
        ),
        Column("effect_low", "DOUBLE", "Lower bound of its 95 % interval, from how far the controls stray."),
        Column("effect_high", "DOUBLE", "Upper bound."),
        Column("days_after", "BIGINT", "Days after the action that are counted.", True),
        Column("controls", "BIGINT", "Features in the control.", True),
    ),
    key=("action_id",),
    page="""
        SELECT verdict, kind || ' ' || feature AS action, reason AS why, round(effect, 4) AS effect, day FROM actions.outcomes
        ORDER BY day DESC, feature LIMIT 15""",
)

TABLES: Final = (ACTION_LOG, OUTCOMES)
