"""The labels of the feature model: the onset of a degraded state, known only after the horizon has passed."""

from typing import Final

import polars as pl

SCORED_STATES: Final = ("healthy", "at_risk")


def onset_labels(health: pl.DataFrame, *, horizon_days: int) -> pl.DataFrame:
    """Return `event_date`, `feature` and `label` for each day on which a feature was assessed and not degraded.

    The label says whether the feature is degraded on any day of the horizon. It is null until the horizon is over, even
    after an onset (otherwise all known labels of the newest days would be positive). It is also null where no onset
    occurred but the state became unknown.

    Args:
        health: Rows of metrics.feature_health, one per feature and day: `feature`, `event_date` and `state`.
        horizon_days: Number of following days that the label covers.
    """
    states = health.select("feature", "event_date", "state")
    found = states.filter(pl.col("state").is_in(SCORED_STATES)).select("feature", "event_date")
    onset, known = pl.lit(value=False), pl.lit(value=True)
    for ahead in range(1, horizon_days + 1):
        later = states.select(
            "feature", pl.col("event_date").dt.offset_by(f"-{ahead}d"), pl.col("state").alias(f"state_{ahead}")
        )
        found = found.join(later, on=["feature", "event_date"], how="left")
        onset = onset | (pl.col(f"state_{ahead}") == "degraded").fill_null(value=False)
        known = known & (pl.col(f"state_{ahead}").is_not_null() & (pl.col(f"state_{ahead}") != "unknown"))
    is_over = pl.col("event_date").dt.offset_by(f"{horizon_days}d") <= pl.lit(states["event_date"].max(), dtype=pl.Date)
    outcome = pl.when(onset).then(statement=True).when(known).then(statement=False)
    labelled = found.with_columns(label=pl.when(is_over).then(outcome))
    return labelled.select("event_date", "feature", "label").sort("event_date", "feature")
