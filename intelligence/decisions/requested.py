"""The actions that decisions request, as plain values; carrying them out is done elsewhere."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import polars as pl

from intelligence.decisions.autonomy import ADVANCE, TOUCHING
from intelligence.decisions.history import NEVER_REQUESTED
from intelligence.decisions.settings import Decisions

SENT_LEVELS: Final = ("approve", "auto")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedAction:
    """An action that a decision requests: without a person at the level `auto`, after a person's approval at `approve`.

    `payload` holds `variant` for a rollback, `exposure` for a throttle, `is_held` for a hold, and `share` and `former_share` for
    an advance. `title` and `text` are
    plain text that contains names from telemetry, and must be escaped where they are shown.
    """

    decision_id: str
    day: date
    kind: str
    level: str
    scope: str
    feature: str
    flag_key: str | None
    payload: Mapping[str, Any]
    episode: str
    title: str
    text: str


def requested_actions(
    decisions: pl.DataFrame, *, settings: Decisions, is_newest_day: bool
) -> tuple[RequestedAction, ...]:
    """Return the actions that the decisions request, by day and feature.

    Args:
        decisions: Rows of `decisions.feature_decisions`.
        settings: The policy, for the step of a throttle.
        is_newest_day: Whether the newest day was decided; otherwise, as in a backfill, it is too late to act and nothing is
            requested.
    """
    if not is_newest_day:
        return ()
    requested = decisions.filter((pl.col("action") != "monitor") & pl.col("level").is_in(SENT_LEVELS))
    return tuple(
        _requested_action(row, settings)
        for row in requested.sort("event_date", "scope", "feature").iter_rows(named=True)
    )


def changed(before: pl.DataFrame, now: pl.DataFrame) -> pl.DataFrame:
    """Return the decisions whose action or level differs from the one recorded before.

    Args:
        before: Former rows of `decisions.feature_decisions`.
        now: New rows; those of a feature and day without a former row count as changed.
    """
    key, decided = ["event_date", "scope", "feature"], ["action", "level"]
    if before.is_empty():
        return now
    same = now.join(before.select(*key, *decided), on=[*key, *decided], how="semi", nulls_equal=True)
    return now.join(same.select(key), on=key, how="anti", maintain_order="left")


def _requested_action(row: Mapping[str, Any], settings: Decisions) -> RequestedAction:
    kind, feature = row["action"], row["feature"]
    return RequestedAction(
        decision_id=row["decision_id"],
        day=row["event_date"],
        kind=kind,
        level=row["level"],
        scope=row["scope"],
        feature=feature,
        flag_key=row["flag_key"] if kind in TOUCHING or kind == ADVANCE else None,
        payload=_payload_of_advance(row["evidence"]) if kind == ADVANCE else _payload(kind, row["exposure"], settings),
        episode=row["episode"],
        title=f"{kind}: {feature}{_step_in_words(row) if kind == ADVANCE else ''}",
        text=row["reasons"],
    )


def _payload(kind: str, exposure: float | None, settings: Decisions) -> dict[str, Any]:
    shown = 1.0 if exposure is None else exposure
    payloads: dict[str, dict[str, Any]] = {
        "rollback": {"variant": "safe"},
        "throttle": {"exposure": round(max(0.0, shown - settings.throttle_step), 6)},
        "hold": {"is_held": True},
    }
    return payloads.get(kind, {})


def _payload_of_advance(evidence: str) -> dict[str, Any]:
    known = json.loads(evidence)
    return {"share": known["to_share"], "former_share": known["share"]}


def _step_in_words(row: Mapping[str, Any]) -> str:
    share = _payload_of_advance(row["evidence"])["share"]
    return f" to {share:.4g} of all users"


def previous_actions(decisions: pl.DataFrame) -> pl.DataFrame:
    """Return the decisions other than `monitor` as previous actions, as if each had been carried out, for a replay."""
    return _acts(decisions).select(**_OF_THE_PAST, state=pl.lit("confirmed"))


def actions_carried_out(
    decisions: pl.DataFrame, standings: Mapping[tuple[str, str], str], *, settings: Decisions
) -> pl.DataFrame:
    """Return the decisions other than `monitor` as previous actions, each with the state that it reached.

    An action that was never requested from a target, as in a backfill, is no answer. A decision in shadow counts as carried
    out, so that the same is not decided every day, until its kind is allowed to act.

    Args:
        decisions: Rows of `decisions.feature_decisions`.
        standings: State of the actions that were requested, by episode and kind.
        settings: The policy, for the level of each kind.
    """

    def state(row: Mapping[str, Any]) -> str:
        is_recorded_only = settings.of(row["kind"]).level not in SENT_LEVELS and row["level"] not in SENT_LEVELS
        return standings.get((row["episode"], row["kind"]), "confirmed" if is_recorded_only else NEVER_REQUESTED)

    acts = _acts(decisions).select("level", **_OF_THE_PAST)
    states = [state(row) for row in acts.iter_rows(named=True)]
    return acts.drop("level").with_columns(state=pl.Series(states, dtype=pl.String))


_OF_THE_PAST: Final = {"feature": "feature", "kind": "action", "episode": "episode", "day": "event_date"}


def _acts(decisions: pl.DataFrame) -> pl.DataFrame:
    return decisions.filter((pl.col("action") != "monitor") & (pl.col("scope") == "feature"))
