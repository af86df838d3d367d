"""Deciding: the evidence of a day is read from the lake, the flags and the outbox, and the policy decides by it."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from intelligence.actions.tables import OUTCOMES
from intelligence.catalog.product import Product
from intelligence.core.sql import sql
from intelligence.core.tables import Read, Reads
from intelligence.decisions.autonomy import NOTIFYING
from intelligence.decisions.history import UNANSWERED
from intelligence.decisions.requested import actions_carried_out
from intelligence.decisions.tables import FEATURE_DECISIONS
from intelligence.drift.tables import MODEL_WATCH
from intelligence.experiments.tables import EXPERIMENT_VERDICTS
from intelligence.metrics.tables import FACT_FEATURE_METRICS, FEATURE_HEALTH, USER_DAY
from intelligence.risk.tables import FEATURE_PANEL, FEATURE_RISK
from intelligence.signals.tables import EPISODES
from intelligence.telemetry.local_time import local_time
from intelligence.telemetry.tables import DAY_QUALITY, EVENTS
from intelligence.warehouse.tables import (
    DIM_FEATURE_METADATA,
    DIM_RELEASES,
    DIM_USERS,
    FACT_ANSWERS,
    FACT_EVENTS,
    RELEASES,
)
from resources.lake.door import Lake
from resources.messages.announcer import Announcer
from resources.models.registry import Registry
from resources.services.panels import MODELS
from resources.services.rollouts import RolloutService

if TYPE_CHECKING:
    from intelligence.decisions.facts import SharedFacts

REACH_DAYS = 3
READS: Reads = {
    FEATURE_DECISIONS: (
        Read(FEATURE_HEALTH),
        Read(FEATURE_RISK),
        Read(MODEL_WATCH),
        Read(FEATURE_PANEL),
        Read(FACT_FEATURE_METRICS, 6),
        Read(USER_DAY),
        Read(DAY_QUALITY, 6),
        Read(EVENTS, REACH_DAYS - 1),
        Read(FACT_EVENTS, REACH_DAYS - 1),
        Read(FACT_ANSWERS, 2),
        Read(DIM_FEATURE_METADATA),
        Read(DIM_RELEASES),
        Read(DIM_USERS),
        Read(EXPERIMENT_VERDICTS),
        Read(EPISODES),
        Read(OUTCOMES, until_yesterday=True),
    )
}


@dataclass(frozen=True, slots=True)
class DecisionService:
    """Decides about every feature, day by day."""

    product: Product
    lake: Lake
    registry: Registry
    announcer: Announcer
    rollouts: RolloutService

    def sources_of(self, day: date) -> tuple[int, Any]:
        """Return the lake's snapshot and all data from which decisions on `day` may be made."""
        from intelligence.decisions.evidence import Sources
        from intelligence.decisions.releases import degraded_features

        week = "event_date > $day - 7 AND event_date <= $day"
        snapshot, frames = self.lake.read(
            {
                "health": "FROM metrics.feature_health WHERE event_date = $day",
                "features": "FROM warehouse.dim_feature_metadata",
                "metrics": f"FROM metrics.fact_feature_metrics WHERE {week}",
                "quality": f"FROM telemetry.day_quality WHERE {week}",
                "risk": "FROM risk.feature_risk WHERE event_date = $day",
                "panel": "FROM risk.feature_panel WHERE event_date = $day",
                "releases": RELEASES,
                "drift": f"SELECT event_date, state, model_version FROM {MODEL_WATCH.path} WHERE model = $model AND event_date = $day",
                "experiments": sql("decisions/experiments.sql"),
                "beginning": sql("decisions/beginning.sql"),
                "signals": f"FROM {EPISODES.path} WHERE event_date = $day AND is_open",
            },
            {"day": day, "model": MODELS[FEATURE_RISK.path]},
        )
        window = {"start": day - timedelta(days=REACH_DAYS - 1), "end": day + timedelta(days=1)}
        champion = self.registry.champion(MODELS[FEATURE_RISK.path])
        version = int(champion.version) if champion else None
        drift = frames["drift"].filter(model_version=version).select("event_date", "state") if version else None
        return snapshot, Sources(
            health=frames["health"],
            features=frames["features"],
            metrics=frames["metrics"],
            quality=frames["quality"],
            risk=frames["risk"] if frames["risk"].height else None,
            panel=frames["panel"],
            releases=frames["releases"],
            beginning=frames["beginning"],
            release_days=self.lake.frame(
                sql("decisions/release_days.sql"), {**window, "features": degraded_features(frames["health"])}
            ),
            known_harmed=self.lake.frame(sql("decisions/known_harmed.sql"), window),
            experiments=frames["experiments"],
            signals=frames["signals"],
            drift=drift if drift is not None and drift.height else None,
            flags=self.flag_states(frames["features"]),
            previous_actions=self.previous_actions(day),
            model_version=version,
            trained_through=date.fromisoformat(champion.trained_through) if champion else None,
        )

    def previous_actions(self, day: date, *, of_the_day: bool = False) -> pl.DataFrame:
        """Return the actions before a day, and what the guard of the stream decided meanwhile, each with the state that it reached.

        While a day is decided, the next one runs already: what the guard decided on it counts as of the day before, so that no
        feature is touched twice.

        Args:
            day: The day that is decided.
            of_the_day: Whether decisions on the day itself count, as of the day before: for the guard, which decides during the day.
        """
        last = day if of_the_day else day - timedelta(days=1)
        query = f"FROM {FEATURE_DECISIONS.path} WHERE event_date <= $last"
        decisions = self.lake.frame(query, {"last": last})
        guarded = self.guarded().filter(
            (pl.col("event_date") <= last) | (pl.col("event_date") == day + timedelta(days=1))
        )
        decisions = pl.concat([decisions, guarded.join(decisions, on="decision_id", how="anti")])
        before = pl.min_horizontal(pl.col("event_date"), pl.lit(day - timedelta(days=1)))
        return actions_carried_out(
            decisions.with_columns(event_date=before), self.standings(), settings=self.product.decisions
        )

    def guarded(self) -> pl.DataFrame:
        """Return what was decided on findings of the stream's guard, as rows of `decisions.feature_decisions`."""
        from resources.state.guarded import GuardRecord

        outbox = self.announcer.outbox()
        found = GuardRecord(outbox.state, outbox.clock).decisions()
        return FEATURE_DECISIONS.frame([each.row for each in found if each.action != "monitor"])

    def flag_states(self, features: pl.DataFrame) -> pl.DataFrame:
        """Return one row per feature whose flag can be read: feature, flag_key, exposure, is_locked and is_held.

        Where the file is broken or cannot be written, the result is empty: no flag is changed, and everything else is
        decided.
        """
        from intelligence.actions.flags import HELD, exposure, flag_in
        from intelligence.core.errors import ActionError

        schema = {
            "feature": pl.String,
            "flag_key": pl.String,
            "exposure": pl.Float64,
            "is_locked": pl.Boolean,
            "is_held": pl.Boolean,
        }
        keyed = features.filter(pl.col("flag_key").is_not_null()).select("feature", "flag_key")
        try:
            file, record = self.announcer.flags(keyed["flag_key"].to_list())
            document = file.document()
        except ActionError:
            return pl.DataFrame(schema=schema)
        locked, rows = {lock.flag for lock in record.locks()}, []
        for feature, key in keyed.sort("feature").iter_rows():
            try:
                held = bool(flag_in(document, key).get("metadata", {}).get(HELD, False))
                rows.append((feature, key, exposure(document, key), key in locked, held))
            except ActionError:
                continue
        return pl.DataFrame(rows, schema=schema, orient="row")

    def standings(self) -> dict[tuple[str, str], str]:
        """Return the standing of the actions by episode and kind: of a flag change at the flags, of a message at all targets.

        Where one of several targets was not reached, its standing is returned, so that the next day may try again.
        """
        from intelligence.actions.action import FLAG_KINDS

        newest: dict[tuple[str, str, str], str] = {}
        for entry in self.announcer.outbox().entries():
            if entry.action.kind not in FLAG_KINDS or entry.action.target == "flags":
                newest.setdefault(entry.action.identity, entry.standing)
        # Sorted, so that of several targets the one that was not reached comes last.
        ordered = sorted(newest.items(), key=lambda each: each[1] in UNANSWERED)
        return {(episode, kind): standing for (episode, kind, _), standing in ordered}

    def decisions_of(self, day: date) -> pl.DataFrame:
        """Return the decisions of the day."""
        from intelligence.decisions.evidence import evidence
        from intelligence.decisions.record import decided

        snapshot, sources = self.sources_of(day)
        # Without quiet hours the hour does not matter, and the same day decided again has the same ids.
        hour = local_time(datetime.now(UTC), self.product.timezone).hour if self.product.decisions.quiet_hours else None
        begun, used = self.begun(day)
        known = evidence(replace(sources, used=used), day=day, settings=self.product.decisions, hour_utc=hour)
        # A decision with an action is kept as it was: the change of the flag by that action is no reason to replace it.
        kept = begun.filter(event_date=day)
        # Where the guard of the stream only told people, the day is decided all the same; the message is not sent again.
        told = self.guarded().filter(pl.col("action").is_in(NOTIFYING))["decision_id"]
        kept = kept.filter(~pl.col("decision_id").is_in(told.implode()))
        left = known.join(kept.filter(scope="feature"), on="feature", how="anti", maintain_order="left")
        found = decided(left, settings=self.product.decisions, lake_snapshot=snapshot)
        found = self._with_rollouts(day, found, known, used=used, hour=hour)
        return pl.concat([found.join(kept, on=["scope", "feature"], how="anti", maintain_order="left"), kept])

    def _with_rollouts(
        self, day: date, found: pl.DataFrame, known: pl.DataFrame, *, used: "SharedFacts", hour: int | None
    ) -> pl.DataFrame:
        """Return the decisions with those about rollouts, which may use what decisions about features left of the limits.

        A rollout is decided on the newest day only: where it stood on an earlier one, the flag does not say any more.
        """
        from intelligence.decisions.facts import SharedFacts
        from intelligence.decisions.limits import used_before

        newest = self.lake.frame("SELECT max(event_date) AS day FROM metrics.feature_health")["day"][0]
        if day != newest:
            return found
        new = used_before(found, day=day, lately=set(found["decision_id"]), settings=self.product.decisions)
        together = SharedFacts(
            share_now=used.share_now + new.share_now,
            share_today=used.share_today + new.share_today,
            touches_today=used.touches_today + new.touches_today,
            messages_today=used.messages_today + new.messages_today,
        )
        snapshot = found["lake_snapshot"].max() if found.height else None
        rows = self.rollouts.rows_of(day, known, used=together, hour=hour, snapshot=snapshot)  # type: ignore[arg-type]
        return pl.concat([found, FEATURE_DECISIONS.frame(rows)]) if rows else found

    def begun(self, day: date) -> "tuple[pl.DataFrame, SharedFacts]":
        """Return the decisions up to `day` that led to actions, and how much of the hourly and daily limits these have used."""
        from intelligence.decisions.limits import used_before

        outbox = self.announcer.outbox()
        entries = outbox.entries()
        hour_ago = outbox.clock() - timedelta(hours=1)
        ids = [entry.action.decision_id for entry in entries]
        lately = {entry.action.decision_id for entry in entries if entry.planned_at > hour_ago}
        done = {entry.action.decision_id for entry in entries if entry.standing not in UNANSWERED}
        query = f"FROM {FEATURE_DECISIONS.path} WHERE event_date <= $day AND decision_id IN (SELECT unnest($ids))"
        begun = self.lake.frame(query, {"day": day, "ids": ids})
        guarded = self.guarded().filter((pl.col("event_date") <= day) & pl.col("decision_id").is_in(ids))
        begun = pl.concat([begun, guarded.join(begun, on="decision_id", how="anti")])
        counted = begun.filter(pl.col("decision_id").is_in(done))
        return begun, used_before(counted, day=day, lately=lately, settings=self.product.decisions)
