"""Declared segments: every metric of each segment beside that of all other users, as a difference with its interval.

Two bare numbers invite a comparison that their noise does not carry; so there is no value of a segment here without the difference
and its interval. Who belongs to a segment was not assigned: a difference is an association, evidence grade D.
"""

from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from intelligence.core.discovery import false_discovery_rates
from intelligence.core.grades import Grade
from intelligence.metrics.registry import METRICS, UNIT_VALUES, Metric

Floats = NDArray[np.float64]

WINDOW_DAYS: Final = 28
# With fewer users on either side an interval by the normal approximation does not hold what it says.
FEWEST_USERS: Final = 30
CONFIDENCE: Final = 0.95
GRADE: Final[Grade] = "D"
COMPARED: Final = tuple(
    each
    for each in METRICS.values()
    if each.kind in ("mean", "ratio", "proportion") and set(each.columns) <= {*UNIT_VALUES}
)


def segment_differences(values: pl.DataFrame, metrics: Sequence[Metric] = COMPARED) -> list[dict[str, Any]]:
    """Return for each segment and metric the value, that of all other users, and the difference with its interval.

    A value is a ratio of sums over users, and its error is clustered by user (the delta method, Deng et al. 2018). Where one side
    has fewer than `FEWEST_USERS` users with a denominator, there are no numbers, and `note` says so.

    Args:
        values: One row per user: `segment`, which may be null, and the columns of the metrics.
        metrics: The metrics to compare.

    Returns:
        Rows with `segment`, `metric`, `direction`, `users`, `other_users`, `value`, `other_value`, `difference`, `low`, `high`,
        `relative`, `p`, `q` (the false discovery rate at which it is found among all rows), `grade` and `note`. None where there
        are fewer than two segments; of two the smaller one is compared, since the other row would say the same.
    """
    sizes = values.drop_nulls("segment").group_by("segment").len().sort("len", "segment")
    segments = sizes["segment"].to_list()
    if len(segments) < 2:
        return []
    segments = segments[:1] if len(segments) == 2 else segments
    of = values["segment"].to_numpy()
    rows = [_row(values, metric, of == name, of != name) | {"segment": name} for name in segments for metric in metrics]
    return _with_q(rows)


def _row(values: pl.DataFrame, metric: Metric, mine: NDArray[np.bool_], others: NDArray[np.bool_]) -> dict[str, Any]:
    numerator = values[metric.column].cast(pl.Float64).to_numpy()
    denominator = values[metric.denominator].cast(pl.Float64).to_numpy() if metric.denominator else np.ones(len(values))
    has = denominator > 0
    sides = [_ratio(numerator[has & side], denominator[has & side]) for side in (mine, others)]
    counts = [int((has & side).sum()) for side in (mine, others)]
    row: dict[str, Any] = {
        "metric": metric.name,
        "direction": metric.direction,
        "users": counts[0],
        "other_users": counts[1],
    }
    if min(counts) < FEWEST_USERS:
        what = "users" if metric.denominator is None else f"users with {metric.denominator}"
        return row | {"note": f"not enough evidence: {min(counts)} {what} on one side, {FEWEST_USERS} are needed"}
    (value, error), (other, other_error) = sides
    difference, spread = value - other, float(np.hypot(error, other_error))
    row |= {"value": value, "other_value": other, "difference": difference, "grade": GRADE}
    if spread == 0:
        return row | {"note": "all users are alike: there is no spread to compare with", "low": None, "high": None}
    reach = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2) * spread
    return row | {
        "low": difference - reach,
        "high": difference + reach,
        "relative": difference / other if other else None,
        "p": 2 * NormalDist().cdf(-abs(difference) / spread),
    }


def _ratio(numerator: Floats, denominator: Floats) -> tuple[float, float]:
    """Return the ratio of the sums and its standard error over users."""
    total, n = float(denominator.sum()), len(numerator)
    if n < 2 or total == 0:
        return float("nan"), float("nan")
    ratio = float(numerator.sum()) / total
    left = numerator - ratio * denominator
    return ratio, float(np.sqrt(n / (n - 1) * np.square(left).sum())) / total


def _with_q(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows with the false discovery rate at which each difference is found."""
    tested = [row for row in rows if row.get("p") is not None]
    for row, rate in zip(tested, false_discovery_rates([row["p"] for row in tested]), strict=True):
        row["q"] = rate
    return rows


def difference_sentence(row: Mapping[str, Any]) -> str:
    """Return a row of `segment_differences` as a sentence that carries its interval.

    >>> difference_sentence({
    ...     "segment": "teacher", "metric": "active_days_per_unit", "users": 900, "value": 9.1, "other_value": 7.6,
    ...     "difference": 1.5, "low": 1.2, "high": 1.8, "q": 0.001, "note": None,
    ... })
    'teacher: active_days_per_unit 9.1, others 7.6: +1.5 (95 % interval +1.2 to +1.8).'
    """
    if row.get("low") is None:
        return f"{row['segment']}: {row['metric']}: {row['note']}."
    numbers = [f"{row[name]:+.3g}" for name in ("difference", "low", "high")]
    beyond = (
        "" if row["q"] is not None and row["q"] <= 1 - CONFIDENCE else " Not beyond chance among all that was compared."
    )
    return (
        f"{row['segment']}: {row['metric']} {row['value']:.3g}, others {row['other_value']:.3g}: "
        f"{numbers[0]} (95 % interval {numbers[1]} to {numbers[2]}).{beyond}"
    )
