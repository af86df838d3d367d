"""Moments: counts, sums, squares and cross-products of each arm by day of exposure, from which all results are computed.

Moments of different units add up, so that a day is computed once and a year of days costs what a day costs. They are kept as a
frame with the columns `MOMENTS`, one row per experiment, variant, metric and day of exposure, so that SQL can compute them too.

A quantile has no sums, and the values of its units are kept, which add up by being put together.

A metric has up to four quantities per unit: `x` the column, `y` the denominator, and `a` and `b` the same before the exposure.
A unit without the column (or the denominator) has no outcome and is counted in `units` alone. A unit without a covariate has 0
for it: since covariates are from before the exposure, that changes no effect and only reduces the variance less.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from intelligence.core.errors import ExperimentError
from intelligence.experiments.quantities import COUNTS, PAIRS, QUANTITIES, SUMS
from intelligence.metrics.registry import Metric, required_columns

# The moments of a frame without days are all of one day, which is never shown.
NO_DAY: Final = date(1970, 1, 1)
KEY: Final = ("experiment", "variant", "metric", "exposed_on")
MOMENTS: Final = pl.Schema(
    {
        "experiment": pl.String(),
        "variant": pl.String(),
        "metric": pl.String(),
        "exposed_on": pl.Date(),
        **dict.fromkeys(COUNTS, pl.Int64()),
        **dict.fromkeys(SUMS, pl.Float64()),
        "unit_values": pl.List(pl.Float64()),
    }
)
# A variance below this share of the mean square is rounding, not variation.
ROUNDING: Final = 1e-12
# Sums of squares of so large values are finite for any number of units.
LARGEST_VALUE: Final = 1e100

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Arm:
    """The moments of one variant and metric, over all days that are counted.

    Attributes:
        units: Units exposed.
        n: Units with an outcome, from which the means are.
        n_covariate: Units with a covariate of their own, of those with an outcome.
        means: Means of x, y, a and b, shape (4,).
        covariances: Sample covariances of x, y, a and b, shape (4, 4).
        values: Values of x of a quantile, sorted, shape (n,); none for other metrics.
    """

    units: int
    n: int
    n_covariate: int
    means: Floats
    covariances: Floats
    values: Floats = field(default_factory=lambda: np.empty(0))

    def variance(self, quantity: str, over: str | None = None) -> float:
        """Return the variance of a quantity between units, or of the ratio of its sum to another by the delta method.

        Args:
            quantity: One of x, y, a and b.
            over: The denominator, whose mean is not 0; None for no ratio.
        """
        i = QUANTITIES.index(quantity)
        if over is None:
            return float(self.covariances[i, i])
        j = QUANTITIES.index(over)
        weights = np.zeros(len(QUANTITIES))
        weights[i], weights[j] = 1.0, -self.means[i] / self.means[j]
        found = float(weights @ self.covariances @ weights)
        largest = float(weights**2 @ np.diag(self.covariances))
        return 0.0 if found <= ROUNDING * largest else found / float(self.means[j]) ** 2


def moments(
    frame: pl.DataFrame,
    metrics: Sequence[Metric],
    *,
    experiment: str,
    variant: str = "variant",
    exposed_on: str | date = "exposed_on",
    apart: Sequence[str] = (),
) -> pl.DataFrame:
    """Return the moments of a frame with one row per unit, with the columns `MOMENTS`, sorted by their key.

    Args:
        frame: One row per unit: its variant, its day of exposure and the columns of the metrics.
        metrics: The metrics; those that are a quantile have `unit_values` too, sorted, which are null for all others.
        experiment: Name of the experiment.
        variant: Column of the variant.
        exposed_on: Column of the day of exposure, or a single day for all units.
        apart: Further columns, such as the segment, whose values are kept apart; they come first in the result.

    Raises:
        ExperimentError: A column is missing, or is neither a number nor true or false.
    """
    check_columns(frame, metrics, also=(variant, *((exposed_on,) if isinstance(exposed_on, str) else ()), *apart))
    day = pl.col(exposed_on) if isinstance(exposed_on, str) else pl.lit(exposed_on)
    parts = [
        frame.select(
            *apart,
            pl.col(variant).cast(pl.String).alias("variant"),
            day.cast(pl.Date).alias("exposed_on"),
            *_quantities(each),
        )
        .group_by(*apart, "variant", "exposed_on")
        .agg(*_sums(), _unit_values(each))
        .with_columns(experiment=pl.lit(experiment), metric=pl.lit(each.name))
        for each in metrics
    ]
    joined = pl.concat(parts) if parts else pl.DataFrame(schema={**frame.select(apart).schema, **MOMENTS})
    return joined.select(*apart, *(pl.col(name).cast(type_) for name, type_ in MOMENTS.items())).sort(*apart, *KEY)


def check_columns(frame: pl.DataFrame, metrics: Sequence[Metric], *, also: Sequence[str] = ()) -> None:
    """Check that the frame has the columns of the metrics and the columns `also`, with numbers where they are counted.

    Args:
        frame: One row per unit.
        metrics: The metrics.
        also: Further columns of any type.

    Raises:
        ExperimentError: A column is missing, or is neither a number nor true or false.
    """
    needed = required_columns(metrics)
    missing = [name for name in (*also, *needed) if name not in frame.columns]
    if missing:
        raise ExperimentError(
            "frame",
            f"lacks {', '.join(f'`{name}`' for name in missing)}.",
            hint=f"Add these columns; it has {', '.join(frame.columns)}.",
        )
    for name in needed:
        if not (frame.schema[name].is_numeric() or frame.schema[name] in (pl.Boolean, pl.Null)):
            raise ExperimentError(
                name, f"is of type {frame.schema[name]}, and no number.", hint="Give numbers, or true and false."
            )
    for metric in metrics:
        value = pl.col(metric.column).cast(pl.Float64)
        others = (
            frame.lazy().select(value).filter(~value.is_in([0.0, 1.0])).head(1).collect() if metric.is_share else None
        )
        if others is not None and not others.is_empty():
            raise ExperimentError(
                metric.name,
                f"is a {metric.kind}, and `{metric.column}` has the value {others.item():g}, which is neither 0 nor 1.",
                hint="Give 0 and 1, or true and false; a mean takes any number.",
            )


def _quantities(metric: Metric) -> list[pl.Expr]:
    x, y = _number(metric.column), _number(metric.denominator)
    a, b = _number(metric.covariate), _number(metric.denominator_covariate)
    has_outcome = x.is_not_null() & (y.is_not_null() if metric.denominator else pl.lit(True))
    has_covariate = pl.lit(False)
    if metric.covariates:
        has_covariate = pl.all_horizontal(_number(each).is_not_null() for each in metric.covariates)
    counted = {"x": x, "y": y, "a": pl.when(has_covariate).then(a), "b": pl.when(has_covariate).then(b)}
    return [
        has_outcome.alias("has_outcome"),
        (has_outcome & has_covariate).alias("has_covariate"),
        *(pl.when(has_outcome).then(each).fill_null(0.0).alias(name) for name, each in counted.items()),
    ]


def _number(column: str | None) -> pl.Expr:
    """Return the column as a number, null where it is none, or so large that sums of its squares overflow."""
    if column is None:
        return pl.lit(0.0)
    number = pl.col(column).cast(pl.Float64)
    return pl.when(number.abs() <= LARGEST_VALUE).then(number)


def _sums() -> list[pl.Expr]:
    return [
        pl.len().alias("units"),
        pl.col("has_outcome").sum().alias("n"),
        pl.col("has_covariate").sum().alias("n_covariate"),
        *(pl.col(each).sum().alias(f"sum_{each}") for each in QUANTITIES),
        *((pl.col(left) * pl.col(right)).sum().alias(f"sum_{left}{right}") for left, right in PAIRS),
    ]


def _unit_values(metric: Metric) -> pl.Expr:
    kept = pl.col("x").filter("has_outcome").sort() if metric.kind == "quantile" else pl.lit(None, pl.List(pl.Float64))
    return kept.alias("unit_values")


def added(found: pl.DataFrame, *, by: Sequence[str] = ("experiment", "variant", "metric")) -> pl.DataFrame:
    """Return the moments added up over the days, or over all that `by` does not name.

    Args:
        found: Moments, with the columns `MOMENTS`.
        by: The columns of the key that are kept apart.
    """
    values = pl.col("unit_values").explode().drop_nulls().sort()
    return found.group_by(by).agg(pl.col(*COUNTS, *SUMS).sum(), values).sort(by)


def arms(found: pl.DataFrame, metric: Metric) -> Mapping[str, Arm]:
    """Return the arms of one metric by variant, over all days of the moments.

    Args:
        found: Moments of one experiment, with the columns `MOMENTS`.
        metric: The metric.
    """
    rows = added(found.filter(pl.col("metric") == metric.name), by=("variant",))
    return {row["variant"]: arm_of(row) for row in rows.iter_rows(named=True)}


def arms_of_all(found: pl.DataFrame) -> Mapping[str, Mapping[str, Arm]]:
    """Return the arms of all metrics, by metric and variant, over all days of the moments of one experiment."""
    by_metric: dict[str, dict[str, Arm]] = {}
    for row in added(found, by=("metric", "variant")).iter_rows(named=True):
        by_metric.setdefault(row["metric"], {})[row["variant"]] = arm_of(row)
    return by_metric


def arm_of(sums: Mapping[str, Any]) -> Arm:
    """Return the arm of one row of moments; its means are 0 without units and its covariances 0 with fewer than two.

    Args:
        sums: Counts and sums by name, and the values of a quantile, which other metrics may lack.
    """
    n = int(sums["n"])
    total = np.array([sums[f"sum_{each}"] for each in QUANTITIES])
    means = total / n if n else np.zeros(len(QUANTITIES))
    covariances = np.zeros((len(QUANTITIES), len(QUANTITIES)))
    for left, right in PAIRS if n > 1 else ():
        i, j = QUANTITIES.index(left), QUANTITIES.index(right)
        products = sums[f"sum_{left}{right}"]
        centred = products - n * means[i] * means[j]
        is_rounding = i == j and centred <= ROUNDING * products
        covariances[i, j] = covariances[j, i] = 0.0 if is_rounding else centred / (n - 1)
    is_flat = np.diag(covariances) == 0
    covariances[is_flat, :] = 0.0
    covariances[:, is_flat] = 0.0
    return Arm(
        int(sums["units"]),
        n,
        int(sums["n_covariate"]),
        means,
        covariances,
        np.array(sums.get("unit_values", ()), dtype=float),
    )
