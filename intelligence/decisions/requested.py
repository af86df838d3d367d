"""Which decisions become actions, as plain values; deciding ends here and acting begins elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import polars as pl

from intelligence.decisions.autonomy import TOUCHING
from intelligence.decisions.history import NEVER_ASKED
from intelligence.decisions.settings import Decisions

SENT_LEVELS: Final = ("approve", "auto")


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedAction:
    """An action that a decision asks for: by itself at the level `auto`, after a person's consent at `approve`.

    `payload` holds `variant` for a rollback, `exposure` for a throttle, `is_held` for a hold. `title` and `text` are
    plain text with names from telemetry in it: whoever shows them escapes them.
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


def actions_wanted(decisions: pl.DataFrame, *, settings: Decisions, is_newest_day: bool) -> tuple[WantedAction, ...]:
    """Return the actions that the decisions ask for, by feature; none for a day that is not the newest.

    A backfill tells what would have been decided and is too late to act.
    """
    if not is_newest_day:
        return ()
    asked = decisions.filter((pl.col("action") != "monitor") & pl.col("level").is_in(SENT_LEVELS))
    return tuple(_wanted(row, settings) for row in asked.sort("event_date", "scope", "feature").iter_rows(named=True))


def changed(before: pl.DataFrame, now: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of `now` whose action or level is another than that of the same feature and day in `before`."""
    key, told = ["event_date", "scope", "feature"], ["action", "level"]
    if before.is_empty():
        return now
    same = now.join(before.select(*key, *told), on=[*key, *told], how="semi", nulls_equal=True)
    return now.join(same.select(key), on=key, how="anti", maintain_order="left")


def _wanted(row: Mapping[str, Any], settings: Decisions) -> WantedAction:
    kind, feature = row["action"], row["feature"]
    return WantedAction(
        decision_id=row["decision_id"],
        day=row["event_date"],
        kind=kind,
        level=row["level"],
        scope=row["scope"],
        feature=feature,
        flag_key=row["flag_key"] if kind in TOUCHING else None,
        payload=_payload(kind, row["exposure"], settings),
        episode=row["episode"],
        title=f"{kind}: {feature}",
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


def previous_actions(decisions: pl.DataFrame) -> pl.DataFrame:
    """Return the decisions, monitoring left out, as actions of the past: as if each had been carried out.

    This is what a replay remembers.
    """
    return _acts(decisions).select(**_OF_THE_PAST, state=pl.lit("confirmed"))


def actions_carried_out(
    decisions: pl.DataFrame, standings: Mapping[tuple[str, str], str], *, settings: Decisions
) -> pl.DataFrame:
    """Return the decisions as actions of the past, with what came of each; `standings` has that by episode and kind.

    What was never asked of a target, as in a backfill, answered nothing. In shadow a decision counts as if carried out,
    in order not to decide the same every day; no longer once its kind may act.
    """

    def state(row: Mapping[str, Any]) -> str:
        is_recorded_only = settings.of(row["kind"]).level not in SENT_LEVELS and row["level"] not in SENT_LEVELS
        return standings.get((row["episode"], row["kind"]), "confirmed" if is_recorded_only else NEVER_ASKED)

    acts = _acts(decisions).select("level", **_OF_THE_PAST)
    states = [state(row) for row in acts.iter_rows(named=True)]
    return acts.drop("level").with_columns(state=pl.Series(states, dtype=pl.String))


_OF_THE_PAST: Final = {"feature": "feature", "kind": "action", "episode": "episode", "day": "event_date"}


def _acts(decisions: pl.DataFrame) -> pl.DataFrame:
    return decisions.filter((pl.col("action") != "monitor") & (pl.col("scope") == "feature"))
