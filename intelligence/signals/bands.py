"""The series that a page shows: those with the most surprising anomalies lately, each with its band."""

from typing import Final

import numpy as np
import polars as pl

from intelligence.signals.scoring import BAND_Z, Scored, in_units

MOST_SHOWN: Final = 4
LATELY_DAYS: Final = 28
SHOWN_DAYS: Final = 90
SCHEMA: Final = pl.Schema(
    {
        "event_date": pl.Date,
        "series": pl.String,
        "observed": pl.Float64,
        "expected": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "is_adverse": pl.Boolean,
        "suppressed": pl.Boolean,
    }
)


def bands(found: Scored) -> pl.DataFrame:
    """Return the last 90 days of at most four series, at most one of each feature; nothing where nothing was unusual lately.

    `suppressed` is null on a day that is not anomalous.

    Args:
        found: What was scored.
    """
    told = (found.alarms.kind > 0) & (found.reason == 0)
    lately = np.where(told, found.alarms.surprise, 0.0)[:, -LATELY_DAYS:].max(axis=1, initial=0)
    chosen: dict[str, int] = {}
    for position in np.argsort(-lately, kind="stable").tolist():
        if lately[position] > 0 and len(chosen) < MOST_SHOWN:
            chosen.setdefault(found.panel.series[position].feature, position)
    parts = [_band(found, position) for position in chosen.values()]
    return pl.concat(parts) if parts else pl.DataFrame(schema=SCHEMA)


def _band(found: Scored, position: int) -> pl.DataFrame:
    panel = found.panel
    length = panel.level.shape[1]
    when = np.arange(max(0, length - SHOWN_DAYS), length)
    who = np.full(len(when), position)
    expected = found.residuals.expected
    half = BAND_Z * found.residuals.spread
    low, middle, high = (in_units(found, expected + side * half, who, when) for side in (-1, 0, 1))
    series = panel.series[position]
    is_up = found.effect[position, when] > found.expected[position, when]
    kind, reason = found.alarms.kind[position, when], found.reason[position, when]
    rows = pl.DataFrame(
        {
            "event_date": [panel.dates[t] for t in when],
            "series": [f"{series.feature or f'product · {series.segment}'}: {series.metric.words}"] * len(when),
            "observed": panel.value[position, when],
            "expected": middle,
            "low": low,
            "high": high,
            "is_adverse": is_up == (series.metric.bad > 0),
            "suppressed": [bool(code) if of_kind else None for code, of_kind in zip(reason, kind, strict=True)],
        },
        schema=SCHEMA,
    )
    return rows.with_columns(pl.col("observed", "expected", "low", "high").fill_nan(None))
