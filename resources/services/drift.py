"""Drift: each champion is compared with its training data, day by day, and the verdicts are written."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import polars as pl

from intelligence.actions.action import FLAG_KINDS
from intelligence.actions.tables import ACTION_LOG
from intelligence.catalog.layers import WATCHED
from intelligence.catalog.product import Product
from intelligence.core.errors import NotEnoughEvidence
from intelligence.core.sql import sql
from intelligence.core.tables import ALWAYS, Days, Read, Reads, Table
from intelligence.drift.tables import BASELINE_STATS, DRIFT_PAGES, FEATURE_DRIFT, MODEL_WATCH, USER_DRIFT
from intelligence.metrics.tables import FEATURE_HEALTH, USER_DAY
from intelligence.risk.tables import FEATURE_PANEL, FEATURE_RISK, USER_CHURN
from intelligence.telemetry.tables import DAY_QUALITY
from intelligence.warehouse.tables import DIM_USERS
from resources.lake.door import Lake
from resources.models.registry import Registry
from resources.models.versions import Champion
from resources.services.models import NO_CHAMPION
from resources.services.panels import MODELS, Panels, scores_of

# A window of seven days, before it 28 days whose outcome is known, of which the last seven are tested.
REACH_DAYS = 34
WATCHED_AT_ONCE_DAYS = 7
WATCHED_BY_MODEL = {MODELS[scores.path]: drift for scores, drift in WATCHED.items()}
# How many days back the windows reach; the rows of users are made from the 27 days before as well.
_FEATURES = (Read(FEATURE_PANEL, REACH_DAYS), Read(FEATURE_HEALTH, REACH_DAYS))
_USERS = (Read(USER_DAY, REACH_DAYS + 27), Read(DIM_USERS, REACH_DAYS))
READS: Reads = {
    BASELINE_STATS: (Read(FEATURE_RISK), Read(USER_CHURN), *_FEATURES, *_USERS),
    FEATURE_DRIFT: (Read(BASELINE_STATS), Read(FEATURE_RISK), *_FEATURES, Read(ACTION_LOG, until_yesterday=True)),
    USER_DRIFT: (Read(BASELINE_STATS), Read(USER_CHURN), *_USERS),
    MODEL_WATCH: (
        Read(FEATURE_DRIFT),
        Read(USER_DRIFT),
        Read(DAY_QUALITY, 6),
        Read(BASELINE_STATS),
        *_FEATURES,
        *_USERS,
    ),
    DRIFT_PAGES: (Read(MODEL_WATCH), Read(FEATURE_DRIFT), Read(USER_DRIFT), Read(BASELINE_STATS), *_FEATURES, *_USERS),
}


@dataclass(frozen=True, slots=True)
class Watch:
    """A champion with its baseline and the rows of the days that a run compares."""

    champion: Champion
    baseline: pl.DataFrame
    snapshot: int
    rows: pl.DataFrame


_TOUCHED = sql("actions/touched_features.sql")


@dataclass(frozen=True, slots=True)
class Compared:
    """The days that were written, the number of rows, and the reason where there are none."""

    days: Days
    written: int
    note: str | None = None


@dataclass(frozen=True, slots=True)
class DriftService:
    """Compares what champions score now with their training data."""

    product: Product
    lake: Lake
    registry: Registry
    panels: Panels

    def over(self, lake: Lake) -> "DriftService":
        """Return the service over the lake of a run, which records for every table which telemetry the run had seen."""
        return replace(self, lake=lake, panels=replace(self.panels, lake=lake))

    def baselines(self, *, say: Callable[[str], None]) -> Iterator[pl.DataFrame]:
        """Yield the baseline of each champion that has none yet."""
        from intelligence.drift.baseline import baseline, training_window

        known = set(self.lake.frame(f"SELECT DISTINCT model, model_version FROM {BASELINE_STATS.path}").iter_rows())
        for model, drift in WATCHED_BY_MODEL.items():
            champion = self.registry.champion(model)
            if champion is None or (model, int(champion.version)) in known:
                continue
            try:
                window = training_window(
                    self.panels.first_panel_day(drift), date.fromisoformat(champion.trained_through)
                )
            except NotEnoughEvidence as error:
                say(str(error))
                continue
            panel = self.panels.past_panel(drift, Days(window.first, window.last + timedelta(days=1)))
            found = baseline(
                panel.rows,
                champion.model,
                unit=self.panels.model_spec_of(drift).task.unit,
                window=window,
                false_alarms_per_week=self.product.drift.false_alarms_per_week,
                smallest=self.product.drift.smallest_distance,
            )
            yield found.with_columns(
                model=pl.lit(model),
                model_version=pl.lit(int(champion.version), dtype=pl.Int64),
                lake_snapshot=pl.lit(panel.snapshot, dtype=pl.Int64),
            )

    def make_baselines(self, *, say: Callable[[str], None]) -> None:
        """Write the baseline of each champion that has none yet; whatever needs a baseline first calls this."""
        found = list(self.baselines(say=say))
        if found:
            rows = pl.concat(found).select([column.name for column in BASELINE_STATS.columns])
            others = f"SELECT * FROM {BASELINE_STATS.path} ANTI JOIN found USING (model, model_version)"
            self.lake.replace(BASELINE_STATS, ALWAYS, f"FROM found UNION ALL BY NAME {others}", frames={"found": rows})

    def watch_of(self, drift: Table, days: Days) -> Watch | str:
        """Return the champion of a drift table with its baseline and rows, or why there is none.

        Args:
            drift: A table of drift, which belongs to one model.
            days: The days to compare; the rows reach further back, as the windows need it.
        """
        model = MODELS[scores_of(drift).path]
        champion = self.registry.champion(model)
        if champion is None:
            return NO_CHAMPION.format(model)
        query = f"FROM {BASELINE_STATS.path} WHERE model = $model AND model_version = $version"
        found = self.lake.frame(query, {"model": model, "version": int(champion.version)})
        if found.is_empty():
            return f"Version {champion.version} of {model} has no baseline: it was trained on too few days."
        first = days.start - timedelta(days=REACH_DAYS + self.panels.horizon_days(drift))
        panel = self.panels.past_panel(drift, Days(max(first, self.panels.first_panel_day(drift)), days.end))
        return Watch(champion, found, panel.snapshot, panel.rows)

    def windows_of(self, watch: Watch, drift: Table, day: date) -> Any:
        """Return the scored windows of the day.

        Args:
            watch: The champion with its baseline and rows.
            drift: The table of drift, which belongs to the champion's model.
            day: The last day of the windows.
        """
        from intelligence.drift.watch import watched

        through = date.fromisoformat(watch.champion.trained_through)
        return watched(
            watch.rows, watch.champion.model, day, horizon_days=self.panels.horizon_days(drift), trained_through=through
        )

    def compared(self, drift: Table, days: Days, *, say: Callable[[str], None]) -> Compared:
        """Compare the days with the champion's training data, write the distances to the table `drift`, and return the result.

        Args:
            drift: A table of drift: one row per predictor and day.
            days: The days, on the product's clock.
            say: Called with a sentence for the log.
        """
        from intelligence.drift.watch import day_drift

        days = self.since_last_look(drift, days)
        self.make_baselines(say=say)
        watch = self.watch_of(drift, days)
        if isinstance(watch, str):
            say(watch)
            return Compared(days, self.lake.replace(drift, days, f"FROM {drift.path} LIMIT 0"), watch)
        unit = self.panels.model_spec_of(drift).task.unit
        found = pl.concat(
            day_drift(self.windows_of(watch, drift, day), watch.baseline, unit=unit, acted_on=self.acted_on(drift, day))
            for day in days.each
        ).with_columns(model_version=pl.lit(int(watch.champion.version), dtype=pl.Int64))
        rows = self.with_other_champions(drift, found)
        return Compared(days, self.lake.replace(drift, days, "FROM rows", frames={"rows": rows}))

    def watched(self, days: Days) -> Compared:
        """Give each champion its verdict on the days, write the verdicts to drift.model_watch, and return the result."""
        days = self.without_verdict(days)
        rows = self.with_other_champions(MODEL_WATCH, MODEL_WATCH.frame(self.watch_rows(days)))
        return Compared(days, self.lake.replace(MODEL_WATCH, days, "FROM rows", frames={"rows": rows}))

    def since_last_look(self, table: Table, days: Days) -> Days:
        """Return the days, extended by missing ones of the week before where several days arrived together.

        Args:
            table: A table of drift, whose newest day was compared last.
            days: The days that were requested.
        """
        last = self.lake.frame(f"SELECT max(event_date) AS day FROM {table.path}").item()
        if last is None or last >= days.start:
            return days
        return Days(max(last + timedelta(days=1), days.end - timedelta(days=WATCHED_AT_ONCE_DAYS)), days.end)

    def without_verdict(self, days: Days) -> Days:
        """Return the days, extended by those of the week before that have distances and no verdict."""
        query = sql("drift/first_day_without_verdict.sql")
        first = self.lake.frame(query, {"first": days.end - timedelta(days=WATCHED_AT_ONCE_DAYS)}).item()
        return Days(min(first or days.start, days.start), days.end)

    def with_other_champions(self, table: Table, found: pl.DataFrame) -> pl.DataFrame:
        """Return the rows together with the table's rows of other champions on the same days, which are not replaced.

        Args:
            table: A table of drift with the column model_version.
            found: The new rows of the present champion.
        """
        columns = [column.name for column in table.columns]
        key = [name for name in table.key if name in ("model", "model_version")]
        span = {"first": found["event_date"].min(), "last": found["event_date"].max()}
        query = f"FROM {table.path} WHERE model_version > 0 AND event_date BETWEEN $first AND $last"
        others = self.lake.frame(query, span).join(found, on=key, how="anti")
        return pl.concat([found.select(columns), others.select(columns)])

    def acted_on(self, drift: Table, day: date) -> list[str]:
        """Return the features whose flags the platform changed in the week that ends on `day`, by the log of actions.

        For users the result is empty, since it is not known which users a flag served. The log is written after the
        verdicts of its day, so an action counts from the day after the one on whose evidence it was decided.

        Args:
            drift: The table of drift; only FEATURE_DRIFT has such features.
            day: The last day of the week.
        """
        if drift != FEATURE_DRIFT:
            return []
        return self.lake.frame(_TOUCHED, {"day": day, "kinds": sorted(FLAG_KINDS)})["feature"].to_list()

    def watch_rows(self, days: Days) -> list[dict[str, Any]]:
        """Return the rows of drift.model_watch for the days, one per model and day."""
        rows = []
        for model, drift in WATCHED_BY_MODEL.items():
            watch = self.watch_of(drift, days)
            if isinstance(watch, str):
                nothing = self._nothing(model, watch)
                rows += [nothing | {"event_date": day} for day in days.each]
                continue
            query = f"FROM {drift.path} WHERE event_date >= $start AND event_date < $end AND model_version = $version"
            moved = self.lake.frame(query, {**days.parameters, "version": int(watch.champion.version)})
            rows += [self._watch_row(model, drift, watch, moved.filter(event_date=day), day) for day in days.each]
        return rows

    def _nothing(self, model: str, reason: str) -> dict[str, Any]:
        counts = dict.fromkeys(("model_version", "rows", "known_rows", "known_positives"), 0)
        lists: dict[str, list[str]] = {name: [] for name in ("moved", "that_matter", "own_doing")}
        return {
            "model": model,
            "state": "unknown",
            "reason": reason,
            "lake_snapshot": self.lake.snapshot_id(),
            **counts,
            **lists,
        }

    def _watch_row(self, model: str, drift: Table, watch: Watch, moved: pl.DataFrame, day: date) -> dict[str, Any]:
        from intelligence.drift.watch import day_watch

        spec = self.panels.model_spec_of(drift)
        row = day_watch(
            self.windows_of(watch, drift, day),
            moved,
            watch.baseline,
            self.faulty_days(day),
            unit=spec.task.unit,
            capacity=spec.rules.capacity,
            threshold=spec.rules.threshold,
            matters_from=self.product.drift.matters_from,
        )
        origin = {"model": model, "model_version": int(watch.champion.version), "lake_snapshot": watch.snapshot}
        return {**row, **origin}

    def faulty_days(self, day: date) -> list[tuple[date, str]]:
        """Return the days of the week that ends on `day` whose telemetry is incomplete or faulty, with the reason."""
        query = sql("telemetry/faulty_days_of_week.sql")
        return list(self.lake.frame(query, {"day": day}).iter_rows())
