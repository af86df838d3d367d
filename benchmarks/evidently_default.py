"""The verdicts of Evidently's drift preset with its default settings."""

import warnings
from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from benchmarks.drift_rows import Rows

if TYPE_CHECKING:
    from intelligence.drift.baseline import Window
    from intelligence.risk.model import RiskModel

BASELINE_ROWS = 5_000


def default_verdicts(
    rows: Rows, model: "RiskModel", window: "Window", days: Sequence[date]
) -> dict[str, list[dict[str, Any]]]:
    """Return the share of columns that drifted, by the newest day's rows and by those of the trailing seven days."""
    from intelligence.drift.baseline import SCORE, with_scores

    columns = [*model.predictors, SCORE]
    last = window.last + timedelta(days=rows.horizon_days)
    past = with_scores(rows.of_days(window.first, window.last, as_of=last), model)
    past = past.sample(min(past.height, BASELINE_ROWS), seed=1).select(columns)
    found: dict[str, list[dict[str, Any]]] = {"day": [], "week": []}
    for day in days:
        for name, back in (("day", 0), ("week", 6)):
            now = with_scores(rows.of_days(day - timedelta(days=back), day, as_of=day), model).select(columns)
            if back:
                assert now.height
            found[name].append({"day": str(day), "rows": now.height, "share": share_drifted(now, past)})
    return found


def share_drifted(now: pl.DataFrame, past: pl.DataFrame) -> float:
    """Return the share of columns that DataDriftPreset calls drifted; half of them make a drifted data set."""
    from resources.models.mlflow_store import quiet_environment

    quiet_environment()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        # A column with fewer than two values cannot be tested; Evidently would fail on it.
        columns = [name for name in past.columns if past[name].n_unique() > 1 and now[name].drop_nulls().len() > 1]
        definition = DataDefinition(numerical_columns=columns)
        both = (
            Dataset.from_pandas(
                rows.select(pl.col(name).cast(pl.Float64) for name in columns).to_pandas(), data_definition=definition
            )
            for rows in (now, past)
        )
        snapshot = Report([DataDriftPreset(columns=columns)]).run(*both)
        counted = snapshot.dict()["metrics"][0]["value"]
    return float(counted["share"])
