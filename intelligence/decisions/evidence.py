"""The evidence of one day: everything that a decision may depend on, as one frame with one row per feature."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

import polars as pl

from intelligence.decisions.facts import COUNTED_FROM_ZERO, FACT_SCHEMA, SharedFacts
from intelligence.decisions.history import with_previous_actions
from intelligence.decisions.releases import failures_by_release
from intelligence.decisions.settings import Decisions
from intelligence.metrics.spread import OBJECTIVES, SUMS, Spread, spread_columns, spread_of

RELEASE_WINDOW_DAYS: Final = 3
FIGURE_DAYS: Final = 3
_ALLOWED: Final = {
    "errors": "max_error_rate",
    "crashes": "max_crash_rate",
    "latency": "max_slow_rate",
    "ratings": "max_bad_rating_rate",
    "answers": "max_bad_answer_rate",
}
_SEVERITIES: Final = {"mild": 1, "notable": 2, "severe": 3}
_COUNTS: Final = tuple(dict.fromkeys(name for objective in OBJECTIVES for name in spread_columns(objective)[:2]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The frames from which evidence is built; None where a layer has not run or was not read.

    All frames hold at least the day that is decided.

    Attributes:
        health: Rows of `metrics.feature_health`.
        features: Rows of `warehouse.dim_feature_metadata`.
        metrics: Rows of `metrics.fact_feature_metrics` for the day and the two days before.
        quality: Rows of `telemetry.day_quality`.
        risk: Rows of `risk.feature_risk`.
        panel: Rows of `risk.feature_panel`.
        releases: Releases with platform, app_version and first_seen_at (UTC).
        release_days: Rows of release_days.sql for the day and the two days before.
        known_harmed: Rows of known_harmed.sql for the day and the two days before.
        drift: event_date and state.
        flags: feature, flag_key, exposure, is_locked and is_held.
        previous_actions: feature, kind, episode, day and state.
        beginning: Rows of beginning.sql.
        model_version: Version of the champion.
        trained_through: Last day of the champion's training data.
        experiments: Verdicts of the day with experiment, variant, verdict, reason, grade, feature, flag, starts_on,
            units_variant and confidence.
        signals: Open episodes of the day with features, is_adverse, severity, surprise, first_day and title.
        used: What earlier decisions of the hour and of the day have used up of the shared limits.
    """

    health: pl.DataFrame
    features: pl.DataFrame
    metrics: pl.DataFrame | None = None
    quality: pl.DataFrame | None = None
    risk: pl.DataFrame | None = None
    panel: pl.DataFrame | None = None
    releases: pl.DataFrame | None = None
    release_days: pl.DataFrame | None = None
    known_harmed: pl.DataFrame | None = None
    drift: pl.DataFrame | None = None
    flags: pl.DataFrame | None = None
    previous_actions: pl.DataFrame | None = None
    beginning: pl.DataFrame | None = None
    model_version: int | None = None
    trained_through: date | None = None
    experiments: pl.DataFrame | None = None
    signals: pl.DataFrame | None = None
    used: SharedFacts = field(default_factory=SharedFacts)


def evidence(sources: Sources, *, day: date, settings: Decisions, hour_utc: int | None = None) -> pl.DataFrame:
    """Return one row per feature with a state on the day, sorted by feature, with the columns of FeatureFacts.

    What could not be found is null and named in `missing`. No data from after the day is used, and only previous actions of
    earlier days, so that the same day decided again leads to the same decisions.

    Args:
        sources: The frames to read.
        day: The day that is decided.
        settings: The policy.
        hour_utc: Hour of the decision on the product's clock, 0 to 23; None where the policy has no quiet hours.
    """
    rows = _health(sources, day).join(_metadata(sources.features), on="feature", how="left", maintain_order="left")
    rows = _with_known_harmed(_with_figures(rows, sources.metrics, day), sources.known_harmed, day)
    rows = _joined(rows, _on_day(sources.risk, day, _RISK))
    rows = _joined(rows, _on_day(sources.panel, day, ("users_7d", "error_rise_7d", "release_age_days")), also="_panel")
    rows = _joined(rows, None if sources.flags is None else sources.flags.drop("flag_key", strict=False))
    rows = failures_by_release(
        rows, sources.release_days, sources.releases, day=day, settings=settings, window_days=RELEASE_WINDOW_DAYS
    )
    rows = _with_signals(_with_experiments(rows, sources.experiments), sources.signals)
    rows = with_previous_actions(rows, sources.previous_actions, day=day, settings=settings)
    rows = _with_beginning(rows, sources.beginning).with_columns(_whole_day(sources, day, hour_utc))
    return rows.with_columns(missing=_missing(rows, sources)).select(_shaped(rows)).sort("feature")


_RISK: Final = ("risk_score", "risk_low", "risk_high", "impact_score", "reason_1")


def _health(sources: Sources, day: date) -> pl.DataFrame:
    names = ("state", "evidence", "since", "calm_days", "reason", "worst_objective", "burn_1d", "burn_3d", "burn_28d")
    return (
        sources.health.filter(pl.col("event_date") == day)
        .select("feature", *names, "most_bad_user", "most_bad_events", "users", share_of_users="reach_28d")
        .sort("feature")
    )


def _metadata(features: pl.DataFrame) -> pl.DataFrame:
    return features.select("feature", "owner", "tier", "lifecycle", "flag_key", *_ALLOWED.values())


def _with_figures(rows: pl.DataFrame, metrics: pl.DataFrame | None, day: date) -> pl.DataFrame:
    """Add the day's counts, and the figures of the worst promise by events and by users, over one day and three."""
    if metrics is None:
        return rows
    recent = _recent(metrics, day)
    today = recent.filter(pl.col("event_date") == day)
    worst = rows.select("feature", "worst_objective")
    sums = [
        _of_worst({name: spread_columns(name)[place] for name in OBJECTIVES}).alias(column)
        for place, column in enumerate(SUMS)
    ]
    chosen = (
        recent.sort("feature", "event_date")
        .join(worst, on="feature", maintain_order="left")
        .select("feature", "event_date", *sums)
        .drop_nulls("total")
    )
    chosen = chosen.with_columns(harmed_users=spread_of(chosen).harmed_users())
    one = chosen.filter(pl.col("event_date") == day).select("feature", *SUMS)
    three = chosen.group_by("feature", maintain_order=True).agg(pl.col(*SUMS).sum())
    # The day of three with the most harmed users counts, not the sum: the same users may return every day.
    harmed = chosen.group_by("feature").agg(pl.col("harmed_users").max())
    for frame in (
        today.select("feature", *_COUNTS, "mean_latency_ms"),
        _window_figures(one, "1d", days=1),
        _window_figures(three, "3d", days=FIGURE_DAYS),
        harmed,
    ):
        rows = rows.join(frame, on="feature", how="left", maintain_order="left")
    return rows.with_columns(allowed=_of_worst(_ALLOWED))


def _recent(frame: pl.DataFrame, day: date) -> pl.DataFrame:
    return frame.filter(pl.col("event_date").is_between(day - timedelta(days=FIGURE_DAYS - 1), day))


def _of_worst(columns: Mapping[str, str]) -> pl.Expr:
    """Return the column that belongs to the worst objective of the row."""
    return pl.coalesce([pl.when(pl.col("worst_objective") == name).then(pl.col(of)) for name, of in columns.items()])


def _window_figures(sums: pl.DataFrame, width: str, *, days: int) -> pl.DataFrame:
    """Return the figures by events and by users from the sums of a window; `days` is its length."""
    counts: Spread = spread_of(sums)
    return sums.select(
        "feature",
        pl.col("bad").alias(f"bad_{width}"),
        pl.col("total").alias(f"total_{width}"),
        pl.Series(f"effective_{width}", counts.effective_events()),
        pl.Series(f"user_share_{width}", counts.user_share()),
        pl.Series(f"effective_users_{width}", counts.effective_users()),
        pl.Series(f"is_dominated_{width}", counts.is_dominated(days)),
    )


def _with_known_harmed(rows: pl.DataFrame, known: pl.DataFrame | None, day: date) -> pl.DataFrame:
    """Add how many users other than newcomers met bad events of the worst promise, on the day of three with the most."""
    if known is None:
        return rows
    columns = {name: f"known_{prefix}_users" for name, (_, _, prefix, _, _) in OBJECTIVES.items()}
    most = _recent(known, day).group_by("feature").agg(pl.col(*columns.values()).max())
    joined = rows.join(most, on="feature", how="left", maintain_order="left")
    return joined.with_columns(known_harmed_users=_of_worst(columns))


def _on_day(frame: pl.DataFrame | None, day: date, names: Sequence[str]) -> pl.DataFrame | None:
    return None if frame is None else frame.filter(pl.col("event_date") == day).select("feature", *names)


def _joined(rows: pl.DataFrame, frame: pl.DataFrame | None, *, also: str | None = None) -> pl.DataFrame:
    """Join the frame by feature; a column `also` marks the features that it contains."""
    if frame is None:
        return rows
    marked = frame.with_columns(pl.lit(True).alias(also)) if also else frame
    return rows.join(marked, on="feature", how="left", maintain_order="left")


def _with_experiments(rows: pl.DataFrame, experiments: pl.DataFrame | None) -> pl.DataFrame:
    """Add the variant that should be rolled back or shipped, of the experiment that the feature's flag shows or that is on it.

    Where there are several, harm comes before success, and the experiment of the flag before others.
    """
    if experiments is None:
        return rows
    flags = rows.filter(pl.col("flag_key").is_not_null()).select("flag_key", of_flag="feature")
    found = (
        experiments.filter(pl.col("verdict").is_in(["roll_back", "ship"]))
        .join(flags, left_on="flag", right_on="flag_key", how="left", maintain_order="left")
        .select(
            pl.coalesce("of_flag", "feature").alias("feature"),
            pl.format("{} · {}", "experiment", "variant").alias("experiment"),
            pl.col("verdict").alias("experiment_verdict"),
            pl.col("reason").alias("experiment_reason"),
            pl.col("grade").alias("experiment_grade"),
            pl.col("confidence").alias("experiment_confidence"),
            pl.col("units_variant").alias("experiment_units"),
            pl.col("starts_on").alias("experiment_since"),
            pl.col("of_flag").is_not_null().alias("experiment_steers_flag"),
        )
        .drop_nulls("feature")
        .sort("experiment_verdict", "experiment_steers_flag", "experiment", descending=[False, True, False])
        .unique("feature", keep="first", maintain_order=True)
    )
    return rows.join(found, on="feature", how="left", maintain_order="left")


def _with_signals(rows: pl.DataFrame, signals: pl.DataFrame | None) -> pl.DataFrame:
    """Add what is unusual about the feature for the worse: of several open episodes the most severe."""
    if signals is None:
        return rows
    found = (
        signals.filter(pl.col("is_adverse"))
        .explode("features")
        .drop_nulls("features")
        .with_columns(rank=pl.col("severity").replace_strict(_SEVERITIES, default=0, return_dtype=pl.Int64))
        .sort("rank", "surprise", "features", "title", descending=[True, True, False, False])
        .unique("features", keep="first", maintain_order=True)
        .select(feature="features", signal="title", signal_severity="severity", signal_since="first_day")
    )
    return rows.join(found, on="feature", how="left", maintain_order="left")


def _with_beginning(rows: pl.DataFrame, beginning: pl.DataFrame | None) -> pl.DataFrame:
    """Add whether the trouble has lasted since the feature was first assessed, where most features began in trouble."""
    if beginning is None:
        return rows.with_columns(began_in_trouble=pl.lit(None, dtype=pl.Boolean))
    were_most = bool(beginning.height and 2 * beginning["was_in_trouble"].sum() >= beginning.height)
    lasts = pl.col("state").is_in(["at_risk", "degraded"]) & (pl.col("since") == pl.col("first_day"))
    return (
        rows.join(beginning, on="feature", how="left", maintain_order="left")
        .with_columns(began_in_trouble=lasts & were_most)
        .drop("first_day", "was_in_trouble")
    )


def _whole_day(sources: Sources, day: date, hour_utc: int | None) -> list[pl.Expr]:
    """Return the values that all features of the day share: telemetry, drift, the champion, the hour and used-up limits."""

    def only_value(frame: pl.DataFrame | None, name: str) -> pl.Expr:
        found = [] if frame is None else frame.filter(pl.col("event_date") == day)[name].to_list()
        return pl.lit(found[0] if len(found) == 1 else None, dtype=pl.String)

    age = (day - sources.trained_through).days if sources.trained_through else None
    return [
        pl.lit(day).alias("event_date"),
        *_quality(sources.quality, day),
        only_value(sources.drift, "state").alias("drift"),
        pl.lit(sources.model_version, dtype=pl.Int64).alias("model_version"),
        pl.lit(age, dtype=pl.Int64).alias("model_age_days"),
        pl.lit(hour_utc, dtype=pl.Int64).alias("hour_utc"),
        pl.lit(sources.used.share_now).alias("share_this_hour"),
        pl.lit(sources.used.share_today).alias("share_this_day"),
        pl.lit(sources.used.touches_today).alias("touches_this_day"),
        pl.lit(sources.used.messages_today).alias("messages_this_day"),
    ]


def _quality(quality: pl.DataFrame | None, day: date) -> list[pl.Expr]:
    """Return the verdict on the day's telemetry with its reason and first day; `doubtful` where only some columns are faulty."""
    found = [] if quality is None else list(quality.filter(pl.col("event_date") == day).iter_rows(named=True))
    row = found[0] if len(found) == 1 else {}
    is_doubtful = row.get("verdict") == "partial" and bool(row.get("doubted_columns"))
    return [
        pl.lit("doubtful" if is_doubtful else row.get("verdict"), dtype=pl.String).alias("quality"),
        pl.lit(row.get("reason"), dtype=pl.String).alias("quality_reason"),
        pl.lit(row.get("since"), dtype=pl.Date).alias("quality_since"),
    ]


def _missing(rows: pl.DataFrame, sources: Sources) -> pl.Expr:
    def absent(name: str) -> pl.Expr:
        return pl.col(name).is_null() if name in rows.columns else pl.lit(True)

    degraded, has_flag = pl.col("state") == "degraded", pl.col("flag_key").is_not_null()
    lacks = {
        "health": pl.col("state").is_null() | (pl.col("state") == "unknown"),
        "metadata": absent("tier"),
        "figures": absent("allowed") | absent("total_1d") | absent("user_share_1d"),
        "risk": ~degraded & absent("risk_score"),
        "model": absent("model_version") | absent("model_age_days"),
        "panel": absent("_panel"),
        "releases": pl.lit(sources.releases is None),
        "release_counts": pl.lit(sources.release_days is None),
        "flag": has_flag & absent("exposure"),
        "previous_actions": pl.lit(sources.previous_actions is None),
        "signals": pl.lit(sources.signals is None),
        "quality": absent("quality"),
        "drift": absent("drift"),
    }
    named = [pl.when(lacking).then(pl.lit(name)) for name, lacking in lacks.items()]
    return pl.concat_list(named).list.drop_nulls()


def _shaped(rows: pl.DataFrame) -> list[pl.Expr]:
    """Return every fact in its order and type; the columns of a source that is None are null."""
    absent = {name: pl.lit(0 if name in COUNTED_FROM_ZERO else None) for name in FACT_SCHEMA}
    found = {**absent, **{name: pl.col(name) for name in (*rows.columns, "missing") if name in FACT_SCHEMA}}
    if "reason_1" in rows.columns:
        found["risk_reason"] = pl.col("reason_1")
    return [expression.cast(FACT_SCHEMA[name]).alias(name) for name, expression in found.items()]
