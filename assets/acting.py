"""Carrying out: plan what the newest decisions ask for, deliver, and read what became of it."""

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import polars as pl

from assets.deciding import PLANNER, actions_for, announced, planned
from assets.house import PRODUCT
from assets.verifying import doubted
from intelligence.actions.tables import ACTION_LOG, OUTCOMES
from intelligence.decisions.ladder import ACTIVE
from intelligence.decisions.tables import FEATURE_DECISIONS
from intelligence.decisions.wanted import actions_wanted
from intelligence.tables import Table
from resources.announcer import Announcer
from resources.lake import Lake

CONTROL_APART_DAYS = 14


def acted(lake: Lake, announcer: Announcer) -> tuple[pl.DataFrame, str]:
    """Return the rows of actions.action_log and what was done, in words.

    Everything due is planned and delivered, what was done before is looked for in the telemetry, and people are told.
    """
    query = f"FROM {FEATURE_DECISIONS.path} WHERE event_date = (SELECT max(event_date) FROM metrics.feature_health)"
    newest = lake.frame(query)
    pause_where_actions_were_lost(lake, announcer)
    wanted = actions_wanted(newest, settings=PRODUCT.decisions, is_newest_day=True)
    new = planned(announcer, wanted)
    report = brought(announcer)
    unseen = doubted(lake, announcer)
    told = announced(announcer)
    standing = pl.Series([result.standing for result in report.results], dtype=pl.String).value_counts(sort=True)
    counts = ", ".join(f"{count} {name}" for name, count in standing.iter_rows())
    said = f"{len(wanted)} wanted, {len(new)} new; delivered: {counts or 'nothing'}; {len(unseen)} not seen in telemetry; {told} messages"
    return log_rows(announcer), f"{said}. {report.held_up}." if report.held_up else f"{said}."


def pause_where_actions_were_lost(lake: Lake, announcer: Announcer) -> None:
    """Stop everything until a person lets it go on, where the lake lists actions that the store of actions does not have.

    The store was lost, or is an older one: what it lacks may have been sent, and would be sent again.
    """
    outbox = announcer.outbox()
    lost = set(lake.frame(f"SELECT action_id FROM {ACTION_LOG.path}")["action_id"]) - outbox.ids()
    if lost:
        reason = (
            f"{len(lost)} actions that the lake lists are not in the store of actions: it was lost, or is an older one"
        )
        outbox.paused("everything", actor=PLANNER, reason=reason)


def brought(announcer: Announcer) -> Any:
    """Return the report of bringing approved actions to their targets.

    What waited on the policy's word is withdrawn first where product.yaml lets that kind act by itself no more.
    """
    lowered = [kind for kind in ACTIVE if PRODUCT.decisions.of(kind).level != "auto"]
    announcer.outbox().withdrawn(lowered, approved_by=PLANNER, reason="product.yaml lets it act by itself no more")
    return announcer.delivered()


def is_left_behind(lake: Lake, day: date) -> bool:
    """Return whether the day's decisions ask for an action that was never planned, or one still waits to be sent.

    A process that was killed between deciding and planning leaves nothing else to be seen by.
    """
    decisions = lake.frame(f"FROM {FEATURE_DECISIONS.path} WHERE event_date = $day", {"day": day})
    log = lake.frame(f"FROM {ACTION_LOG.path}")
    wanted = actions_wanted(decisions, settings=PRODUCT.decisions, is_newest_day=True)
    asked = {(each.episode, str(each.kind), each.target) for want in wanted for each in actions_for(want)}
    waits = not log.filter(pl.col("standing").is_in(_WAITING)).is_empty()
    return waits or not asked <= set(log.select("episode", "kind", "target").iter_rows())


_WAITING = ("approved", "sent")


def unseen_feature(lake: Lake, scope: str) -> str | None:
    """Return the feature that the scope of a pause names if no telemetry has named it yet, else None."""
    kind, _, name = scope.partition(":")
    known = "SELECT feature FROM warehouse.dim_feature_metadata WHERE feature = $name"
    is_seen = kind != "feature" or (lake.exists() and lake.frame(known, {"name": name}).height)
    return None if is_seen else name


@dataclass(frozen=True, slots=True)
class Shown:
    """Actions for a person, what holds some of them up, and what is wrong with the file of flags."""

    rows: list[dict[str, Any]]
    notes: list[str]
    trouble: str | None


def shown_actions(announcer: Announcer, *, limit: int) -> Shown:
    """Return the newest actions, the pauses that hold, and the flags that a person has locked."""
    rows = log_rows(announcer).sort("planned_at", "action_id", descending=True).head(limit).to_dicts()
    notes = [str(pause) for pause in announcer.outbox().pauses()]
    flags = announcer.flag_target()
    notes += [
        f"Flag {lock.flag} is locked ({lock.reason}): `intelligence release {lock.flag}`."
        for lock in flags.record.locks()
    ]
    trouble = announcer.flag_trouble()
    standing, taken_over = flags.standing_actions(), flags.taken_over()
    for row in rows:
        if row["standing"] != "confirmed" or row["target"] != flags.name:
            continue
        if trouble and row["action_id"] in standing:
            row.update(standing="unconfirmed", reason="its flag cannot be read back: see below")
        elif row["action_id"] in taken_over:
            row.update(standing="overridden", reason=taken_over[row["action_id"]])
    return Shown(rows, notes, trouble)


def log_rows(announcer: Announcer) -> pl.DataFrame:
    """Return the outbox as rows of actions.action_log."""
    rows = [
        {
            "action_id": entry.id,
            **{
                name: getattr(entry.action, name)
                for name in ("decision_id", "day", "target", "feature", "episode", "title")
            },
            "kind": str(entry.action.kind),
            "standing": entry.standing,
            "reason": entry.reason,
            "attempts": entry.attempts,
            "planned_at": entry.planned_at.replace(tzinfo=None),
            "changed_at": entry.changed_at.replace(tzinfo=None),
        }
        for entry in announcer.outbox().entries()
    ]
    return _frame(ACTION_LOG, rows)


def _frame(table: Table, rows: list[dict[str, Any]]) -> pl.DataFrame:
    types: dict[str, Any] = {
        "VARCHAR": pl.String,
        "DATE": pl.Date,
        "BIGINT": pl.Int64,
        "DOUBLE": pl.Float64,
        "TIMESTAMP": pl.Datetime("us"),
    }
    return pl.DataFrame(rows, schema={column.name: types[column.type] for column in table.columns})


def outcome_rows(lake: Lake) -> pl.DataFrame:
    """Return the rows of actions.outcomes: one for each confirmed action on a feature."""
    from intelligence.actions.outcomes import outcome

    done = lake.frame(_DONE)
    rows: list[dict[str, Any]] = []
    # What nobody can tell of has no outcome, and its feature is no control for others.
    for action in done.filter(pl.col("standing") != "unconfirmed").iter_rows(named=True):
        near = (pl.col("day") - pl.lit(action["day"])).dt.total_days().abs() <= CONTROL_APART_DAYS
        found = outcome(
            lake.frame(_SPAN, {"day": action["day"]}),
            feature=action["feature"],
            day=action["day"],
            objective=action["objective"],
            acted_on=done.filter(near)["feature"].to_list(),
            kind=action["kind"],
        )
        names = ("action_id", "decision_id", "feature", "kind", "day")
        rows.append({name: action[name] for name in names} | asdict(found))
    return _frame(OUTCOMES, rows)


_DONE = f"""
SELECT log.*, json_extract_string(decisions.evidence, '$.worst_objective') AS objective
FROM {ACTION_LOG.path} AS log LEFT JOIN {FEATURE_DECISIONS.path} AS decisions USING (decision_id)
WHERE log.standing IN ('confirmed', 'undone', 'unconfirmed') AND log.feature IS NOT NULL ORDER BY log.planned_at, log.action_id
"""
_SPAN = "FROM metrics.fact_feature_metrics WHERE event_date BETWEEN $day - 6 AND $day + 7"
