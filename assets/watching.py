"""What the drift assets have in common: a champion, its baseline and the windows of a day, and how it is told."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import dagster as dg
import polars as pl

from assets.house import ALWAYS, PRODUCT, days_of, materialized
from assets.models import NO_CHAMPION
from assets.panels import MODELS, first_panel_day, horizon_days, past_panel, scores_of, subject_of
from intelligence.actions.action import FLAG_KINDS
from intelligence.actions.tables import ACTION_LOG
from intelligence.drift.tables import BASELINE_STATS, FEATURE_DRIFT, MODEL_WATCH
from intelligence.errors import NotEnoughEvidence
from intelligence.layers import WATCHED
from intelligence.sql import literal
from intelligence.tables import Days, Table
from resources.lake import Lake
from resources.model_versions import Champion
from resources.registry import Registry

# Seven days of now, 28 whose outcome is known, and the seven of them that are tested.
REACH_DAYS = 34
WATCHED_AT_ONCE_DAYS = 7
WATCHED_BY_MODEL = {MODELS[scores.path]: drift for scores, drift in WATCHED.items()}


@dataclass(frozen=True, slots=True)
class Watch:
    """A champion with its baseline and the rows of the days that a run looks at."""

    champion: Champion
    baseline: pl.DataFrame
    snapshot: int
    rows: pl.DataFrame


def baselines(lake: Lake, registry: Registry, *, say: Any) -> Iterator[pl.DataFrame]:
    """Yield the baseline of each champion that has none yet."""
    from intelligence.drift.baseline import baseline, training_window

    known = set(lake.frame(f"SELECT DISTINCT model, model_version FROM {BASELINE_STATS.path}").iter_rows())
    for model, drift in WATCHED_BY_MODEL.items():
        champion = registry.champion(model)
        if champion is None or (model, int(champion.version)) in known:
            continue
        try:
            window = training_window(first_panel_day(lake, drift), date.fromisoformat(champion.trained_through))
        except NotEnoughEvidence as error:
            say(str(error))
            continue
        panel = past_panel(lake, drift, Days(window.first, window.last + timedelta(days=1)))
        found = baseline(
            panel.rows,
            champion.model,
            unit=subject_of(drift).question.unit,
            window=window,
            false_alarms_per_week=PRODUCT.drift.false_alarms_per_week,
            smallest=PRODUCT.drift.smallest_distance,
        )
        yield found.with_columns(
            model=pl.lit(model),
            model_version=pl.lit(int(champion.version), dtype=pl.Int64),
            lake_snapshot=pl.lit(panel.snapshot, dtype=pl.Int64),
        )


def make_baselines(lake: Lake, registry: Registry, *, say: Any) -> None:
    """Write the baseline of each champion that has none yet; a verdict that is asked for first makes it itself."""
    found = list(baselines(lake, registry, say=say))
    if found:
        rows = pl.concat(found).select([column.name for column in BASELINE_STATS.columns])
        others = f"SELECT * FROM {BASELINE_STATS.path} ANTI JOIN found USING (model, model_version)"
        lake.replace(BASELINE_STATS, ALWAYS, f"FROM found UNION ALL BY NAME {others}", frames={"found": rows})


def watch_of(lake: Lake, registry: Registry, drift: Table, days: Days) -> Watch | str:
    """Return what the model of a drift table is watched by, or why it is not."""
    model = MODELS[scores_of(drift).path]
    champion = registry.champion(model)
    if champion is None:
        return NO_CHAMPION.format(model)
    query = f"FROM {BASELINE_STATS.path} WHERE model = $model AND model_version = $version"
    found = lake.frame(query, {"model": model, "version": int(champion.version)})
    if found.is_empty():
        return f"Version {champion.version} of {model} has no baseline: it was trained on too few days."
    first = days.start - timedelta(days=REACH_DAYS + horizon_days(drift))
    panel = past_panel(lake, drift, Days(max(first, first_panel_day(lake, drift)), days.end))
    return Watch(champion, found, panel.snapshot, panel.rows)


def windows_of(watch: Watch, drift: Table, day: date) -> Any:
    """Return the scored windows of the day."""
    from intelligence.drift.watch import watched

    through = date.fromisoformat(watch.champion.trained_through)
    return watched(watch.rows, watch.champion.model, day, horizon_days=horizon_days(drift), trained_through=through)


def drifted(context: dg.AssetExecutionContext, lake: Lake, registry: Registry, drift: Table) -> dg.MaterializeResult:
    """Return the result of holding the run's days against the champion's training."""
    from intelligence.drift.watch import day_drift

    days = since_last_look(lake, drift, days_of(context))
    make_baselines(lake, registry, say=context.log.info)
    watch = watch_of(lake, registry, drift, days)
    if isinstance(watch, str):
        context.log.info(watch)
        written = lake.replace(drift, days, f"FROM {drift.path} LIMIT 0")
        return materialized(lake, drift, days, written=written, note=watch)
    unit = subject_of(drift).question.unit
    found = pl.concat(
        day_drift(windows_of(watch, drift, day), watch.baseline, unit=unit, acted_on=acted_on(lake, drift, day))
        for day in each_of(days)
    ).with_columns(model_version=pl.lit(int(watch.champion.version), dtype=pl.Int64))
    rows = beside_other_champions(lake, drift, found)
    written = lake.replace(drift, days, "FROM rows", frames={"rows": rows})
    return materialized(lake, drift, days, written=written)


def since_last_look(lake: Lake, table: Table, days: Days) -> Days:
    """Return the days with those of the week before them that arrived since the last look, when several came at once."""
    last = lake.frame(f"SELECT max(event_date) AS day FROM {table.path}").item()
    if last is None or last >= days.start:
        return days
    return Days(max(last + timedelta(days=1), days.end - timedelta(days=WATCHED_AT_ONCE_DAYS)), days.end)


def without_verdict(lake: Lake, days: Days) -> Days:
    """Return the days with those of the week before them whose distances are known and that no verdict was given on."""
    drifts = " UNION ".join(
        f"SELECT event_date, {literal(model)} AS model, model_version FROM {drift.path}"
        for model, drift in WATCHED_BY_MODEL.items()
    )
    query = f"""
        SELECT min(event_date) AS day FROM ({drifts})
        ANTI JOIN (FROM {MODEL_WATCH.path} WHERE state <> 'unknown') USING (event_date, model, model_version)
        WHERE event_date >= $first"""
    first = lake.frame(query, {"first": days.end - timedelta(days=WATCHED_AT_ONCE_DAYS)}).item()
    return Days(min(first or days.start, days.start), days.end)


def beside_other_champions(lake: Lake, table: Table, found: pl.DataFrame) -> pl.DataFrame:
    """Return what was found, with what the table says of the same days by other champions: a verdict stays as given."""
    columns = [column.name for column in table.columns]
    key = [name for name in table.key if name in ("model", "model_version")]
    span = {"first": found["event_date"].min(), "last": found["event_date"].max()}
    query = f"FROM {table.path} WHERE model_version > 0 AND event_date BETWEEN $first AND $last"
    others = lake.frame(query, span).join(found, on=key, how="anti")
    return pl.concat([found.select(columns), others.select(columns)])


def acted_on(lake: Lake, drift: Table, day: date) -> list[str]:
    """Return the features whose flags the platform had changed in the week that ends on `day`, by what the log says.

    Whom a flag serves is not known user by user, so users have none. The log is written after the verdicts of its day,
    so it is read as of before: an action counts from the day after the one whose evidence it rests on.
    """
    if drift != FEATURE_DRIFT:
        return []
    return lake.frame(_TOUCHED, {"day": day, "kinds": sorted(FLAG_KINDS)})["feature"].to_list()


_TOUCHED = f"""
SELECT DISTINCT feature FROM {ACTION_LOG.path}
WHERE list_contains($kinds, kind) AND feature IS NOT NULL AND day < $day
    AND (standing IN ('confirmed', 'unconfirmed') OR (standing = 'undone' AND CAST(changed_at AS DATE) > $day - 7))
ORDER BY feature
"""


def each_of(days: Days) -> list[date]:
    """Return the days one by one."""
    return [days.start + timedelta(days=n) for n in range((days.end - days.start).days)]


def watch_rows(lake: Lake, registry: Registry, days: Days) -> list[dict[str, Any]]:
    """Return the rows of drift.model_watch for the days, one per model and day."""
    rows = []
    for model, drift in WATCHED_BY_MODEL.items():
        watch = watch_of(lake, registry, drift, days)
        if isinstance(watch, str):
            nothing = _nothing(model, lake, watch)
            rows += [nothing | {"event_date": day} for day in each_of(days)]
            continue
        query = f"FROM {drift.path} WHERE event_date >= $start AND event_date < $end AND model_version = $version"
        moved = lake.frame(query, {**days.parameters, "version": int(watch.champion.version)})
        rows += [_watch_row(lake, model, drift, watch, moved.filter(event_date=day), day) for day in each_of(days)]
    return rows


def _nothing(model: str, lake: Lake, reason: str) -> dict[str, Any]:
    counts = dict.fromkeys(("model_version", "rows", "known_rows", "known_positives"), 0)
    lists: dict[str, list[str]] = {name: [] for name in ("moved", "that_matter", "own_doing")}
    return {
        "model": model,
        "state": "unknown",
        "reason": reason,
        "lake_snapshot": lake.snapshot_id(),
        **counts,
        **lists,
    }


def _watch_row(lake: Lake, model: str, drift: Table, watch: Watch, moved: pl.DataFrame, day: date) -> dict[str, Any]:
    from intelligence.drift.watch import day_watch

    subject = subject_of(drift)
    row = day_watch(
        windows_of(watch, drift, day),
        moved,
        watch.baseline,
        faulty_days(lake, day),
        unit=subject.question.unit,
        capacity=subject.rules.capacity,
        threshold=subject.rules.threshold,
        matters_from=PRODUCT.drift.matters_from,
    )
    origin = {"model": model, "model_version": int(watch.champion.version), "lake_snapshot": watch.snapshot}
    return {**row, **origin}


def faulty_days(lake: Lake, day: date) -> list[tuple[date, str]]:
    """Return the days of the week that ends on `day` whose telemetry is not whole, with the reason."""
    query = """
        SELECT event_date, reason FROM telemetry.day_quality
        WHERE event_date BETWEEN $day - 6 AND $day AND verdict IN ('partial', 'empty') ORDER BY event_date"""
    return list(lake.frame(query, {"day": day}).iter_rows())


def watch_frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Return the rows with every column of drift.model_watch, in its types."""
    types: Mapping[str, Any] = {
        "DATE": pl.Date,
        "VARCHAR": pl.String,
        "BIGINT": pl.Int64,
        "DOUBLE": pl.Float64,
        "VARCHAR[]": pl.List(pl.String),
    }
    return pl.DataFrame(rows, schema={column.name: types[column.type] for column in MODEL_WATCH.columns})
